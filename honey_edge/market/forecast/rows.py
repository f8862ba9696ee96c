"""History as rows of 24 hours that end where the forecast begins; gaps stay NaN.

Row -1 is the day before the origin, and the first column is the origin's own time of day on the clock that is
followed. An hour that came twice is averaged, an hour that was left out is a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.forecast.clock import IntArray, is_weekend
from honey_edge.market.homes.assets import FloatArray

MAX_DAYS = 240
"""Older history is not looked at: it is another season's."""


@dataclass(frozen=True, slots=True)
class Rows:
    """`energy` (days, slots of a day) in the unit given, NaN where not measured; `origin_index` counts on the clock.

    `index` maps slot numbers to the clock that the rows follow.
    """

    energy: FloatArray
    origin_index: int
    index: Callable[[IntArray], IntArray]

    @property
    def days(self) -> int:
        """Rows of history."""
        return int(self.energy.shape[0])

    @property
    def slots_per_day(self) -> int:
        """Columns."""
        return int(self.energy.shape[1])

    def places(self, slots: IntArray) -> tuple[IntArray, IntArray]:
        """Row (0 = the first forecast day) and column of slots."""
        rows, columns = np.divmod(self.index(slots) - self.origin_index, self.slots_per_day)
        return rows, columns

    def weekend(self, first_row: int, last_row: int) -> NDArray[np.bool_]:
        """Whether each slot of the rows (relative to the origin, last one excluded) lies on a weekend."""
        start, stop = first_row * self.slots_per_day, last_row * self.slots_per_day
        local = self.origin_index + np.arange(start, stop)
        return is_weekend(local, self.slots_per_day).reshape(-1, self.slots_per_day)

    def with_rows(self, more: FloatArray) -> Rows:
        """The same history with days appended, as if they had been measured; the origin moves on with them."""
        moved = self.origin_index + more.shape[0] * self.slots_per_day
        return Rows(np.concatenate([self.energy, more]), moved, self.index)


def rows_before(
    origin: int, places: IntArray, energy: FloatArray, slots_per_day: int, index: Callable[[IntArray], IntArray]
) -> Rows:
    """Rows from energy measured before the slot `origin`, at places counted on the clock that `index` leads to."""
    origin_index = int(index(np.array([origin]))[0])
    ago = origin_index - places
    near = (ago > 0) & (ago <= MAX_DAYS * slots_per_day)
    ago, kept = ago[near], energy[near]
    days = -(-int(ago.max()) // slots_per_day) if ago.size else 0
    size = days * slots_per_day
    count = np.bincount(size - ago, minlength=size)
    total = np.bincount(size - ago, weights=kept, minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return Rows(mean.reshape(days, slots_per_day), origin_index, index)
