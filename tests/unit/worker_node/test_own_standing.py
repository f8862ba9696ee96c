"""What must hold for the home's own reputation: from its own journal, and no Queen may go far below it."""

import asyncio
import random
from pathlib import Path

import pytest

from honey_edge.market.fairplay.reputation import FULL, Reputation, observe
from honey_edge.market.fairplay.standing import LENIENT_PERMILLE, factor_in
from honey_edge.model.slots import day_of
from honey_edge.wire.recompute import TOTALS
from honey_edge.wire.structs import Reading
from honey_edge.wire.typed_data import struct_hash
from queen_node.closing.trust import observe_closed
from queen_node.store import Store, readings, reputations
from queen_node.store.records import LineRow, StoredReading
from queen_node.store.schema import declarations
from tests.unit.worker_node.test_account import Bench
from tests.unit.worker_node.test_agent import Home, a_round
from tests.unit.worker_node.test_agent_masked import Street, masked_price
from tests.unit.worker_node.world import FIRST_SLOT, WORKER, QueensBook, reading
from worker_node.journal import Answered, Journal, JournalThread, SignedReading
from worker_node.standing import walk

OWN = 800
DAY = day_of(FIRST_SLOT)
OLD = Reputation(1_720 * 10**9, 10**12, 0, DAY - 30, DAY - 1, FULL)
"""Thirty days old, with means that amount to OWN."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def known(bench: Bench, state: Reputation) -> None:
    """The journal as it is with this reputation."""
    kept = Answered(FIRST_SLOT - 1, bytes(32), 1, b"", b"", "", 0)
    bench.journal.run(lambda journal: journal.put_answer(kept, None, (), state))


def told(bench: Bench, reputation: int) -> tuple[int, str]:
    """What is answered to a Statement whose lines are booked with this factor."""
    message = bench.book.signed([bench.book.line(one, reputation) for one in bench.readings[1:]])
    outcome = bench.answer(message)
    return outcome.reason, outcome.detail


def declare(journal: JournalThread, slot: int, power_w: int | None) -> None:
    journal.run(lambda one: one.put_declared(slot, power_w))


@pytest.mark.parametrize("reputation", [OWN - LENIENT_PERMILLE, OWN, OWN + 1, FULL])
def test_a_factor_from_a_little_below_the_own_one_upwards_is_signed(bench: Bench, reputation: int) -> None:
    assert factor_in(OLD, FIRST_SLOT) == OWN
    known(bench, OLD)
    assert told(bench, reputation) == (0, "")


@pytest.mark.parametrize("reputation", [OWN - LENIENT_PERMILLE - 1, 500, 0, FULL + 1, 60_000])
def test_a_lower_or_an_impossible_factor_is_objected_to(bench: Bench, reputation: int) -> None:
    known(bench, OLD)
    lines = [bench.book.line(one) for one in bench.readings[1:]]
    lines[-1] = type(lines[-1])(**{n: getattr(lines[-1], n) for n in lines[-1].__slots__} | {"reputation": reputation})
    outcome = bench.answer(bench.book.signed(lines))
    assert outcome.reason == TOTALS
    assert f"reputation: is {reputation}" in outcome.detail
    assert bench.journal.run(Journal.reputation) == OLD


def test_without_a_week_of_observations_only_the_full_factor_is_signed(bench: Bench) -> None:
    assert told(bench, FULL - 1)[0] == TOTALS


def test_own_observations_are_kept_with_the_account_and_only_once(bench: Bench) -> None:
    for slot, power_w in ((FIRST_SLOT + 2, 1), (FIRST_SLOT + 3, 2_400), (FIRST_SLOT + 4, None)):
        declare(bench.journal, slot, power_w)
    message = bench.book.statement(bench.readings[1:])
    assert bench.answer(message).reason == 0
    expected = observe(Reputation(), DAY, measured=599_500, declared=600_000, reference=599_500)
    assert bench.journal.run(Journal.reputation) == expected
    bench.answer(message)
    assert bench.journal.run(Journal.reputation) == expected
    assert asyncio.run(bench.account.view()).reputation == FULL


def test_a_span_is_not_observed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [FIRST_SLOT, FIRST_SLOT + 1, FIRST_SLOT + 2, FIRST_SLOT + 4])
    declare(bench.journal, FIRST_SLOT + 4, 9_000)
    assert bench.answer(bench.book.statement(bench.readings[1:])).reason == 0
    assert bench.journal.run(Journal.reputation) == Reputation()


def test_what_is_declared_in_a_round_is_in_the_journal(tmp_path: Path) -> None:
    home = Home(tmp_path)
    declared: list[int] = []

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        final = (await a_round(home.agent))[-1]
        assert final is not None
        declared.append(final.power_w[0])

    home.run(story)
    assert home.journal.run(lambda journal: journal.declared_w(FIRST_SLOT + 1)) == declared[0]


def test_under_masks_what_was_declared_stays_out_of_the_reckoning(tmp_path: Path) -> None:
    street = Street(tmp_path)
    declare(street.journal, FIRST_SLOT + 1, 700)

    async def story() -> None:
        street.agree()
        for number in range(3):
            assert await street.iterate(number) is not None
        assert await street.agent.answer(masked_price(3, final=True)) is not None

    street.run(story)
    assert street.journal.run(lambda journal: journal.declared_w(FIRST_SLOT + 1)) is None


def test_queen_and_worker_come_to_the_same_integers_from_their_own_records(tmp_path: Path) -> None:
    """Two days with gaps, hidden and missing Declarations; each side has only what it stores itself."""
    draw = random.Random(9)
    slots = [FIRST_SLOT + k for k in range(192) if draw.random() > 0.04]
    journal, store = JournalThread(tmp_path / "own.sqlite", WORKER.address), Store("sqlite://")
    made: list[Reading] = []
    for slot in slots:
        last = made[-1] if made else None
        start, export = (last.imported, last.exported) if last else (0, 0)
        made.append(reading(slot, start + draw.randrange(900_000), export + draw.randrange(900_000), last))
        signed = SignedReading(made[-1], bytes(64), struct_hash(made[-1]))
        journal.run(lambda one, s=signed: one.add_reading(s))  # type: ignore[misc]
    book = QueensBook.opened_at(made[0])
    worker = WORKER.address.hex()
    powers = {slot: draw.choice((None, draw.randrange(-9_000, 9_000))) for slot in slots if draw.random() > 0.1}
    for slot, power_w in powers.items():
        declare(journal, slot, power_w)
    with store.begin() as tx:
        for slot, power_w in powers.items():
            row = {"worker": worker, "round": slot, "first_slot": slot, "profile": b"", "signature": b""}
            tx.execute(declarations.insert().values(**row, power_w=power_w))
    before, lines = book.position, []
    for one in made:
        with store.begin() as tx:
            readings.add_readings(tx, [StoredReading(one, struct_hash(one), bytes(64))])
        if one.slot > before.slot:
            line = book.line(one)
            lines.append(line)
            row = LineRow(worker, one.slot, one.slot, line.kind, line.energy_milliwh, FULL, 0, 0, 0, 0, 0, ())
            with store.begin() as tx:
                observe_closed(tx, one.slot, [row])
    own = journal.run(lambda one: walk(one, before, made[1:], lines))
    with store.begin() as tx:
        queens = reputations.all_reputations(tx)[worker]
    assert queens.state == own.after
    assert min(own.after.error_mean, own.after.reference_mean) > 0
