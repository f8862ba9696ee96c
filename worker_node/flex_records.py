"""What the journal keeps of real time inside a slot: own offers, and every order that this Worker signed.

An order is on disk before its acceptance leaves the house: with both signatures the FlexibilityPool pays it, one after
the other by serial, so none may be signed twice under one serial and none may be lost.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from honey_edge.market.grid.flexibility import Change, ordered_milliwh

TABLES = (
    "CREATE TABLE flex_offers (slot INTEGER PRIMARY KEY, message BLOB NOT NULL)",
    """CREATE TABLE flex_orders (serial INTEGER PRIMARY KEY, slot INTEGER NOT NULL, watts INTEGER NOT NULL,
        price_micro INTEGER NOT NULL, from_s INTEGER NOT NULL, until_s INTEGER NOT NULL, digest BLOB NOT NULL,
        message BLOB NOT NULL, answer BLOB NOT NULL)""",
)
KEPT_OFFERS_SLOTS = 96


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """An order that both signed: `message` is the Queen's, `answer` the own acceptance, as sent."""

    serial: int
    slot: int
    watts: int
    price_micro: int
    from_s: int
    until_s: int
    digest: bytes
    message: bytes
    answer: bytes

    @property
    def change(self) -> Change:
        """What it does to the home's power."""
        return Change(self.from_s, self.until_s, self.watts)


class FlexRecords:
    """Offers and orders in an open journal; every write is one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put_offer(self, slot: int, message: bytes) -> None:
        """Keeps the own offer for a slot; those of the day before go."""
        with self._db:
            self._db.execute("INSERT INTO flex_offers VALUES (?,?)", (slot, message))
            self._db.execute("DELETE FROM flex_offers WHERE slot <= ?", (slot - KEPT_OFFERS_SLOTS,))

    def offer(self, slot: int) -> bytes | None:
        """The own offer for a slot, as sent."""
        rows = self._rows("SELECT message FROM flex_offers WHERE slot = ?", slot)
        return bytes(rows[0][0]) if rows else None

    def put_order(self, order: AcceptedOrder) -> None:
        """Keeps an accepted order; a second one with its serial is an IntegrityError."""
        row = tuple(getattr(order, name) for name in AcceptedOrder.__slots__)
        with self._db:
            self._db.execute("INSERT INTO flex_orders VALUES (?,?,?,?,?,?,?,?,?)", row)

    def orders(self, slot: int) -> list[AcceptedOrder]:
        """The accepted orders of a slot, in their order."""
        return [
            AcceptedOrder(*row) for row in self._rows("SELECT * FROM flex_orders WHERE slot = ? ORDER BY serial", slot)
        ]

    def orders_after(self, serial: int) -> list[AcceptedOrder]:
        """All accepted orders above a serial, as the FlexibilityPool charges them."""
        rows = self._rows("SELECT * FROM flex_orders WHERE serial > ? ORDER BY serial", serial)
        return [AcceptedOrder(*row) for row in rows]

    def last_serial(self) -> int | None:
        """The serial of the newest accepted order."""
        return self._rows("SELECT max(serial) FROM flex_orders")[0][0]  # type: ignore[no-any-return]

    def ordered_milliwh(self, slot: int) -> int:
        """The energy (milliwatt-hours, import positive) that was ordered in a slot."""
        return ordered_milliwh([one.change for one in self.orders(slot)])

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchall()
