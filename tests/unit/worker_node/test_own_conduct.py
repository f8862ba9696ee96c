"""Queen and Worker side by side for weeks, each from its own records: a lasting lie is floored, suspended, appealed."""

import asyncio
import random
from pathlib import Path

import pytest

from drivers.sim.granted import GrantedClock
from honey_edge.market.fairplay.bias import FLOORED, GOOD, SUSPENDED
from honey_edge.market.fairplay.reputation import FLOOR, FULL
from honey_edge.model.slots import slot_of_day
from honey_edge.wire.codec import encode
from honey_edge.wire.fairplay_messages import AppealMessage, StandingMessage
from honey_edge.wire.messages import Message
from honey_edge.wire.structs import Reading
from honey_edge.wire.topics import TopicKind
from honey_edge.wire.typed_data import digest, struct_hash
from queen_node.closing.trust import begin_day, factors, note_standing, observe_closed
from queen_node.fairplay.desk import FairPlayDesk, FairPlayRules
from queen_node.store import Store, fairplay, readings
from queen_node.store.records import LineRow, StoredReading
from queen_node.store.refusals import Refusals
from queen_node.store.schema import declarations
from tests.unit.worker_node.test_account import AGREEMENT
from tests.unit.worker_node.world import DAY_UNIX_S, DOMAIN, FIRST_SLOT, HIVE, QUEEN, WORKER, QueensBook, reading
from worker_node.account import Account
from worker_node.fair_play import FairPlay, FairPlayTerms
from worker_node.journal import JournalThread, SignedReading

ADDRESS = WORKER.address.hex()
READ = range(9)
"""Slots of each day with a reading; the rest of the day is one span."""

DECLARED = range(3, 9)
ONE_R_W = 330
"""A lie of about one r here: too little for the reputation, which begins to fall at 1.2, and too much for test C."""


class Two:
    """The Queen's books and the Worker's, fed with the same readings; Declarations may be lost on their way to her."""

    def __init__(self, folder: Path, lie_w: int, lost: float = 0.0, *, suspension: bool = True) -> None:
        self.suspension = suspension
        self.lie_w, self.lost, self.draw, self.drop = lie_w, lost, random.Random(3), random.Random(4)
        self.store, self.journal = Store("sqlite://"), JournalThread(folder / "own.sqlite", WORKER.address)
        self.account = Account(AGREEMENT, WORKER, self.journal, lambda: 1.0)
        terms = FairPlayTerms(HIVE, DOMAIN, QUEEN.address.hex(), 4, 20, True)
        self.home = FairPlay(terms, WORKER, self.journal, lambda: 1.8e9)
        rules = FairPlayRules(HIVE, DOMAIN, QUEEN, 0, 4, 3_600, 28)
        clock = GrantedClock(DAY_UNIX_S)
        self.desk = FairPlayDesk(clock, self.store, rules, Refusals(), self.tell, note_standing)
        self.last: Reading | None = None
        self.book: QueensBook | None = None
        self.told: list[StandingMessage] = []
        self.factors: list[int] = []
        self.appeals: list[AppealMessage] = []

    async def tell(self, kind: TopicKind, message: Message, worker: str) -> None:
        """What the Queen says arrives."""
        assert isinstance(message, StandingMessage)
        self.told.append(message)
        await self.home.standing(encode(message))
        appeal = await self.home.appeal()
        if appeal is not None:
            self.appeals.append(appeal)

    def read(self, slot: int) -> Reading:
        start = self.last.imported if self.last else 0
        one = reading(slot, start + 300_000 + self.draw.randrange(200_000), 0, self.last)
        self.last = one
        signed = SignedReading(one, WORKER.sign(digest(DOMAIN, one)), struct_hash(one))
        self.journal.run(lambda journal: journal.add_reading(signed))
        with self.store.begin() as tx:
            readings.add_readings(tx, [StoredReading(one, struct_hash(one), bytes(64))])
        return one

    def day(self, first_slot: int) -> tuple[int, str]:
        """A day's readings, Declarations, closings and its Statement; how the Worker answers it."""
        lines, statement = [], None
        for slot in (first_slot + k for k in READ):
            one = self.read(slot)
            if slot_of_day(slot) in DECLARED:
                self.declare(slot, 1_600 + self.lie_w + self.draw.randrange(-200, 201))
            with self.store.begin() as tx:
                begin_day(tx, slot, suspension=self.suspension)
                factor = factors(tx, slot, suspension=self.suspension).get(ADDRESS, FULL)
            asyncio.run(self.desk.tell_standings())
            if self.book is None:
                self.book = QueensBook.opened_at(one)
                continue
            pooled = slot == self.book.position.slot + 1
            line = self.book.line(one, factor if pooled else FULL)
            lines.append(line)
            self.factors += [factor] if pooled else []
            row = LineRow(ADDRESS, slot, slot, line.kind, line.energy_milliwh, FULL, 0, 0, 0, 0, 0, ())
            with self.store.begin() as tx:
                observe_closed(tx, slot, [row])
        assert self.book is not None
        statement = self.book.signed(lines)
        outcome = asyncio.run(self.account.answer(encode(statement)))
        self.book.leaves, self.book.statement_slot = [], self.book.position.slot
        return outcome.reason, outcome.detail

    def declare(self, slot: int, power_w: int) -> None:
        self.journal.run(lambda journal: journal.put_declared(slot, power_w))
        if self.drop.random() >= self.lost:
            row = {"worker": ADDRESS, "round": slot, "first_slot": slot, "profile": b"", "signature": b""}
            with self.store.begin() as tx:
                tx.execute(declarations.insert().values(**row, power_w=power_w))

    def standing(self) -> str:
        with self.store.begin() as tx:
            watched = fairplay.watched_of(tx, ADDRESS)
        assert watched is not None
        return watched.conduct.standing


