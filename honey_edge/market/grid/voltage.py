"""Voltage limits of a feeder in the Queen's step (market-design section 11, oracle 08).

Squared voltages are linear in net powers: v_l^2 = v0^2 - sum_i K[l][i]*p_i, and have to stay within
[v_min^2, v_max^2]. Homes with the same column of K hang on the same electrical node and need one price; the Queen
needs the sums per node only. Powers in kW (import positive), voltages per unit, K in per unit squared per kW.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from honey_edge.market.errors import AssetError, PlanRejected
from honey_edge.market.grid.network import Network, NetworkLimit, connection_limit
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Limits, Tariff
from honey_edge.market.homes.solver import AUTO, SOLVED, QpSettings, solver_named
from honey_edge.market.rounds.queen_step import queen_step

_INSIDE = 1e-9
_SETTINGS = QpSettings(eps_abs=1e-7, eps_rel=1e-7, polishing=True, max_iter=50_000)


@dataclass(frozen=True, eq=False)
class VoltageBand:
    """A feeder: voltage at its source, the band, and the sensitivities K (nodes x homes, all >= 0)."""

    v0_pu: float
    v_min_pu: float
    v_max_pu: float
    sensitivity_v2_per_kw: FloatArray

    def __post_init__(self) -> None:
        """Refuse a band that is no band and sensitivities that are no finite matrix of numbers >= 0."""
        matrix = np.array(self.sensitivity_v2_per_kw, dtype=np.float64)
        if matrix.ndim != 2 or matrix.size == 0 or not bool(np.isfinite(matrix).all()):
            raise AssetError("sensitivity_v2_per_kw must be a matrix of finite numbers, one row per node")
        if bool((matrix < 0.0).any()):
            row, column = (int(place[0]) for place in np.nonzero(matrix < 0.0))
            raise AssetError(f"sensitivity_v2_per_kw[{row}][{column}] is negative; importing never raises a voltage")
        if not 0.0 < self.v_min_pu < self.v_max_pu or not 0.0 < self.v0_pu < 2.0:
            raise AssetError(f"v_min_pu {self.v_min_pu} must lie above 0 and below v_max_pu {self.v_max_pu}")
        matrix.setflags(write=False)
        object.__setattr__(self, "sensitivity_v2_per_kw", matrix)

    def tightened(self, margin_pu: float) -> VoltageBand:
        """Return the band narrowed by a prediction error on both sides; a band is never widened.

        `AssetError` for a negative margin, or one that leaves no band.
        """
        if not 0.0 <= margin_pu < 0.5 * (self.v_max_pu - self.v_min_pu):
            raise AssetError(f"a margin of {margin_pu} pu does not fit the band {self.v_min_pu} .. {self.v_max_pu}")
        return replace(self, v_min_pu=self.v_min_pu + margin_pu, v_max_pu=self.v_max_pu - margin_pu)

    def voltages_pu(self, net_kw: FloatArray) -> FloatArray:
        """Return the voltages (nodes x slots) for the homes' powers (homes x slots)."""
        return np.asarray(np.sqrt(np.maximum(self.v0_pu**2 - self.sensitivity_v2_per_kw @ net_kw, 0.0)))

    def network(self, slots: int, limits: Limits = NO_LIMITS) -> Network:
        """Return the couplings: one group per electrical node, one limit per row of K, and the connection point's."""
        columns, group_of = np.unique(self.sensitivity_v2_per_kw, axis=1, return_inverse=True)
        order = np.argsort([int(np.argmax(group_of == group)) for group in range(columns.shape[1])])
        rank = np.argsort(order)
        low, high = self.v0_pu**2 - self.v_max_pu**2, self.v0_pu**2 - self.v_min_pu**2
        rows = tuple(
            NetworkLimit(
                f"voltage at node {place}", "v_max_pu", "v_min_pu", weights,
                np.full(slots, low), np.full(slots, high), np.full(slots, high - low), np.full(slots, high - low),
            )
            for place, weights in enumerate(columns[:, order])
        )  # fmt: skip
        count = int(columns.shape[1])
        groups = tuple(int(rank[group]) for group in np.ravel(group_of))
        return Network(groups, count, (*rows, connection_limit(count, limits, slots)))


