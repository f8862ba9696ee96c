"""Queries on readings, refused messages and the connection point's meter."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, and_, delete, func, insert, select
from sqlalchemy.engine import Row

from honey_edge.wire.structs import Reading
from queen_node.store.records import MeterRow, RejectedRow, StoredReading
from queen_node.store.schema import meter, readings, rejected

REJECTED_KEPT = 1_000
PAYLOAD_KEPT_BYTES = 1_024

_INSERT_READING = insert(readings)


def add_readings(tx: Connection, rows: Sequence[StoredReading]) -> None:
    """Stores accepted readings, one statement for all of them."""
    if rows:
        tx.execute(_INSERT_READING, [_values(row) for row in rows])


def _values(row: StoredReading) -> dict[str, object]:
    r = row.reading
    return {
        "worker": r.worker.hex(),
        "slot": r.slot,
        "imported": r.imported,
        "exported": r.exported,
        "flags": r.flags,
        "configuration": r.configuration,
        "previous": r.previous,
        "hash": row.hash,
        "signature": row.signature,
    }


def _stored(row: Row[tuple[object, ...]]) -> StoredReading:
    m = row._mapping
    reading = Reading(
        bytes.fromhex(m["worker"]),
        m["slot"],
        m["imported"],
        m["exported"],
        m["flags"],
        bytes(m["configuration"]),
        bytes(m["previous"]),
    )
    return StoredReading(reading, bytes(m["hash"]), bytes(m["signature"]))


def newest_readings(tx: Connection) -> dict[str, StoredReading]:
    """The newest accepted reading of each Worker."""
    newest = select(readings.c.worker, func.max(readings.c.slot).label("slot")).group_by(readings.c.worker).subquery()
    on = and_(readings.c.worker == newest.c.worker, readings.c.slot == newest.c.slot)
    rows = tx.execute(select(readings).join(newest, on))
    return {row.worker: _stored(row) for row in rows}


def reading_at(tx: Connection, worker: str, slot: int) -> StoredReading | None:
    """The accepted reading of a slot."""
    row = tx.execute(select(readings).where(readings.c.worker == worker, readings.c.slot == slot)).one_or_none()
    return None if row is None else _stored(row)


def hash_known(tx: Connection, worker: str, hashed: bytes) -> bool:
    """Whether an accepted reading of this Worker has the hash."""
    query = select(readings.c.slot).where(readings.c.worker == worker, readings.c.hash == hashed)
    return tx.execute(query.limit(1)).one_or_none() is not None


def readings_of(tx: Connection, worker: str, first_slot: int, last_slot: int) -> list[StoredReading]:
    """A Worker's readings of first_slot .. last_slot, in order."""
    c = readings.c
    query = select(readings).where(c.worker == worker, c.slot >= first_slot, c.slot <= last_slot).order_by(c.slot)
    return [_stored(row) for row in tx.execute(query)]


def readings_counted(tx: Connection) -> dict[str, int]:
    """How many readings of each Worker were verified and stored."""
    query = select(readings.c.worker, func.count()).group_by(readings.c.worker)
    return {row[0]: row[1] for row in tx.execute(query)}


def add_rejected(tx: Connection, rows: Iterable[RejectedRow]) -> None:
    """Keeps refused messages, the newest `REJECTED_KEPT` of each Worker, their first bytes only."""
    worker_names = set()
    for row in rows:
        values = {name: getattr(row, name) for name in row.__slots__}
        tx.execute(insert(rejected).values(values | {"payload": row.payload[:PAYLOAD_KEPT_BYTES]}))
        worker_names.add(row.worker)
    for worker in worker_names:
        of_worker = select(rejected.c.id).where(rejected.c.worker == worker)
        oldest_kept = of_worker.order_by(rejected.c.id.desc()).offset(REJECTED_KEPT - 1).limit(1).scalar_subquery()
        tx.execute(delete(rejected).where(rejected.c.worker == worker, rejected.c.id < oldest_kept))


def rejected_of(tx: Connection, worker: str | None = None, limit: int = 20) -> list[RejectedRow]:
    """The newest refused messages, of one Worker or of all."""
    query = select(rejected).order_by(rejected.c.id.desc()).limit(limit)
    if worker is not None:
        query = query.where(rejected.c.worker == worker)
    names = RejectedRow.__slots__
    return [RejectedRow(**{name: row._mapping[name] for name in names}) for row in tx.execute(query)]


def rejected_counted(tx: Connection) -> dict[str, int]:
    """How many refused messages are kept for each Worker ("" for unknown senders)."""
    query = select(rejected.c.worker, func.count()).group_by(rejected.c.worker)
    return {row[0]: row[1] for row in tx.execute(query)}


def put_meter(tx: Connection, row: MeterRow) -> None:
    """Stores the connection point's counters at the end of a slot; the first ones stored stay."""
    if meter_at(tx, row.slot) is None:
        tx.execute(insert(meter).values(slot=row.slot, imported=row.imported, exported=row.exported))


def meter_at(tx: Connection, slot: int) -> MeterRow | None:
    """The connection point's counters at the end of a slot."""
    row = tx.execute(select(meter).where(meter.c.slot == slot)).one_or_none()
    return None if row is None else MeterRow(row.slot, row.imported, row.exported)


def all_meter(tx: Connection) -> list[MeterRow]:
    """All of the connection point's counters, in order of slots."""
    return [MeterRow(r.slot, r.imported, r.exported) for r in tx.execute(select(meter).order_by(meter.c.slot))]