def test_a_home_that_lies_for_weeks_is_floored_suspended_and_believes_it(tmp_path: Path) -> None:
    two = Two(tmp_path, lie_w=ONE_R_W)
    answers, standings = [], []
    for day in range(32):
        answers.append(two.day(FIRST_SLOT + 96 * day))
        standings.append(two.standing())
    assert answers == [(0, "")] * 32
    assert standings[:12] == [GOOD] * 12
    before = two.factors[: standings.index(FLOORED) * (len(READ) - 1)]
    assert min(before) > 900
    assert [one for k, one in enumerate(standings) if k == 0 or one != standings[k - 1]] == [GOOD, FLOORED, SUSPENDED]
    assert two.factors[-1] == FLOOR
    assert [message.standing for message in two.told] == [1, 2]
    assert two.home.suspended
    assert two.home.view.doubt == ""
    assert [appeal.serial for appeal in two.appeals] == [two.told[-1].serial]


def test_lost_declarations_make_no_worker_object_to_a_true_finding(tmp_path: Path) -> None:
    two = Two(tmp_path, lie_w=-ONE_R_W, lost=0.02)
    assert [two.day(FIRST_SLOT + 96 * day) for day in range(32)] == [(0, "")] * 32
    assert two.standing() == SUSPENDED


@pytest.mark.parametrize("lie_w", [0, 60])
def test_an_honest_home_is_left_alone_and_both_sides_hold_the_same_numbers(tmp_path: Path, lie_w: int) -> None:
    two = Two(tmp_path, lie_w)
    assert [two.day(FIRST_SLOT + 96 * day) for day in range(16)] == [(0, "")] * 16
    assert two.standing() == GOOD
    assert two.told == []
    with two.store.begin() as tx:
        queens = fairplay.watched_of(tx, ADDRESS)
    assert two.journal.run(lambda journal: journal.fair_play.watched()) == queens
    assert queens is not None
    assert len(queens.means) >= 7


def test_without_suspension_alarms_are_counted_and_change_no_factor(tmp_path: Path) -> None:
    two = Two(tmp_path, lie_w=ONE_R_W, suspension=False)
    assert [two.day(FIRST_SLOT + 96 * day) for day in range(24)] == [(0, "")] * 24
    assert min(two.factors) > 900
    assert two.told == []
    with two.store.begin() as tx:
        watched = fairplay.watched_of(tx, ADDRESS)
    assert watched is not None
    assert watched.runs
    assert watched.conduct.standing == GOOD
