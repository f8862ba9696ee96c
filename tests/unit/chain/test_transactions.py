"""The engine on a fake chain: whatever nodes answer and wherever it dies, each call is carried out exactly once."""

import logging
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from queen_node.chain import (
    Call,
    CallReverted,
    ChainError,
    GasAccountEmpty,
    IntentState,
    Lease,
    Nodes,
    NonceTaken,
    NoSuchIntent,
    NotMinedYet,
    Transactions,
    TxPolicy,
    UnexpectedOutcome,
    WriterBusy,
)
from queen_node.chain.policy import gas_limit
from queen_node.chain.rpc import Refusal
from queen_node.chain.signer import Unsigned
from tests.chain_kit.fake_chain import CHAIN_ID, FakeChain, FakeEndpoint, OpenSigner
from tests.chain_kit.memory import Killed, MemoryIntents

TARGET = "0a" * 20
CALL = Call(TARGET, "EnergySettlement", "settle", (1, 2, b"leaf"))
STATES = [IntentState.PLANNED, IntentState.SIGNED, IntentState.SENT, IntentState.MINED, IntentState.FINAL]


class World:
    """A chain, two addresses that show it, a table; Queens come and go."""

    def __init__(self) -> None:
        self.chain, self.intents = FakeChain(), MemoryIntents()
        self.ends = [FakeEndpoint(self.chain, "one"), FakeEndpoint(self.chain, "two")]
        self.mines = True

    def queen(self, **limits: Any) -> Transactions:
        policy = TxPolicy(frozenset(), **{"poll_s": 1.0, "mined_within_s": 9.0, "finality": "depth:3", **limits})
        nodes = Nodes((), CHAIN_ID, endpoints=self.ends)
        return Transactions(nodes, OpenSigner(), self.intents, policy, self.pause, lambda: 1_000_000.0)

    def pause(self, _seconds: float) -> None:
        if self.mines:
            self.chain.mine()

    def heal(self) -> None:
        self.intents.live()
        for end in self.ends:
            end.down = end.loses = False
            end.lag, end.answers = 0, {}

    def steal(self) -> None:
        """A block with a foreign transaction of the same account."""
        nonce = self.chain.count(OpenSigner.address, self.chain.head())
        raw, _ = OpenSigner().sign(Unsigned(CHAIN_ID, nonce, TARGET, 0, b"theirs", 21_000, 10**12, 10**12))
        self.chain.idle([raw])

    def copies(self, call: Call = CALL) -> int:
        """How often a call is on the chain."""
        return sum(one["data"] == call.data.hex() for one in self.chain.mined())


ARROWS = [
    f"{when}:{state}" for state in ("signed", "sent", "replaced", "mined", "final") for when in ("before", "after")
]
ACTIONS = st.one_of(
    st.sampled_from(
        ["step", "mine", "drop", "down", "up", "lag", "lose", "crash", "follow", "deaf", "mine", "step", "idle"]
    ),
    st.tuples(st.just("die"), st.sampled_from(ARROWS)),
    st.tuples(st.sampled_from(["step", "idle", "follow"]), st.integers(2, 5)),
    st.tuples(st.just("reorg"), st.integers(1, 3), st.booleans()),
)


def play(world: World, queen: Transactions, action: Any) -> Transactions:
    """One thing happens, or the same a few times; the Queen after it."""
    name = action if isinstance(action, str) else action[0]
    if name in ("step", "idle", "follow") and not isinstance(action, str):
        for _ in range(action[1]):
            queen = play(world, queen, name)
        return queen
    end = world.ends[0]
    match name:
        case "mine":
            world.chain.mine()
        case "idle":
            world.chain.idle()
        case "drop":
            world.chain.waiting.clear()
        case "down" | "up":
            end.down = name == "down"
        case "lag":
            end.lag = 0 if end.lag else 5
        case "lose":
            end.loses = world.ends[1].loses = not end.loses
        case "deaf":
            end.answers = {} if end.answers else {"eth_getTransactionReceipt": None}
        case "reorg":
            world.chain.reorg(action[1], action[2])
        case "steal":
            world.steal()
        case "crash":
            return world.queen()
        case "die":
            world.intents.die_at(action[1])
        case _:
            try:
                queen.step("k") if name == "step" else queen.follow()
            except Killed:
                world.intents.live()
                return world.queen()
            except ChainError as error:
                if not error.transient:
                    raise
    return queen


