"""Queries on transaction intents (chain-design section 10); a row is the fields of `chain.Intent` by name."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from queen_node.store.schema import intents

Row = Mapping[str, Any]


def intents_of(tx: Connection, hive: int, slot: int) -> list[dict[str, Any]]:
    """The rows of one period, by batch."""
    c = intents.c
    found = tx.execute(select(intents).where(c.hive == hive, c.slot == slot).order_by(c.batch))
    return [dict(row._mapping) for row in found]


def add_intents(tx: Connection, rows: list[Row]) -> None:
    """Plans the batches of a period; the key (hive, slot, batch) refuses a second plan."""
    if rows:
        tx.execute(insert(intents), [dict(row) for row in rows])


def replace_intent(tx: Connection, row: Row) -> None:
    """Renews one row."""
    c = intents.c
    found = (c.hive == row["hive"], c.slot == row["slot"], c.batch == row["batch"])
    tx.execute(update(intents).where(*found).values(dict(row)))


def highest_nonce(tx: Connection, sender: str) -> int:
    """The highest nonce a sender's rows have used; -1 when none."""
    found = tx.execute(select(func.max(intents.c.nonce)).where(intents.c.sender == sender)).scalar_one()
    return -1 if found is None else int(found)
