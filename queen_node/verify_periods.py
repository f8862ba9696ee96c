"""Recomputes peak charges and the reserve shared out from the evidence (market-design section 8, "peak, reserve")."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honey_edge.billing.account import AccountError, Booking, Position
from honey_edge.billing.clearing import ClearingError
from honey_edge.billing.peak import PeakPool, peak_cost_pico
from honey_edge.billing.tally import PEAK, SHARE, Charge, Charged, Tally, book_tallied, charge_peak, share_reserve
from honey_edge.billing.tariff import Tariff
from honey_edge.model.slots import last_slot_of_month
from honey_edge.wire.charge_lines import whole_of
from honey_edge.wire.recompute import Agreement, Disagreement, check_period
from honey_edge.wire.structs import PeakTotals, ReserveTotals, SlotTotals
from queen_node import evidence_format as form
from queen_node.evidence_format import ChargeRecord, EvidenceError, LineRecord, PeriodRecord

Periods = Mapping[tuple[int, int], PeakTotals | ReserveTotals]
_SIGNED_FIELDS = {"charge_signature": "signature", "charge_hive": "hive", "charge_terms": "terms"}


@dataclass(frozen=True, slots=True)
class PeriodMoney:
    """What the end of a period adds to payments, cost at the meter, fee and surplus; pico-coins."""

    paid: int = 0
    cost: int = 0
    fee: int = 0
    surplus: int = 0


def signed_totals(record: PeriodRecord) -> PeakTotals | ReserveTotals:
    """The structure under a record's signature."""
    terms = bytes.fromhex(record.terms)
    if record.kind == PEAK:
        return PeakTotals(record.hive, record.slot, record.whole, record.shared, terms)
    return ReserveTotals(record.hive, record.slot, record.shared, record.whole, terms)


def check_periods(records: Sequence[PeriodRecord], agreement: Agreement, totals: Mapping[int, SlotTotals]) -> Periods:
    """The signed totals of periods by (kind, last slot): signed, each once, exactly where one is due."""
    tariff = agreement.tariff
    due = [
        (slot, kind)
        for slot in totals
        for kind, end in ((PEAK, tariff.peak_slot(slot)), (SHARE, last_slot_of_month(slot)))
        if slot == end and (kind == SHARE or tariff.peak_micro_per_kw)
    ]
    told = [(record.slot, record.kind) for record in records]
    if told != due:
        wrong = next(iter(sorted(set(told) ^ set(due))), told[0] if told else (0, 0))
        raise EvidenceError(form.PERIODS, "slot", "is where none is due, missing or out of order", slot=wrong[0])
    found = {}
    for record in records:
        signed = signed_totals(record)
        try:
            check_period(agreement, signed, bytes.fromhex(record.signature))
        except Disagreement as error:
            raise EvidenceError(form.PERIODS, _SIGNED_FIELDS[error.field], str(error), slot=record.slot) from error
        found[record.kind, record.slot] = signed
    return found