def alone(actions: list[Any]) -> None:
    """One Queen: one transaction, one nonce, whatever happens."""
    logging.disable(logging.WARNING)
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)
    for action in actions:
        queen = play(world, queen, action)
    world.heal()
    queen = world.queen()
    while queen.step("k").state is not IntentState.FINAL:
        world.chain.mine()
    logging.disable(logging.NOTSET)
    row = world.intents.rows["k"]
    assert world.copies() == 1
    assert world.chain.count(queen.sender, world.chain.head()) == 1
    assert row.nonce == 0
    assert row.block_hash == world.chain.hash(row.block_number)
    check_forms(world)


def with_a_thief(actions: list[Any]) -> None:
    """Two Queens with one key and two tables: the call is still carried out once. Final blocks never vanish."""
    logging.disable(logging.WARNING)
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)
    for action in actions:
        for one in [action] if isinstance(action, str) or action[0] in ("die", "reorg") else [action[0]] * action[1]:
            try:
                queen = play(world, queen, one)
            except NonceTaken:
                continue
    world.heal()
    queen = world.queen()
    for _ in range(60):
        try:
            queen.follow()
            queen.step("k")
        except NonceTaken:
            pass
        world.chain.mine()
    logging.disable(logging.NOTSET)
    row = world.intents.rows["k"]
    assert world.copies() == 1
    assert row.state is IntentState.FINAL
    assert row.block_hash == world.chain.hash(row.block_number)
    assert all(nonce < world.chain.count(queen.sender, world.chain.head()) for nonce in world.chain.waiting)


ALONE, WITH_A_THIEF = st.lists(ACTIONS, max_size=40), st.lists(st.one_of(ACTIONS, st.just("steal")), max_size=40)
#: Nobody mines the first form until the second is signed; then it is the first that is mined.
OLD_FORM: list[Any] = [("step", 2), ("idle", 3), ("step", 2), "mine"]
#: Ours waits while theirs is mined; theirs vanishes before it is final, ours is mined after all.
THEIRS_VANISHES: list[Any] = [("step", 2), "steal", ("step", 4), ("step", 4), ("reorg", 1, False), "mine", ("step", 3)]
#: The process ends after signing, before the bytes are stored: they may not have been sent.
DIES_BEFORE_STORING: list[Any] = [("die", "before:signed"), ("step", 2), "mine", ("step", 2), "mine"]
#: One of the two addresses hides receipts, so that only the nonce is seen to be used.
HIDDEN: list[Any] = [("step", 2), "mine", "deaf", ("step", 3), ("idle", 5), ("step", 3)]
SHORT, LONG = settings(max_examples=80, deadline=None), settings(max_examples=1_500, deadline=None)


@SHORT
@example(OLD_FORM)
@example(DIES_BEFORE_STORING)
@example(HIDDEN)
@given(ALONE)
def test_any_sequence_of_answers_and_crashes_leads_to_exactly_one_transaction(actions: list[Any]) -> None:
    alone(actions)


@SHORT
@example(THEIRS_VANISHES)
@given(WITH_A_THIEF)
def test_a_second_queen_that_steals_nonces_changes_nothing_about_that(actions: list[Any]) -> None:
    with_a_thief(actions)


@pytest.mark.deep
@LONG
@given(ALONE)
def test_any_sequence_deep(actions: list[Any]) -> None:
    alone(actions)


@pytest.mark.deep
@LONG
@given(WITH_A_THIEF)
def test_a_thief_deep(actions: list[Any]) -> None:
    with_a_thief(actions)


def check_forms(world: World) -> None:
    """Every form of a nonce is kept, each at least an eighth dearer than the one before, and all make the same call."""
    forms = world.intents.forms("k")
    for before, after in pairwise(forms):
        assert after.nonce == before.nonce
        assert after.max_fee_wei * 8 >= before.max_fee_wei * 9
        assert after.tip_wei * 8 >= before.tip_wei * 9
        assert after.gas == before.gas
    lines = world.intents.history("k")
    assert [line.state for line in lines][:2] == [IntentState.PLANNED, IntentState.SIGNED]
    assert lines[-1].state is IntentState.FINAL


