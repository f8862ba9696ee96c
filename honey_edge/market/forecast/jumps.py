"""Clock changes hidden in PV data: stamps on the civil clock make the sun seem to jump by an hour, on a Sunday.

Only for PV: the middle of a home's production moves by minutes a week, so a jump of an hour between two Sundays' sides
is no weather. Load gives no such sign.
"""

from __future__ import annotations

import numpy as np

from honey_edge.market.forecast.clock import IntArray, day_of_week
from honey_edge.market.homes.assets import FloatArray

_SUNDAY = 6
_BEFORE_DAYS, _AFTER_DAYS, _LEAST_DAYS = 7, 7, 3
_LOW_HOURS, _HIGH_HOURS = 0.6, 1.4


def straightened(index: IntArray, energy: FloatArray, slots_per_day: int) -> IntArray:
    """The clock index of each measured slot, moved by whole hours where older data run on another clock.

    The newest data keep theirs. All of `energy` must be finite.
    """
    if index.size == 0:
        return index
    first_day = int(index.min()) // slots_per_day
    middle = _middles(index - first_day * slots_per_day, energy, slots_per_day)
    moved = index.copy()
    for day in range(middle.size - _LEAST_DAYS, _BEFORE_DAYS - 1, -1):
        if day_of_week(first_day + day) != _SUNDAY:
            continue
        hours = _jump_hours(middle, day)
        if hours:
            moved[index < (first_day + day) * slots_per_day] += hours * slots_per_day // 24
            middle[:day] += hours
    return moved


def _middles(place: IntArray, energy: FloatArray, slots_per_day: int) -> FloatArray:
    """Hour of the day around which each day's energy lies, NaN for days without."""
    days, slot = np.divmod(place, slots_per_day)
    count = int(days.max()) + 1
    total = np.bincount(days, weights=energy, minlength=count)
    moment = np.bincount(days, weights=energy * (slot + 0.5) * 24.0 / slots_per_day, minlength=count)
    return np.asarray(np.divide(moment, total, out=np.full(count, np.nan), where=total > 0.0))


def _jump_hours(middle: FloatArray, day: int) -> int:
    """+1 or -1 when the sun is that much later or earlier from `day` on, else 0."""
    before, after = middle[day - _BEFORE_DAYS : day], middle[day : day + _AFTER_DAYS]
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(before.size, after.size) < _LEAST_DAYS:
        return 0
    week = float(np.median(after) - np.median(before))
    at_once = float(np.median(after[:_LEAST_DAYS]) - np.median(before[-_LEAST_DAYS:]))
    if min(abs(week), abs(at_once)) < _LOW_HOURS or max(abs(week), abs(at_once)) > _HIGH_HOURS or week * at_once < 0:
        return 0
    return int(np.sign(week))
