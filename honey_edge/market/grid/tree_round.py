"""A tree of Hives solved: directly, and by its Queens in one flat splitting over all leaves (market-design section 5).

Up, once per iteration: each Queen adds the w and scales of her members and daughters and sends the sums, and a limit
pair for each slot in which a limit of her subtree could bind. The root decides (`tree_step`). Down: each Queen adds
her own congestion price and forwards ONE vector, so messages do not grow with depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from honey_edge.market.grid.network_round import NetworkAgreement, solve_network
from honey_edge.market.grid.network_solve import NetworkSchedule, NetworkSolution
from honey_edge.market.grid.tree import Tree
from honey_edge.market.grid.tree_step import TreeStep, Wishes, subtree_powers, tree_prices
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.solver import AUTO
from honey_edge.market.rounds.iteration import MAX_ITERATIONS
from honey_edge.market.rounds.round_bytes import MILLIWATTS, subtree_record

_NEVER_KW = 1e6


@dataclass(frozen=True, eq=False)
class SentUp:
    """What the root knows after the messages of one iteration: sums, and limits only where they could bind."""

    wishes: Wishes
    pairs: np.ndarray


def send_up(tree: Tree, wishes: Wishes, tariff: Tariff, dt_h: float) -> SentUp:
    """Fold every node whose limit cannot bind in a slot into its parent, slot by slot, from the leaves up.

    A limit can bind only if the subtree's answer leaves it at some price that can reach it: between sell and buy (plus
    the peak charge), and beyond where a limit above may push the price.
    """
    slots = tariff.slots
    edge = _NEVER_KW * np.ones(slots)
    lowest = np.tile(dt_h * tariff.sell_per_kwh, (len(tree.nodes), 1))
    highest = np.tile(dt_h * tariff.buy_per_kwh + tariff.peak_per_kw, (len(tree.nodes), 1))
    for place in range(1, len(tree.nodes)):
        above = tree.parent[place]
        lowest[place] = np.where(np.isfinite(wishes.low_kw[above]), -edge, lowest[above])
        highest[place] = np.where(np.isfinite(wishes.high_kw[above]), edge, highest[above])
    largest, smallest = subtree_powers(tree, wishes, lowest), subtree_powers(tree, wishes, highest)
    pairs = (largest > wishes.high_kw) | (smallest < wishes.low_kw)
    aggregate, scale = wishes.aggregate_kw.copy(), wishes.scale.copy()
    for place in range(len(tree.nodes) - 1, 0, -1):
        folded, above = ~pairs[place], tree.parent[place]
        for sums in (aggregate, scale):
            sums[above] += np.where(folded, sums[place], 0.0)
            sums[place] = np.where(folded, 0.0, sums[place])
    low, high = np.where(pairs, wishes.low_kw, -np.inf), np.where(pairs, wishes.high_kw, np.inf)
    low[0], high[0] = wishes.low_kw[0], wishes.high_kw[0]
    return SentUp(Wishes(aggregate, scale, low, high), pairs)


class TreeQueens:
    """The Queens' step, as `network_round.Step`; counts the bytes that go between Queens."""

    def __init__(self, tree: Tree, tariff: Tariff, limits: Limits, dt_h: float) -> None:
        self.tree, self.tariff, self.dt_h = tree, tariff, dt_h
        self.low_kw, self.high_kw = tree.bounds(tariff.slots, limits)
        self.bytes_up = 0
        self._iteration = 0

    def __call__(self, aggregate_kw: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Send up, decide at the root, forward down; everybody calculates with the milliwatts that were sent."""
        sent_kw = np.rint(aggregate_kw * MILLIWATTS) / MILLIWATTS
        scales = np.repeat(scale[:, None], self.tariff.slots, axis=1)
        wishes = Wishes(sent_kw, scales, self.low_kw, self.high_kw)
        up = send_up(self.tree, wishes, self.tariff, self.dt_h)
        self._count(up)
        step = tree_prices(self.tree, up.wishes, self.tariff, self.dt_h)
        return aggregate_kw - scales * (self.dt_h * step.price_per_kwh), step.price_per_kwh

    def _count(self, up: SentUp) -> None:
        """Encode every daughter's message, to count it."""
        passed: dict[int, list[tuple[int, int, float, float, float, float]]] = {
            k: [] for k in range(len(self.tree.nodes))
        }
        wishes = up.wishes
        parts = (wishes.aggregate_kw, wishes.scale, wishes.low_kw, wishes.high_kw)
        for place in range(len(self.tree.nodes) - 1, 0, -1):
            for slot in np.flatnonzero(up.pairs[place]):
                w, s, low, high = (float(part[place, slot]) for part in parts)
                passed[place].append((place, int(slot), w, s, low, high))
            own, scale = (np.where(up.pairs[place], 0.0, part[place]) for part in parts[:2])
            self.bytes_up += len(subtree_record(0, self._iteration, own, scale, passed[place], ()))
            passed[self.tree.parent[place]] += passed[place]
        self._iteration += 1


def solve_tree_direct(
    homes: Mapping[str, Home],
    tree: Tree,
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    solver: str = AUTO,
) -> NetworkSolution:
    """Solve the whole tree as one program; raises `InfeasibleNetwork` with node and slot, or `PlanRejected`."""
    network = tree.network(tuple(homes), tariff.slots, limits)
    return NetworkSchedule(list(homes.values()), tariff, network, dt_h, solver=solver).solve()


def solve_tree_distributed(
    homes: Mapping[str, Home],
    tree: Tree,
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    max_iterations: int = MAX_ITERATIONS,
    accelerate: bool = True,
) -> NetworkAgreement:
    """Run the round of a tree's Queens and Workers in this process."""
    network = tree.network(tuple(homes), tariff.slots, limits)
    queens = TreeQueens(tree, tariff, limits, dt_h)
    agreed = solve_network(
        list(homes.values()), tariff, network, queens, dt_h, max_iterations=max_iterations, accelerate=accelerate
    )
    return agreed.with_bytes(queens.bytes_up)


__all__ = ["TreeQueens", "TreeStep", "send_up", "solve_tree_direct", "solve_tree_distributed"]
