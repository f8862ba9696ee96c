"""Queries on the power limits that a grid operator gave: every one is kept, the newest is the one that counts."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from queen_node.store.schema import grid_limits


@dataclass(frozen=True, slots=True)
class GridLimitRow:
    """A limit: W at the connection point until `until_unix_s`, then the fail-safe values; None is no limit there.

    `cleared_unix_s` when it was taken back; it is in force no more, and neither are the ones before it.
    """

    import_w: int | None
    export_w: int | None
    until_unix_s: int
    failsafe_import_w: int | None
    failsafe_export_w: int | None
    set_unix_s: int
    cleared_unix_s: int | None = None


def put_limit(tx: Connection, row: GridLimitRow) -> None:
    """Stores a limit; it takes the place of the one before."""
    tx.execute(insert(grid_limits).values({name: getattr(row, name) for name in GridLimitRow.__slots__}))


def all_limits(tx: Connection, most: int) -> list[GridLimitRow]:
    """Limits ever given, newest first, so many at most."""
    rows = tx.execute(select(grid_limits).order_by(grid_limits.c.id.desc()).limit(most))
    return [GridLimitRow(**{name: row._mapping[name] for name in GridLimitRow.__slots__}) for row in rows]


def limit_in_force(tx: Connection) -> GridLimitRow | None:
    """The newest limit unless it was cleared; an expired one is still in force by its fail-safe values."""
    newest = all_limits(tx, 1)
    return newest[0] if newest and newest[0].cleared_unix_s is None else None


def clear_limit(tx: Connection, at_unix_s: int) -> None:
    """Takes back what is in force; nothing else changes."""
    c = grid_limits.c
    tx.execute(update(grid_limits).where(c.cleared_unix_s.is_(None)).values(cleared_unix_s=at_unix_s))
