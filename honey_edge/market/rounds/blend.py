"""The best mixture of a round's last plans, from sums alone.

Plans and prices swing around the agreement before they settle. All constraints of a home are convex and so is its
private cost: a mixture of plans that it may follow may be followed too, and costs at most the mixture of their costs.
So the Queen looks for the weights theta (>= 0, sum 1) of the last iterations that make the Hive cheapest,

    minimise  sum_k theta_k*H_k + F(sum_k theta_k*P_k)          H_k = sum_i h_i,  P_k = sum_i p_i of iteration k

and broadcasts them at the end; every home mixes its own plans. This is the master problem of Dantzig and Wolfe (1960)
on summed columns: it needs nothing of a single home. Power in kW, cost in currency.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from honey_edge.market.homes.asset_schedule import MIXTURE_E6
from honey_edge.market.homes.assets import FloatArray, Limits, Tariff

BLEND_DEPTH = 12
"""Plans that are mixed: the last ones; twenty or forty gave no better mixtures."""

_BEYOND_PER_KWH = 1_000.0
"""What a kWh beyond a limit costs in the search: far more than any tariff, so limits break only where they must."""


@dataclass(frozen=True, eq=False)
class Blend:
    """Weights (10^-6, of the last iterations, newest last) and what the mixture comes to.

    `total_kw` at the connection point; `objective` an upper bound of what the mixed plans cost, currency.
    """

    weights_e6: tuple[int, ...]
    total_kw: FloatArray
    objective: float


class Blender:
    """Keeps the sums of the last iterations and finds their best mixture."""

    def __init__(self, tariff: Tariff, limits: Limits, dt_h: float) -> None:
        self._tariff, self._limits, self._dt_h = tariff, limits, dt_h
        self._columns: deque[tuple[float, FloatArray]] = deque(maxlen=BLEND_DEPTH)

    def add(self, private_cost: float, total_kw: FloatArray) -> None:
        """Take the sums of one more iteration."""
        self._columns.append((private_cost, total_kw))

    def best(self) -> Blend:
        """Return the best mixture; the newest plans alone where no better one is found."""
        count = len(self._columns)
        candidates = [(0,) * (count - 1) + (MIXTURE_E6,)]
        if count > 1:
            candidates += self._searched()
        return min((self._mixed(weights) for weights in candidates), key=lambda one: one[0])[1]

    def _mixed(self, weights_e6: tuple[int, ...]) -> tuple[float, Blend]:
        """Return a mixture with what it is worth in the search: what breaks a limit counts as well."""
        shares = np.array(weights_e6) / MIXTURE_E6
        total = shares @ np.array([power for _, power in self._columns])
        own = float(shares @ np.array([cost for cost, _ in self._columns]))
        objective = own + self._tariff.cost(total, self._dt_h)
        beyond = float(np.abs(total - self._limits.clip(total)).sum())
        return objective + _BEYOND_PER_KWH * self._dt_h * beyond, Blend(weights_e6, total, objective)

    def _searched(self) -> list[tuple[int, ...]]:
        """Return the weights of the linear program in steps of the wire; empty where it has no answer."""
        from scipy.optimize import linprog  # only the Queen mixes; a Worker would load it for nothing

        count = len(self._columns)
        cost, rows, bounds = self._program()
        once = sparse.csc_matrix(np.concatenate([np.ones(count), np.zeros(cost.size - count)])[None, :])
        answer = linprog(cost, A_ub=rows, b_ub=bounds, A_eq=once, b_eq=[1.0], method="highs")
        if not answer.success:
            return []
        steps = np.rint(np.maximum(answer.x[:count], 0.0) * MIXTURE_E6).astype(int)
        steps[int(np.argmax(steps))] += MIXTURE_E6 - int(steps.sum())
        return [tuple(int(step) for step in steps)]

    def _program(self) -> tuple[FloatArray, Any, FloatArray]:
        """Return cost, rows and upper bounds over (theta, imports u, highest import m, kW beyond the limits)."""
        tariff, limits, dt_h, slots = self._tariff, self._limits, self._dt_h, self._tariff.slots
        powers = np.array([power for _, power in self._columns])
        own = np.array([cost for cost, _ in self._columns]) + dt_h * (powers @ tariff.sell_per_kwh)
        spread = dt_h * (tariff.buy_per_kwh - tariff.sell_per_kwh)
        beyond = np.full(slots, _BEYOND_PER_KWH * dt_h)
        each, nothing = sparse.identity(slots), sparse.csc_matrix((slots, slots))
        single, summed = sparse.csc_matrix((slots, 1)), sparse.csc_matrix(powers.T)
        rows, bounds = [[summed, -each, single, nothing]], [np.zeros(slots)]
        if tariff.peak_per_kw > 0.0:
            rows.append([sparse.csc_matrix(powers.T.shape), each, sparse.csc_matrix(-np.ones((slots, 1))), nothing])
            bounds.append(np.zeros(slots))
        if limits.pcc_max_kw is not None:
            rows.append([summed, nothing, single, -each])
            bounds.append(limits.pcc_max_kw)
        if limits.pcc_min_kw is not None:
            rows.append([-summed, nothing, single, -each])
            bounds.append(-limits.pcc_min_kw)
        cost = np.concatenate([own, spread, [tariff.peak_per_kw], beyond])
        return cost, sparse.csc_matrix(sparse.bmat(rows)), np.concatenate(bounds)
