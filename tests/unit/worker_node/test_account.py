"""The account signs exactly what it can recompute, and objects with the right reason to everything else."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from honey_edge.billing.account import ARREARS, POOLED
from honey_edge.billing.cover import Cover
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.messages import CountersignMessage
from honey_edge.wire.recompute import COUNTERS, FUNDS, NET, POOL, SLOT, TERMS, TOTALS, Agreement
from honey_edge.wire.signing import KeySigner, signed_by
from honey_edge.wire.statement_message import CoverTold, StatementLine, StatementMessage
from honey_edge.wire.structs import Reading
from honey_edge.wire.typed_data import digest, struct_hash
from tests.unit.worker_node import world
from tests.unit.worker_node.world import COVER, DOMAIN, FIRST_SLOT, HIVE, QUEEN, WORKER, QueensBook, reading
from worker_node.account import Account, ForeignStatement, Outcome
from worker_node.journal import JournalThread, SignedReading

AGREEMENT = Agreement(DOMAIN, QUEEN.address, HIVE, world.TERMS, world.TARIFF)


class Bench:
    """One Worker's account over a journal with readings of some slots, and the Queen's book for it."""

    def __init__(self, folder: Path, slots: list[int] | None = None) -> None:
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        self.account = self.fresh_account()
        self.readings: list[Reading] = []
        for k, slot in enumerate(slots or range(FIRST_SLOT, FIRST_SLOT + 5)):
            before = self.readings[-1] if self.readings else None
            one = reading(slot, 1_000 + 600_000 * k, 500 * k, before)
            self.readings.append(one)
            signed = SignedReading(one, WORKER.sign(digest(DOMAIN, one)), struct_hash(one))
            self.journal.run(lambda journal, s=signed: journal.add_reading(s))  # type: ignore[misc]
        self.book = QueensBook.opened_at(self.readings[0])

    def fresh_account(self) -> Account:
        return Account(AGREEMENT, WORKER, self.journal, lambda: 1.0)

    def answer(self, message: StatementMessage) -> Outcome:
        return asyncio.run(self.account.answer(encode(message)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_right_statement_is_countersigned_and_the_next_goes_on_from_it(bench: Bench) -> None:
    for upto in (3, 5):
        message = bench.book.statement(bench.readings[1 if upto == 3 else 3 : upto])
        outcome = bench.answer(message)
        assert outcome.reason == 0, outcome.detail
        assert outcome.payload is not None
        countersigned = decode(CountersignMessage, outcome.payload)
        hashed = digest(DOMAIN, message.signed())
        assert bytes.fromhex(countersigned.statement) == hashed
        assert signed_by(WORKER.address, hashed, bytes.fromhex(countersigned.signature))
    view = asyncio.run(bench.account.view())
    assert view.ledger is not None
    assert view.ledger.position == bench.book.position
    assert view.agreed_count == 2
    assert view.saved_pico > 0
    assert [one.kind for one in bench.journal.run(lambda journal: journal.bookings(0))] == [POOLED] * 4


def test_a_span_is_settled_alone_and_countersigned(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [FIRST_SLOT, FIRST_SLOT + 1, FIRST_SLOT + 4, FIRST_SLOT + 5])
    assert bench.answer(bench.book.statement(bench.readings[1:])).reason == 0


def test_above_its_funding_a_home_is_in_arrears_and_still_countersigns(bench: Bench) -> None:
    bench.book.cover = CoverTold(100_000, 10**9, 0, 1)
    message = bench.book.statement(bench.readings[1:])
    assert message.line_kind[-1] == ARREARS
    assert message.net_micro == 100_000
    assert bench.answer(message).reason == 0


def test_the_same_statement_again_gets_the_stored_answer_even_after_a_restart(bench: Bench) -> None:
    message = bench.book.statement(bench.readings[1:3])
    first = bench.answer(message)
    bench.account = bench.fresh_account()
    again = bench.answer(message)
    assert again.payload == first.payload
    assert not again.fresh
    assert asyncio.run(bench.account.newest_answer()) == first.payload


def test_an_older_statement_is_ignored_and_another_for_the_same_slot_refused(bench: Bench) -> None:
    old = bench.book.statement(bench.readings[1:2])
    bench.answer(old)
    newest = bench.book.statement(bench.readings[2:4])
    bench.answer(newest)
    other_old = msgspec.structs.replace(old, funding_micro=1)
    assert bench.answer(other_old).fresh is False
    forged = bench.book.signed([], net=newest.net_micro - 1)
    assert bench.answer(forged).reason == SLOT
    unknown_old = bench.book.signed([], slot=FIRST_SLOT + 2)
    assert bench.answer(unknown_old).payload is None


def with_line(**changes: object) -> Callable[[Bench], StatementMessage]:
    """A statement whose last line is changed and whose Statement is signed by the Queen all the same."""

    def make(bench: Bench) -> StatementMessage:
        lines = [bench.book.line(one) for one in bench.readings[1:3]]
        lines[-1] = replace(lines[-1], **changes)  # type: ignore[arg-type]
        return bench.book.signed(lines)

    return make


def with_totals(sign: KeySigner = QUEEN, **changes: object) -> Callable[[Bench], StatementMessage]:
    """A statement whose last line's SlotTotals are changed and signed anew."""

    def make(bench: Bench) -> StatementMessage:
        lines = [bench.book.line(one) for one in bench.readings[1:3]]
        totals = replace(lines[-1].totals, **changes)  # type: ignore[arg-type]
        lines[-1] = replace(lines[-1], totals=totals, totals_signature=sign.sign(digest(DOMAIN, totals)))
        return bench.book.signed(lines)

    return make


