"""Queries on periods: signed totals of peak charges and of the reserve shared out, and each home's part of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.engine import Row

from honey_edge.billing.tally import PEAK
from honey_edge.wire.codec import decode
from honey_edge.wire.period_messages import PeakTotalsMessage, ReserveTotalsMessage
from honey_edge.wire.structs import PeakTotals, ReserveTotals
from queen_node.store.period_schema import charges, periods

_MONEY = ("hive_cost_pico", "metered_cost_pico", "fee_pico", "paid_pico")


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A period's signed totals as published, and its money in pico-coins.

    `hive_cost_pico` is the rule at the connection point, `metered_cost_pico` the same on the Queen's meter,
    `paid_pico` what all homes pay (shares of the reserve: less than 0).
    """

    kind: int
    slot: int
    message: bytes
    hive_cost_pico: int = 0
    metered_cost_pico: int = 0
    fee_pico: int = 0
    paid_pico: int = 0

    @property
    def signed(self) -> tuple[PeakTotals | ReserveTotals, bytes]:
        """The totals and the Queen's signature under them."""
        if self.kind == PEAK:
            peak = decode(PeakTotalsMessage, self.message)
            return peak.signed(), bytes.fromhex(peak.signature)
        share = decode(ReserveTotalsMessage, self.message)
        return share.signed(), bytes.fromhex(share.signature)


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One home's charge (honey_edge.billing.tally); `statement_slot` names its Statement, None while it waits."""

    worker: str
    kind: int
    slot: int
    after_slot: int
    quantity_milliwh: int
    amount_pico: int
    net_pico: int
    statement_slot: int | None = None


def add_period(tx: Connection, row: PeriodRow) -> None:
    """Stores the totals of a period."""
    values: dict[str, object] = {"kind": row.kind, "slot": row.slot, "message": row.message}
    tx.execute(insert(periods).values(values | {name: str(getattr(row, name)) for name in _MONEY}))


def _period(row: Row[tuple[object, ...]]) -> PeriodRow:
    m = row._mapping
    return PeriodRow(m["kind"], m["slot"], bytes(m["message"]), *(int(m[name]) for name in _MONEY))


def period(tx: Connection, kind: int, slot: int) -> PeriodRow | None:
    """The totals of the period that ends with a slot."""
    row = tx.execute(select(periods).where(periods.c.kind == kind, periods.c.slot == slot)).one_or_none()
    return None if row is None else _period(row)


def periods_at(tx: Connection, slot: int) -> list[PeriodRow]:
    """The totals of all periods that end with a slot."""
    return [_period(row) for row in tx.execute(select(periods).where(periods.c.slot == slot).order_by(periods.c.kind))]


def newest_periods(tx: Connection) -> list[PeriodRow]:
    """The newest totals of each kind."""
    kinds = tx.execute(select(periods.c.kind).distinct().order_by(periods.c.kind)).scalars().all()
    newest = select(periods).order_by(periods.c.slot.desc()).limit(1)
    return [_period(tx.execute(newest.where(periods.c.kind == kind)).one()) for kind in kinds]


def all_periods(tx: Connection) -> list[PeriodRow]:
    """All totals, by slot and kind."""
    return [_period(row) for row in tx.execute(select(periods).order_by(periods.c.slot, periods.c.kind))]


def add_charges(tx: Connection, rows: Iterable[ChargeRow]) -> None:
    """Stores charges, in order. One of nothing takes the place of an earlier one of nothing that still waits there."""
    for row in rows:
        c = charges.c
        if not row.amount_pico and not row.quantity_milliwh:
            waits = (c.worker == row.worker, c.kind == row.kind, c.after_slot == row.after_slot)
            nothing = (c.amount_pico == "0", c.quantity_milliwh == 0, c.statement_slot.is_(None))
            tx.execute(delete(charges).where(*waits, *nothing))
        values: dict[str, object] = {name: getattr(row, name) for name in row.__slots__}
        amounts = {"amount_pico": str(row.amount_pico), "net_pico": str(row.net_pico)}
        tx.execute(insert(charges).values(values | amounts))


def _charge(row: Row[tuple[object, ...]]) -> ChargeRow:
    values = {name: row._mapping[name] for name in ChargeRow.__slots__}
    values["amount_pico"], values["net_pico"] = int(values["amount_pico"]), int(values["net_pico"])
    return ChargeRow(**values)


def pending_charges(tx: Connection, worker: str) -> list[ChargeRow]:
    """A Worker's charges that no Statement carries yet, in order."""
    query = select(charges).where(charges.c.worker == worker, charges.c.statement_slot.is_(None))
    return [_charge(row) for row in tx.execute(query.order_by(charges.c.id))]


def charges_of_statements(tx: Connection, worker: str, first_slot: int, last_slot: int) -> list[ChargeRow]:
    """The charges that the Statements of first_slot .. last_slot carry, in order."""
    c = charges.c
    query = select(charges).where(c.worker == worker, c.statement_slot >= first_slot, c.statement_slot <= last_slot)
    return [_charge(row) for row in tx.execute(query.order_by(c.id))]


def charges_of(tx: Connection, worker: str) -> list[ChargeRow]:
    """All charges of a Worker, in order."""
    return [
        _charge(row) for row in tx.execute(select(charges).where(charges.c.worker == worker).order_by(charges.c.id))
    ]


def carry_charges(tx: Connection, worker: str, through_slot: int, statement_slot: int) -> None:
    """All waiting charges up to the line of `through_slot` are now carried by a Statement."""
    c = charges.c
    waiting = update(charges).where(c.worker == worker, c.statement_slot.is_(None), c.after_slot <= through_slot)
    tx.execute(waiting.values(statement_slot=statement_slot))


def release_charges(tx: Connection, worker: str, statement_slot: int) -> None:
    """The charges of a Statement wait again."""
    carried = update(charges).where(charges.c.worker == worker, charges.c.statement_slot == statement_slot)
    tx.execute(carried.values(statement_slot=None))
