"""The Hive with limits inside it as one quadratic program: trees of nodes and voltages, solved directly (section 3).

    minimise  sum_i h_i(x_i) + dt*sum_t((b_t - s_t)*u_t + s_t*P_t) + c_peak*m
    where     Z_g = sum of net_i(x_i) over group g,  P = sum_g Z_g,  u >= 0,  u >= P,  m >= u,  low <= a . Z <= high

An "infeasible" is believed only when a second solver (HiGHS), asked for the plan that breaks the limits least, finds
that some have to be broken; the first of them is named with its slot (section 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from honey_edge.market.errors import AssetError, InfeasibleHive, PlanRejected
from honey_edge.market.grid.network import Network, NetworkLimit
from honey_edge.market.homes.asset_program import home_program
from honey_edge.market.homes.assets import FloatArray, Home, Tariff
from honey_edge.market.homes.plan import Schedule, checked_schedule
from honey_edge.market.homes.solver import (
    AUTO,
    SOLVED,
    QpAnswer,
    QpSettings,
    least_violation,
    solver_named,
    solver_order,
)

_MONEY_LEVEL = 100.0
_SLACK = 1e-4
_OVERSHOOT = 5e-3
_SETTINGS = QpSettings(polishing=True, max_iter=20_000)


class InfeasibleNetwork(InfeasibleHive):
    """A limit inside the Hive that no schedule of the homes can meet.

    `place` and `limit` name it, `slot` (from 0) is the first in which it breaks, `share` by what share of the limit
    (of the band, for a voltage) in the plan that comes nearest.
    """

    def __init__(self, place: str, limit: str, slot: int, share: float) -> None:
        super().__init__(limit, slot, share)
        self.args = (f"{limit} of {place} cannot be met: slot {slot} is over by {100.0 * share:.2f} % at the least",)
        self.place, self.share = place, share


@dataclass(frozen=True, eq=False)
class NetworkSolution:
    """Plans of all homes in their order, the groups' powers (groups x slots, kW) and prices per kWh, and the
    objective; `price_per_kwh` is the price at the connection point."""

    schedules: tuple[Schedule, ...]
    group_kw: FloatArray
    group_price_per_kwh: FloatArray
    price_per_kwh: FloatArray
    objective: float
    iterations: int

    @property
    def pcc_kw(self) -> FloatArray:
        """Power at the connection point (kW per slot)."""
        return np.asarray(self.group_kw.sum(axis=0), dtype=np.float64)


class NetworkSchedule:
    """The program of a Hive with a network, set up for one solve."""

    def __init__(
        self, homes: Sequence[Home], tariff: Tariff, network: Network, dt_h: float, *, solver: str = AUTO
    ) -> None:
        slots = tariff.slots
        if not homes or any(home.slots != slots for home in homes) or len(network.group_of) != len(homes):
            raise AssetError(f"every home needs a forecast of {slots} slots, as long as the tariff, and a group")
        self.homes, self.tariff, self.network, self.dt_h = list(homes), tariff, network, dt_h
        self._solver = solver
        self._programs = [home_program(home, dt_h) for home in homes]
        self._columns = sum(program.columns for program in self._programs)
        self._money = _MONEY_LEVEL / (dt_h * max(1e-3, float(np.abs(tariff.buy_per_kwh).mean())))

    def solve(self) -> NetworkSolution:
        """Return the optimum; `InfeasibleNetwork` where limits cannot be met, `PlanRejected` if the check fails."""
        hessian, linear = self._cost()
        rows, lower, upper = self._constraints()
        for name in solver_order(self._solver):
            engine = solver_named(name)
            engine.setup(hessian, linear, rows, lower, upper, _SETTINGS)
            answer = engine.solve()
            if answer.status == SOLVED:
                found = self._checked(answer)
                if found is not None:
                    return found
            else:
                self._explain(rows, lower, upper)
        self._explain(rows, lower, upper)
        raise PlanRejected(
            "no solver found a plan within limits that a second one can meet",
            next_step="use the safe rule for this slot and solve again with the next forecast",
        )

    def _checked(self, answer: QpAnswer) -> NetworkSolution | None:
        """Return the solution, or None where the plans of an inexact answer break a limit."""
        try:
            return self._evaluated(answer.x, answer.y, answer.iterations)
        except PlanRejected:
            return None

    def _cost(self) -> tuple[sparse.csc_matrix, FloatArray]:
        """Return Hessian (upper triangle) and linear term over (x, Z, u, m)."""
        tariff, money, slots, groups = self.tariff, self._money, self.tariff.slots, self.network.groups
        blocks = [program.hessian(0.0, money) for program in self._programs]
        rest = (groups + 1) * slots + 1
        hessian = sparse.block_diag([*blocks, sparse.csc_matrix((rest, rest))], format="csc")
        own = [program.private_gradient() for program in self._programs]
        sell, spread = self.dt_h * tariff.sell_per_kwh, self.dt_h * (tariff.buy_per_kwh - tariff.sell_per_kwh)
        linear = np.concatenate([*own, np.tile(sell, groups), spread, [tariff.peak_per_kw]])
        return sparse.csc_matrix(hessian), money * linear

    def _constraints(self) -> tuple[sparse.csc_matrix, FloatArray, FloatArray]:
        """Return rows and bounds: homes; Z - net; u, m >= 0; u - P >= 0; m - u >= 0; then the network's limits."""
        slots, groups = self.tariff.slots, self.network.groups
        each, infinite = sparse.identity(slots), np.full(slots, np.inf)
        total = sparse.kron(np.ones((1, groups)), each)
        parts = [
            [sparse.block_diag([program.rows() for program in self._programs]), None, None],
            [-self._net_rows(), sparse.identity(groups * slots), None],
            [None, None, sparse.identity(slots + 1)],
            [None, -total, sparse.hstack([each, sparse.csc_matrix((slots, 1))])],
            [None, None, sparse.hstack([-each, sparse.csc_matrix(np.ones((slots, 1)))])],
        ]
        bounds = [program.bounds() for program in self._programs]
        fixed = self._fixed_kw().ravel()
        lower = [*(low for low, _ in bounds), fixed, np.zeros(slots + 1), np.zeros(2 * slots)]
        upper = [*(high for _, high in bounds), fixed, np.full(slots + 1, np.inf), infinite, infinite]
        for limit in self.network.limits:
            size = _size(limit)
            parts.append([None, sparse.kron(limit.weights[None, :] / size, each), None])
            lower.append(limit.low / size)
            upper.append(limit.high / size)
        matrix = sparse.csc_matrix(sparse.bmat(parts, format="csc"))
        return matrix, np.concatenate(lower), np.concatenate(upper)

    def _net_rows(self) -> sparse.csc_matrix:
        """Return the map from all x to the groups' powers, less what is fixed."""
        slots, blocks = self.tariff.slots, []
        for group, program in zip(self.network.group_of, self._programs, strict=True):
            place = np.zeros((self.network.groups, 1))
            place[group] = 1.0
            blocks.append(sparse.kron(place, program.net_rows()) if program.columns else None)
        kept = [block for block in blocks if block is not None]
        shape = (self.network.groups * slots, self._columns)
        return sparse.csc_matrix(sparse.hstack(kept) if kept else sparse.csc_matrix(shape))

    def _fixed_kw(self) -> FloatArray:
        """Return the groups' powers at x = 0 (groups x slots)."""
        return self.network.group_kw([program.net_at_zero_kw for program in self._programs])

    def _first_row(self) -> int:
        """Return the number of rows that belong to homes."""
        return sum(program.row_count for program in self._programs)

    def _evaluated(self, x: FloatArray, y: FloatArray, iterations: int) -> NetworkSolution:
        """Check plans and limits, and evaluate the objective from the plans themselves."""
        plans, start = [], 0
        for home, program in zip(self.homes, self._programs, strict=True):
            plans.append(
                checked_schedule(home, program.split(x[start : start + program.columns]), self.dt_h, iterations)
            )
            start += program.columns
        group_kw = self.network.group_kw([plan.net_kw for plan in plans])
        over = self.network.overshoot(group_kw)
        if over > _OVERSHOOT:
            raise PlanRejected(
                f"a limit of the network is exceeded by {100.0 * over:.2f} %",
                next_step="set the limit half a per cent tighter and solve again",
            )
        price, pcc_price = self._prices(y)
        pcc = np.asarray(group_kw.sum(axis=0))
        objective = sum(plan.private_cost for plan in plans) + self.tariff.cost(pcc, self.dt_h)
        return NetworkSolution(tuple(plans), group_kw, price, pcc_price, objective, iterations)

    def _prices(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the groups' prices and the connection point's, from the multipliers of Z - net and of u - P."""
        slots, groups, first, unit = self.tariff.slots, self.network.groups, self._first_row(), self._money * self.dt_h
        price = -y[first : first + groups * slots].reshape(groups, slots) / unit
        tail = first + groups * slots + slots + 1
        connection = self.tariff.sell_per_kwh - y[tail : tail + slots] / unit
        place = tail + 2 * slots
        for limit in self.network.limits:
            if bool((limit.weights == 1.0).all()):
                connection = connection + y[place : place + slots] / (unit * _size(limit))
            place += slots
        return price, connection

    def _explain(self, rows: sparse.csc_matrix, lower: FloatArray, upper: FloatArray) -> None:
        """Ask HiGHS for the plan that breaks the limits least; raise `InfeasibleNetwork` if that is not 0."""
        slots, count = self.tariff.slots, len(self.network.limits)
        found = least_violation(rows, lower, upper, rows.shape[0] - count * slots, count * slots)
        if found is None:
            raise PlanRejected(
                "neither solver could judge the limits: the homes' own rows contradict each other",
                next_step="use the safe rule for this slot and check the forecasts",
            )
        above, below = (part.reshape(count, slots) for part in found)
        for place, limit in enumerate(self.network.limits):
            sides = ((limit.high_name, above[place], limit.high_span), (limit.low_name, below[place], limit.low_span))
            for name, excess, span in sides:
                if excess.max() > _SLACK:
                    slot = int(np.argmax(excess > _SLACK))
                    raise InfeasibleNetwork(limit.place, name, slot, float(excess[slot] * _size(limit) / span[slot]))


def _size(limit: NetworkLimit) -> float:
    """Return what a limit's row is divided by, so that it counts in kW of the power that moves it most."""
    return max(1e-12, float(np.abs(limit.weights).max()))
