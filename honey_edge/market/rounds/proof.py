"""A second price for the certificate: where the round's price is still on its way, its end is taken at once.

The lower bound (market-design section 6) may be reckoned at any price within the tariff; the announced one is only the
obvious choice. Where nobody answers a change of price, the price of a slot (or of a whole night that costs the same)
climbs by mismatch/S per iteration for as long as it takes to meet the next price at which somebody moves energy: the
edge of the tariff, or the price of other slots. Nothing is lost by the plans meanwhile, but the bound is too low by
the energy beside what was asked for times the way that is left. So the homes are asked for their part of the bound at
the end of that way too, and the better of both bounds counts: a wrong guess costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from honey_edge.market.homes.assets import FloatArray, Tariff

WATCHED = 4
"""Iterations over which plans have to stand still while the price moves."""

LEVEL_PER_KWH = 2e-3
"""Prices of neighbouring slots closer than this are one level, and move as one."""

STILL_KW = 0.005
"""Change of a mean power up to which it stands still, times the root of Workers over slots."""

BESIDE_KW = 0.015
"""Power beside what was asked for, summed over a level's slots, per Worker, from which the way is worth a guess."""


class PriceTrail:
    """The last iterations' prices and powers of a round of `flexible` Workers."""

    def __init__(self, tariff: Tariff, flexible: int) -> None:
        self._tariff, self._flexible = tariff, flexible
        self._rows: deque[tuple[FloatArray, FloatArray, FloatArray]] = deque(maxlen=WATCHED)

    def add(self, price_per_kwh: FloatArray, total_kw: FloatArray, net_kw: FloatArray) -> None:
        """Take one iteration: the price that was broadcast, the sum of the plans, and what the Queen asked for."""
        self._rows.append((price_per_kwh, total_kw, total_kw - net_kw))

    def ahead(self, price_per_kwh: FloatArray) -> FloatArray | None:
        """Return the price (per kWh) with the levels that are on their way at their end; None where there is none."""
        if len(self._rows) < WATCHED:
            return None
        before, ahead = self._rows[0][0], price_per_kwh.copy()
        totals = np.array([total for _, total, _ in self._rows])
        beside = np.array([gap for _, _, gap in self._rows])
        for first, end in _levels(price_per_kwh):
            level = slice(first, end)
            side = self._side(totals[:, level].mean(axis=1), beside[:, level].mean(axis=1), end - first)
            if side * float((price_per_kwh - before)[level].mean()) <= 0.0:
                continue
            way = self._way(price_per_kwh, level, side)
            if np.isfinite(way) and abs(way) > LEVEL_PER_KWH:
                ahead[level] += way
        return None if np.array_equal(ahead, price_per_kwh) else ahead

    def _side(self, totals: FloatArray, beside: FloatArray, slots: int) -> float:
        """Return 1 where plans stand still above what is asked for, -1 below, else 0."""
        still = STILL_KW * np.sqrt(self._flexible / slots)
        if float(np.ptp(totals)) > still or float(np.abs(beside).min()) * slots < BESIDE_KW * self._flexible:
            return 0.0
        signs = np.sign(beside)
        return float(signs[0]) if bool((signs == signs[0]).all()) else 0.0

    def _way(self, price: FloatArray, level: slice, side: float) -> float:
        """Return how far the level may go: to the next other price or edge of the tariff on that side."""
        here = float(price[level].mean())
        marks = (np.delete(price, level), self._tariff.buy_per_kwh[level], self._tariff.sell_per_kwh[level])
        away = side * (np.concatenate(marks) - here)
        onward = away[away > LEVEL_PER_KWH]
        return side * float(onward.min()) if onward.size else np.inf


def _levels(price: FloatArray) -> Iterator[tuple[int, int]]:
    """Cut the horizon where neighbouring prices differ; yield first slot and the one after the last."""
    cuts: Sequence[int] = (np.flatnonzero(np.abs(np.diff(price)) > LEVEL_PER_KWH) + 1).tolist()
    yield from pairwise((0, *cuts, price.size))