def with_statement(**changes: object) -> Callable[[Bench], StatementMessage]:
    """A statement with a changed field, signed by the Queen."""

    def make(bench: Bench) -> StatementMessage:
        lines: list[StatementLine] = [bench.book.line(one) for one in bench.readings[1:3]]
        return bench.book.signed(lines, **changes)

    return make


def with_cover(**changes: object) -> Callable[[Bench], StatementMessage]:
    """A statement that tells another cover."""

    def make(bench: Bench) -> StatementMessage:
        return msgspec.structs.replace(bench.book.statement(bench.readings[1:3]), **changes)

    return make


TAMPERED = {
    "energy of a line": (with_line(energy_milliwh=599_501), COUNTERS),
    "amount of a line": (with_line(amount_pico=1), NET),
    "settled alone though pooled": (with_line(kind=1, path=()), NET),
    "settled alone with a path": (with_line(kind=1), TOTALS),
    "arrears without any": (with_line(kind=2), NET),
    "reputation": (with_line(reputation=999), TOTALS),
    "path": (with_line(path=()), TOTALS),
    "totals signed by another": (with_totals(world.OWNER), TOTALS),
    "another hive": (with_totals(hive=8), TOTALS),
    "other terms": (with_totals(terms=bytes(32)), TERMS),
    "dearer tariff": (with_totals(buy=310_000), TERMS),
    "higher fee": (with_totals(fee=21), TERMS),
    "price off the rule": (with_totals(price=123_456), TOTALS),
    "surplus moved": (with_totals(bought=600_000), NET),
    "net one up": (with_statement(net=10**6), NET),
    "import counter": (with_statement(imported=9), COUNTERS),
    "export counter": (with_statement(exported=9), COUNTERS),
    "slot": (with_statement(slot=FIRST_SLOT + 3), SLOT),
    "hive of the statement": (with_statement(hive=8), SLOT),
    "evidence root": (with_statement(readings=bytes(32)), TOTALS),
    "above the funding": (with_cover(funding_micro=-(10**9)), FUNDS),
    "pool below the requests": (with_cover(pending_micro=COVER.pool_micro + 1), POOL),
    "arrays of two lengths": (with_cover(line_kind=(0,)), SLOT),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_every_kind_of_tampering_is_objected_with_its_reason(bench: Bench, name: str) -> None:
    make, reason = TAMPERED[name]
    message = make(bench)
    outcome = bench.answer(message)
    assert outcome.payload is not None
    objection = decode(CountersignMessage, outcome.payload)
    assert (outcome.reason, objection.reason) == (reason, reason), outcome.detail
    assert signed_by(WORKER.address, digest(DOMAIN, objection.objection()), bytes.fromhex(objection.signature))
    assert asyncio.run(bench.account.view()).ledger is None


def test_after_an_objection_the_next_right_statement_is_agreed(bench: Bench) -> None:
    bad = with_line(amount_pico=1)(bench)
    assert bench.answer(bad).reason == NET
    bench.book = QueensBook.opened_at(bench.readings[0])
    assert bench.answer(bench.book.statement(bench.readings[1:4])).reason == 0


def test_a_statement_of_a_stranger_or_for_another_gets_no_answer(bench: Bench) -> None:
    message = bench.book.statement(bench.readings[1:3])
    for wrong in (
        msgspec.structs.replace(message, signature=world.OWNER.sign(digest(DOMAIN, message.signed())).hex()),
        msgspec.structs.replace(message, worker="00" * 20),
    ):
        with pytest.raises(ForeignStatement):
            bench.answer(wrong)


class Eye:
    """An eye on the chain with the looks it will have, one after the other; the last stays."""

    def __init__(self, *looks: Cover | None) -> None:
        self.looks = list(looks)
        self.asked_again = 0

    def newest(self) -> Cover | None:
        return self.looks[0]

    async def again(self) -> Cover | None:
        self.asked_again += 1
        if len(self.looks) > 1:
            self.looks.pop(0)
        return self.looks[0]


def with_eye(bench: Bench, eye: Eye) -> Bench:
    bench.account = Account(AGREEMENT, WORKER, bench.journal, lambda: 1.0, cover=eye)
    return bench


RICH = Cover(90_000_000, 0, 20, FIRST_SLOT - 1)
POOR = Cover(19_999, 0, 20, FIRST_SLOT - 1)


def test_a_pool_told_too_small_for_the_days_totals_is_refused_as_told_by_the_queen(bench: Bench) -> None:
    bench.book.cover = CoverTold(40_000_000, 19_999, 0, 1)
    outcome = bench.answer(bench.book.statement(bench.readings[1:3]))
    assert outcome.reason == POOL
    assert "as told by the Queen" in outcome.detail
    assert asyncio.run(bench.account.view()).ledger is None


def test_what_was_owed_before_this_statement_counts_too(bench: Bench) -> None:
    bench.book.cover = CoverTold(40_000_000, 150_000, 0, 1)
    assert bench.answer(bench.book.statement(bench.readings[1:3])).reason == 0
    assert bench.answer(bench.book.statement(bench.readings[3:5])).reason == POOL


def test_the_own_look_counts_more_than_what_the_queen_tells(bench: Bench) -> None:
    poor = with_eye(bench, Eye(POOR)).answer(bench.book.statement(bench.readings[1:3]))
    assert (poor.reason, "own look at the chain" in poor.detail) == (POOL, True)


def test_without_a_look_that_counts_the_word_of_the_queen_does(bench: Bench) -> None:
    assert with_eye(bench, Eye(None)).answer(bench.book.statement(bench.readings[1:3])).reason == 0


def test_an_old_look_that_finds_too_little_is_taken_again_before_objecting(bench: Bench) -> None:
    eye = Eye(replace(POOR, block=COVER.block - 1), RICH)
    assert with_eye(bench, eye).answer(bench.book.statement(bench.readings[1:3])).reason == 0
    assert eye.asked_again == 1


def test_a_look_that_is_enough_is_not_taken_again(bench: Bench) -> None:
    eye = Eye(replace(RICH, block=COVER.block - 1))
    assert with_eye(bench, eye).answer(bench.book.statement(bench.readings[1:3])).reason == 0
    assert eye.asked_again == 0


def test_a_malformed_message_is_objected_to_also_with_an_old_look(bench: Bench) -> None:
    eye = Eye(replace(POOR, block=COVER.block - 1))
    assert with_eye(bench, eye).answer(with_cover(line_kind=(0,))(bench)).reason == SLOT


def test_credit_that_is_open_for_longer_than_the_terms_say_is_refused(bench: Bench) -> None:
    eye = Eye(replace(RICH, settled_slot=FIRST_SLOT - 193))
    with_eye(bench, eye)
    assert bench.answer(bench.book.statement(bench.readings[1:2])).reason == 0
    late = bench.answer(bench.book.statement(bench.readings[2:3]))
    assert (late.reason, "days old" in late.detail) == (POOL, True)
