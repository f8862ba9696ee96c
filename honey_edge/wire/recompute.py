"""A Worker's (or a stranger's) recomputation of a statement from signed evidence only (README Money, architecture 6).

Inputs: SlotTotals and their signatures, the Worker's own Readings, the terms and tariff its home accepted, and the
funding told with the Statement. Anything that differs by one unit raises `Disagreement` with an Objection reason.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.billing.account import (
    ALONE,
    AccountError,
    Booking,
    Counters,
    Position,
    book_alone,
    book_pooled,
    statement_net_micro,
)
from honey_edge.billing.clearing import FULL_REPUTATION, ClearingError, SlotPool, is_balanced
from honey_edge.billing.tally import PEAK, Charged, Tally, book_tallied, charge_peak, share_reserve
from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import day_of
from honey_edge.wire.charge_lines import ChargeLine
from honey_edge.wire.merkle import merkle_root, path_root
from honey_edge.wire.signing import signed_by
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import HiveTerms, PeakTotals, Reading, ReserveTotals, SlotTotals, Statement
from honey_edge.wire.typed_data import Domain, digest, struct_hash

COUNTERS, TERMS, TOTALS, NET, SLOT, FUNDS, POOL = range(1, 8)


class Disagreement(HiveError, ValueError):
    """A statement differs from the recomputation; `reason` is the Objection's number, `slot` where it shows."""

    code = "E-DISAGREEMENT"

    def __init__(self, reason: int, field: str, slot: int, message: str) -> None:
        super().__init__(f"slot {slot}, {field}: {message}")
        self.reason = reason
        self.field = field
        self.slot = slot


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the home accepted: whose signature counts, where, under which terms and tariff."""

    domain: Domain
    queen: bytes
    hive: int
    terms: HiveTerms
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class Ledger:
    """An account's position and tally, and the evidence leaves of the day its last Statement fell on."""

    position: Position
    statement_slot: int
    leaves: tuple[bytes, ...] = ()
    tally: Tally = dataclasses.field(default_factory=Tally)

    def leaves_for(self, slot: int) -> tuple[bytes, ...]:
        """The leaves a new Statement at `slot` adds to: those of the same day, else none."""
        return self.leaves if day_of(slot) == day_of(self.statement_slot) else ()


def pool_of(totals: SlotTotals) -> SlotPool:
    """The settlement rule's inputs in signed SlotTotals."""
    return SlotPool(
        totals.bought,
        totals.sold,
        totals.pcc,
        totals.buy,
        totals.sell,
        totals.price,
        totals.theta,
        totals.fee,
    )


def line_leaves(reading_hash: bytes, totals: SlotTotals, kind: int) -> tuple[bytes, ...]:
    """The evidence leaves of one line: the Reading, then for all but a reading settled alone the SlotTotals."""
    return (reading_hash,) if kind == ALONE else (reading_hash, struct_hash(totals))


def settled_on_island(terms: HiveTerms, tariff: Tariff, totals: SlotTotals) -> bool:
    """Whether a slot is settled by the island tariff, and may be.

    The tariff file that the home accepted names these prices, at most the terms' ceiling; nothing flowed at the
    connection point; and what was bought is what was sold, up to losses of 50 per mille.
    """
    prices = tariff.island_prices(totals.slot, terms.island_ceiling)
    if prices is None or (totals.buy, totals.sell) != prices or totals.pcc:
        return False
    return is_balanced(totals.bought - totals.sold, totals.bought, totals.sold)


def check_totals(agreement: Agreement, totals: SlotTotals, signature: bytes) -> None:
    """SlotTotals stand under the agreed terms and tariff, follow the choice of lambda, and are signed."""
    slot = totals.slot
    if not signed_by(agreement.queen, digest(agreement.domain, totals), signature):
        raise Disagreement(TOTALS, "signature", slot, "the SlotTotals are not signed by the Queen")
    if totals.hive != agreement.hive:
        raise Disagreement(TOTALS, "hive", slot, f"is {totals.hive}, this is Hive {agreement.hive}")
    if totals.terms != struct_hash(agreement.terms):
        raise Disagreement(TERMS, "terms", slot, "are not those the home accepted")
    buy, sell = agreement.tariff.prices(slot)
    if settled_on_island(agreement.terms, agreement.tariff, totals):
        buy, sell = totals.buy, totals.sell
    expected = {"buy": buy, "sell": sell, "theta": agreement.terms.theta, "fee": agreement.terms.fee}
    for field, value in expected.items():
        if getattr(totals, field) != value:
            raise Disagreement(TERMS, field, slot, f"is {getattr(totals, field)}, the terms say {value}")
    _check_price(totals)


