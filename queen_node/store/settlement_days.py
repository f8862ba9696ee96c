"""Queries on days settled and the batches planned for them; a period's plan is written once and never replaced."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from queen_node.store.watch_schema import settlement_days, settlement_plans

SETTLED, PARTLY, NOTHING, WAITING = "settled", "partly", "nothing", "waiting"
"""Outcomes: every Worker's Statement applied; some skipped; none was due; not done yet."""


@dataclass(frozen=True, slots=True)
class DayRow:
    """What came of settling a UTC day; `slot` is the period's last."""

    day: int
    slot: int
    outcome: str
    at_unix_s: int
    detail: str = ""


def put_plan(tx: Connection, slot: int, batches: Sequence[bytes]) -> None:
    """Stores the packed leaves of a period, all batches together."""
    if batches:
        tx.execute(
            insert(settlement_plans),
            [{"slot": slot, "batch": number, "packed": packed} for number, packed in enumerate(batches)],
        )


def plan_at(tx: Connection, slot: int) -> list[bytes]:
    """The packed leaves of a period by batch; empty when it was never planned."""
    c = settlement_plans.c
    return [bytes(row[0]) for row in tx.execute(select(c.packed).where(c.slot == slot).order_by(c.batch))]


def put_day(tx: Connection, row: DayRow) -> None:
    """Stores what came of a day so far."""
    values = {name: getattr(row, name) for name in row.__slots__ if name != "day"}
    known = update(settlement_days).where(settlement_days.c.day == row.day).values(values)
    if not tx.execute(known).rowcount:
        tx.execute(insert(settlement_days).values(day=row.day, **values))


def day_row(tx: Connection, day: int) -> DayRow | None:
    """What came of a day; None when it was never tried."""
    row = tx.execute(select(settlement_days).where(settlement_days.c.day == day)).one_or_none()
    return None if row is None else DayRow(row.day, row.slot, row.outcome, row.at_unix_s, row.detail)


def waiting_days(tx: Connection) -> list[DayRow]:
    """Days tried and not done, oldest first."""
    c = settlement_days.c
    rows = tx.execute(select(settlement_days).where(c.outcome == WAITING).order_by(c.day))
    return [DayRow(row.day, row.slot, row.outcome, row.at_unix_s, row.detail) for row in rows]


def newest_done(tx: Connection) -> int | None:
    """The newest day that is done; None when no day is."""
    found = tx.execute(select(func.max(settlement_days.c.day)).where(settlement_days.c.outcome != WAITING)).scalar_one()
    return None if found is None else int(found)
