"""Recomputes readings, booked lines, slots and the running reserve from the evidence (market-design section 8).

Everything the Queen signed about a slot follows from readings, tariff, terms, her meter and the announced price.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from honey_edge.billing.account import (
    ALONE,
    AccountError,
    Booking,
    Counters,
    Position,
    book_alone,
    book_pooled,
)
from honey_edge.billing.clearing import (
    ClearingError,
    announced_price,
    choose_price,
    share_surplus,
    tariff_cost_pico,
    totals_of,
)
from honey_edge.billing.tariff import Tariff
from honey_edge.wire.merkle import merkle_root, path_root
from honey_edge.wire.messages import ReadingMessage
from honey_edge.wire.recompute import Agreement, Disagreement, check_totals, pool_of, settled_on_island
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import Reading, SlotTotals
from honey_edge.wire.typed_data import digest_of_hash, struct_hash
from queen_node import evidence_format as form
from queen_node.evidence_format import ChargeRecord, EvidenceError, LineRecord, WorkerRecord
from queen_node.verify_files import Evidence
from queen_node.verify_mother import Bills
from queen_node.verify_periods import Periods, Walked, charge_error, check_peak, check_share
from queen_node.verify_reputation import check_factors

_FLAGS = 0x301FF
_NO_SUM_RULE = 3


@dataclass(frozen=True, slots=True)
class CheckedReading:
    """A Reading whose signature and place in the chain hold, with its struct hash."""

    reading: Reading
    hash: bytes


@dataclass(frozen=True, slots=True)
class CheckedAccount:
    """A Worker's readings after its baseline, with a booking for each line, in order; `walked` has its charges."""

    record: WorkerRecord
    baseline: Position | None
    readings: tuple[CheckedReading, ...]
    bookings: tuple[Booking, ...]
    walked: Walked | None = None


@dataclass(slots=True)
class _Closing:
    """What the lines say happened at one closing."""

    pooled: list[tuple[CheckedReading, Booking]] = field(default_factory=list)
    alone_pico: int = 0


@dataclass(frozen=True, slots=True)
class CheckedMoney:
    """Sums over all closings, pico-coins; `hive_cost` is that of the connection point's meter where there is one."""

    paid: int
    hive_cost: int
    fee: int
    surplus: int
    reserve: int

    @property
    def gap(self) -> int:
        """What payments differ by from cost, fee and reserve; the reserve has paid the deficits. Must be 0."""
        return self.paid - (self.hive_cost + self.fee + self.reserve)


def check_readings(evidence: Evidence, agreement: Agreement) -> dict[str, tuple[CheckedReading, ...]]:
    """Every Worker's readings: its own, signed, chained, rising."""
    return {worker: _chain(worker, rows, agreement) for worker, rows in evidence.readings.items()}


def _chain(worker: str, rows: Sequence[ReadingMessage], agreement: Agreement) -> tuple[CheckedReading, ...]:
    checked: list[CheckedReading] = []
    for row in rows:
        reading = row.signed()
        problem = _reading_problem(worker, row, checked[-1] if checked else None)
        hashed = struct_hash(reading)
        digest = digest_of_hash(agreement.domain, hashed)
        if problem is None and not signed_by(reading.worker, digest, bytes.fromhex(row.signature)):
            problem = ("signature", "is not the device's under this reading")
        if problem is not None:
            raise EvidenceError(form.readings_file(worker), *problem, slot=row.slot, worker=worker)
        checked.append(CheckedReading(reading, hashed))
    return tuple(checked)


def _reading_problem(worker: str, row: ReadingMessage, last: CheckedReading | None) -> tuple[str, str] | None:
    if row.worker != worker:
        return "worker", f"is {row.worker}"
    if row.flags & ~_FLAGS or row.flags >> 16 == _NO_SUM_RULE:
        return "flags", f"{row.flags} holds unknown bits"
    if last is None:
        return None
    if row.slot <= last.reading.slot:
        return "slot", f"is not after slot {last.reading.slot}"
    for name, before, now in (
        ("import_milliwh", last.reading.imported, row.import_milliwh),
        ("export_milliwh", last.reading.exported, row.export_milliwh),
    ):
        if now < before:
            return name, f"fell from {before} to {now}"
    return None if row.previous == last.hash.hex() else ("previous", "is not the hash of the reading before")