def test_the_usual_way_is_five_states_and_one_broadcast() -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL, "1")
    receipt = queen.drive("k")
    world.chain.mine(), world.chain.mine(), world.chain.mine()
    (row,) = queen.follow()
    assert (row.state, row.tx_hash, row.cost_wei) == (IntentState.FINAL, receipt.tx_hash, 40_000 * 10**9)
    assert [line.state for line in queen.history("k")] == STATES
    assert queen.follow() == []
    assert queen.drive("k") == receipt


def test_a_key_is_planned_once_and_keeps_its_call() -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL, "2")
    other = Call(TARGET, "EnergySettlement", "settle", (1, 2, b"other"))
    assert queen.plan("k", other, "1").data == CALL.data
    queen.drive("k")
    assert queen.plan("k", other).state is IntentState.MINED
    assert (world.copies(), world.copies(other)) == (1, 0)
    with pytest.raises(NoSuchIntent, match="plan it first"):
        queen.step("other")


def test_what_the_simulation_does_not_expect_is_not_signed() -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL, "1000")
    with pytest.raises(UnexpectedOutcome, match="gives 1, expected was 1000"):
        queen.step("k")
    assert world.intents.rows["k"].state is IntentState.PLANNED
    for end in world.ends:
        end.answers = {"eth_call": Refusal(3, "execution reverted", "0x")}
    with pytest.raises(CallReverted, match="no reason"):
        queen.step("k")
    assert world.intents.kept == []


def test_nobody_mines_it_so_fees_rise_until_somebody_does() -> None:
    world = World()
    queen = world.queen(replace_after_blocks=2)
    queen.plan("k", CALL)
    for end in world.ends:
        end.loses = True
    for _ in range(12):
        queen.step("k")
        world.chain.mine()
    world.heal()
    queen.drive("k")
    assert len(world.intents.forms("k")) >= 3
    assert world.copies() == 1


def test_it_gives_up_waiting_with_the_same_bytes_left_for_next_time() -> None:
    world = World()
    world.mines = False
    queen = world.queen()
    queen.plan("k", CALL)
    with pytest.raises(NotMinedYet, match="in no block after 9 s") as waits:
        queen.drive("k")
    assert waits.value.transient
    world.mines = True
    queen.drive("k")
    assert len(world.intents.forms("k")) == 1


def test_a_lost_nonce_stops_one_row_and_not_the_others(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)
    queen.step("k")
    thief = Transactions(
        Nodes((), CHAIN_ID, endpoints=world.ends), OpenSigner(), MemoryIntents(), TxPolicy(frozenset()), world.pause
    )
    thief.plan("t", Call(TARGET, "EnergySettlement", "settle", (9, 9, b"")))
    thief.step("t"), thief.step("t")
    world.chain.mine()
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            queen.follow()
    assert "intent_stuck key=k" in caplog.text
    with pytest.raises(NonceTaken):
        queen.step("k")
    for _ in range(3):
        world.chain.mine()
    with pytest.raises(NonceTaken):
        queen.step("k")
    queen.drive("k")
    assert (world.intents.rows["k"].nonce, world.copies()) == (1, 1)


def test_the_first_form_is_found_even_after_the_row_was_planned_anew() -> None:
    """A foreign transaction took the nonce; then its block vanished and our old bytes are mined after all."""
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)
    queen.step("k")
    raw = world.intents.rows["k"].raw
    world.intents.change("k", state=IntentState.PLANNED, nonce=-1, raw=b"", tx_hash="")
    world.chain.take(raw)
    world.chain.mine()
    row = queen.step("k")
    assert (row.state, row.nonce, row.raw) == (IntentState.MINED, 0, raw)
    assert len(world.intents.forms("k")) == 1


