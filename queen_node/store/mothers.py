"""Queries on what the mother Hive charges: her Statements, and which closing booked the difference to the own rule."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import Row

from queen_node.store.mother_schema import mother_bills


@dataclass(frozen=True, slots=True)
class MotherBillRow:
    """What a Statement of the mother charges for the slots from_slot .. slot, pico-coins, and the cumulative after it.

    `own_pico` is what the own closings of these slots took for the connection point, `closed_slot` the closing whose
    reserve took the difference; both None while the bill waits.
    """

    slot: int
    from_slot: int
    charged_pico: int
    net_pico: int
    message: bytes
    own_pico: int | None = None
    closed_slot: int | None = None


def last_bill(tx: Connection) -> MotherBillRow | None:
    """The newest bill."""
    row = tx.execute(select(mother_bills).order_by(mother_bills.c.slot.desc()).limit(1)).one_or_none()
    return None if row is None else _bill(row)


def add_bill(tx: Connection, row: MotherBillRow) -> None:
    """Stores a bill."""
    values = {name: getattr(row, name) for name in row.__slots__}
    for name in ("charged_pico", "net_pico", "own_pico"):
        values[name] = None if values[name] is None else str(values[name])
    tx.execute(insert(mother_bills).values(values))


def waiting_bills(tx: Connection, before_slot: int) -> list[MotherBillRow]:
    """Bills that no closing has booked, all of whose slots lie before a slot, in order."""
    c = mother_bills.c
    query = select(mother_bills).where(c.closed_slot.is_(None), c.slot < before_slot).order_by(c.slot)
    return [_bill(row) for row in tx.execute(query)]


def book_bill(tx: Connection, slot: int, own_pico: int, closed_slot: int) -> None:
    """Notes the closing that booked a bill."""
    c = mother_bills.c
    tx.execute(update(mother_bills).where(c.slot == slot).values(own_pico=str(own_pico), closed_slot=closed_slot))


def all_bills(tx: Connection) -> list[MotherBillRow]:
    """All bills, in order."""
    return [_bill(row) for row in tx.execute(select(mother_bills).order_by(mother_bills.c.slot))]


def _bill(row: Row[tuple[object, ...]]) -> MotherBillRow:
    m = row._mapping
    own = m["own_pico"]
    return MotherBillRow(
        m["slot"],
        m["from_slot"],
        int(m["charged_pico"]),
        int(m["net_pico"]),
        bytes(m["message"]),
        None if own is None else int(own),
        m["closed_slot"],
    )