def check_slots(evidence: Evidence, agreement: Agreement) -> dict[int, SlotTotals]:
    """The signed totals by slot, without a gap, each under terms and tariff and signed by the Queen."""
    first = min((w.counted_from_slot for w in evidence.workers), default=0)
    totals: dict[int, SlotTotals] = {}
    for expected, row in enumerate(evidence.slots, first):
        if row.slot != expected:
            raise EvidenceError(form.SLOTS, "slot", f"is {row.slot}, the next to close was {expected}", slot=row.slot)
        signed = row.signed()
        if signed.slot < agreement.terms.from_slot:
            raise EvidenceError(form.SLOTS, "slot", "lies before the terms are in force", slot=row.slot)
        try:
            check_totals(agreement, signed, bytes.fromhex(row.signature))
        except Disagreement as error:
            raise EvidenceError(form.SLOTS, error.field, str(error), slot=row.slot) from error
        totals[row.slot] = signed
    return totals


def check_accounts(
    evidence: Evidence,
    agreement: Agreement,
    totals: dict[int, SlotTotals],
    readings: dict[str, tuple[CheckedReading, ...]],
    periods: Periods,
) -> list[CheckedAccount]:
    """Every booked line and charge of every Worker, replayed from its baseline.

    Readings after the last line may wait for a closing; one that was left out shows in totals and reserve.
    """
    return [
        _replay(
            record,
            readings[record.worker],
            evidence.lines[record.worker],
            (evidence.charges[record.worker], periods),
            agreement,
            totals,
        )
        for record in evidence.workers
    ]


def _replay(
    record: WorkerRecord,
    readings: tuple[CheckedReading, ...],
    lines: Sequence[LineRecord],
    charged: tuple[Sequence[ChargeRecord], Periods],
    agreement: Agreement,
    totals: dict[int, SlotTotals],
) -> CheckedAccount:
    check_factors(record.worker, lines)
    charges, periods = charged
    after = [r for r in readings if r.reading.slot >= record.opening_slot]
    if not after:
        if lines:
            raise _line_error(record, lines[0], "slot", "no reading is there for this line")
        if charges:
            raise charge_error(record.worker, charges[0], "slot", "no reading is there for this charge")
        return CheckedAccount(record, None, (), ())
    start = after[0].reading
    baseline = Position(start.slot, start.imported, start.exported, 0)
    walked = Walked(record.worker, baseline, charges, periods, agreement.tariff)
    bookings: list[Booking] = []
    last_closed = record.counted_from_slot
    for k, line in enumerate(lines):
        if k + 1 >= len(after) or after[k + 1].reading.slot != line.slot:
            raise _line_error(record, line, "slot", "is not that of the next reading")
        if line.slot not in totals:
            raise _line_error(record, line, "slot", "was never closed")
        if line.closed_slot < last_closed or line.closed_slot not in totals:
            raise _line_error(record, line, "closed_slot", f"{line.closed_slot} is no closing after {last_closed}")
        last_closed = line.closed_slot
        bookings.append(_book(record, line, after[k + 1], walked, agreement, totals))
    walked.closing()
    return CheckedAccount(record, baseline, tuple(after[1 : len(lines) + 1]), tuple(bookings), walked)


def _line_error(record: WorkerRecord, line: LineRecord, name: str, message: str) -> EvidenceError:
    return EvidenceError(form.lines_file(record.worker), name, message, slot=line.slot, worker=record.worker)


