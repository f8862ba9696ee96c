"""The root's step through a tree of limits: exact, by bisection, depth by depth (market-design section 5).

    minimise  F(sum_j Z_j) + sum_j ||Z_j - W_j||^2 / (2*S_j)      Z_j the power of node j's own members
    where     low_j <= sum of Z over the subtree of j <= high_j

At a price lambda (currency per kW and slot) node j's members want W_j - S_j*lambda, and a subtree answers with the
sum of its parts clipped into its limit: a monotone function of the price above it. So the root finds its price by
bisection, and every level below its own the same way. The difference to the parent's price is the congestion price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from honey_edge.market.grid.tree import Tree
from honey_edge.market.homes.assets import FloatArray, Tariff

_HALVINGS = 60
_PEAK_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class Wishes:
    """What the Queens of a tree know before a step, nodes x slots: W and S of each node's own members, and limits."""

    aggregate_kw: FloatArray
    scale: FloatArray
    low_kw: FloatArray
    high_kw: FloatArray


@dataclass(frozen=True, eq=False)
class TreeStep:
    """What the step decides, nodes x slots: power of each node's own members (kW) and its price (currency per kWh)."""

    net_kw: FloatArray
    price_per_kwh: FloatArray

    @property
    def pcc_kw(self) -> FloatArray:
        """Power at the connection point (kW per slot)."""
        return np.asarray(self.net_kw.sum(axis=0), dtype=np.float64)


def tree_prices(tree: Tree, wishes: Wishes, tariff: Tariff, dt_h: float = 0.25) -> TreeStep:
    """Return the exact step: the root's price from the tariff, and every node's congestion price on the way down.

    Where limits contradict each other the price ends at the edge of what was searched; `network_solve` names them.
    """
    finder = _Finder(tree, wishes, tariff, dt_h)
    prices = np.broadcast_to(finder.root_price(), wishes.scale.shape).copy()
    for level in tree.levels[1:]:
        prices[level] = finder.level_prices(level, prices)
        finder.hand_down(level, prices)
    return TreeStep(wishes.aggregate_kw - wishes.scale * prices, prices / dt_h)


def subtree_powers(tree: Tree, wishes: Wishes, prices: FloatArray, top: int = 0) -> FloatArray:
    """Return every subtree's power (nodes x slots, kW) when each node has its own price (per kW and slot).

    Every part is clipped into its limit before its parent adds it; nodes at depth `top` and above get no daughters'
    clipping beyond that, and no clipping of their own.
    """
    total, parent = wishes.aggregate_kw - wishes.scale * prices, np.array(tree.parent, dtype=np.intp)
    for depth in range(tree.depth, top, -1):
        level = tree.levels[depth]
        np.add.at(total, parent[level], np.clip(total[level], wishes.low_kw[level], wishes.high_kw[level]))
    return np.asarray(total)


class _Finder:
    """Bisection over clipped responses, all slots (and all nodes of a level) at a time."""

    def __init__(self, tree: Tree, wishes: Wishes, tariff: Tariff, dt_h: float) -> None:
        self.tree, self.wishes, self.peak = tree, wishes, tariff.peak_per_kw
        self.buy, self.sell = dt_h * tariff.buy_per_kwh, dt_h * tariff.sell_per_kwh
        self.parent = np.array(tree.parent, dtype=np.intp)
        self.level_of = {int(place): depth for depth, level in enumerate(tree.levels) for place in level}
        moving = wishes.scale[wishes.scale > 0.0]
        finite = np.where(np.isfinite(wishes.high_kw), np.abs(wishes.high_kw), 0.0)
        finite = np.maximum(finite, np.where(np.isfinite(wishes.low_kw), np.abs(wishes.low_kw), 0.0))
        widest = float((np.abs(wishes.aggregate_kw) + finite).sum(axis=0).max()) + 1.0
        dearest = float(np.abs(self.buy).max() + np.abs(self.sell).max()) + self.peak
        self.reach = dearest + (widest / float(moving.min()) if moving.size else 0.0)

    def responses(self, prices: FloatArray, top: int) -> FloatArray:
        """Return every subtree's power at each node's price, unclipped at depth `top` and above."""
        return subtree_powers(self.tree, self.wishes, prices, top)

    def root_power(self, price: FloatArray) -> FloatArray:
        """Return the power of the whole tree at a root price per slot, the root's own limit left aside."""
        return np.asarray(self.responses(np.broadcast_to(price, self.wishes.scale.shape), 0)[0])

    def root_price(self) -> FloatArray:
        """Return the root's price: a tariff edge where that settles the slot, else where the power meets its target."""
        low, high = self.wishes.low_kw[0], self.wishes.high_kw[0]
        importing, exporting = self.root_power(self.buy), self.root_power(self.sell)
        free = np.where(importing > 0.0, importing, np.where(exporting < 0.0, exporting, 0.0))
        target = np.clip(free, low, high)
        if self.peak > 0.0 and float(target.max()) > 0.0:
            target = np.clip(np.minimum(free, self.peak_cap(target)), low, high)
        price = self.meet_root(target, _HALVINGS)
        price = np.where((target == importing) & (target > 0.0), self.buy, price)
        return np.asarray(np.where((target == exporting) & (target < 0.0), self.sell, price))

    def meet_root(self, target_kw: FloatArray, halvings: int) -> FloatArray:
        """Return the root price at which the tree's power is `target_kw`, per slot."""
        low, high = np.full(target_kw.size, -self.reach), np.full(target_kw.size, self.reach)
        for _ in range(halvings):
            middle = 0.5 * (low + high)
            above = self.root_power(middle) > target_kw
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.asarray(0.5 * (low + high))

    def peak_cap(self, net_kw: FloatArray) -> float:
        """Return the height at which the prices above buying add up to the peak charge (0, or the lower limits)."""
        ceiling, floor = self.wishes.high_kw[0], self.wishes.low_kw[0]
        low, high = max(0.0, float(floor.max())), float(net_kw.max())

        def charged(cap: float) -> float:
            price = self.meet_root(np.full(net_kw.size, cap), _PEAK_HALVINGS)
            return float(np.where(ceiling > cap, np.maximum(price - self.buy, 0.0), 0.0).sum())

        if charged(low) <= self.peak:
            return low
        for _ in range(_PEAK_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if charged(middle) > self.peak else (low, middle)
        return 0.5 * (low + high)

    def level_prices(self, level: np.ndarray, prices: FloatArray) -> FloatArray:
        """Return the prices of one level's nodes: the parent's, or where the limit binds the one that meets it."""
        depth = self.level_of[int(level[0])]
        above = prices[self.parent[level]]
        trial = prices.copy()
        wish = self._at(level, depth, above, trial)
        target = np.clip(wish, self.wishes.low_kw[level], self.wishes.high_kw[level])
        binding = target != wish
        if not binding.any():
            return np.asarray(above)
        low, high = np.full_like(above, -self.reach), np.full_like(above, self.reach)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            over = self._at(level, depth, middle, trial) > target
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        return np.asarray(np.where(binding, 0.5 * (low + high), above))

    def _at(self, level: np.ndarray, depth: int, own: FloatArray, trial: FloatArray) -> FloatArray:
        """Return the unclipped power of a level's subtrees when each has its `own` price."""
        trial[level] = own
        self.hand_down(level, trial)
        return np.asarray(self.responses(trial, depth)[level])

    def hand_down(self, level: np.ndarray, prices: FloatArray) -> None:
        """Give every node below a level the price of its parent."""
        for below in self.tree.levels[self.level_of[int(level[0])] + 1 :]:
            prices[below] = prices[self.parent[below]]
