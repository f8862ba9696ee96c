"""The forecast of one home, from its own history only (market-design section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.forecast.clock import IntArray, LocalClock
from honey_edge.market.forecast.ensemble import LEVELS
from honey_edge.market.forecast.jumps import straightened
from honey_edge.market.forecast.load_model import LoadModel
from honey_edge.market.forecast.outlook import Forecast
from honey_edge.market.forecast.pv_model import SunModel
from honey_edge.market.forecast.rows import Rows, rows_before
from honey_edge.market.forecast.weather import WeatherFeed, WeatherStep
from honey_edge.market.homes.assets import FloatArray
from honey_edge.model.slots import SLOTS_PER_DAY

LOAD, PV, NET = "load", "pv", "net"
KINDS = (LOAD, PV, NET)
_MILLIWH_PER_KWH = 1e6
_MUCH_KWH = 1e-6
_MOST_KWH = 1e6
"""No home's slot holds more; a larger or an infinite number is a fault and counts as a gap."""


class _DayModel(Protocol):
    errors: FloatArray

    def day(self, rows: Rows, *, quantiles: bool = True) -> tuple[FloatArray, FloatArray]:
        """Expected energy and quantiles, if asked for, of the day after the rows."""


class HomeForecaster:
    """Fits a home's history and predicts its next days.

    `kind` is "load" or "pv" (>= 0), or "net" for load less sun, import positive. A day has `slots_per_day` slots, a
    multiple of 24. Load and net follow the civil clock, PV the standard one. Gaps are skipped; without any history
    load is a typical home's, PV nothing. A `weather` feed is used where it knows something.
    """

    def __init__(
        self,
        kind: str,
        slots_per_day: int = SLOTS_PER_DAY,
        clock: LocalClock | None = None,
        weather: WeatherFeed | None = None,
    ) -> None:
        if kind not in KINDS:
            raise AssetError(f"kind {kind!r} is none of {', '.join(KINDS)}")
        if slots_per_day < 24 or slots_per_day % 24:
            raise AssetError(f"slots_per_day {slots_per_day} must be a multiple of 24")
        self.kind = kind
        self.slots_per_day = slots_per_day
        self._clock = clock or LocalClock()
        self._weather = weather
        self._step: WeatherStep | None = None
        self._rows: Rows | None = None
        self._model: _DayModel | None = None
        self._origin = 0

    @property
    def origin(self) -> int:
        """The slot before which everything was used."""
        return self._origin

    def fit(self, history_milliwh: Mapping[int, int], origin: int) -> None:
        """Fit to energy (mWh) per slot number; only slots before `origin` are looked at."""
        slots = np.fromiter(history_milliwh.keys(), dtype=np.int64, count=len(history_milliwh))
        energy = np.fromiter(history_milliwh.values(), dtype=np.float64, count=len(history_milliwh))
        self.fit_series(slots, energy / _MILLIWH_PER_KWH, origin)

    def fit_series(self, slots: IntArray, energy_kwh: FloatArray, origin: int) -> None:
        """Fit to energy (kWh, NaN where not measured) of slot numbers, in any order."""
        past = (slots < origin) & (np.abs(energy_kwh) <= _MOST_KWH)
        energy = energy_kwh[past] if self.kind == NET else np.maximum(energy_kwh[past], 0.0)
        index = self._clock.standard_index if self.kind == PV else self._clock.civil_index
        places = index(slots[past])
        if self.kind == PV:
            places = straightened(places, energy, self.slots_per_day)
        self._origin = origin
        self._rows = rows_before(origin, places, energy, self.slots_per_day, index)
        self._model = SunModel(self._rows) if self.kind == PV else LoadModel(self._rows, signed=self.kind == NET)
        if self._weather is not None:
            known, errors = self._rows.energy, self._model.errors
            self._step = WeatherStep(self._weather, sun=self.kind == PV, origin=origin, energy=known, errors=errors)

    def predict(self, first_slot: int, count: int, *, quantiles: bool = True) -> Forecast:
        """The forecast of `count` slots from `first_slot`, which is not before the origin of the fit.

        Without `quantiles` the point is the same, in less than half the time.
        """
        if self._rows is None or self._model is None:
            raise AssetError("predict needs a fit first")
        if count < 1 or first_slot < self._origin:
            raise AssetError(f"{count} slots from {first_slot} cannot be predicted from slot {self._origin}")
        wanted = np.arange(first_slot, first_slot + count)
        day, column = self._rows.places(wanted)
        point = np.zeros(count)
        spread = np.zeros((LEVELS.size if quantiles else 0, count))
        rows = self._rows
        for ahead in range(int(day.max()) + 1):
            expected, around = self._day(self._model, rows, ahead, quantiles)
            here = day == ahead
            point[here], spread[:, here] = expected[column[here]], around[:, column[here]]
            rows = rows.with_rows(expected[None, :])
        per_hour = self.slots_per_day / 24.0
        return Forecast(self.kind, first_slot, self.slots_per_day, point * per_hour, spread * per_hour)

    def _day(self, model: _DayModel, rows: Rows, ahead: int, quantiles: bool) -> tuple[FloatArray, FloatArray]:
        """The model's day, moved by the weather where there is a feed: load by an amount, the sun by a factor."""
        expected, spread = model.day(rows, quantiles=quantiles)
        if self._step is None:
            return expected, spread
        added = self._step.added(ahead, expected)
        if self.kind == PV:
            moved = np.maximum(expected + added, 0.0)
            return moved, spread * np.divide(moved, expected, out=np.ones(moved.shape), where=expected > _MUCH_KWH)
        least = 0.0 if self.kind == LOAD else -np.inf
        return np.maximum(expected + added, least), np.maximum(spread + added, least)
