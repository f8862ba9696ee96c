"""Queries on offers inside a slot and on the orders that answer them.

The FlexibilityPool charges a Worker's orders by serial without a gap. So an order that was not countersigned leaves
its serial to the next one; the Worker signs only one of them.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Row

from honey_edge.market.grid.flexibility import Change, ordered_milliwh
from honey_edge.market.grid.realtime import Offer
from queen_node.store.flex_schema import flex_offers, flex_orders

KEPT_OFFERS_SLOTS = 96


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order: `watts` more from second `from_s` of the slot to `until_s`, for `price_micro`.

    `digest` is what both sign; `worker_signature` is None until the Worker's acceptance.
    """

    worker: str
    digest: str
    slot: int
    serial: int
    watts: int
    price_micro: int
    from_s: int
    until_s: int
    issued_unix_s: int
    signature: bytes
    worker_signature: bytes | None = None

    @property
    def change(self) -> Change:
        """What it does to the home's power."""
        return Change(self.from_s, self.until_s, self.watts)


def _order(row: Row[tuple[object, ...]]) -> OrderRow:
    return OrderRow(**{name: row._mapping[name] for name in OrderRow.__slots__})


def add_offer(tx: Connection, slot: int, offer: Offer, signature: bytes) -> None:
    """Stores a home's offer for a slot; those older than a day go."""
    c = flex_offers.c
    tx.execute(delete(flex_offers).where(c.worker == offer.worker, c.slot <= slot - KEPT_OFFERS_SLOTS))
    values = {name: getattr(offer, name) for name in Offer.__slots__}
    tx.execute(insert(flex_offers).values(slot=slot, signature=signature, **values))


def offers_of(tx: Connection, slot: int) -> dict[str, Offer]:
    """What each home offered for a slot."""
    rows = tx.execute(select(flex_offers).where(flex_offers.c.slot == slot)).mappings()
    return {row["worker"]: Offer(**{name: row[name] for name in Offer.__slots__}) for row in rows}


def add_order(tx: Connection, row: OrderRow) -> None:
    """Stores an order before it is sent."""
    tx.execute(insert(flex_orders).values({name: getattr(row, name) for name in OrderRow.__slots__}))


def order_named(tx: Connection, worker: str, digest: str) -> OrderRow | None:
    """A Worker's order with this digest."""
    c = flex_orders.c
    row = tx.execute(select(flex_orders).where(c.worker == worker, c.digest == digest)).one_or_none()
    return None if row is None else _order(row)


def accept_order(tx: Connection, worker: str, digest: str, signature: bytes) -> None:
    """Keeps the Worker's signature; from now on the order is owed."""
    c = flex_orders.c
    tx.execute(update(flex_orders).where(c.worker == worker, c.digest == digest).values(worker_signature=signature))


def orders_of(tx: Connection, slot: int) -> list[OrderRow]:
    """All orders of a slot, by Worker and serial."""
    c = flex_orders.c
    query = select(flex_orders).where(c.slot == slot).order_by(c.worker, c.serial, c.from_s)
    return [_order(row) for row in tx.execute(query)]


def accepted_orders(tx: Connection, worker: str, after_serial: int = 0) -> list[OrderRow]:
    """A Worker's orders with both signatures, in the order in which the FlexibilityPool charges them."""
    c = flex_orders.c
    query = select(flex_orders).where(c.worker == worker, c.serial > after_serial, c.worker_signature.is_not(None))
    return [_order(row) for row in tx.execute(query.order_by(c.serial))]


def all_accepted(tx: Connection) -> list[OrderRow]:
    """All orders with both signatures, by Worker and serial."""
    c = flex_orders.c
    query = select(flex_orders).where(c.worker_signature.is_not(None)).order_by(c.worker, c.serial)
    return [_order(row) for row in tx.execute(query)]


def next_serial(tx: Connection, worker: str) -> int:
    """One above the newest order that the Worker signed."""
    c = flex_orders.c
    query = select(func.max(c.serial)).where(c.worker == worker, c.worker_signature.is_not(None))
    return int(tx.execute(query).scalar_one() or 0) + 1


def promised_micro(tx: Connection, before_slot: int) -> int:
    """What orders of slots before one may cost: those accepted, and of each serial not accepted yet the dearest."""
    c = flex_orders.c
    is_accepted = c.worker_signature.is_not(None)
    query = select(c.worker, c.serial, is_accepted.label("accepted"), func.max(c.price_micro).label("micro"))
    dearest: dict[tuple[str, int], int] = {}
    accepted: dict[tuple[str, int], int] = {}
    for row in tx.execute(query.where(c.slot < before_slot).group_by(c.worker, c.serial, is_accepted)):
        (accepted if row.accepted else dearest)[row.worker, row.serial] = int(row.micro)
    return sum((dearest | accepted).values())


def ordered_energies(tx: Connection, slot: int) -> dict[str, int]:
    """Energy (milliwatt-hours) of each Worker's accepted orders of a slot; Workers without one are not in it."""
    changes: dict[str, list[Change]] = {}
    for row in orders_of(tx, slot):
        if row.worker_signature is not None:
            changes.setdefault(row.worker, []).append(row.change)
    return {worker: ordered_milliwh(own) for worker, own in changes.items()}
