"""The whole Hive as one quadratic program (market-design section 3): for a home alone, for cases, for comparison.

    minimise  sum_i h_i(x_i) + dt*sum_t((b_t - s_t)*u_t + s_t*P_t) + c_peak*m
    where     P = sum_i net_i(x_i),  u >= 0,  u >= P,  m >= 0,  m >= u,  P_min <= P <= P_max

u is the imported part p+ of the split P = p+ - p-; p- = u - P needs no variable. The price of a slot is the
multiplier of P = sum net. An "infeasible" of the first solver is confirmed by a second one (HiGHS), which
also finds the slot, before anybody hears of it (section 7); where it finds a plan, `splitting` computes the
best one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import osqp
from scipy import sparse

from honey_edge.market.assets import FloatArray, Home, Limits, Tariff
from honey_edge.market.banded import home_program
from honey_edge.market.errors import AssetError, InfeasibleHive, PlanRejected
from honey_edge.market.plan import Schedule, checked_schedule
from honey_edge.market.splitting import split_schedules

_SETTINGS: dict[str, Any] = {
    # Residuals and duality gap are watched; the solver's own scaling stopped 2 of 16 homes from converging,
    # and a penalty adapted every 25 iterations oscillates for homes without a battery under a peak charge.
    "scaling": 0,
    "rho": 0.1,
    "adaptive_rho_interval": 200,
    "check_termination": 25,
    "polishing": True,
    "polish_refine_iter": 10,
    "max_iter": 6_000,
    "eps_abs": 1e-5,
    "eps_rel": 3e-6,
    "verbose": False,
}
_MONEY_LEVEL = 100.0
_LIMIT_SLACK_KW = 1e-4


@dataclass(frozen=True, eq=False)
class CentralSolution:
    """Plans of all homes in their order, power at the connection point (kW), price per kWh, and the objective."""

    schedules: tuple[Schedule, ...]
    pcc_kw: FloatArray
    price_per_kwh: FloatArray
    objective: float
    iterations: int


class CentralSchedule:
    """The program of a Hive, set up for one solve."""

    def __init__(self, homes: Sequence[Home], tariff: Tariff, limits: Limits, dt_h: float) -> None:
        slots = tariff.slots
        if not homes or any(home.slots != slots for home in homes):
            raise AssetError(f"every home needs a forecast of {slots} slots, as long as the tariff")
        for name, limit in (("pcc_min_kw", limits.pcc_min_kw), ("pcc_max_kw", limits.pcc_max_kw)):
            if limit is not None and limit.size != slots:
                raise AssetError(f"{name} has {limit.size} slots, the tariff {slots}")
        self.homes, self.tariff, self.limits, self.dt_h = list(homes), tariff, limits, dt_h
        self._programs = [home_program(home, dt_h) for home in homes]
        self._fixed_kw = np.sum([program.net_at_zero_kw for program in self._programs], axis=0)
        self._net_rows = sparse.csc_matrix(sparse.hstack([program.net_rows() for program in self._programs]))
        self._columns = self._net_rows.shape[1]
        self._money = _MONEY_LEVEL / (dt_h * max(1e-3, float(np.abs(tariff.buy_per_kwh).mean())))

    def solve(self) -> CentralSolution:
        """Return the optimum; `InfeasibleHive` where the limits cannot be met, `PlanRejected` if the check fails."""
        if self._columns == 0:
            return self._nothing_to_decide()
        hessian, linear, rows, lower, upper = self.program()
        solver = osqp.OSQP(algebra="builtin")
        solver.setup(hessian, linear, rows, lower, upper, **_SETTINGS)
        answer = solver.solve(raise_error=False)
        iterations = int(answer.info.iter)
        if answer.info.status_val == int(osqp.SolverStatus.OSQP_SOLVED):
            try:
                return self._evaluated(self._plans(answer.x, iterations), self._price(answer.y), iterations)
            except PlanRejected:
                return self._split()
        self._explain_limits(rows, lower, upper)
        return self._split()

    def program(self) -> tuple[sparse.csc_matrix, FloatArray, sparse.csc_matrix, FloatArray, FloatArray]:
        """Return Hessian (upper triangle), linear term, rows, lower and upper bounds of this Hive's program."""
        return (*self._cost(), *self._constraints())

    def _split(self) -> CentralSolution:
        """Solve by the price iteration instead, which is slower and does not lose its way."""
        plans, price, iterations = split_schedules(self.homes, self.tariff, self.limits, self.dt_h)
        return self._evaluated(plans, price, iterations)

    def _nothing_to_decide(self) -> CentralSolution:
        """Return the outcome of homes without flexibility; `InfeasibleHive` where their sum breaks a limit."""
        pcc = self._fixed_kw
        for name, over in (
            ("pcc_max_kw", pcc - self.limits.clip(pcc)),
            ("pcc_min_kw", self.limits.clip(pcc) - pcc),
        ):
            if over.max() > _LIMIT_SLACK_KW:
                slot = int(np.argmax(over > _LIMIT_SLACK_KW))
                raise InfeasibleHive(name, slot, float(over[slot]))
        price = np.where(pcc > 0.0, self.tariff.buy_per_kwh, self.tariff.sell_per_kwh)
        return self._evaluated(self._plans(np.zeros(0), 0), price, 0)

    def _cost(self) -> tuple[sparse.csc_matrix, FloatArray]:
        """Return Hessian and linear term over (x, u, m), scaled to prices of about `_MONEY_LEVEL`."""
        tariff, money, slots = self.tariff, self._money, self.tariff.slots
        blocks = [program.hessian(0.0, money) for program in self._programs]
        hessian = sparse.block_diag([*blocks, sparse.csc_matrix((slots + 1, slots + 1))], format="csc")
        own = np.concatenate([program.private_gradient() for program in self._programs])
        own += self._net_rows.T @ (self.dt_h * tariff.sell_per_kwh)
        spread = self.dt_h * (tariff.buy_per_kwh - tariff.sell_per_kwh)
        return sparse.csc_matrix(hessian), money * np.concatenate([own, spread, [tariff.peak_per_kw]])

    def _constraints(self) -> tuple[sparse.csc_matrix, FloatArray, FloatArray]:
        """Return rows and bounds: homes, u >= 0, m >= 0, u - P >= 0, P within limits, m - u >= 0."""
        slots, fixed, net = self.tariff.slots, self._fixed_kw, self._net_rows
        own = sparse.block_diag([program.rows() for program in self._programs], format="csc")
        each, peak = sparse.identity(slots), np.ones((slots, 1))
        infinite = np.full(slots, np.inf)
        parts = [
            [own, None],
            [None, sparse.identity(slots + 1)],
            [-net, sparse.hstack([each, sparse.csc_matrix((slots, 1))])],
            [net, sparse.csc_matrix((slots, slots + 1))],
        ]
        low_limit = -infinite if self.limits.pcc_min_kw is None else self.limits.pcc_min_kw - fixed
        high_limit = infinite if self.limits.pcc_max_kw is None else self.limits.pcc_max_kw - fixed
        bounds = [program.bounds() for program in self._programs]
        lower = [*(low for low, _ in bounds), np.zeros(slots + 1), fixed, low_limit]
        upper = [*(high for _, high in bounds), np.full(slots + 1, np.inf), infinite, high_limit]
        if self.tariff.peak_per_kw > 0.0:
            parts.append([None, sparse.hstack([-each, sparse.csc_matrix(peak)])])
            lower.append(np.zeros(slots))
            upper.append(infinite)
        return (
            sparse.csc_matrix(sparse.bmat(parts, format="csc")),
            np.concatenate(lower),
            np.concatenate(upper),
        )

    def _price(self, multipliers: FloatArray) -> FloatArray:
        """Return the price per kWh from the multipliers of the rows that hold P."""
        slots, tail = self.tariff.slots, self._programs_rows() + self.tariff.slots + 1
        split, limit = multipliers[tail : tail + slots], multipliers[tail + slots : tail + 2 * slots]
        return self.tariff.sell_per_kwh + (limit - split) / (self._money * self.dt_h)

    def _programs_rows(self) -> int:
        """Return the number of rows that belong to homes."""
        return sum(program.row_count for program in self._programs)

    def _plans(self, x: FloatArray, iterations: int) -> tuple[Schedule, ...]:
        """Split the point into checked plans, one per home."""
        schedules, start = [], 0
        for home, program in zip(self.homes, self._programs, strict=True):
            parts = program.split(x[start : start + program.columns])
            schedules.append(checked_schedule(home, parts, self.dt_h, iterations))
            start += program.columns
        return tuple(schedules)

    def _evaluated(self, plans: tuple[Schedule, ...], price: FloatArray, iterations: int) -> CentralSolution:
        """Check the limits of the connection point and evaluate the objective from the plans themselves."""
        pcc = np.sum([plan.net_kw for plan in plans], axis=0)
        excess = self.limits.excess_kw(pcc)
        if excess > 5e-3 * max(1.0, float(np.abs(pcc).max())):
            raise PlanRejected(
                f"the connection point's limit is exceeded by {excess:.4f} kW",
                next_step="set the limit half a per cent tighter and solve again",
            )
        objective = sum(plan.private_cost for plan in plans) + self.tariff.cost(pcc, self.dt_h)
        return CentralSolution(plans, pcc, price, objective, iterations)

    def _explain_limits(self, rows: sparse.csc_matrix, lower: FloatArray, upper: FloatArray) -> None:
        """Ask HiGHS for the plan that breaks the limits least; raise `InfeasibleHive` if that is not 0."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        slots, columns = self.tariff.slots, rows.shape[1]
        first = self._programs_rows() + 2 * slots + 1
        over = sparse.csc_matrix(
            (np.ones(slots), (np.arange(first, first + slots), np.arange(slots))),
            shape=(rows.shape[0], slots),
        )
        constraint = LinearConstraint(sparse.hstack([rows, -over, over], format="csc"), lower, upper)
        free = Bounds(np.concatenate([np.full(columns, -np.inf), np.zeros(2 * slots)]), np.inf)
        cost = np.concatenate([np.zeros(columns), np.ones(2 * slots)])
        answer = milp(cost, constraints=constraint, bounds=free)
        if not answer.success:
            raise PlanRejected(
                f"neither solver could judge the limits: {answer.message}",
                next_step="use the safe rule for this slot and check the forecasts",
            )
        above, below = answer.x[columns : columns + slots], answer.x[columns + slots :]
        for name, excess in (("pcc_max_kw", above), ("pcc_min_kw", below)):
            if excess.max() > _LIMIT_SLACK_KW:
                slot = int(np.argmax(excess > _LIMIT_SLACK_KW))
                raise InfeasibleHive(name, slot, float(excess[slot]))
