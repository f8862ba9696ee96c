"""Means of a slot's voltages and powers, for the Queen's voltage limits (market-design section 11).

Only complete looks count: voltage, power and reactive power together. A phase that is not there (0 V all the time, as
a single-phase meter says of its B and C) is left out; a phase that failed for a part of the slot is not hidden.
"""

import math

from drivers.sample import MeterSample
from honey_edge.model.slots import SLOT_S, slot_at
from honey_edge.wire.grid_messages import GridMessage

LEAST_PARTS = 10
"""The slot is divided into so many parts; a mean needs a look in each, so that it stands for the whole slot."""

_MV_PER_V = 1000
_PHASES = 3


class VoltageMean:
    """Adds up one slot after the other."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._slot = -1
        self._begin()

    def _begin(self) -> None:
        self._looks, self._parts = 0, set[int]()
        self._volts, self._power, self._reactive = [0.0] * _PHASES, 0.0, 0.0

    def add(self, at_unix_s: int, sample: MeterSample) -> None:
        """Adds one sample to the slot that it belongs to: at a slot's end, the one that ends."""
        slot = slot_at(at_unix_s - 1)
        if slot != self._slot:
            self._slot = slot
            self._begin()
        volts, power, reactive = sample.voltage_v, sample.power_w, sample.reactive_power_var
        if volts is None or power is None or reactive is None:
            return
        numbers = (*volts, power[0], reactive[0])
        if any(one is None or not math.isfinite(one) for one in numbers):
            return
        self._looks += 1
        self._parts.add((at_unix_s - 1) % SLOT_S * LEAST_PARTS // SLOT_S)
        self._volts = [total + own for total, own in zip(self._volts, volts, strict=True)]
        self._power += power[0]
        self._reactive += reactive[0]

    def close(self, slot: int) -> GridMessage | None:
        """The message for a slot that has ended; None where too little of it was seen."""
        if slot != self._slot or len(self._parts) < LEAST_PARTS:
            return None
        means = [round(total * _MV_PER_V / self._looks) for total in self._volts]
        alive = tuple(mean for mean in means if mean > 0)
        if not alive:
            return None
        power, reactive = round(self._power / self._looks), round(self._reactive / self._looks)
        return GridMessage(worker=self._worker, slot=slot, voltage_mv=alive, power_w=power, reactive_var=reactive)
