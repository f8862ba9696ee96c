"""Forecasts of all homes of a simulation at once: the rule of `forecast.forecast_day`, corrected by what was measured.

Per slot the mean of the same slot of the day over the last 28 days that were measured, else 0. Two corrections follow
(market-design section 11, "corrected within the day"): LEVEL of the mean error of the last day is carried on, so that a
home that is away is believed within a day; and of what the last known reading was off besides, PERSISTENCE is expected
to last into the first slot and less from slot to slot. Test C is calibrated on declarations made this way.
"""

from __future__ import annotations

import numpy as np

from honey_edge.market.homes.assets import FloatArray

DAYS = 28
LEVEL = 0.8
PERSISTENCE = 0.7
FADING = 0.7
"""What is left of the last error from one slot to the next."""

_MOST_SUN = 2.0
"""Largest factor by which a day's sun is corrected."""


class RollingForecast:
    """Forecasts one quantity (kWh per slot >= 0) of many homes; `series_kwh` has a row per slot, a column per home.

    The level of a load is corrected by an amount, that of `sun` by a factor (there is none at night).
    """

    def __init__(self, series_kwh: FloatArray, per_day: int, *, sun: bool = False) -> None:
        self._series, self._per_day, self._sun = series_kwh, per_day, sun
        self._means = _means_before(series_kwh, per_day)
        known = np.isfinite(series_kwh)
        means = self._means[: len(series_kwh)]
        self._error = np.where(known, series_kwh - means, 0.0)
        self._expected_known = np.where(known, means, 0.0)

    def corrected(self, first: int, count: int, known_end: int) -> FloatArray:
        """Return `count` slots (at most a day) from `first` (kWh, >= 0) from the slots before `known_end` only."""
        day, places = self._per_day, np.arange(first, first + count)
        means = self._means[np.where(places - day < known_end, places, places - day)]
        recent = slice(max(0, known_end - day), known_end)
        if known_end < 1:
            return means
        error = self._error[recent]
        if self._sun:
            expected = self._expected_known[recent].sum(axis=0)
            factor = error.sum(axis=0) / np.where(expected > 0.0, expected, np.inf)
            level = np.clip(LEVEL * factor, -1.0, _MOST_SUN - 1.0) * means
            level_then = np.clip(LEVEL * factor, -1.0, _MOST_SUN - 1.0) * self._means[known_end - 1]
        else:
            level = np.broadcast_to(LEVEL * error.mean(axis=0), means.shape)
            level_then = level[0]
        last = np.where(np.isfinite(self._series[known_end - 1]), error[-1] - level_then, 0.0)
        fading = PERSISTENCE * FADING ** np.arange(count)
        return np.asarray(np.maximum(means + level + fading[:, None] * last[None, :], 0.0))


def _means_before(series_kwh: FloatArray, per_day: int) -> FloatArray:
    """Return, for every slot of the series and of the day behind it, the mean over that slot of the 28 days before."""
    days = -(-len(series_kwh) // per_day)
    homes = series_kwh.shape[1]
    whole = np.full((days * per_day, homes), np.nan)
    whole[: len(series_kwh)] = series_kwh
    by_day = whole.reshape(days, per_day, homes)
    known = np.isfinite(by_day)
    totals = np.zeros((days + 1, per_day, homes))
    counts = np.zeros((days + 1, per_day, homes))
    np.cumsum(np.where(known, by_day, 0.0), axis=0, out=totals[1:])
    np.cumsum(known, axis=0, out=counts[1:])
    first = np.maximum(0, np.arange(days + 1) - DAYS)
    means = (totals - totals[first]) / np.maximum(counts - counts[first], 1.0)
    return np.asarray(np.maximum(means, 0.0).reshape((days + 1) * per_day, homes))
