"""A Worker's (or a stranger's) recomputation of a statement from signed evidence only (README Money, architecture 6).

Inputs: SlotTotals and their signatures, the Worker's own Readings, the terms and tariff its home accepted, and the
funding told with the Statement. Anything that differs by one unit raises `Disagreement` with an Objection reason.
"""

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
from honey_edge.billing.clearing import BALANCED_PER_MILLE, FULL_REPUTATION, ClearingError, SlotPool
from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import day_of
from honey_edge.wire.merkle import merkle_root, path_root
from honey_edge.wire.signing import signed_by
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import HiveTerms, Reading, SlotTotals, Statement
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
    """An account's position and the evidence leaves of the day its last Statement fell on."""

    position: Position
    statement_slot: int
    leaves: tuple[bytes, ...] = ()

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
    expected = {"buy": buy, "sell": sell, "theta": agreement.terms.theta, "fee": agreement.terms.fee}
    for field, value in expected.items():
        if getattr(totals, field) != value:
            raise Disagreement(TERMS, field, slot, f"is {getattr(totals, field)}, the terms say {value}")
    _check_price(totals)


def _check_price(totals: SlotTotals) -> None:
    balanced = 1000 * abs(totals.pcc) <= BALANCED_PER_MILLE * (totals.bought + totals.sold)
    edge = totals.buy if totals.pcc > 0 else totals.sell
    fits = totals.sell <= totals.price <= totals.buy if balanced else totals.price == edge
    if not fits:
        raise Disagreement(TOTALS, "price", totals.slot, f"{totals.price} does not follow the choice of lambda")


def recompute_line(
    agreement: Agreement, position: Position, reading: Reading, line: StatementLine, funding_micro: int, lowest: int
) -> Booking:
    """What the line's reading adds to the account; Disagreement when the line says anything else.

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
    except (AccountError, ClearingError) as error:
        raise Disagreement(COUNTERS, "reading", slot, str(error)) from error
    _compare_line(line, booking)
    return booking


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
) -> tuple[Ledger, list[Booking]]:
    """The ledger after a Statement; `readings` are the own readings after the ledger's, one per line, in order.

    `lowest` is the least reputation (per mille) that is accepted for each line, as long as `lines`.

    Disagreement names the first thing that differs by one unit.
    """
    if statement.slot <= ledger.statement_slot:
        raise Disagreement(SLOT, "slot", statement.slot, f"is not above slot {ledger.statement_slot}")
    if not lines or len(readings) < len(lines):
        raise Disagreement(SLOT, "lines", statement.slot, f"{len(lines)} lines for {len(readings)} readings")
    position, bookings, leaves = ledger.position, [], list(ledger.leaves_for(statement.slot))
    for reading, (line, least) in zip(readings, zip(lines, lowest, strict=True), strict=False):
        booking = recompute_line(agreement, position, reading, line, funding_micro, least)
        position = booking.position
        bookings.append(booking)
        leaves.extend(line_leaves(struct_hash(reading), line.totals, line.kind))
    if statement.worker != readings[0].worker:
        raise Disagreement(SLOT, "worker", statement.slot, f"is {statement.worker.hex()}, another account")
    _compare_statement(agreement, statement, position, merkle_root(leaves), funding_micro)
    return Ledger(position, statement.slot, tuple(leaves)), bookings


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