class Walked:
    """One account as its lines and charges move it, in the order of the closings that booked them."""

    def __init__(self, worker: str, start: Position, charges: Sequence[ChargeRecord], periods: Periods, tariff: Tariff):
        self.worker, self.position, self.tally = worker, start, Tally()
        self.charges: list[Charge] = []
        self._waiting, self._periods, self._tariff = list(charges), periods, tariff
        self._keys: list[tuple[int, int]] = []
        self._states: list[Tally] = []
        self._first_closed: int | None = None

    def line(self, line: LineRecord, booking: Booking) -> Booking:
        """Takes a line's booking (from the present position) and gives it back with what a late peak adds.

        AccountError when the peak of its period should have been charged before.
        """
        self.closing(line.closed_slot)
        first = self._first_closed = line.closed_slot if self._first_closed is None else self._first_closed
        if self._tariff.peak_micro_per_kw:
            over = self._tariff.first_peak_slot(line.closed_slot) - 1
            if self._tariff.peak_slot(self.position.slot + 1) <= over and over >= first and self.tally.peak_slot < over:
                raise AccountError(f"the peak of the period up to slot {over} was not charged when it ended")
        self.tally, booked = book_tallied(self.tally, self.position, booking, self._tariff)
        self.position = booked.position
        self._note(line.closed_slot, 0)
        return booked

    def closing(self, slot: int | None = None) -> None:
        """Takes the charges that were booked before a closing; all that are left without a slot."""
        while self._waiting and (slot is None or self._waiting[0].slot < slot):
            self._charge(self._waiting.pop(0))

    def tally_at(self, slot: int) -> Tally:
        """The tally after the lines of a closing, before its charges."""
        place = bisect_right(self._keys, (slot, 0))
        return self._states[place - 1] if place else Tally()

    def _note(self, slot: int, step: int) -> None:
        self._keys.append((slot, step))
        self._states.append(self.tally)

    def _charge(self, row: ChargeRecord) -> None:
        after = self._recomputed(row)
        for name, told, own in (
            ("after_slot", row.after_slot, after.charge.after_slot),
            ("quantity_milliwh", row.quantity_milliwh, after.charge.quantity_milliwh),
            ("amount_pico", row.amount_pico, after.charge.amount_pico),
            ("net_pico", row.net_pico, after.charge.net_pico),
        ):
            if told != own:
                raise charge_error(self.worker, row, name, f"is {told}, recomputed {own}")
        self.position, self.tally = after.position, after.tally
        self.charges.append(after.charge)
        self._note(row.slot, 1)

    def _recomputed(self, row: ChargeRecord) -> Charged:
        totals = self._periods.get((row.kind, row.slot))
        if totals is None:
            raise charge_error(self.worker, row, "slot", "is not the end of a period")
        try:
            if row.kind == PEAK:
                sums = (whole_of(totals), totals.shared)
                return charge_peak(self.tally, self.position, row.slot, sums, self._tariff)
            return share_reserve(self.tally, self.position, row.slot, totals.shared, whole_of(totals))
        except (AccountError, ClearingError) as error:
            raise charge_error(self.worker, row, "slot", str(error)) from error


def charge_error(worker: str, row: ChargeRecord, name: str, message: str) -> EvidenceError:
    """What is wrong with a charge."""
    return EvidenceError(form.charges_file(worker), name, message, slot=row.slot, worker=worker)


def check_peak(
    slot: int, accounts: Sequence[Walked], agreement: Agreement, periods: Periods, highest: tuple[int, int]
) -> PeriodMoney:
    """The peak charges booked at a closing, nothing when none is due.

    `highest` is the highest energy at the connection point in the period, by the rule and by the meter.
    """
    signed = periods.get((PEAK, slot))
    if not isinstance(signed, PeakTotals):
        return PeriodMoney()
    charge = agreement.tariff.peak_micro_per_kw
    own = {one.worker: one.tally_at(slot).highest_of(slot) for one in accounts}
    pool = PeakPool(
        sum(peak_cost_pico(energy, charge) for energy in own.values()),
        peak_cost_pico(highest[0], charge),
        agreement.terms.fee,
    )
    for name, told, recomputed in (("whole", signed.charged, pool.charged), ("shared", signed.shared, pool.shared)):
        if told != recomputed:
            raise EvidenceError(form.PERIODS, name, f"is {told}, recomputed {recomputed}", slot=slot)
    paid = _paid(PEAK, slot, accounts, own)
    return PeriodMoney(paid, peak_cost_pico(highest[1], charge), pool.fee, pool.surplus)


def check_share(slot: int, accounts: Sequence[Walked], periods: Periods, reserve: int) -> PeriodMoney:
    """The shares of the reserve booked at a closing; `reserve` is the running one before them."""
    signed = periods.get((SHARE, slot))
    if not isinstance(signed, ReserveTotals):
        return PeriodMoney()
    own = {one.worker: one.tally_at(slot).moved_milliwh for one in accounts}
    for name, told, recomputed in (
        ("whole", signed.moved, sum(own.values())),
        ("shared", signed.shared, max(reserve, 0)),
    ):
        if told != recomputed:
            raise EvidenceError(form.PERIODS, name, f"is {told}, recomputed {recomputed}", slot=slot)
    return PeriodMoney(paid=_paid(SHARE, slot, accounts, own))


def _paid(kind: int, slot: int, accounts: Sequence[Walked], own: Mapping[str, int]) -> int:
    """What the charges of a closing come to; EvidenceError when a home that must have one has none."""
    paid = 0
    for account in accounts:
        rows = [one for one in account.charges if (one.kind, one.slot) == (kind, slot)]
        if own[account.worker] and not rows:
            name = form.charges_file(account.worker)
            raise EvidenceError(name, "slot", f"kind {kind} is missing", slot=slot, worker=account.worker)
        paid += sum(one.amount_pico for one in rows)
    return paid