def queen_step_voltage(
    aggregate_kw: FloatArray,
    scale: FloatArray,
    tariff: Tariff,
    network: Network,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    solver: str = AUTO,
) -> tuple[FloatArray, FloatArray]:
    """Return (z_kw, price_per_kwh), both nodes x slots, for W (nodes x slots) and S per node (kW^2 per currency).

    The closed form decides every slot in which the band holds anyway; only the others need a quadratic program (all
    of them with a peak charge, which couples the slots). `PlanRejected` where the band cannot be met by any powers.
    """
    common, price = queen_step(aggregate_kw.sum(axis=0), float(scale.sum()), tariff, limits, dt_h)
    net = aggregate_kw - scale[:, None] * (dt_h * price)
    outside = np.max([limit.over(net) for limit in network.limits], axis=0) > _INSIDE
    prices = np.tile(price, (scale.size, 1))
    if not outside.any():
        return net, prices
    chosen = np.arange(common.size) if tariff.peak_per_kw > 0.0 else np.flatnonzero(outside)
    net[:, chosen] = _Band(aggregate_kw, scale, tariff, network, dt_h, chosen).solve(solver)
    moving = scale > 0.0
    prices[moving] = (aggregate_kw - net)[moving] / (scale[moving, None] * dt_h)
    return net, prices


class _Band:
    """The quadratic program of the chosen slots over (Z, u, m), in kW: the objective times the mean scale."""

    def __init__(
        self,
        aggregate: FloatArray,
        scale: FloatArray,
        tariff: Tariff,
        network: Network,
        dt_h: float,
        chosen: np.ndarray,
    ) -> None:
        self._aggregate, self._scale, self._network, self._chosen = aggregate[:, chosen], scale, network, chosen
        self._buy, self._sell = dt_h * tariff.buy_per_kwh[chosen], dt_h * tariff.sell_per_kwh[chosen]
        self._peak = tariff.peak_per_kw

    def solve(self, solver: str) -> FloatArray:
        """Return the powers (nodes x chosen slots)."""
        engine = solver_named(solver)
        engine.setup(*self._cost(), *self._constraints(), _SETTINGS)
        answer = engine.solve()
        if answer.status != SOLVED:
            raise PlanRejected(
                f"the step with voltage limits ended with {answer.status!r}",
                next_step="check that the band holds without load, and solve the case directly for the limit's name",
            )
        groups, slots = self._aggregate.shape
        return np.asarray(answer.x[: groups * slots].reshape(groups, slots))

    def _cost(self) -> tuple[sparse.csc_matrix, FloatArray]:
        """Return Hessian and linear term."""
        groups, slots = self._aggregate.shape
        moving = self._scale > 0.0
        unit = float(self._scale[moving].mean())
        weight = np.where(moving, unit / np.where(moving, self._scale, 1.0), 0.0)
        diagonal = np.concatenate([np.repeat(weight, slots), np.zeros(slots + 1)])
        powers = unit * np.tile(self._sell, groups) - (weight[:, None] * self._aggregate).ravel()
        linear = np.concatenate([powers, unit * (self._buy - self._sell), [unit * self._peak]])
        return sparse.csc_matrix(sparse.diags(diagonal, format="csc")), linear

    def _constraints(self) -> tuple[sparse.csc_matrix, FloatArray, FloatArray]:
        """Return rows and bounds: u, m >= 0; u - P >= 0; m - u >= 0; the network's limits; nodes nobody can move."""
        groups, slots = self._aggregate.shape
        each, infinite = sparse.identity(slots), np.full(slots, np.inf)
        total = sparse.kron(np.ones((1, groups)), each)
        parts = [
            [None, sparse.identity(slots + 1)],
            [-total, sparse.hstack([each, sparse.csc_matrix((slots, 1))])],
            [None, sparse.hstack([-each, sparse.csc_matrix(np.ones((slots, 1)))])],
        ]
        lower, upper = [np.zeros(slots + 1), np.zeros(2 * slots)], [np.full(slots + 1, np.inf), infinite, infinite]
        for limit in self._network.limits:
            size = max(1e-12, float(np.abs(limit.weights).max()))
            parts.append([sparse.kron(limit.weights[None, :] / size, each), sparse.csc_matrix((slots, slots + 1))])
            lower.append(limit.low[self._chosen] / size)
            upper.append(limit.high[self._chosen] / size)
        for group in np.flatnonzero(self._scale <= 0.0):
            pick = np.zeros((1, groups))
            pick[0, group] = 1.0
            parts.append([sparse.kron(pick, each), sparse.csc_matrix((slots, slots + 1))])
            lower.append(self._aggregate[group])
            upper.append(self._aggregate[group])
        matrix = sparse.csc_matrix(sparse.bmat(parts, format="csc"))
        return matrix, np.concatenate(lower), np.concatenate(upper)