def test_several_rows_have_several_nonces_and_a_simulation_signs_nothing() -> None:
    world = World()
    queen = world.queen()
    told = queen.simulate(CALL)
    assert (told.gas, told.result, told.events) == (gas_limit(50_000), 1, None)
    assert told.cost_wei == told.gas * told.fee_per_gas_wei
    assert world.intents.rows == {}
    calls = [Call(TARGET, "EnergySettlement", "settle", (1, 2, bytes([n]))) for n in range(4)]
    queen.plan_all([(f"k/{n}", call, "") for n, call in enumerate(calls)])
    for n in range(4):
        queen.step(f"k/{n}")
    assert [row.nonce for row in world.intents.unfinished(queen.sender)] == [0, 1, 2, 3]
    assert queen.spent_today_wei() == 4 * told.gas * told.fee_per_gas_wei
    for n in range(4):
        queen.drive(f"k/{n}")
    assert all(world.copies(call) == 1 for call in calls)
    assert queen.spent_today_wei() == 4 * 40_000 * 10**9


def test_a_nonce_left_free_in_between_is_filled_with_nothing_to_oneself(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    queen = world.queen()
    for key in ("a", "b"):
        queen.plan(key, Call(TARGET, "EnergySettlement", "settle", (1, 2, key.encode())))
        queen.step(key)
    world.intents.change("a", state=IntentState.PLANNED, nonce=-1, raw=b"", tx_hash="")
    with caplog.at_level(logging.WARNING):
        queen.follow()
    assert "nonce_gap" in caplog.text
    world.chain.mine()
    first = world.chain.mined()[0]
    assert (first["nonce"], first["target"], first["data"]) == (0, queen.sender, "")
    assert queen.drive("b").block == 1
    queen.drive("a")
    assert world.intents.rows["a"].nonce == 2
    for _ in range(4):
        world.chain.mine()
    queen.follow(), queen.follow()
    assert world.intents.rows[f"gap/{queen.sender}/0"].state is IntentState.FINAL


def test_a_gap_that_somebody_else_fills_is_done() -> None:
    world = World()
    queen = world.queen()
    gap = f"gap/{queen.sender}/0"
    queen.plan("b", CALL)
    world.intents.kept.append(queen._drafter.first(world.intents.rows["b"])[1])
    queen.follow()
    assert world.intents.rows[gap].state is IntentState.SENT
    world.steal()
    for _ in range(3):
        queen.follow()
    assert world.intents.rows[gap].state is IntentState.FINAL
    assert world.intents.rows[gap].block_hash == ""


def test_a_replacement_that_caps_or_balance_forbid_leaves_the_old_bytes_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)
    for end in world.ends:
        end.loses = True
    queen.step("k"), queen.step("k")
    cost = world.intents.rows["k"].cost_wei
    for limits, balance in (({"fee_cap_tx_wei": cost}, 10**21), ({}, cost)):
        world.chain.balance_wei = balance
        for _ in range(3):
            world.chain.mine()
        poor = world.queen(**limits)
        assert poor.step("k").state is IntentState.REPLACED
        with caplog.at_level(logging.WARNING):
            assert poor.step("k").state is IntentState.SENT
        assert "replacement_capped" in caplog.text
        assert len(world.intents.forms("k")) == 1
    world.chain.balance_wei = 10**21
    world.heal()
    world.queen().drive("k")
    assert world.copies() == 1


def test_an_empty_account_is_told_before_anything_is_signed_and_caps_are_told_when_near(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)
    world.chain.balance_wei = 7
    with pytest.raises(GasAccountEmpty, match="has 7 wei"):
        queen.step("k")
    assert world.intents.kept == []
    world.chain.balance_wei = 10**21
    cost = queen.simulate(CALL).cost_wei
    with caplog.at_level(logging.WARNING):
        world.queen(fee_cap_tx_wei=cost * 5 // 4).step("k")
    assert "fee_cap_near cap=chain.fee_cap_tx_wei key=k" in caplog.text


def test_a_store_refused_for_a_lost_lease_is_an_error_and_changes_nothing() -> None:
    world = World()
    queen = world.queen()
    queen.plan("k", CALL)

    def other_takes_over(arrow: str) -> None:
        world.intents.leases[queen.sender] = Lease(queen.sender, "far:1:a", 10**9, 99)

    world.ends[0].answers = {}
    before = world.ends[0].send
    world.ends[0].send = lambda requests: (other_takes_over(""), before(requests))[1]  # type: ignore[method-assign]
    with pytest.raises(WriterBusy, match="far:1:a"):
        queen.step("k")
    assert world.intents.rows["k"].state is IntentState.PLANNED
    assert world.intents.kept == []
    assert world.chain.waiting == {}
