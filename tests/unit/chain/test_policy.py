"""Fees, caps, nonces and finality: pure rules, judged by properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queen_node.chain import FeeCapExceeded
from queen_node.chain.policy import (
    MOST_GAS,
    Fees,
    TxPolicy,
    check_caps,
    first_fees,
    gaps,
    gas_limit,
    next_nonce,
    parse_finality,
    raised,
    replacement_fees,
)

POLICY = TxPolicy(frozenset())
WEI = st.integers(0, 10**21)


@given(WEI)
def test_a_raise_is_at_least_an_eighth_rounded_up_and_never_nothing(wei: int) -> None:
    more = raised(wei)
    assert more * 8 >= wei * 9
    assert more > wei
    assert more == wei + 1 or (more - 1) * 8 < wei * 9


@given(WEI, WEI, st.integers(0, 10**12))
def test_a_replacement_raises_both_fee_fields_by_an_eighth_at_least(fee: int, tip: int, base_fee: int) -> None:
    old = Fees(max(fee, tip), tip)
    new = replacement_fees(old, base_fee, POLICY)
    assert new.max_fee_wei * 8 >= old.max_fee_wei * 9
    assert new.tip_wei * 8 >= old.tip_wei * 9
    assert new.max_fee_wei >= new.tip_wei
    assert new.max_fee_wei >= first_fees(base_fee, POLICY).max_fee_wei


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 2), (7, 8), (8, 9), (9, 11), (10**9, 1_125_000_000), (15, 17)])
def test_raises_by_hand(old: int, new: int) -> None:
    assert raised(old) == new


def test_first_fees_hold_for_a_doubled_base_fee_and_stop_at_the_limit() -> None:
    assert first_fees(7 * 10**9, POLICY) == Fees(15 * 10**9, 10**9)
    assert first_fees(10**12, POLICY) == Fees(POLICY.max_fee_per_gas_wei, 10**9)


@given(st.integers(21_000, 2**24))
def test_the_gas_limit_leaves_room_for_refunds_and_stays_within_one_transaction(used: int) -> None:
    limit = gas_limit(used)
    assert used <= limit <= MOST_GAS
    assert limit == MOST_GAS or limit - limit // 5 >= used


def test_caps_are_for_one_transaction_for_a_day_and_for_a_unit_of_gas() -> None:
    policy = TxPolicy(frozenset(), fee_cap_tx_wei=100, fee_cap_day_wei=150, max_fee_per_gas_wei=10)
    assert check_caps("here", 70, 0, Fees(10, 1), policy) == ()
    assert check_caps("here", 80, 0, Fees(10, 1), policy) == ("chain.fee_cap_tx_wei",)
    assert check_caps("here", 70, 50, Fees(10, 1), policy) == ("chain.fee_cap_day_wei",)
    assert check_caps("here", 100, 50, Fees(10, 1), policy) == ("chain.fee_cap_tx_wei", "chain.fee_cap_day_wei")
    for cost, spent, fee, cap in (
        (101, 0, 10, "fee_cap_tx_wei"),
        (100, 51, 10, "fee_cap_day_wei"),
        (1, 0, 11, "per gas"),
    ):
        with pytest.raises(FeeCapExceeded, match=cap) as refused:
            check_caps("here", cost, spent, Fees(fee, 1), policy)
        assert refused.value.place == "here"
        assert refused.value.limit
        assert refused.value.next_step


@given(st.integers(-1, 50), st.integers(0, 50))
def test_the_next_nonce_is_behind_the_own_table_and_the_chain(own: int, counted: int) -> None:
    nonce = next_nonce(own, counted)
    assert nonce > own
    assert nonce >= counted
    assert nonce in (own + 1, counted)


@given(st.integers(0, 20), st.integers(-1, 20), st.frozensets(st.integers(0, 20)))
def test_gaps_are_exactly_the_unheld_nonces_that_the_chain_still_waits_for(
    counted: int, own: int, held: frozenset[int]
) -> None:
    found = gaps(counted, own, held)
    assert set(found) == set(range(counted, own + 1)) - held
    assert list(found) == sorted(found)


def test_finality_is_the_chains_own_rule_or_a_depth() -> None:
    assert parse_finality("finalized") is None
    assert parse_finality("depth:12") == 12
    assert TxPolicy(frozenset(), finality="depth:3").depth == 3
    for text in ("", "depth:", "depth:-1", "depth:1x", "12", "latest", "depth:٣", "depth:100001"):
        with pytest.raises(ValueError, match="neither finalized nor depth"):
            parse_finality(text)
