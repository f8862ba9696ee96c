"""Which leaves will be skipped: one test per rule, and the real contract as judge of made-up batches."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import Domain, digest
from queen_node.chain import SettleLeaf, UnexpectedOutcome
from queen_node.chain.expectation import Rules, expected_skips, rules_of
from queen_node.chain.records import AccountState, OnchainAccount
from tests.chain_kit.faulty import faulty_rpc
from tests.chain_kit.hive import HIVE, SLOT, ChainHive, anvil_hive

SIGNER = KeySigner((5).to_bytes(32, "big"))
DOMAIN = Domain(5, b"\x0a" * 20)
RULES = Rules(DOMAIN, HIVE, newest_slot=200, rate=4_000, next_from_slot=0, pool_micro=50)
OPEN = OnchainAccount(100, 10, 500, 400, 100, AccountState.OPEN, False, "00" * 20)


def leaf(
    slot: int = 110, net: int = 15, imported: int = 600, exported: int = 400, signer: KeySigner = SIGNER
) -> SettleLeaf:
    statement = Statement(HIVE, SIGNER.address, slot, net, imported, exported, bytes(32))
    return SettleLeaf(SIGNER.address, slot, net, imported, exported, bytes(32), signer.sign(digest(DOMAIN, statement)))


def reason(one: SettleLeaf, account: OnchainAccount = OPEN, rules: Rules = RULES, told: int = 0) -> int:
    worker = one.worker.hex()
    return expected_skips([one], {one.worker: account}, rules, {worker: told}).get(worker, 0)


def test_a_good_leaf_is_applied() -> None:
    assert reason(leaf()) == 0


@pytest.mark.parametrize(
    ("number", "one", "account"),
    [
        (1, leaf(), replace(OPEN, state=AccountState.NONE)),
        (1, leaf(), replace(OPEN, state=AccountState.CLOSED)),
        (2, leaf(slot=100), OPEN),
        (2, leaf(slot=201), OPEN),
        (3, leaf(imported=499), OPEN),
        (3, leaf(exported=399), OPEN),
        (4, leaf(net=101), OPEN),
        (5, leaf(signer=KeySigner((6).to_bytes(32, "big"))), OPEN),
        (5, replace(leaf(), signature=bytes(64)), OPEN),
        (6, leaf(), replace(OPEN, state=AccountState.CLOSING)),
        (8, leaf(net=21), OPEN),
        (8, leaf(net=-1), OPEN),
        (7, leaf(slot=200, net=-41), OPEN),
    ],
)
def test_every_rule_has_its_number(number: int, one: SettleLeaf, account: OnchainAccount) -> None:
    assert reason(one, account) == number


def test_the_pool_is_that_of_the_leaves_before() -> None:
    payer, other = leaf(slot=199, net=80), KeySigner((9).to_bytes(32, "big"))
    statement = Statement(HIVE, other.address, 199, -70, 600, 400, bytes(32))
    taker = SettleLeaf(other.address, 199, -70, 600, 400, bytes(32), other.sign(digest(DOMAIN, statement)))
    accounts = {SIGNER.address: OPEN, other.address: OPEN}
    assert expected_skips([payer, taker], accounts, RULES) == {}
    assert expected_skips([taker, payer], accounts, RULES) == {other.address.hex(): 7}


def test_where_other_limits_are_in_force_the_simulation_is_believed_about_them_alone() -> None:
    rules = replace(RULES, next_from_slot=105)
    assert reason(leaf(net=90), rules=rules) == 0
    assert reason(leaf(net=90), rules=rules, told=8) == 8
    assert reason(leaf(net=90), rules=rules, told=7) == 0
    assert reason(leaf(slot=104, net=15), rules=rules) == 8


def test_the_queen_of_yesterday_may_settle_until_her_last_slot() -> None:
    info: dict[str, Any] = {"queen": "aa", "previousQueen": "bb", "queenFromSlot": 150, "maxPrice": 2, "maxPowerW": 3}
    info["nextFromSlot"] = 0
    assert rules_of(info, DOMAIN, HIVE, "aa", 160, 5).newest_slot == 160
    assert rules_of(info, DOMAIN, HIVE, "bb", 160, 5).newest_slot == 149
    assert rules_of(info, DOMAIN, HIVE, "bb", 140, 5).newest_slot == 140
    assert rules_of(info, DOMAIN, HIVE, "aa", 160, 5).rate == 6


# ---- The contract as judge ---------------------------------------------------


@pytest.fixture(scope="module")
def hive() -> Any:
    with anvil_hive(4) as made:
        yield made


LEAF = st.fixed_dictionaries(
    {
        "slot": st.sampled_from([SLOT - 96, SLOT - 95, SLOT, SLOT + 1, SLOT + 2]),
        "net_micro": st.sampled_from([0, 5_000_000, -9_000_000, -14_000_000, 50_000_001, 480_000_000]),
        "energy": st.sampled_from([0, 1_000]),
        "good": st.sampled_from([True, True, True, False]),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LEAF, min_size=1, max_size=4))
def test_the_contract_skips_what_was_expected(hive: ChainHive, wishes: list[dict[str, Any]]) -> None:
    queen = hive.chain()
    packed = b""
    for number, wish in enumerate(wishes):
        made = hive.leaf(number, wish["slot"], wish["net_micro"], wish["energy"])
        packed += (made if wish["good"] else replace(made, signature=bytes(64))).packed
    call = queen.call("settle", HIVE, SLOT, packed)
    applied = queen._expected(HIVE, packed, "k", call)
    assert applied == queen.transactions.simulate(call).result


def test_addresses_that_show_other_accounts_than_the_simulation_stop_the_settlement(hive: ChainHive) -> None:
    with faulty_rpc(hive.anvil.url) as (rpc,):
        account = queen_account(hive, closing=True)
        rpc.lie = lambda method, params, truth: (
            account if method == "eth_call" and len(truth) == len(account) else truth
        )
        queen = hive.chain([rpc.url])
        with pytest.raises(
            UnexpectedOutcome, match=r"the simulation gives skipped none, expected was skipped .* \(6\)"
        ):
            queen.settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    assert hive.intents.kept == []


def queen_account(hive: ChainHive, closing: bool) -> str:
    """The encoded answer of `account` for a Worker, with another state."""
    queen = hive.chain()
    call = queen.call("account", HIVE, hive.workers[0])
    truth = hive.anvil.rpc("eth_call", {"to": "0x" + hive.settlement, "data": "0x" + call.data.hex()}, "latest")
    state = 2 + 5 * 64
    return str(truth[: state + 63] + ("2" if closing else "1") + truth[state + 64 :])
