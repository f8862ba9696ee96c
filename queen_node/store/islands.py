"""Queries on the times in which the Hive had no connection to the grid: every one is kept, at most one is open."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from honey_edge.model.slots import slot_end_unix_s, slot_start_unix_s
from queen_node.store.island_schema import islands


@dataclass(frozen=True, slots=True)
class IslandRow:
    """An island from `since_unix_s` to before `until_unix_s` (None: still), and who said so: operator, file, meter."""

    since_unix_s: int
    until_unix_s: int | None
    source: str


def begin_island(tx: Connection, at_unix_s: int, source: str) -> bool:
    """Notes that the connection is away; False where it was already."""
    if island_now(tx) is not None:
        return False
    tx.execute(insert(islands).values(since_unix_s=at_unix_s, until_unix_s=None, source=source))
    return True


def end_island(tx: Connection, at_unix_s: int) -> bool:
    """Notes that the connection is back; False where it was not away."""
    c = islands.c
    ended = update(islands).where(c.until_unix_s.is_(None)).values(until_unix_s=at_unix_s)
    return bool(tx.execute(ended).rowcount)


def island_now(tx: Connection) -> IslandRow | None:
    """The island that has not ended."""
    row = tx.execute(select(islands).where(islands.c.until_unix_s.is_(None))).one_or_none()
    return None if row is None else IslandRow(row.since_unix_s, None, row.source)


def all_islands(tx: Connection, most: int) -> list[IslandRow]:
    """Islands ever noted, newest first, so many at most."""
    rows = tx.execute(select(islands).order_by(islands.c.id.desc()).limit(most))
    return [IslandRow(row.since_unix_s, row.until_unix_s, row.source) for row in rows]


def island_throughout(tx: Connection, slot: int) -> bool:
    """Whether one island lasted from the slot's start to its end."""
    c = islands.c
    query = select(c.id).where(c.since_unix_s <= slot_start_unix_s(slot))
    lasted = query.where(c.until_unix_s.is_(None) | (c.until_unix_s >= slot_end_unix_s(slot)))
    return tx.execute(lasted.limit(1)).one_or_none() is not None
