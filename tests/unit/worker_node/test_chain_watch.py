"""What the look means, when it is taken again, and that a newer Statement reaches the contest addresses."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.model.slots import slot_at
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import digest
from tests.unit.worker_node.fake_node import NOW_UNIX_S, FakeNode, Http, serving
from tests.unit.worker_node.world import DOMAIN, HIVE, QUEEN, WORKER
from worker_node.both_signed import BothSigned, EvidenceBroken
from worker_node.chain_eye import watch as watch_module
from worker_node.chain_eye.contest import FIRST_PAUSE_S, LONGEST_PAUSE_S, Contest
from worker_node.chain_eye.findings import Own, cover_text, findings, stale_close
from worker_node.chain_eye.look import MAX_AGE_S, STATE_NAMES, ChainLook, Subject
from worker_node.chain_eye.rpc import Node
from worker_node.chain_eye.watch import AGAIN_AT_MOST_EVERY_S, RETRY_S, WHILE_CLOSING_S, ChainWatch, Home

SLOT = slot_at(NOW_UNIX_S)
SUBJECT = Subject(HIVE, WORKER.address, DOMAIN.contract, DOMAIN.chain_id)
CALM = ChainLook(
    at_unix_s=NOW_UNIX_S,
    block=100,
    block_hash="ab" * 32,
    block_unix_s=NOW_UNIX_S,
    state=1,
    funding_micro=40_000_000,
    net_micro=0,
    slot=SLOT - 8,
    owed=False,
    payout="55" * 20,
    pool_micro=90_000_000,
    pending_micro=0,
    claims_micro=0,
    settled_slot=SLOT - 8,
    frozen=False,
    short=False,
    queen=QUEEN.address.hex(),
    close_ends_unix_s=0,
    close_slot=0,
    close_side=0,
)
OWN = Own(SLOT - 1, {}, 2)


def both_signed(slot: int = SLOT - 1) -> BothSigned:
    statement = Statement(HIVE, WORKER.address, slot, -5, 6, 7, bytes(32))
    hashed = digest(DOMAIN, statement)
    return BothSigned(statement, WORKER.sign(hashed), QUEEN.sign(hashed))


CLOSING = {"state": 2, "close_ends_unix_s": NOW_UNIX_S + 9}


@pytest.mark.parametrize(
    ("changes", "own", "expected"),
    [
        ({}, OWN, ()),
        (CLOSING | {"close_slot": SLOT - 2}, OWN, ("stale-close",)),
        (CLOSING | {"close_slot": SLOT - 1}, OWN, ("close",)),
        (CLOSING | {"close_slot": SLOT}, OWN, ("close",)),
        (CLOSING, Own(), ("close",)),
        ({"state": 3}, OWN, ("closed",)),
        ({"state": 0}, Own(), ("no-account",)),
        ({"pending_micro": 90_000_001}, OWN, ("cover",)),
        ({"pool_micro": 1}, Own(SLOT - 1, {SLOT - 1: 2 * 10**6}, 2), ("cover",)),
        ({"owed": True}, OWN, ("owed",)),
        ({"short": True}, OWN, ("owed",)),
        ({"slot": SLOT - 193}, OWN, ("unsettled",)),
        ({"slot": SLOT - 192}, OWN, ()),
        ({"slot": SLOT - 193}, Own(SLOT - 193), ()),
        ({"frozen": True}, OWN, ("frozen",)),
        ({"claims_micro": 90_000_001}, OWN, ("cover",)),
        ({}, replace(OWN, queen=QUEEN.address.hex()), ()),
        ({}, replace(OWN, queen="77" * 20), ("other-queen",)),
        ({"state": 0}, Own(queen="77" * 20), ("no-account",)),
        ({"at_unix_s": NOW_UNIX_S - MAX_AGE_S}, OWN, ()),
        ({"at_unix_s": NOW_UNIX_S - MAX_AGE_S - 1, "frozen": True}, OWN, ("unchecked",)),
    ],
)
def test_a_look_means(changes: dict[str, Any], own: Own, expected: tuple[str, ...]) -> None:
    assert findings(replace(CALM, **changes), own, NOW_UNIX_S, NOW_UNIX_S) == expected


def test_before_the_first_look_it_is_patient_for_two_days() -> None:
    assert findings(None, OWN, NOW_UNIX_S, NOW_UNIX_S - MAX_AGE_S) == ()
    assert findings(None, OWN, NOW_UNIX_S, NOW_UNIX_S - MAX_AGE_S - 1) == ("unchecked",)


def test_a_hive_that_was_never_settled_counts_from_the_opening() -> None:
    fresh = replace(CALM, settled_slot=0, pool_micro=10, slot=SLOT - 8)
    assert cover_text(fresh, Own(SLOT - 1, {SLOT - 9: 10**9, SLOT - 2: 10**7}, 2)) == ""
    assert "do not cover" in cover_text(fresh, Own(SLOT - 1, {SLOT - 2: 11 * 10**6}, 2))


looks = st.builds(
    ChainLook,
    at_unix_s=st.integers(NOW_UNIX_S - 2 * MAX_AGE_S, NOW_UNIX_S),
    block=st.integers(0, 10**9),
    block_hash=st.just("ab" * 32),
    block_unix_s=st.just(NOW_UNIX_S),
    state=st.integers(0, 3),
    funding_micro=st.integers(-(2**63), 2**63 - 1),
    net_micro=st.integers(-(2**63), 2**63 - 1),
    slot=st.integers(0, SLOT),
    owed=st.booleans(),
    payout=st.just("55" * 20),
    pool_micro=st.integers(0, 2**64 - 1),
    pending_micro=st.integers(0, 2**64 - 1),
    claims_micro=st.integers(0, 2**64 - 1),
    settled_slot=st.integers(0, SLOT),
    frozen=st.booleans(),
    short=st.booleans(),
    queen=st.just("66" * 20),
    close_ends_unix_s=st.sampled_from([0, NOW_UNIX_S - 1, NOW_UNIX_S + 9]),
    close_slot=st.integers(0, SLOT),
    close_side=st.integers(0, 3),
)
owns = st.builds(
    Own,
    st.one_of(st.none(), st.integers(0, SLOT)),
    st.dictionaries(st.integers(0, SLOT), st.integers(0, 10**15), max_size=4),
    st.integers(0, 4),
)


@given(looks, owns)
def test_no_look_makes_it_stumble_and_a_newer_state_is_never_missed(look: ChainLook, own: Own) -> None:
    found = findings(look, own, NOW_UNIX_S, NOW_UNIX_S)
    assert len(set(found)) == len(found)
    assert not {"stale-close", "close"} <= set(found)
    if found != ("unchecked",):
        running = bool(look.close_ends_unix_s)
        newer = own.agreed_slot is not None and own.agreed_slot > look.close_slot
        assert ("stale-close" in found) == (running and newer) == stale_close(look, own.agreed_slot)
    assert ChainLook.decoded(look.encoded()) == look
    assert look.state < len(STATE_NAMES)


def test_a_kept_look_of_another_form_is_forgotten() -> None:
    assert ChainLook.decoded(b'{"block": 1}') is None
    assert ChainLook.decoded(b"\xff") is None


# -- contests


def offered(
    answers: list[int], tries_at: list[float], slot: int = SLOT - 1
) -> tuple[list[bytes], list[float | None], int]:
    """Sends at the given instants to one address that answers with the statuses in turn."""

    async def story() -> tuple[list[bytes], list[float | None], int]:
        left = list(answers)
        async with Http(lambda body: (left.pop(0), b"{}")) as server:
            contest = Contest.of(DOMAIN, [server.url])
            due = [await contest.send(both_signed(slot), at) for at in tries_at]
            return server.bodies, due, contest.taken(slot)

    return asyncio.run(story())


def test_the_statement_is_sent_with_both_signatures_and_once() -> None:
    bodies, due, taken = offered([200], [0.0, 1.0, 90_000.0])
    assert (len(bodies), due, taken) == (1, [None] * 3, 1)
    told = json.loads(bodies[0])
    assert len(bodies[0]) < 1_000
    one = both_signed().statement
    assert (
        Statement(
            told["hive"],
            bytes.fromhex(told["worker"]),
            told["slot"],
            told["net_micro"],
            told["import_milliwh"],
            told["export_milliwh"],
            bytes.fromhex(told["readings"]),
        )
        == one
    )
    hashed = digest(DOMAIN, one)
    assert signed_by(WORKER.address, hashed, bytes.fromhex(told["worker_signature"]))
    assert signed_by(QUEEN.address, hashed, bytes.fromhex(told["queen_signature"]))
    assert (told["v"], told["kind"], told["chain_id"], told["contract"]) == (1, "contest", 31337, DOMAIN.contract.hex())


def test_an_address_that_refuses_is_asked_again_with_growing_pauses() -> None:
    instants = [0.0]
    for _ in range(8):
        instants.append(instants[-1] + 4_000)
    bodies, due, taken = offered([503] * 8 + [204], instants)
    assert (len(bodies), taken, due[-1]) == (9, 1, None)
    pauses = [float(when or 0) - at for when, at in zip(due[:-1], instants[:-1], strict=True)]
    assert pauses[0] == FIRST_PAUSE_S
    assert all(b == min(LONGEST_PAUSE_S, 2 * a) for a, b in pairwise(pauses))
    early, _, _ = offered([503], [0.0, FIRST_PAUSE_S - 1])
    assert len(early) == 1


def test_a_newer_statement_is_sent_anew_and_texts_that_are_no_address_are_left_out() -> None:
    async def story() -> tuple[int, int]:
        async with Http(lambda body: (200, b"")) as server:
            contest = Contest.of(DOMAIN, ["post it to the town hall", server.url, "ftp://x"])
            for slot in (SLOT - 2, SLOT - 1):
                await contest.send(both_signed(slot), 0.0)
            return len(contest.addresses), len(server.bodies)

    assert asyncio.run(story()) == (1, 2)


def test_broken_evidence_is_not_evidence() -> None:
    both = both_signed()
    assert both.checked(DOMAIN, QUEEN.address) == both
    for wrong in (replace(both, queen_signature=bytes(64)), replace(both, worker_signature=both.queen_signature)):
        with pytest.raises(EvidenceBroken, match="is not signed by"):
            wrong.checked(DOMAIN, QUEEN.address)


# -- the watch


class StoppedClock:
    """Time stands until the watch waits; then it jumps, at most `jumps` times."""

    def __init__(self, jumps: int) -> None:
        self.now = float(NOW_UNIX_S)
        self.waits: list[float] = []
        self._jumps = jumps

    def now_unix_s(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return True

    async def sleep_until(self, at_unix_s: float) -> None:
        self.waits.append(at_unix_s - self.now)
        if len(self.waits) > self._jumps:
            raise asyncio.CancelledError
        self.now = max(self.now, at_unix_s)

    async def wait_for(self, event: asyncio.Event, until_unix_s: float) -> bool:
        raise AssertionError("the watch waits for nothing but time")

    def hold(self, why: str) -> AbstractContextManager[None]:
        return nullcontext()


class Watching:
    """A watch over two nodes, with what it kept and was told."""

    def __init__(self, nodes: list[Node], clock: StoppedClock, contest: Contest, both: BothSigned | None) -> None:
        self.kept: list[ChainLook] = []
        self.told = 0
        self.both = both
        self.watch = ChainWatch(nodes, SUBJECT, clock, self._home(), contest, 21_600)

    def _home(self) -> Home:
        async def own(look: ChainLook | None) -> Own:
            return Own(self.both.statement.slot if self.both else None, {}, 2)

        async def both_signed() -> BothSigned | None:
            return self.both

        async def keep(look: ChainLook) -> None:
            self.kept.append(look)

        async def changed() -> None:
            self.told += 1

        return Home(own, both_signed, keep, changed)


def watched(one: FakeNode, two: FakeNode, jumps: int, then: Callable[[Watching, StoppedClock], Awaitable[Any]]) -> Any:
    async def story() -> Any:
        clock = StoppedClock(jumps)
        async with serving(one) as first, serving(two) as second, Http(lambda body: (200, b"")) as town:
            nodes = [Node(first.url), Node(second.url)]
            watching = Watching(nodes, clock, Contest.of(DOMAIN, [town.url]), both_signed())
            return await then(watching, clock), town.bodies

    return asyncio.run(story())


async def run_on(watching: Watching, clock: StoppedClock) -> None:
    with pytest.raises(asyncio.CancelledError):
        await watching.watch.run()


def test_it_looks_at_start_and_every_six_hours() -> None:
    node = FakeNode(at_unix_s=NOW_UNIX_S)

    async def tell(watching: Watching, clock: StoppedClock) -> None:
        await run_on(watching, clock)
        assert clock.waits == [21_600] * 3
        assert [look.at_unix_s - NOW_UNIX_S for look in watching.kept] == [0, 21_600, 43_200]
        assert watching.told == 3
        seen = await watching.watch.seen()
        assert (seen.trouble, seen.findings) == ("", ())
        cover = watching.watch.newest()
        assert cover is not None
        assert (cover.pool_micro, cover.own_look) == (90_000_000, True)

    watched(node, FakeNode(at_unix_s=NOW_UNIX_S), 2, tell)


def test_nodes_that_disagree_leave_the_old_look_for_two_days_and_are_asked_more_often() -> None:
    other = FakeNode(at_unix_s=NOW_UNIX_S)

    async def tell(watching: Watching, clock: StoppedClock) -> None:
        await watching.watch.again()
        other.chain_id = 1
        await run_on(watching, clock)
        assert set(clock.waits) == {RETRY_S}
        assert len(watching.kept) == 1
        assert watching.watch.newest() is not None
        assert "chain 1" in (await watching.watch.seen()).trouble
        clock.now += MAX_AGE_S
        assert watching.watch.newest() is None
        assert (await watching.watch.seen()).findings == ("unchecked",)

    watched(FakeNode(at_unix_s=NOW_UNIX_S), other, 3, tell)


def test_the_look_of_before_a_restart_counts() -> None:
    async def tell(watching: Watching, clock: StoppedClock) -> None:
        watching.watch.load(None)
        assert watching.watch.newest() is None
        watching.watch.load(CALM.encoded())
        assert watching.watch.newest() is not None

    watched(FakeNode(), FakeNode(), 0, tell)


def test_an_old_state_shown_is_answered_with_the_newer_statement_and_watched_closely() -> None:
    one, two = FakeNode(at_unix_s=NOW_UNIX_S), FakeNode(at_unix_s=NOW_UNIX_S)
    for node in (one, two):
        node.answers["account"]["state"] = 2
        node.answers["closeOf"] |= {"endsAt": NOW_UNIX_S + 250_000, "slot": SLOT - 7, "side": 2}

    async def tell(watching: Watching, clock: StoppedClock) -> None:
        await run_on(watching, clock)
        assert clock.waits == [WHILE_CLOSING_S] * 3
        seen = await watching.watch.seen()
        assert seen.findings[0] == "stale-close"
        assert (seen.contest_taken, seen.contest_addresses) == (1, 1)

    _, bodies = watched(one, two, 2, tell)
    assert [json.loads(body)["slot"] for body in bodies] == [SLOT - 1]


def test_asking_again_is_not_asking_all_the_time() -> None:
    one = FakeNode(at_unix_s=NOW_UNIX_S)

    async def tell(watching: Watching, clock: StoppedClock) -> None:
        for _ in range(3):
            await watching.watch.again()
        assert one.asked.count("eth_chainId") == 1
        clock.now += AGAIN_AT_MOST_EVERY_S
        await watching.watch.again()
        assert one.asked.count("eth_chainId") == 2

    watched(one, FakeNode(at_unix_s=NOW_UNIX_S), 0, tell)


def test_an_address_that_is_not_there_is_tried_again_later() -> None:
    contest = Contest.of(DOMAIN, ["http://127.0.0.1:1"])
    assert asyncio.run(contest.send(both_signed(), 5.0)) == 5.0 + FIRST_PAUSE_S
    assert contest.taken(SLOT - 1) == 0


def test_a_statement_that_waits_for_an_answer_does_not_wait_for_a_slow_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "AGAIN_LIMIT_S", 0.1)

    async def story() -> None:
        async with Http(lambda body: None) as slow, serving(FakeNode(at_unix_s=NOW_UNIX_S)) as other:
            nodes = [Node(slow.url), Node(other.url)]
            watching = Watching(nodes, StoppedClock(0), Contest.of(DOMAIN, []), None)
            watching.watch.load(CALM.encoded())
            cover = await watching.watch.again()
            assert cover is not None
            assert cover.block == CALM.block

    asyncio.run(story())
