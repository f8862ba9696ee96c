"""Queries on fair play: standings under test C and findings (market-design sections 9 and 10)."""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from honey_edge.market.fairplay.bias import GOOD, SUSPENDED
from honey_edge.market.fairplay.conduct import Watched, from_document, to_document
from honey_edge.market.fairplay.standing import energies_of
from queen_node.store.fairplay_schema import conducts, findings
from queen_node.store.schema import readings

STANDING, INCONSISTENT, METER = "standing", "inconsistent", "meter"
"""Kinds of findings: a new standing, answers that are not those of one home (test A), a meter (test D)."""
_FOR_EVER = 2**40


@dataclass(frozen=True, slots=True)
class FindingRow:
    """What was found about a Worker; `detail` is JSON for a standing, else words. `number` counts all findings."""

    worker: str
    day: int
    kind: str
    why: int
    detail: str
    number: int = 0


def all_watched(tx: Connection) -> dict[str, Watched]:
    """Every Worker's state under test C; Workers that were never observed are not in it."""
    return {row.worker: from_document(json.loads(row.state)) for row in tx.execute(select(conducts))}


def watched_of(tx: Connection, worker: str) -> Watched | None:
    """One Worker's state under test C."""
    row = tx.execute(select(conducts).where(conducts.c.worker == worker)).one_or_none()
    return None if row is None else from_document(json.loads(row.state))


def put_watched(tx: Connection, worker: str, watched: Watched) -> None:
    """Stores a Worker's state in place of the one before."""
    conduct = watched.conduct
    values = {
        "standing": conduct.standing,
        "floor_to_day": conduct.since_day - 1 if conduct.standing == GOOD else _FOR_EVER,
        "state": json.dumps(to_document(watched), separators=(",", ":")),
    }
    if not tx.execute(update(conducts).where(conducts.c.worker == worker).values(values)).rowcount:
        tx.execute(insert(conducts).values(worker=worker, **values))


def standings(tx: Connection) -> dict[str, str]:
    """The standing of every Worker whose standing is not good."""
    rows = tx.execute(select(conducts.c.worker, conducts.c.standing).where(conducts.c.standing != GOOD))
    return {row.worker: row.standing for row in rows}


def floored(tx: Connection, day: int) -> frozenset[str]:
    """Workers whose factor is at the floor on a UTC day that has begun."""
    rows = tx.execute(select(conducts.c.worker).where(conducts.c.floor_to_day >= day))
    return frozenset(row.worker for row in rows)


def suspended(tx: Connection) -> frozenset[str]:
    """Workers that take no part in rounds."""
    return frozenset(worker for worker, standing in standings(tx).items() if standing == SUSPENDED)


def energies(tx: Connection, worker: str, first_slot: int, last_slot: int) -> dict[int, int]:
    """A Worker's energy (milliwatt-hours, import positive) in each slot that begins and ends with a reading."""
    c = readings.c
    query = select(c.slot, c.imported, c.exported).where(
        c.worker == worker, c.slot >= first_slot - 1, c.slot <= last_slot
    )
    return energies_of((row.slot, row.imported, row.exported) for row in tx.execute(query))


def add_finding(tx: Connection, row: FindingRow) -> None:
    """Stores a finding."""
    values = {name: getattr(row, name) for name in ("worker", "day", "kind", "why", "detail")}
    tx.execute(insert(findings).values(values))


def findings_of(tx: Connection, worker: str | None = None, limit: int = 20) -> list[FindingRow]:
    """The newest findings, of one Worker or of all, newest first."""
    query = select(findings).order_by(findings.c.id.desc()).limit(limit)
    if worker is not None:
        query = query.where(findings.c.worker == worker)
    return [_finding(row) for row in tx.execute(query).mappings()]


def newest_standings(tx: Connection, above: int = 0) -> list[FindingRow]:
    """The newest finding of a standing of each Worker, those numbered above `above`, in their order."""
    c = findings.c
    newest = select(func.max(c.id)).where(c.kind == STANDING, c.id > above).group_by(c.worker)
    rows = tx.execute(select(findings).where(c.id.in_(newest)).order_by(c.id)).mappings()
    return [_finding(row) for row in rows]


def newest_standing(tx: Connection, worker: str) -> FindingRow | None:
    """The newest finding of a Worker's standing."""
    c = findings.c
    query = select(findings).where(c.kind == STANDING, c.worker == worker).order_by(c.id.desc()).limit(1)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _finding(row)


def _finding(row: object) -> FindingRow:
    values = dict(row)  # type: ignore[call-overload]
    return FindingRow(number=values.pop("id"), **values)