def _book(
    record: WorkerRecord,
    line: LineRecord,
    own: CheckedReading,
    walked: Walked,
    agreement: Agreement,
    totals: dict[int, SlotTotals],
) -> Booking:
    walked.closing(line.closed_slot)
    reading, position = own.reading, walked.position
    counters = Counters(reading.slot, reading.imported, reading.exported)
    in_time = line.closed_slot == line.slot and reading.slot == position.slot + 1
    if line.closed_slot < line.slot:
        raise _line_error(record, line, "closed_slot", f"{line.closed_slot} lies before the reading's slot")
    if in_time == (line.kind == ALONE):
        raise _line_error(record, line, "kind", f"{line.kind} does not fit when the reading came and what it spans")
    try:
        if in_time:
            pool = pool_of(totals[line.slot])
            booking = book_pooled(position, counters, pool, line.reputation, line.funding_micro)
        else:
            booking = book_alone(position, counters, agreement.tariff)
        booking = walked.line(line, booking)
    except (AccountError, ClearingError) as error:
        raise _line_error(record, line, "slot", str(error)) from error
    _compare(record, line, booking)
    path = [bytes.fromhex(text) for text in line.path]
    if path and not in_time:
        raise _line_error(record, line, "path", "a reading settled alone has none")
    if in_time and path_root(own.hash, path) != totals[line.slot].readings:
        raise _line_error(record, line, "path", "does not lead to the slot's root of readings")
    return booking


def _compare(record: WorkerRecord, line: LineRecord, booking: Booking) -> None:
    for name, told, own in (
        ("kind", line.kind, booking.kind),
        ("energy_milliwh", line.energy_milliwh, booking.energy_milliwh),
        ("amount_pico", line.amount_pico, booking.amount_pico),
        ("net_pico", line.net_pico, booking.position.net_pico),
    ):
        if told != own:
            raise _line_error(record, line, name, f"is {told}, recomputed {own}")


def check_closings(
    evidence: Evidence,
    agreement: Agreement,
    totals: dict[int, SlotTotals],
    accounts: Sequence[CheckedAccount],
    periods: Periods,
) -> CheckedMoney:
    """Every closing: who was pooled, the energies, E_pcc, the price, the running reserve, and that money adds up."""
    closings: dict[int, _Closing] = defaultdict(_Closing)
    for account in sorted(accounts, key=lambda a: a.record.worker):
        lines = evidence.lines[account.record.worker]
        for line, own, booking in zip(lines, account.readings, account.bookings, strict=True):
            closing = closings[line.closed_slot]
            if booking.kind == ALONE:
                closing.alone_pico += booking.amount_pico
            else:
                _check_own_tariff(account, booking, totals[line.slot])
                closing.pooled.append((own, booking))
    announced = _announced(evidence)
    metered = _metered(evidence)
    reserve = paid = cost = fee = surplus = 0
    walked = [account.walked for account in accounts if account.walked is not None]
    bills, costs = Bills(evidence.mother, min(totals, default=0)), dict[int, int]()
    for slot, signed in totals.items():
        closing = closings[slot]
        _check_pool(
            evidence, signed, closing, metered.get(slot), settled_on_island(agreement.terms, agreement.tariff, signed)
        )
        _check_announced(signed, announced.get(slot))
        shares = share_surplus(pool_of(signed))
        slot_cost = shares.hive_cost
        if slot in metered:
            slot_cost = tariff_cost_pico(metered[slot], signed.buy, signed.sell)
        discounts = sum(booking.discount_pico for _, booking in closing.pooled)
        pooled = sum(booking.amount_pico for _, booking in closing.pooled)
        reserve += shares.shared - discounts - shares.deficit + closing.alone_pico + shares.hive_cost - slot_cost
        more = bills.more(slot, costs)
        reserve, cost = reserve - more, cost + more
        peak = check_peak(slot, walked, agreement, periods, _highest(agreement.tariff, totals, metered, slot))
        reserve += peak.paid - peak.cost - peak.fee
        costs[slot] = slot_cost + peak.cost
        share = check_share(slot, walked, periods, reserve)
        reserve += share.paid
        _expect(signed, "reserve", reserve)
        paid += pooled + closing.alone_pico + peak.paid + share.paid
        cost, fee, surplus = cost + peak.cost, fee + peak.fee, surplus + peak.surplus
        cost, fee, surplus = cost + slot_cost, fee + shares.fee, surplus + shares.surplus
        gap = paid - cost - fee - reserve
        if gap:
            raise _slot_error(signed, "reserve", f"payments differ by {gap} pico-coins from cost, fee and reserve")
    bills.finish()
    return CheckedMoney(paid, cost, fee, surplus, reserve)


