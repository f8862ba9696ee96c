"""What the days before say about tomorrow's sun: the clear-sky envelope, and how much of it came through.

The envelope of a slot is nearly the most that it gave in four weeks. Clearness is a day's energy as a share of the
envelope's. Yesterday's clearness persists, and more than in proportion: a very clear or a very dull day is a spell of
weather, which the square of its deviation tells. Row d uses rows before d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from honey_edge.market.forecast.load_features import BASE_DAYS, base_of
from honey_edge.market.forecast.smooth import across, lagged, trailing_mean
from honey_edge.market.homes.assets import FloatArray

LOOK_BACK_DAYS = 2 * BASE_DAYS
_RECENT_DAYS = 10
_FROM_TOP = 0.05
"""Share of the best values that the envelope leaves above itself."""
_MOST_CLEARNESS = 1.2

NAMES = ("yesterday", "clearness_1", "clearness_3", "clearness_7", "mean_7", "envelope", "envelope_10", "spell")


@dataclass(frozen=True, slots=True)
class SunFeatures:
    """`base` and `envelope` (days + 1, slots), `columns` (days + 1, slots, features), energy per slot."""

    base: FloatArray
    envelope: FloatArray
    columns: FloatArray


def sun_features(energy: FloatArray) -> SunFeatures:
    """Features for every row of history and the day after it; the last row is the day to come."""
    per_hour = energy.shape[1] / 24.0
    base = base_of(energy)
    filled = np.where(np.isfinite(energy), energy, base[:-1])
    envelope = across(envelope_of(filled, BASE_DAYS), 0.75 * per_hour + 0.5, around=True)
    recent = across(envelope_of(filled, _RECENT_DAYS), 0.75 * per_hour + 0.5, around=True)
    whole = envelope.sum(axis=1, keepdims=True)
    usual = _clearness(base, whole)
    one, three, seven = (_clearness(rows, whole) - usual for rows in _last_days(filled))
    columns = [
        lagged(across(filled, 3.0 * per_hour, around=False), 1) - base,
        one * envelope,
        three * envelope,
        seven * envelope,
        across(trailing_mean(filled, 7), 1.0 * per_hour, around=True) - base,
        envelope - base,
        recent - envelope,
        (np.square(one) - _spread(one)) * envelope,
    ]
    return SunFeatures(base, envelope, np.stack(columns, axis=-1))


def envelope_of(rows: FloatArray, days: int) -> FloatArray:
    """Nearly the largest of the last `days` rows per slot: one result row more than `rows`, 0 where none."""
    padding = np.full((days, rows.shape[1]), -np.inf)
    padded = np.concatenate([padding, np.where(np.isfinite(rows), rows, -np.inf)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, days, axis=0)
    top = np.partition(windows, (days - 3, days - 2, days - 1), axis=-1)[..., -3:]
    count = np.isfinite(windows).sum(axis=-1)
    place = np.clip(_FROM_TOP * (count - 1), 0.0, 2.0)
    top = np.where(np.isfinite(top), top, 0.0)
    upper = np.minimum(place, 1.0)
    below = np.maximum(place - 1.0, 0.0)
    return np.asarray(top[..., 2] * (1 - upper) + top[..., 1] * (upper - below) + top[..., 0] * below)


def _last_days(filled: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    return lagged(filled, 1), trailing_mean(filled, 3), trailing_mean(filled, 7)


def _clearness(rows: FloatArray, whole: FloatArray) -> FloatArray:
    total = np.where(np.isfinite(rows), rows, 0.0).sum(axis=1, keepdims=True)
    share = np.divide(total, whole, out=np.zeros(whole.shape), where=whole > 1e-9)
    return np.asarray(np.clip(share, 0.0, _MOST_CLEARNESS))


def _spread(deviation: FloatArray) -> FloatArray:
    """Variance of yesterday's clearness over the last four weeks, the newest included: it is known."""
    rows = np.concatenate([deviation, deviation[-1:]])
    mean = trailing_mean(rows, BASE_DAYS)[1:-1]
    return np.asarray(trailing_mean(np.square(rows), BASE_DAYS)[1:-1] - np.square(mean))
