"""The home's side of peak charges and of the reserve: recomputed, kept, shown, and refused when wrong."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from honey_edge.billing.account import Position
from honey_edge.billing.peak import peak_cost_pico
from honey_edge.billing.tally import PEAK, SHARE, Tally
from honey_edge.model.slots import last_slot_of_month, slot_end_unix_s
from honey_edge.wire.charge_lines import ChargeLine, charge_columns
from honey_edge.wire.codec import encode
from honey_edge.wire.recompute import COUNTERS, NET, SLOT, TERMS, TOTALS, Agreement
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import StatementMessage, statement_message
from honey_edge.wire.structs import PeakTotals, ReserveTotals
from honey_edge.wire.typed_data import digest, struct_hash
from tests.unit.worker_node import world
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, HIVE, QUEEN, WORKER, QueensBook, reading
from worker_node.account import Account, Outcome
from worker_node.app import presenter
from worker_node.journal import BookedCharge, JournalThread, SignedReading

MONTH_END = last_slot_of_month(FIRST_SLOT)
CHARGE = 5_000_000
TARIFF = replace(world.TARIFF, peak_micro_per_kw=CHARGE)
AGREEMENT = Agreement(DOMAIN, QUEEN.address, HIVE, world.TERMS, TARIFF)
HASH = struct_hash(world.TERMS)
PEAK_TOTALS = PeakTotals(HIVE, MONTH_END, peak_cost_pico(2_000_000, CHARGE), 7_777_777_777, HASH)
RESERVE_TOTALS = ReserveTotals(HIVE, MONTH_END, 1_000_003, 4_000_000, HASH)


class Bench:
    """Readings of the last slots of a month, of 400, 500, 600 Wh and on; the Queen's book beside them."""

    def __init__(self, folder: Path) -> None:
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        self.account = Account(AGREEMENT, WORKER, self.journal, lambda: 1.0)
        self.readings = []
        imported, before = 1_000, None
        for k in range(5):
            before = reading(MONTH_END - 3 + k, imported, 0, before)
            self.readings.append(before)
            signed = SignedReading(before, WORKER.sign(digest(DOMAIN, before)), struct_hash(before))
            self.journal.run(lambda journal, s=signed: journal.add_reading(s))
            imported += 400_000 + 100_000 * k
        self.book = QueensBook.opened_at(self.readings[0])

    def charge(self, kind: int, totals: PeakTotals | ReserveTotals, quantity: int, amount: int) -> ChargeLine:
        """Books and signs a charge in the Queen's book."""
        at = self.book.position
        self.book.position = replace(at, net_pico=at.net_pico + amount)
        self.book.leaves.append(struct_hash(totals))
        signature = QUEEN.sign(digest(DOMAIN, totals))
        return ChargeLine(kind, totals, signature, at.slot, quantity, amount, at.net_pico + amount)

    def month(self) -> tuple[StatementMessage, list[ChargeLine]]:
        """The Statement of the month's last three slots with both charges."""
        lines = [self.book.line(one) for one in self.readings[1:4]]
        alone = peak_cost_pico(600_000, CHARGE)
        paid = alone - 7_777_777_777 * alone // PEAK_TOTALS.charged
        charges = [
            self.charge(PEAK, PEAK_TOTALS, 600_000, paid),
            self.charge(SHARE, RESERVE_TOTALS, 1_500_000, -(1_000_003 * 1_500_000 // 4_000_000)),
        ]
        return self.with_charges(lines, charges), charges

    def with_charges(self, lines, charges) -> StatementMessage:
        plain = self.book.signed(lines)
        statement, cover = plain.signed(), self.book.cover
        return statement_message(statement, QUEEN.sign(digest(DOMAIN, statement)), cover, lines, charges)

    def answer(self, message: StatementMessage) -> Outcome:
        return asyncio.run(self.account.answer(encode(message)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_months_end_is_countersigned_kept_counted_as_saved_and_shown(bench: Bench) -> None:
    message, (peak, share) = bench.month()
    outcome = bench.answer(message)
    assert outcome.reason == 0, outcome.detail
    alone = peak_cost_pico(600_000, CHARGE)
    kept = bench.journal.run(lambda journal: journal.charges(0))
    assert kept == [
        BookedCharge(PEAK, MONTH_END, 600_000, peak.amount_pico, alone, MONTH_END),
        BookedCharge(SHARE, MONTH_END, 1_500_000, share.amount_pico, 0, MONTH_END),
    ]
    ledger = bench.journal.run(lambda journal: journal.ledger())
    assert ledger is not None
    assert ledger.position.net_pico == share.net_pico
    assert ledger.tally == Tally(0, ((MONTH_END, 600_000),), MONTH_END, MONTH_END)
    lines = bench.journal.run(lambda journal: journal.bookings(0))
    saved = sum(one.standalone_pico - one.amount_pico for one in [*lines, *kept])
    assert bench.journal.run(lambda journal: journal.saved_pico()) == saved
    known = bench.journal.run(lambda journal: presenter.read_rows(journal, TARIFF))
    today = presenter.today_of(known.rows, slot_end_unix_s(MONTH_END) + 60.0, known.charges)
    assert [(one.kind, one.amount_pico) for one in today.charges] == [
        (PEAK, peak.amount_pico),
        (SHARE, share.amount_pico),
    ]
    assert bench.answer(message).payload == outcome.payload
    following = bench.book.statement(bench.readings[4:])
    assert bench.answer(following).reason == 0


def signed(totals, by=QUEEN) -> bytes:
    return by.sign(digest(DOMAIN, totals))


@pytest.mark.parametrize(
    ("place", "changes", "reason"),
    [
        (0, {"amount_pico": 1}, NET),
        (1, {"amount_pico": -1}, NET),
        (0, {"net_pico": 1}, NET),
        (0, {"charged": -1}, TOTALS),
        (0, {"charged": -(10**12)}, NET),
        (0, {"shared": 1_000_000}, NET),
        (1, {"shared": 1_000}, NET),
        (1, {"moved": 1_000}, NET),
        (0, {"slot": 96}, COUNTERS),
        (0, {"slot": -96}, NET),
        (1, {"slot": -96}, NET),
        (0, {"hive": 1}, TOTALS),
        (0, {"terms": b"\1" * 32}, TERMS),
        (0, {"after_slot": 1}, SLOT),
    ],
    ids=str,
)
def test_a_charge_that_is_wrong_under_the_queens_own_signature_is_objected_to(
    bench: Bench, place: int, changes: dict, reason: int
) -> None:
    message, charges = bench.month()
    one = charges[place]
    for name, value in changes.items():
        where = one if name in ("amount_pico", "net_pico", "after_slot") else one.totals
        new = value if isinstance(value, bytes) else getattr(where, name) + value
        if where is one:
            one = replace(one, **{name: new})
        else:
            totals = replace(one.totals, **{name: new})
            one = replace(one, totals=totals, totals_signature=signed(totals))
    if "hive" in changes:
        charges[place] = replace(charges[place], totals_signature=one.totals_signature)
    else:
        charges[place] = one
    outcome = bench.answer(bench.with_charges(message.lines(), charges))
    assert outcome.reason == reason, outcome.detail
    assert bench.journal.run(lambda journal: journal.ledger()) is None
    assert bench.journal.run(lambda journal: journal.charges(0)) == []


def test_totals_that_a_stranger_signed_are_objected_to(bench: Bench) -> None:
    message, charges = bench.month()
    lines = message.lines()
    stranger = replace(charges[0], totals_signature=signed(PEAK_TOTALS, KeySigner(b"\7" * 32)))
    outcome = bench.answer(bench.with_charges(lines, [stranger, charges[1]]))
    assert (outcome.reason, "signed" in outcome.detail) == (TOTALS, True)


def test_a_charge_told_again_with_the_next_statement_is_objected_to(bench: Bench) -> None:
    message, _ = bench.month()
    assert bench.answer(message).reason == 0
    before = bench.book.position
    again = bench.charge(PEAK, PEAK_TOTALS, 600_000, 1)
    outcome = bench.answer(bench.with_charges([bench.book.line(bench.readings[4])], [again]))
    assert (outcome.reason, "no peak charge is due" in outcome.detail) == (NET, True)
    assert before.slot == MONTH_END


def test_a_home_whose_tariff_has_no_peak_charge_objects_to_one(bench: Bench) -> None:
    bench.account = Account(replace(AGREEMENT, tariff=world.TARIFF), WORKER, bench.journal, lambda: 1.0)
    message, _ = bench.month()
    outcome = bench.answer(message)
    assert (outcome.reason, "no peak charge" in outcome.detail) == (NET, True)


def test_a_statement_without_charges_has_none_of_their_fields(bench: Bench) -> None:
    plain = bench.book.statement(bench.readings[1:3])
    assert b"charge_" not in encode(plain)
    assert b'"v":1' in encode(plain)
    assert plain.charges() == []
    assert all(values == () for values in charge_columns([]).values())


def test_an_account_begun_before_tallies_were_kept_has_moved_all_its_energy_so_far(bench: Bench) -> None:
    assert bench.answer(bench.book.statement(bench.readings[1:3])).reason == 0

    def forget(journal) -> None:
        with journal._db:
            journal._db.execute("UPDATE ledger SET tally = ''")

    bench.journal.run(forget)
    ledger = bench.journal.run(lambda journal: journal.ledger())
    assert ledger is not None
    assert ledger.tally == Tally(900_000)
    assert isinstance(ledger.position, Position)