def _highest(tariff: Tariff, totals: dict[int, SlotTotals], metered: dict[int, int], slot: int) -> tuple[int, int]:
    """The highest energy of one slot at the connection point in the peak's period up to a slot: by rule, metered."""
    slots = [one for one in range(tariff.first_peak_slot(slot), slot + 1) if one in totals]
    if slot != tariff.peak_slot(slot):
        slots = [slot]
    by_rule = max(totals[one].pcc for one in slots)
    return by_rule, max(metered.get(one, totals[one].pcc) for one in slots)


def _slot_error(signed: SlotTotals, name: str, message: str) -> EvidenceError:
    return EvidenceError(form.SLOTS, name, message, slot=signed.slot)


def _expect(signed: SlotTotals, name: str, own: int | bytes) -> None:
    told = getattr(signed, name)
    if told != own:
        shown = (told.hex(), own.hex()) if isinstance(own, bytes) else (told, own)
        raise _slot_error(signed, name, f"is {shown[0]}, recomputed {shown[1]}")


def _check_own_tariff(account: CheckedAccount, booking: Booking, signed: SlotTotals) -> None:
    if booking.amount_pico > tariff_cost_pico(booking.energy_milliwh, signed.buy, signed.sell):
        worker = account.record.worker
        message = "is above the Worker's own tariff"
        raise EvidenceError(form.lines_file(worker), "amount_pico", message, slot=signed.slot, worker=worker)


def _check_pool(evidence: Evidence, signed: SlotTotals, closing: _Closing, metered: int | None, island: bool) -> None:
    energies = [booking.energy_milliwh for _, booking in closing.pooled]
    counted = sum(1 for worker in evidence.workers if worker.counted_from_slot <= signed.slot)
    bought, sold = totals_of(energies)
    missing = counted - len(energies)
    _expect(signed, "present", len(energies))
    _expect(signed, "missing", missing)
    _expect(signed, "readings", merkle_root([own.hash for own, _ in closing.pooled]))
    _expect(signed, "bought", bought)
    _expect(signed, "sold", sold)
    if island and (missing or metered):
        raise _slot_error(signed, "buy", f"is the island tariff's with {missing} readings missing, metered {metered}")
    if not island:
        _expect(signed, "pcc", metered if metered is not None and not missing else sum(energies))


def _check_announced(signed: SlotTotals, price_e7: int | None) -> None:
    announced = announced_price(price_e7, signed.buy, signed.sell)
    chosen = choose_price(announced, signed.pcc, signed.bought, signed.sold, signed.buy, signed.sell)
    if signed.price != chosen:
        raise _slot_error(signed, "price", f"is {signed.price}, the choice of lambda gives {chosen}")


def _announced(evidence: Evidence) -> dict[int, int]:
    """The last price announced for each slot that a round began with."""
    prices: dict[int, int] = {}
    last = -1
    for row in evidence.rounds:
        if row.round <= last:
            raise EvidenceError(form.ROUNDS, "round", f"is not after round {last}", slot=row.first_slot)
        last = row.round
        if row.broadcasts:
            prices[row.first_slot] = row.price_e7_per_kwh
    return prices


def _metered(evidence: Evidence) -> dict[int, int]:
    """The energy at the connection point in each slot that begins and ends with counters of the Queen's meter."""
    energies: dict[int, int] = {}
    for before, now in zip(evidence.meter, evidence.meter[1:], strict=False):
        for name in ("slot", "import_milliwh", "export_milliwh"):
            if getattr(now, name) < getattr(before, name) + (name == "slot"):
                raise EvidenceError(form.METER, name, "does not rise", slot=now.slot)
        if now.slot == before.slot + 1:
            imported = now.import_milliwh - before.import_milliwh
            energies[now.slot] = imported - (now.export_milliwh - before.export_milliwh)
    return energies
