"""A forecast: expected power and quantiles per slot, and how what was just measured changes its first hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from honey_edge.market.homes.assets import FloatArray

_LOOK_BACK_HOURS = 1.0
"""How much of the newest measurements tells where the home is now."""
_MOST_SUN, _LEAST_SUN_KW = 3.0, 0.02
"""The sun's ratio of measured to expected is cut here, and asked only where some was expected."""


@dataclass(frozen=True, slots=True)
class Blend:
    """How a deviation lives on: `share` of it in the next slot, fading by e in `hours`."""

    share: float
    hours: float


LOAD_BLEND = Blend(0.55, 2.0)
SUN_BLEND = Blend(0.8, 3.0)
"""Measured on the shared homes: 0.4 to 0.8 of the last hour's deviation is left at once, 0.1 to 0.3 after two hours."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Mean power (kW) of the slots from `first_slot` on: `point_kw` (slots), `quantiles_kw` (9, slots) 10 to 90 %.

    The quantiles have no rows where nobody asked for them. Load and PV are >= 0, load less sun is import positive.
    `kind` is "load", "pv" or "net".
    """

    kind: str
    first_slot: int
    slots_per_day: int
    point_kw: FloatArray
    quantiles_kw: FloatArray

    @property
    def count(self) -> int:
        """Slots."""
        return int(self.point_kw.size)

    def from_slot(self, slot: int) -> Forecast:
        """The part from a slot on."""
        skip = min(max(slot - self.first_slot, 0), self.count)
        point, quantiles = self.point_kw[skip:], self.quantiles_kw[:, skip:]
        return Forecast(self.kind, self.first_slot + skip, self.slots_per_day, point, quantiles)

    def corrected(self, measured_kw: Mapping[int, float]) -> Forecast:
        """The part after the newest measured slot, blended with how far the last hour was from expected.

        `measured_kw` maps slots of this forecast to mean power; others, and what is not finite, are left out.
        Load moves by the deviation, the sun by its ratio; both fade within hours.
        """
        known = {slot: kw for slot, kw in measured_kw.items() if 0 <= slot - self.first_slot < self.count}
        known = {slot: kw for slot, kw in known.items() if np.isfinite(kw)}
        if not known:
            return self
        newest = max(known)
        rest = self.from_slot(newest + 1)
        window = max(1, round(_LOOK_BACK_HOURS * self.slots_per_day / 24.0))
        seen = [slot for slot in range(newest - window + 1, newest + 1) if slot in known]
        now = float(np.mean([known[slot] for slot in seen]))
        expected = float(np.mean([self.point_kw[slot - self.first_slot] for slot in seen]))
        hours = np.arange(rest.count) * 24.0 / self.slots_per_day
        if self.kind == "pv":
            return rest if expected < _LEAST_SUN_KW else rest._scaled(min(now / expected, _MOST_SUN), hours)
        return rest._moved(now - expected, hours)

    def _moved(self, by_kw: float, hours: FloatArray) -> Forecast:
        step = by_kw * LOAD_BLEND.share * np.exp(-hours / LOAD_BLEND.hours)
        least = 0.0 if self.kind == "load" else -np.inf
        point, quantiles = self.point_kw + step, self.quantiles_kw + step
        return self._with(np.maximum(point, least), np.maximum(quantiles, least))

    def _scaled(self, ratio: float, hours: FloatArray) -> Forecast:
        factor = 1.0 + (max(ratio, 0.0) - 1.0) * SUN_BLEND.share * np.exp(-hours / SUN_BLEND.hours)
        return self._with(self.point_kw * factor, self.quantiles_kw * factor)

    def _with(self, point_kw: FloatArray, quantiles_kw: FloatArray) -> Forecast:
        return Forecast(self.kind, self.first_slot, self.slots_per_day, point_kw, quantiles_kw)
