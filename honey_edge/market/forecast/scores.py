"""How good forecasts were: errors in units of the mean of what was measured, gaps left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.forecast.ensemble import LEVELS
from honey_edge.market.homes.assets import FloatArray


@dataclass(frozen=True, slots=True)
class Score:
    """`nrmse` and `pinball` (mean over 10 to 90 %) over all homes' slots, `nrmse_sum` of the sum of the homes.

    All are divided by the mean of what was measured. `per_home` holds (nrmse, pinball) of each home alone.
    """

    nrmse: float
    pinball: float
    nrmse_sum: float
    slots: int
    per_home: dict[str, tuple[float, float]]


@dataclass(slots=True)
class _Sums:
    slots: int = 0
    measured: float = 0.0
    square: float = 0.0
    pinball: float = 0.0

    def add(self, measured: FloatArray, point: FloatArray, quantiles: FloatArray | None) -> None:
        known = np.isfinite(measured)
        actual = measured[known]
        self.slots += int(actual.size)
        self.measured += float(actual.sum())
        self.square += float(np.square(actual - point[known]).sum())
        if quantiles is not None:
            self.pinball += float(pinball_loss(actual, quantiles[:, known]).sum())

    def figures(self) -> tuple[float, float]:
        if self.measured <= 0.0:
            return 0.0, 0.0
        mean = self.measured / self.slots
        return float(np.sqrt(self.square / self.slots)) / mean, self.pinball / self.slots / mean


def pinball_loss(measured: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Per slot, the mean over 10 to 90 % of the quantile loss."""
    error = measured - quantiles
    levels = LEVELS[:, None]
    return np.asarray(np.maximum(levels * error, (levels - 1.0) * error).mean(axis=0))


@dataclass(slots=True)
class Tally:
    """Gathers days of homes and scores them together."""

    _homes: dict[str, _Sums] = field(default_factory=dict)
    _days: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    _all: _Sums = field(default_factory=_Sums)

    def add(self, home: str, day: int, measured: FloatArray, point: FloatArray, quantiles: FloatArray) -> None:
        """One home's day."""
        self._all.add(measured, point, quantiles)
        self._homes.setdefault(home, _Sums()).add(measured, point, quantiles)
        before = self._days.get(day)
        sums = (measured, point) if before is None else (before[0] + measured, before[1] + point)
        self._days[day] = sums

    def score(self) -> Score:
        """The figures; a slot counts for the sum when all homes were measured."""
        if not self._all.slots:
            raise AssetError("nothing was measured on the days asked for")
        together = _Sums()
        for measured, point in self._days.values():
            together.add(measured, point, None)
        nrmse, pinball = self._all.figures()
        per_home = {home: sums.figures() for home, sums in self._homes.items()}
        return Score(nrmse, pinball, together.figures()[0], self._all.slots, per_home)
