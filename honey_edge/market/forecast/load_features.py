"""What a home's own past says about its next day's load, as deviations from the mean of the same slot over 28 days.

Each feature is in the unit of the rows, so one set of coefficients fits homes of every size. Row d uses rows before d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.forecast.smooth import (
    across,
    lagged,
    spaced_mean,
    trailing_mean,
    weighted_trailing_mean,
)
from honey_edge.market.homes.assets import FloatArray

BASE_DAYS = 28
LONG_DAYS = 84
LOOK_BACK_DAYS = LONG_DAYS + 1
"""Rows of history that the features of one day can need."""
_KIND_DAYS = 42
"""Days over which weekdays are told from weekends."""
_EVENING_HOURS = 3.0
"""The hours before the origin whose level is carried into the first hours after it."""

NAMES = (
    "yesterday",
    "mean_3",
    "mean_7",
    "mean_84",
    "same_weekday",
    "same_kind_of_day",
    "level_yesterday",
    "level_84",
    "last_hours",
    "smoothing",
)


@dataclass(frozen=True, slots=True)
class Features:
    """`base` (days + 1, slots) and `columns` (days + 1, slots, features); the last row is the day to come.

    NaN where the past says nothing.
    """

    base: FloatArray
    columns: FloatArray


def load_features(energy: FloatArray, weekend: NDArray[np.bool_]) -> Features:
    """Features for every row of history and the day after it; `weekend` has one row more than `energy`."""
    slots = energy.shape[1]
    per_hour = slots / 24.0
    base = base_of(energy)
    filled = np.where(np.isfinite(energy), energy, base[:-1])
    smooth = across(filled, 1.5 * per_hour, around=True)
    calm = across(base, 1.0 * per_hour + 0.5, around=True)
    level = _day_mean(calm)
    size = _day_mean(np.abs(calm))
    # Sizes, not values: load less sun may come to nothing over a day.
    shape = np.divide(np.abs(calm), size, out=np.zeros(calm.shape), where=size > 1e-9)
    long = trailing_mean(smooth, LONG_DAYS)
    columns = [
        lagged(across(filled, 2.5 * per_hour, around=False), 1) - calm,
        trailing_mean(smooth, 3) - calm,
        trailing_mean(smooth, 7) - calm,
        long - calm,
        spaced_mean(smooth, 7, 6) - calm,
        _same_kind(smooth, weekend) - calm,
        (_day_mean(lagged(filled, 1)) - level) * shape,
        (_day_mean(long) - level) * shape,
        _last_hours(filled, calm, per_hour),
        calm - base,
    ]
    return Features(base, np.stack(columns, axis=-1))


def base_of(energy: FloatArray) -> FloatArray:
    """Mean of the same slot over 28 days, where none of them was measured over all days, else NaN."""
    near = trailing_mean(energy, BASE_DAYS)
    return np.where(np.isfinite(near), near, trailing_mean(energy, energy.shape[0]))


def _day_mean(rows: FloatArray) -> FloatArray:
    measured = np.isfinite(rows)
    count = measured.sum(axis=1, keepdims=True)
    total = np.where(measured, rows, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _same_kind(smooth: FloatArray, weekend: NDArray[np.bool_]) -> FloatArray:
    """Mean over those of the last days that, like the day to come, are working days or belong to the weekend."""
    measured = np.isfinite(smooth)
    free = weighted_trailing_mean(smooth, (measured & weekend[:-1]).astype(np.float64), _KIND_DAYS)
    working = weighted_trailing_mean(smooth, (measured & ~weekend[:-1]).astype(np.float64), _KIND_DAYS)
    return np.where(weekend, free, working)


def _last_hours(filled: FloatArray, calm: FloatArray, per_hour: float) -> FloatArray:
    """How far the hours before the origin were from usual, fading over the hours after it."""
    count = max(1, round(_EVENING_HOURS * per_hour))
    change = _day_mean(lagged(filled, 1)[:, -count:]) - _day_mean(calm[:, -count:])
    hours = np.arange(filled.shape[1]) / per_hour
    return change * np.exp(-hours / _EVENING_HOURS)
