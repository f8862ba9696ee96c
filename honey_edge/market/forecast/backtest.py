"""Rolling origin over measured homes: each day forecast from what lay before it, beside the plain 28-day figure.

Both are computed in the same run. Energies stay in the unit of the series (kWh per slot).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.forecast.clock import IntArray, LocalClock
from honey_edge.market.forecast.ensemble import LEVELS
from honey_edge.market.forecast.forecaster import HomeForecaster
from honey_edge.market.forecast.scores import Score, Tally
from honey_edge.market.homes.assets import FloatArray

REFERENCE_DAYS = 28


@dataclass(frozen=True, slots=True)
class DayForecast:
    """One home's day, energy per slot: `point` (slots), `quantiles` (9, slots) 10 to 90 %; `day` from 1970."""

    home: str
    day: int
    point: FloatArray
    quantiles: FloatArray


@dataclass(frozen=True, slots=True)
class MeasuredHomes:
    """Series on one clock: `energy[home]` from `first_slot` on, NaN where not measured; slots count from 1970."""

    first_slot: int
    slots_per_day: int
    energy: Mapping[str, FloatArray]

    @property
    def slots(self) -> int:
        """Length of the series."""
        return next((int(values.size) for values in self.energy.values()), 0)

    def day(self, home: str, day: int) -> FloatArray:
        """Slots of a day, NaN beyond the series."""
        start = day * self.slots_per_day - self.first_slot
        result = np.full(self.slots_per_day, np.nan)
        low, high = max(start, 0), min(start + self.slots_per_day, self.slots)
        if low < high:
            result[low - start : high - start] = self.energy[home][low:high]
        return result


def measured_homes(places: Sequence[int], columns: Mapping[str, Sequence[float]], slots_per_day: int) -> MeasuredHomes:
    """Dense series from the local slot of each line and the homes' columns, NaN for an empty cell.

    Slots that no line names are gaps; what came twice, as an hour in autumn on a civil clock, is averaged.
    """
    if not places:
        raise AssetError("a series needs at least one line")
    at = np.array(places, dtype=np.int64)
    first = int(at.min())
    size = int(at.max()) - first + 1
    energy = {}
    for home, values in columns.items():
        column = np.array(values, dtype=np.float64)
        known = np.isfinite(column)
        count = np.bincount(at[known] - first, minlength=size)
        total = np.bincount(at[known] - first, weights=column[known], minlength=size)
        energy[home] = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return MeasuredHomes(first, slots_per_day, energy)


def forecast_days(
    homes: MeasuredHomes, kind: str, days: Sequence[int], clock: LocalClock | None = None
) -> Iterator[DayForecast]:
    """Each home's forecast of each whole day in `days`, made at its midnight from the slots before it."""
    slots: IntArray = homes.first_slot + np.arange(homes.slots)
    share = 24.0 / homes.slots_per_day
    for home, energy in homes.energy.items():
        forecaster = HomeForecaster(kind, homes.slots_per_day, clock)
        for day in days:
            origin = day * homes.slots_per_day
            forecaster.fit_series(slots, energy, origin)
            made = forecaster.predict(origin, homes.slots_per_day)
            yield DayForecast(home, day, made.point_kw * share, made.quantiles_kw * share)


def reference_day(homes: MeasuredHomes, home: str, day: int) -> DayForecast:
    """Mean and quantiles of the same slot over the last 28 days; 0 where none of them was measured."""
    past = np.stack([homes.day(home, day - ago) for ago in range(1, REFERENCE_DAYS + 1)])
    past[:, ~np.isfinite(past).any(axis=0)] = 0.0
    return DayForecast(home, day, np.nanmean(past, axis=0), np.nanquantile(past, LEVELS, axis=0))


@dataclass(frozen=True, slots=True)
class Backtest:
    """All forecasts with their score, and the reference's on the same slots."""

    forecasts: tuple[DayForecast, ...]
    score: Score
    reference: Score


def backtest(homes: MeasuredHomes, kind: str, days: Sequence[int], clock: LocalClock | None = None) -> Backtest:
    """Forecasts and scores of `days` (counted from 1970). AssetError where nothing was measured on any of them."""
    own, plain = Tally(), Tally()
    made = []
    for forecast in forecast_days(homes, kind, days, clock):
        measured = homes.day(forecast.home, forecast.day)
        own.add(forecast.home, forecast.day, measured, forecast.point, forecast.quantiles)
        reference = reference_day(homes, forecast.home, forecast.day)
        plain.add(forecast.home, forecast.day, measured, reference.point, reference.quantiles)
        made.append(forecast)
    return Backtest(tuple(made), own.score(), plain.score())