def _check_price(totals: SlotTotals) -> None:
    balanced = is_balanced(totals.pcc, totals.bought, totals.sold)
    edge = totals.buy if totals.pcc > 0 else totals.sell
    fits = totals.sell <= totals.price <= totals.buy if balanced else totals.price == edge
    if not fits:
        raise Disagreement(TOTALS, "price", totals.slot, f"{totals.price} does not follow the choice of lambda")


def check_period(agreement: Agreement, totals: PeakTotals | ReserveTotals, signature: bytes) -> None:
    """A period's totals stand under the agreed terms and are signed by the Queen."""
    slot = totals.slot
    if not signed_by(agreement.queen, digest(agreement.domain, totals), signature):
        raise Disagreement(TOTALS, "charge_signature", slot, f"the {type(totals).__name__} are not signed by the Queen")
    if totals.hive != agreement.hive:
        raise Disagreement(TOTALS, "charge_hive", slot, f"is {totals.hive}, this is Hive {agreement.hive}")
    if totals.terms != struct_hash(agreement.terms):
        raise Disagreement(TERMS, "charge_terms", slot, "are not those the home accepted")


def recompute_charge(agreement: Agreement, position: Position, tally: Tally, line: ChargeLine) -> Charged:
    """The account after a peak charge or a share of the reserve; Disagreement when the line says anything else."""
    check_period(agreement, line.totals, line.totals_signature)
    slot, (whole, shared) = line.totals.slot, line.sums
    try:
        if line.kind == PEAK:
            after = charge_peak(tally, position, slot, (whole, shared), agreement.tariff)
        else:
            after = share_reserve(tally, position, slot, shared, whole)
    except (AccountError, ClearingError) as error:
        raise Disagreement(NET, "charge_slot", slot, str(error)) from error
    for field, reason, told, own in (
        ("charge_after_slot", SLOT, line.after_slot, after.charge.after_slot),
        ("charge_quantity_milliwh", COUNTERS, line.quantity_milliwh, after.charge.quantity_milliwh),
        ("charge_amount_pico", NET, line.amount_pico, after.charge.amount_pico),
        ("charge_net_pico", NET, line.net_pico, after.charge.net_pico),
    ):
        if told != own:
            raise Disagreement(reason, field, slot, f"is {told}, recomputed {own}")
    return after


def recompute_line(
    agreement: Agreement,
    position: Position,
    tally: Tally,
    reading: Reading,
    line: StatementLine,
    funding_micro: int,
    lowest: int,
) -> tuple[Tally, Booking]:
    """The tally after the line's reading and what that adds; Disagreement when the line says anything else.

    The line's reputation (per mille) is taken as told where it is between `lowest` and the full one.
    """
    totals, slot = line.totals, reading.slot
    if totals.slot != slot:
        raise Disagreement(SLOT, "line slot", totals.slot, f"the next reading is that of slot {slot}")
    check_totals(agreement, totals, line.totals_signature)
    least = FULL_REPUTATION if line.kind == ALONE else lowest
    if not least <= line.reputation <= FULL_REPUTATION:
        raise Disagreement(TOTALS, "reputation", slot, f"is {line.reputation}, recomputed {least} or more")
    counters = Counters(slot, reading.imported, reading.exported)
    try:
        if line.kind == ALONE:
            if line.path:
                raise Disagreement(TOTALS, "path", slot, "a reading settled alone is in no SlotTotals")
            booking = book_alone(position, counters, agreement.tariff)
        else:
            if path_root(struct_hash(reading), line.path) != totals.readings:
                raise Disagreement(TOTALS, "path", slot, "the reading is not among those of the SlotTotals")
            booking = book_pooled(position, counters, pool_of(totals), line.reputation, funding_micro)
        tally, booking = book_tallied(tally, position, booking, agreement.tariff)
    except (AccountError, ClearingError) as error:
        raise Disagreement(COUNTERS, "reading", slot, str(error)) from error
    _compare_line(line, booking)
    return tally, booking


