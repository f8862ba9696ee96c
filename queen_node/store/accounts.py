"""Queries on Workers, their accounts' chain view, positions in the Queen's book, and cover."""

import json
from collections.abc import Iterable

from sqlalchemy import Connection, func, insert, select, update

from honey_edge.billing.account import Position
from honey_edge.billing.tally import Tally
from queen_node.store.records import CoverRow, PositionRow, WorkerRow
from queen_node.store.schema import cover, lines, positions, workers


def put_worker(tx: Connection, row: WorkerRow) -> None:
    """Adds a Worker or renews what the chain and the settings say of it; `frozen` stays as it was."""
    values = {name: getattr(row, name) for name in row.__slots__ if name not in ("worker", "frozen")}
    changed = tx.execute(update(workers).where(workers.c.worker == row.worker).values(values))
    if not changed.rowcount:
        tx.execute(insert(workers).values(worker=row.worker, frozen=row.frozen, **values))


def freeze(tx: Connection, worker: str, frozen: bool) -> None:
    """Marks an account as frozen by an Objection, or free again."""
    tx.execute(update(workers).where(workers.c.worker == worker).values(frozen=frozen))


def put_funding(tx: Connection, worker: str, funding_micro: int) -> None:
    """Changes what funds an account, micro-coins."""
    tx.execute(update(workers).where(workers.c.worker == worker).values(funding_micro=funding_micro))


def all_workers(tx: Connection) -> list[WorkerRow]:
    """All Workers, by address."""
    names = WorkerRow.__slots__
    rows = tx.execute(select(workers).order_by(workers.c.worker))
    return [WorkerRow(**{name: row._mapping[name] for name in names}) for row in rows]


def worker_named(tx: Connection, name: str) -> WorkerRow | None:
    """The Worker with this address or printed serial."""
    return next((row for row in all_workers(tx) if name in (row.worker, row.serial)), None)


def put_positions(tx: Connection, rows: Iterable[PositionRow]) -> None:
    """Stores where accounts stand."""
    for row in rows:
        p = row.position
        values = {
            "baseline_slot": row.baseline_slot,
            "slot": p.slot,
            "imported": p.imported,
            "exported": p.exported,
            "net_pico": str(p.net_pico),
            "spans": json.dumps(p.spans),
            "tally": row.tally.text(),
        }
        changed = tx.execute(update(positions).where(positions.c.worker == row.worker).values(values))
        if not changed.rowcount:
            tx.execute(insert(positions).values(worker=row.worker, **values))


def all_positions(tx: Connection) -> dict[str, PositionRow]:
    """Where each account stands."""
    found = {}
    for row in tx.execute(select(positions)):
        spans = tuple(json.loads(row.spans))
        position = Position(row.slot, row.imported, row.exported, int(row.net_pico), spans)
        tally = Tally.of_text(row.tally) if row.tally else _first_tally(tx, row.worker)
        found[row.worker] = PositionRow(row.worker, row.baseline_slot, position, tally)
    return found


def _first_tally(tx: Connection, worker: str) -> Tally:
    """The tally of an account that was begun before tallies were kept: nothing was charged or shared out yet."""
    moved = select(func.coalesce(func.sum(func.abs(lines.c.energy_milliwh)), 0)).where(lines.c.worker == worker)
    return Tally(int(tx.execute(moved).scalar_one()))


def put_cover(tx: Connection, row: CoverRow) -> None:
    """Stores the chain's view of the pool."""
    values = {name: getattr(row, name) for name in row.__slots__}
    if not tx.execute(update(cover).values(values)).rowcount:
        tx.execute(insert(cover).values(id=1, **values))


def read_cover(tx: Connection) -> CoverRow:
    """The chain's view of the pool; all zero before the first look."""
    row = tx.execute(select(cover)).one_or_none()
    if row is None:
        return CoverRow(0, 0, 0, 0)
    return CoverRow(row.pool_micro, row.pending_micro, row.block, row.at_unix_s)
