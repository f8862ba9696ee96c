"""A declaration is believed as far as the meter has shown it: the cut that a Queen makes before she adds it up.

Homes that answer no prices enter a round as a constant, which nobody can check before the slot. The choice of lambda
(market-design section 8) keeps a false constant from moving money, but not from moving the schedules of everybody who
answers prices. So a constant counts only within what the same meter measured in the last 28 days, with HEADROOM. A
meter that never measured anything counts with nothing, whatever it declares; a home whose load is new is counted in
full a slot after it appeared. A lie within the own range stays possible: reputation and test C are for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from honey_edge.market.homes.assets import FloatArray

DAYS = 28
HEADROOM = 1.2
_BLOCK_SLOTS = 24


class ShownRange:
    """Smallest and largest energy that every home's meter showed in a slot of the last days (import positive).

    It forgets in blocks: what is older than `slots` slots, give or take a block, no longer counts.
    """

    def __init__(self, homes: int, slots: int = DAYS * 96) -> None:
        zero = np.zeros(homes)
        self._blocks: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=max(1, slots // _BLOCK_SLOTS))
        self._blocks.append((zero, zero))
        self._filled = 0

    def see(self, energy_milliwh: Sequence[int]) -> None:
        """Take one slot's energies (milliwatt-hours), a number per home."""
        energy = np.array(energy_milliwh, dtype=np.float64)
        if self._filled == _BLOCK_SLOTS:
            self._blocks.append((np.zeros(energy.size), np.zeros(energy.size)))
            self._filled = 0
        low, high = self._blocks[-1]
        self._blocks[-1] = (np.minimum(low, energy), np.maximum(high, energy))
        self._filled += 1

    def bounds_kw(self, dt_h: float) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest mean power (kW) that is believed of every home, 0 always included."""
        low = np.min([block[0] for block in self._blocks], axis=0)
        high = np.max([block[1] for block in self._blocks], axis=0)
        scale = HEADROOM / (1e6 * dt_h)
        return low * scale, high * scale
