"""Test D, once a week: which meter the connection point contradicts (`market.fairplay.meters`).

It needs the Queen's own meter. It names a meter for inspection and changes nothing else.
"""

import logging
from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.meters import DAYS, examine_meters
from honey_edge.market.homes.assets import FloatArray, profile
from honey_edge.model.slots import SLOTS_PER_DAY, day_of, slot_of_day
from queen_node.store import Store, fairplay
from queen_node.store.fairplay import METER, FindingRow

_LOG = logging.getLogger(__name__)
_MILLIWH_PER_KWH = 1e6
_FEWEST_SLOTS = 5 * SLOTS_PER_DAY
"""Of a week's whole slots; what is named from fewer was never calibrated, and a handful explains anything."""

Metered = Callable[[Connection, int], int | None]


def is_due(slot: int) -> bool:
    """Whether a week ends with the slot before this one."""
    return slot_of_day(slot) == 0 and day_of(slot) % DAYS == 0


def inspect(store: Store, metered: Metered, workers: Iterable[str], slot: int) -> list[FindingRow]:
    """Examines the week before a slot and stores what was found; nothing where it cannot be examined."""
    names, first = sorted(workers), slot - DAYS * SLOTS_PER_DAY
    with store.begin() as tx:
        connection = {one: metered(tx, one) for one in range(first, slot)}
        homes = {worker: fairplay.energies(tx, worker, first, slot - 1) for worker in names}
    slots = [
        one for one, energy in connection.items() if energy is not None and all(one in home for home in homes.values())
    ]
    if len(slots) < _FEWEST_SLOTS or not names:
        _LOG.info("meters_not_examined slot=%d whole_slots=%d", slot, len(slots))
        return []
    try:
        found = examine_meters(
            _rows([[homes[worker][one] for worker in names] for one in slots]),
            profile("connection", [(connection[one] or 0) / _MILLIWH_PER_KWH for one in slots]),
        )
    except AssetError as error:
        _LOG.info("meters_not_examined slot=%d reason=%r", slot, str(error))
        return []
    rows = [
        FindingRow(
            names[one.home],
            day_of(slot),
            METER,
            0,
            f"its share in the difference at the connection point is {one.coefficient:+.3f} "
            f"(standard error {one.standard_error:.3f}, {len(slots)} slots): have the meter inspected",
        )
        for one in found
        if one.named
    ]
    with store.begin() as tx:
        for row in rows:
            fairplay.add_finding(tx, row)
            _LOG.warning("meter_named worker=%s detail=%r", row.worker, row.detail)
    return rows


def _rows(energies: list[list[int]]) -> FloatArray:
    """A matrix of kWh, a row for each slot."""
    flat = profile("energies", [one / _MILLIWH_PER_KWH for row in energies for one in row])
    return flat.reshape(len(energies), -1)
