"""Which slots are the same time of day: people follow the local civil clock, the sun follows the standard one.

The core knows no time zones: the caller says how many slots local standard time is ahead of the slot numbers, and,
where it knows them, from which slot on the civil clock runs how far ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.errors import AssetError

IntArray = NDArray[np.int64]

_WEEKDAY_OF_DAY_0 = 3
"""1 January 1970 was a Thursday; Monday is 0."""
_FIRST_WEEKEND_DAY = 5


@dataclass(frozen=True, slots=True)
class LocalClock:
    """Offsets of a place's clocks from the slot numbers, in slots, east positive.

    `standard_offset` holds all year. `civil` lists (from slot, offset) in rising order of slots; before its first
    entry, and without any, the civil clock is the standard one.
    """

    standard_offset: int = 0
    civil: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a table that is not in order."""
        slots = [slot for slot, _ in self.civil]
        if slots != sorted(set(slots)):
            raise AssetError("civil clock changes must be in rising order of their slots, each slot once")

    def standard_index(self, slots: IntArray) -> IntArray:
        """Slots counted on the standard clock, from its midnight of 1 January 1970."""
        return slots + self.standard_offset

    def civil_index(self, slots: IntArray) -> IntArray:
        """Slots counted on the civil clock: some numbers come twice in autumn and are left out in spring."""
        if not self.civil:
            return self.standard_index(slots)
        starts = np.array([slot for slot, _ in self.civil])
        offsets = np.array([self.standard_offset, *(offset for _, offset in self.civil)])
        return np.asarray(slots + offsets[np.searchsorted(starts, slots, side="right")])


def civil_changes(
    offset_at: Callable[[int], int], first_slot: int, last_slot: int, stride: int
) -> tuple[tuple[int, int], ...]:
    """The table for `LocalClock.civil` from a function slot -> offset; changes nearer than `stride` slots may hide."""
    changes = [(first_slot, offset_at(first_slot))]
    for probe in range(first_slot + stride, last_slot + stride, stride):
        if offset_at(probe) == changes[-1][1]:
            continue
        low, high = probe - stride, probe
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_at(middle) == changes[-1][1] else (low, middle)
        changes.append((high, offset_at(high)))
    return tuple(changes)


def is_weekend(local_index: IntArray, slots_per_day: int) -> NDArray[np.bool_]:
    """Whether a slot counted on a local clock lies on a Saturday or Sunday."""
    return np.asarray((local_index // slots_per_day + _WEEKDAY_OF_DAY_0) % 7 >= _FIRST_WEEKEND_DAY)


def day_of_week(day: int) -> int:
    """Monday 0 to Sunday 6 of a day counted from 1 January 1970."""
    return (day + _WEEKDAY_OF_DAY_0) % 7
