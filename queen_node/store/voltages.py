"""Queries on published voltages and on what was estimated from them."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from honey_edge.market.grid.feeder import SlotVoltage
from queen_node.store.voltage_schema import voltage_estimates, voltages

ESTIMATES_KEPT = 60


@dataclass(frozen=True, slots=True)
class EstimateRow:
    """One attempt: the estimate as JSON, or why there is none (`refused`)."""

    at_unix_s: int
    refused: str
    document: str


def add_voltage(tx: Connection, row: SlotVoltage) -> None:
    """Stores one slot of a meter; a slot that is there already is an error of the caller."""
    a, b, c = (*row.voltage_mv, None, None)[:3]
    tx.execute(
        insert(voltages).values(
            worker=row.worker,
            slot=row.slot,
            phase_a_mv=a,
            phase_b_mv=b,
            phase_c_mv=c,
            power_w=row.power_w,
            reactive_var=row.reactive_var,
        )
    )


def newest_slots(tx: Connection) -> dict[str, int]:
    """The newest slot that is stored of each meter."""
    c = voltages.c
    return {row[0]: int(row[1]) for row in tx.execute(select(c.worker, func.max(c.slot)).group_by(c.worker))}


def counted(tx: Connection) -> dict[str, int]:
    """How many slots are stored of each meter."""
    c = voltages.c
    return {row[0]: int(row[1]) for row in tx.execute(select(c.worker, func.count()).group_by(c.worker))}


def voltages_of(tx: Connection, worker: str) -> list[SlotVoltage]:
    """All stored slots of a meter, in order."""
    c = voltages.c
    found = []
    for row in tx.execute(select(voltages).where(c.worker == worker).order_by(c.slot)):
        phases = tuple(one for one in (row.phase_a_mv, row.phase_b_mv, row.phase_c_mv) if one is not None)
        found.append(SlotVoltage(row.worker, row.slot, phases, row.power_w, row.reactive_var))
    return found


def forget_before(tx: Connection, slot: int) -> None:
    """Deletes voltages of before a slot, and all attempts but the newest `ESTIMATES_KEPT`."""
    tx.execute(delete(voltages).where(voltages.c.slot < slot))
    c = voltage_estimates.c
    newest = tx.execute(select(func.max(c.id))).scalar_one()
    if newest is not None:
        tx.execute(delete(voltage_estimates).where(c.id <= newest - ESTIMATES_KEPT))


def add_estimate(tx: Connection, row: EstimateRow) -> None:
    """Stores an attempt."""
    tx.execute(insert(voltage_estimates).values({name: getattr(row, name) for name in EstimateRow.__slots__}))


def newest_estimate(tx: Connection) -> EstimateRow | None:
    """The newest estimate that there is; attempts after it that failed leave it in force."""
    return _newest(tx, only_good=True)


def newest_attempt(tx: Connection) -> EstimateRow | None:
    """The newest attempt, good or not."""
    return _newest(tx, only_good=False)


def _newest(tx: Connection, *, only_good: bool) -> EstimateRow | None:
    c = voltage_estimates.c
    query = select(voltage_estimates).order_by(c.id.desc()).limit(1)
    row = tx.execute(query.where(c.refused == "") if only_good else query).one_or_none()
    return None if row is None else EstimateRow(row.at_unix_s, row.refused, row.document)
