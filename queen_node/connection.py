"""The Queen's own meter at the connection point: counters at slot boundaries, energy as their difference.

A source stores the counters that stand at the end of a slot; other instants say nothing exact about a slot and are
left alone. The granted source gets them with simulated time (DESIGN Time).
"""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from honey_edge.model.slots import SLOT_S, slot_at
from queen_node.store import Store
from queen_node.store.readings import meter_at, put_meter
from queen_node.store.records import MeterRow

_LOG = logging.getLogger(__name__)


class GrantedMeter:
    """Counters that arrive with a grant of time: {"unix_s", "import_milliwh", "export_milliwh"}.

    `highest_mv` is the highest of its phase voltages (millivolts), from "highest_mv" where that is granted too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.highest_mv: int | None = None

    def on_grant(self, order: Mapping[str, Any]) -> None:
        """Stores the counters when they are those of a slot's end."""
        told = order.get("meter")
        if not isinstance(told, Mapping):
            return
        if "highest_mv" in told:
            self.highest_mv = int(told["highest_mv"])
        at_unix_s = int(told["unix_s"])
        if at_unix_s % SLOT_S == 0:
            row = MeterRow(slot_at(at_unix_s) - 1, int(told["import_milliwh"]), int(told["export_milliwh"]))
            with self._store.begin() as tx:
                put_meter(tx, row)


def slot_energy(tx: Connection, slot: int) -> int | None:
    """Energy at the connection point in a slot (milliwatt-hours, import positive); None without both counters."""
    before, after = meter_at(tx, slot - 1), meter_at(tx, slot)
    if before is None or after is None:
        return None
    if after.imported < before.imported or after.exported < before.exported:
        _LOG.warning("meter_went_down slot=%d", slot)
        return None
    return (after.imported - before.imported) - (after.exported - before.exported)


def no_meter(tx: Connection, slot: int) -> int | None:
    """The energy of a connection point without a meter: not known."""
    return None
