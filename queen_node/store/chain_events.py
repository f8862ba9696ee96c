"""Queries on the chain as the Queen last saw it: cursor, block hashes for reorganisations, events, running closes.

Every event is unique by (block hash, log index). Callers move the cursor in the transaction that stores the events.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Row

from queen_node.store.watch_schema import chain_blocks, chain_closes, chain_cursor, chain_events, chain_touched

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class CursorRow:
    """The newest block whose events are stored, its time, and the time of the newest final block (unix seconds)."""

    number: int
    hash: str
    at_unix_s: int
    final_unix_s: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """One decoded event of the settlement contract; `worker` is empty where it is about the whole Hive.

    `arguments` hold integers, booleans and lower-case hex texts without 0x.
    """

    number: int
    block_hash: str
    log_index: int
    tx_hash: str
    name: str
    worker: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CloseRow:
    """A running close as the contract shows it: until when it may be contested and on which state it stands.

    `side` is who started it: 1 the home, 2 the Queen, 3 anyone (stale Hive). `newest_slot` is what a Queen named.
    """

    worker: str
    ends_at_unix_s: int
    slot: int
    net_micro: int
    newest_slot: int
    side: int
    starter: str


def read_cursor(tx: Connection) -> CursorRow | None:
    """Where reading stands; None before the first block."""
    row = tx.execute(select(chain_cursor)).one_or_none()
    return None if row is None else CursorRow(row.number, row.hash, row.at_unix_s, row.final_unix_s)


def put_cursor(tx: Connection, row: CursorRow, kept: Mapping[int, str], keep: int) -> None:
    """Moves the cursor and remembers block hashes (`kept`, by number), the newest `keep` of all."""
    values = {name: getattr(row, name) for name in row.__slots__}
    if not tx.execute(update(chain_cursor).values(values)).rowcount:
        tx.execute(insert(chain_cursor).values(id=1, **values))
    blocks = {**kept, row.number: row.hash}
    tx.execute(delete(chain_blocks).where(chain_blocks.c.number.in_(list(blocks))))
    tx.execute(insert(chain_blocks), [{"number": number, "hash": known} for number, known in blocks.items()])
    oldest = select(chain_blocks.c.number).order_by(chain_blocks.c.number.desc()).offset(keep - 1).limit(1)
    tx.execute(delete(chain_blocks).where(chain_blocks.c.number < oldest.scalar_subquery()))


def drop_cursor(tx: Connection) -> None:
    """Forgets where reading stood, to begin anew."""
    tx.execute(delete(chain_cursor))
    tx.execute(delete(chain_blocks))


def known_blocks(tx: Connection) -> list[tuple[int, str]]:
    """Number and hash of the blocks remembered, newest first."""
    rows = tx.execute(select(chain_blocks).order_by(chain_blocks.c.number.desc()))
    return [(row.number, row.hash) for row in rows]


def add_events(tx: Connection, rows: Sequence[EventRow]) -> None:
    """Stores events; one that is there already is an error of the caller, who moves the cursor with them."""
    if rows:
        tx.execute(insert(chain_events), [_values(row) for row in rows])


def _values(row: EventRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__slots__}
    return values | {"arguments": json.dumps(dict(row.arguments), sort_keys=True, separators=(",", ":"))}


def _event(row: Row[Any]) -> EventRow:
    values = {name: row._mapping[name] for name in EventRow.__slots__}
    return EventRow(**values | {"arguments": json.loads(values["arguments"])})


def drop_events_above(tx: Connection, number: int) -> list[EventRow]:
    """Removes what hung on blocks above `number`; what it was."""
    c = chain_events.c
    gone = [_event(row) for row in tx.execute(select(chain_events).where(c.number > number))]
    tx.execute(delete(chain_events).where(c.number > number))
    tx.execute(delete(chain_blocks).where(chain_blocks.c.number > number))
    return gone


def events_of(tx: Connection, worker: str | None = None, name: str | None = None, limit: int = -1) -> list[EventRow]:
    """Events in chain order, of one Worker and one name where given; the newest `limit` of them if it is not -1."""
    c = chain_events.c
    query = select(chain_events).order_by(c.number.desc(), c.log_index.desc())
    if worker is not None:
        query = query.where(c.worker == worker)
    if name is not None:
        query = query.where(c.name == name)
    if limit >= 0:
        query = query.limit(limit)
    return [_event(row) for row in reversed(tx.execute(query).all())]


def events_counted(tx: Connection) -> dict[str, int]:
    """How many events of each name are stored."""
    rows = tx.execute(select(chain_events.c.name, func.count()).group_by(chain_events.c.name))
    return {row[0]: row[1] for row in rows}


def opened_slots(tx: Connection, workers: Iterable[str]) -> dict[str, int]:
    """The slot at which the chain last opened each account; without those of which no such event is stored."""
    names, c = sorted(workers), chain_events.c
    found: dict[str, int] = {}
    for start in range(0, len(names), _CHUNK):
        query = select(c.worker, c.arguments).where(
            c.worker.in_(names[start : start + _CHUNK]), c.name == "AccountOpened"
        )
        for row in tx.execute(query.order_by(c.number, c.log_index)):
            found[row.worker] = int(json.loads(row.arguments)["slot"])
    return found


def touch(tx: Connection, workers: Iterable[str]) -> None:
    """Marks accounts to be read again."""
    known = touched(tx)
    fresh = sorted(set(workers) - known)
    if fresh:
        tx.execute(insert(chain_touched), [{"worker": worker} for worker in fresh])


def touched(tx: Connection) -> set[str]:
    """Accounts that changed since they were last read."""
    return {row[0] for row in tx.execute(select(chain_touched))}


def clear_touched(tx: Connection) -> None:
    """All accounts have been read."""
    tx.execute(delete(chain_touched))


def put_closes(tx: Connection, workers: Iterable[str], rows: Iterable[CloseRow]) -> None:
    """Replaces the running closes of these Workers; one without a row has none."""
    names = sorted(workers)
    for start in range(0, len(names), _CHUNK):
        tx.execute(delete(chain_closes).where(chain_closes.c.worker.in_(names[start : start + _CHUNK])))
    values = [{name: getattr(row, name) for name in row.__slots__} for row in rows]
    if values:
        tx.execute(insert(chain_closes), values)


def all_closes(tx: Connection) -> list[CloseRow]:
    """All running closes, by Worker."""
    rows = tx.execute(select(chain_closes).order_by(chain_closes.c.worker))
    return [CloseRow(**{name: row._mapping[name] for name in CloseRow.__slots__}) for row in rows]
