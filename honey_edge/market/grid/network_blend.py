"""The best mixture of a round's last plans where groups of homes have limits of their own (`rounds.blend`).

The same linear program over the sums of the last iterations, one sum for each group, with every limit of the network:

    minimise  sum_k theta_k*H_k + F(sum_g P_g)  + what breaks a limit       P_g = sum_k theta_k*P_gk

A limit counts as kept up to `allowed` of its span, as for single plans. Power in kW, cost in currency.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy import sparse

from honey_edge.market.grid.network import Network
from honey_edge.market.homes.asset_schedule import MIXTURE_E6
from honey_edge.market.homes.assets import FloatArray, Tariff
from honey_edge.market.rounds.blend import BLEND_DEPTH, Blend

_BEYOND_PER_SHARE = 1_000.0
"""What a slot costs in the search in which a limit is broken by its whole span beyond what is allowed."""


class NetworkBlender:
    """Keeps the groups' sums of the last iterations and finds their best mixture."""

    def __init__(self, tariff: Tariff, network: Network, dt_h: float) -> None:
        self._tariff, self._network, self._dt_h = tariff, network, dt_h
        self._columns: deque[tuple[float, FloatArray]] = deque(maxlen=BLEND_DEPTH)

    def add(self, private_cost: float, group_kw: FloatArray) -> None:
        """Take the sums of one more iteration: cost, and powers of the groups (groups x slots)."""
        self._columns.append((private_cost, group_kw))

    def best(self, allowed: float) -> Blend:
        """Return the best mixture, its `total_kw` by group; the newest plans alone where no better one is found."""
        count = len(self._columns)
        candidates = [(0,) * (count - 1) + (MIXTURE_E6,)]
        if count > 1:
            candidates += self._searched(allowed)
        return min((self._mixed(weights, allowed) for weights in candidates), key=lambda one: one[0])[1]

    def _mixed(self, weights_e6: tuple[int, ...], allowed: float) -> tuple[float, Blend]:
        """Return a mixture with what it is worth in the search."""
        shares = np.array(weights_e6) / MIXTURE_E6
        groups = np.tensordot(shares, np.array([power for _, power in self._columns]), axes=1)
        own = float(shares @ np.array([cost for cost, _ in self._columns]))
        objective = own + self._tariff.cost(groups.sum(axis=0), self._dt_h)
        beyond = sum(
            float(np.maximum(limit.over(groups) - allowed * (1.0 + 1e-6), 0.0).sum()) for limit in self._network.limits
        )
        return objective + _BEYOND_PER_SHARE * beyond, Blend(weights_e6, groups, objective)

    def _searched(self, allowed: float) -> list[tuple[int, ...]]:
        """Return the weights of the linear program in steps of the wire; empty where it has no answer."""
        from scipy.optimize import linprog  # only the Queen mixes

        count, slots, dt_h, tariff = len(self._columns), self._tariff.slots, self._dt_h, self._tariff
        totals = np.array([power.sum(axis=0) for _, power in self._columns])
        own = np.array([cost for cost, _ in self._columns]) + dt_h * (totals @ tariff.sell_per_kwh)
        rows, bounds = self._limit_rows(allowed)
        slack = rows.shape[0]
        each, none = sparse.identity(slots), sparse.csc_matrix((slots, slack))
        single = sparse.csc_matrix(-np.ones((slots, 1)))
        blocks = [
            [sparse.csc_matrix(totals.T), -each, sparse.csc_matrix((slots, 1)), none],
            [sparse.csc_matrix(totals.T.shape), each, single, none],
            [sparse.csc_matrix(rows), sparse.csc_matrix((slack, slots)), None, -sparse.identity(slack)],
        ]
        spread = dt_h * (tariff.buy_per_kwh - tariff.sell_per_kwh)
        cost = np.concatenate([own, spread, [tariff.peak_per_kw], np.full(slack, _BEYOND_PER_SHARE)])
        once = sparse.csc_matrix(np.concatenate([np.ones(count), np.zeros(cost.size - count)])[None, :])
        matrix = sparse.csc_matrix(sparse.bmat(blocks if slack else [block[:3] for block in blocks[:2]]))
        right = np.concatenate([np.zeros(2 * slots), bounds])
        answer = linprog(cost, A_ub=matrix, b_ub=right, A_eq=once, b_eq=[1.0], method="highs")
        if not answer.success:
            return []
        steps = np.rint(np.maximum(answer.x[:count], 0.0) * MIXTURE_E6).astype(int)
        steps[int(np.argmax(steps))] += MIXTURE_E6 - int(steps.sum())
        return [tuple(int(step) for step in steps)]

    def _limit_rows(self, allowed: float) -> tuple[FloatArray, FloatArray]:
        """Return rows over theta and their upper bounds, in shares of each limit's span.

        Only slots in which a column comes near the limit; the others cannot break it.
        """
        rows, bounds = [np.zeros((0, len(self._columns)))], [np.zeros(0)]
        for limit in self._network.limits:
            values = np.array([limit.value(power) for _, power in self._columns])
            for sign, edge, span in ((1.0, limit.high, limit.high_span), (-1.0, limit.low, limit.low_span)):
                bound = np.where(np.isfinite(edge), sign * edge, np.inf)
                near = (sign * values).max(axis=0) > bound
                rows.append((sign * values[:, near] / span[near]).T)
                bounds.append(bound[near] / span[near] + allowed)
        return np.concatenate(rows), np.concatenate(bounds)
