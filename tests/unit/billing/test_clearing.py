"""P8 to P12 of market-design section 8, the choice of lambda, and what a slot may not hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.billing import clearing
from honey_edge.billing.clearing import (
    ClearingError,
    SlotPool,
    announced_price,
    choose_price,
    payment,
    share_surplus,
    shared_locally,
    tariff_cost_pico,
    totals_of,
)

ENERGY = st.one_of(st.integers(-3, 3), st.integers(-2_000, 2_000), st.integers(-(10**10), 10**10))


@st.composite
def slots(draw: st.DrawFn) -> tuple[SlotPool, list[int], list[int]]:
    """A pool, its energies and their reputations; E_pcc is anything a broken meter may say."""
    energies = draw(st.lists(ENERGY, max_size=12))
    reputations = draw(st.lists(st.integers(0, 1000), min_size=len(energies), max_size=len(energies)))
    sell = draw(st.integers(-400_000, 400_000))
    buy = sell + draw(st.one_of(st.just(0), st.just(1), st.integers(0, 600_000)))
    bought, sold = totals_of(energies)
    pcc = draw(st.one_of(st.just(sum(energies)), ENERGY))
    price = draw(st.integers(sell - 1000, buy + 1000))
    theta, fee = draw(st.integers(0, 1000)), draw(st.integers(0, 1000))
    return SlotPool(bought, sold, pcc, buy, sell, price, theta, fee), energies, reputations


@settings(max_examples=400, deadline=None)
@given(slots())
def test_p8_payments_fee_reserve_and_deficit_add_up_exactly(case: tuple[SlotPool, list[int], list[int]]) -> None:
    pool, energies, reputations = case
    shares = share_surplus(pool)
    own = [payment(pool, shares, e, r) for e, r in zip(energies, reputations, strict=True)]
    reserve = shares.shared - sum(p.discount for p in own)
    assert reserve >= 0
    assert sum(p.amount for p in own) == shares.hive_cost + shares.fee + reserve - shares.deficit


@settings(max_examples=400, deadline=None)
@given(slots())
def test_p9_p10_nobody_pays_above_or_gets_below_its_own_tariff(case: tuple[SlotPool, list[int], list[int]]) -> None:
    pool, energies, reputations = case
    shares = share_surplus(pool)
    for energy, reputation in zip(energies, reputations, strict=True):
        own = payment(pool, shares, energy, reputation)
        assert own.amount <= own.standalone == tariff_cost_pico(energy, pool.buy, pool.sell)
        assert 0 <= own.discount <= own.entitlement
        low, high = sorted((pool.sell * energy, pool.buy * energy))
        assert low <= own.amount <= high


@settings(max_examples=150, deadline=None)
@given(slots(), st.randoms())
def test_p11_permuting_workers_permutes_the_result(case: tuple[SlotPool, list[int], list[int]], random: object) -> None:
    pool, energies, reputations = case
    people = list(zip(energies, reputations, strict=True))
    order = list(range(len(people)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert totals_of([energies[k] for k in order]) == totals_of(energies)
    shares = share_surplus(pool)
    first = [payment(pool, shares, *person).amount for person in people]
    second = [payment(pool, shares, *people[k]).amount for k in order]
    assert second == [first[k] for k in order]


@settings(max_examples=300, deadline=None)
@given(slots(), st.integers(0, 10**10))
def test_p12_splitting_a_worker_moves_at_most_one_pico_coin(
    case: tuple[SlotPool, list[int], list[int]], cut: int
) -> None:
    pool, energies, reputations = case
    shares = share_surplus(pool)
    for energy, reputation in zip(energies, reputations, strict=True):
        part = min(cut, abs(energy)) * (1 if energy >= 0 else -1)
        whole = payment(pool, shares, energy, reputation).amount
        halves = sum(payment(pool, shares, e, reputation).amount for e in (part, energy - part))
        assert 0 <= halves - whole <= 1


@pytest.mark.parametrize(
    ("announced", "pcc", "expected"),
    [(120, 5, 120), (120, -5, 120), (500, 0, 200), (10, 0, 50), (120, 6, 200), (120, -6, 50)],
)
def test_lambda_is_the_announced_price_only_while_balanced_within_50_per_mille(
    announced: int, pcc: int, expected: int
) -> None:
    assert choose_price(announced, pcc, 60, 40, 200, 50) == expected


def test_a_round_price_is_rounded_down_and_clipped_and_the_middle_stands_in_for_none() -> None:
    assert announced_price(1_239, 200, 50) == 123
    assert announced_price(9_999, 200, 50) == 200
    assert announced_price(-1, 200, -50) == -1
    assert announced_price(None, 201, 50) == 125


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((1, 1, 0, 50, 51, 50, 0, 0), "sell"),
        ((-1, 1, 0, 51, 50, 50, 0, 0), "negative"),
        ((1, -1, 0, 51, 50, 50, 0, 0), "negative"),
        ((1, 1, 0, 51, 50, 50, 1001, 0), "theta"),
        ((1, 1, 0, 51, 50, 50, -1, 0), "theta"),
        ((1, 1, 0, 51, 50, 50, 0, 1001), "fee"),
        ((1, 1, 0, 51, 50, 50, 0, -1), "fee"),
    ],
)
def test_a_slot_without_an_answer_is_refused_by_name(values: tuple[int, ...], named: str) -> None:
    with pytest.raises(ClearingError, match=named):
        SlotPool(*values)


@pytest.mark.parametrize("reputation", [-1, 1001])
def test_a_reputation_outside_its_range_is_refused(reputation: int) -> None:
    pool = SlotPool(1, 1, 0, 2, 1, 1, 0, 0)
    with pytest.raises(ClearingError, match="reputation"):
        payment(pool, share_surplus(pool), 1, reputation)


def test_local_energy_is_the_share_of_the_smaller_side() -> None:
    assert shared_locally(100, 300, 200) == 66
    assert shared_locally(-100, 300, 200) == 100
    assert shared_locally(0, 300, 0) == 0


def test_full_reputation_is_a_thousand_per_mille() -> None:
    pool = SlotPool(10, 10, 0, 200, 50, 100, 250, 0)
    shares = share_surplus(pool)
    assert payment(pool, shares, 10) == payment(pool, shares, 10, clearing.FULL_REPUTATION)
    assert payment(pool, shares, 10).discount == payment(pool, shares, 10).entitlement