def _compare_line(line: StatementLine, booking: Booking) -> None:
    slot = line.totals.slot
    for field, reason, told, own in (
        ("kind", NET, line.kind, booking.kind),
        ("energy_milliwh", COUNTERS, line.energy_milliwh, booking.energy_milliwh),
        ("amount_pico", NET, line.amount_pico, booking.amount_pico),
        ("net_pico", NET, line.net_pico, booking.position.net_pico),
    ):
        if told != own:
            raise Disagreement(reason, field, slot, f"is {told}, recomputed {own}")


def recompute_statement(
    agreement: Agreement,
    ledger: Ledger,
    readings: Sequence[Reading],
    lines: Sequence[StatementLine],
    statement: Statement,
    funding_micro: int,
    lowest: Sequence[int],
    charges: Sequence[ChargeLine] = (),
) -> tuple[Ledger, list[Booking]]:
    """The ledger after a Statement; `readings` are the own readings after the ledger's, one per line, in order.

    `lowest` is the least reputation (per mille) that is accepted for each line, as long as `lines`. `charges` are in
    the order of the account.
    Disagreement names the first thing that differs by one unit.
    """
    if statement.slot <= ledger.statement_slot:
        raise Disagreement(SLOT, "slot", statement.slot, f"is not above slot {ledger.statement_slot}")
    if not lines or len(readings) < len(lines):
        raise Disagreement(SLOT, "lines", statement.slot, f"{len(lines)} lines for {len(readings)} readings")
    walk = _Walk(agreement, ledger.position, ledger.tally, list(ledger.leaves_for(statement.slot)), list(charges))
    bookings = []
    for reading, (line, least) in zip(readings, zip(lines, lowest, strict=True), strict=False):
        walk.charge()
        walk.tally, booking = recompute_line(agreement, walk.position, walk.tally, reading, line, funding_micro, least)
        walk.position = booking.position
        bookings.append(booking)
        walk.leaves.extend(line_leaves(struct_hash(reading), line.totals, line.kind))
    walk.charge()
    if walk.charges:
        raise Disagreement(SLOT, "charge_after_slot", statement.slot, "names no line of this Statement or before it")
    if statement.worker != readings[0].worker:
        raise Disagreement(SLOT, "worker", statement.slot, f"is {statement.worker.hex()}, another account")
    _compare_statement(agreement, statement, walk.position, merkle_root(walk.leaves), funding_micro)
    return Ledger(walk.position, statement.slot, tuple(walk.leaves), walk.tally), bookings


@dataclass(slots=True)
class _Walk:
    """An account on its way through a Statement."""

    agreement: Agreement
    position: Position
    tally: Tally
    leaves: list[bytes]
    charges: list[ChargeLine]

    def charge(self) -> None:
        """Takes the charges that stand where the account is now."""
        while self.charges and self.charges[0].after_slot == self.position.slot:
            line = self.charges.pop(0)
            after = recompute_charge(self.agreement, self.position, self.tally, line)
            self.position, self.tally = after.position, after.tally
            self.leaves.append(struct_hash(line.totals))


def _compare_statement(
    agreement: Agreement, statement: Statement, position: Position, root: bytes, funding_micro: int
) -> None:
    for field, reason, told, own in (
        ("hive", SLOT, statement.hive, agreement.hive),
        ("slot", SLOT, statement.slot, position.slot),
        ("imported", COUNTERS, statement.imported, position.imported),
        ("exported", COUNTERS, statement.exported, position.exported),
        ("net", NET, statement.net, statement_net_micro(position.net_pico, funding_micro)),
        ("readings", TOTALS, statement.readings, root),
    ):
        if told != own:
            raise Disagreement(reason, field, statement.slot, f"is {_shown(told)}, recomputed {_shown(own)}")


def _shown(value: int | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
