"""The whole Hive as one quadratic program (market-design section 3): for a home alone, for cases, for comparison.

    minimise  sum_i h_i(x_i) + dt*sum_t((b_t - s_t)*u_t + s_t*P_t) + c_peak*m
    where     P = sum_i net_i(x_i),  u >= 0,  u >= P,  m >= 0,  m >= u,  P_min <= P <= P_max

u is the imported part p+ of the split P = p+ - p-; p- = u - P needs no variable. The price of a slot is the
multiplier of P = sum net. An "infeasible" of one solver is confirmed by HiGHS, which also finds the slot, before
anybody hears of it (section 7); where HiGHS finds a plan, the next solver and at last `splitting` compute the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from honey_edge.market.errors import AssetError, InfeasibleHive, PlanRejected
from honey_edge.market.homes.asset_program import home_program
from honey_edge.market.homes.assets import FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.plan import Schedule, checked_schedule, feasible_home
from honey_edge.market.homes.solver import AUTO, SOLVED, QpSettings, least_violation, solver_named, solver_order
from honey_edge.market.rounds.splitting import split_schedules

_SETTINGS = QpSettings(
    # Residuals and duality gap are watched; a penalty adapted every 25 iterations oscillates for homes without a
    # battery under a peak charge.
    eps_abs=1e-5,
    eps_rel=3e-6,
    polishing=True,
    rho=0.1,
    adapt_every=200,
    check_every=25,
    max_iter=6_000,
    last_try=20_000,
)
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
    """The program of a Hive, set up for one solve by `solver` ("auto": Clarabel where it is installed, else OSQP)."""

    def __init__(
        self, homes: Sequence[Home], tariff: Tariff, limits: Limits, dt_h: float, *, solver: str = AUTO
    ) -> None:
        self._solvers = solver_order(solver)
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
        """Return the optimum; `InfeasibleHive` where the limits cannot be met, `PlanRejected` if the check fails.

        A home that contradicts itself is `InfeasibleHome` without limits, `PlanRejected` with them.
        """
        if self._columns == 0:
            return self._nothing_to_decide()
        program = self.program()
        confirmed = False
        for name in self._solvers:
            solver = solver_named(name)
            solver.setup(*program, _SETTINGS)
            answer = solver.solve()
            if answer.status == SOLVED:
                try:
                    plans = self._plans(answer.x, answer.iterations)
                    return self._evaluated(plans, self._price(answer.y), answer.iterations)
                except PlanRejected:
                    continue
            if not confirmed:
                self._explain_limits(*program[2:])
                confirmed = True
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
        """Ask HiGHS for the plan that breaks the limits least; raise `InfeasibleHive` if that is not 0.

        Without limits the homes are all there is to judge: exact without a solver, and HiGHS takes 25 MiB to load.
        """
        if self.limits.pcc_min_kw is None and self.limits.pcc_max_kw is None:
            for home in self.homes:
                feasible_home(home, self.dt_h, may_repair=False)
            return
        slots = self.tariff.slots
        nearest = least_violation(rows, lower, upper, self._programs_rows() + 2 * slots + 1, slots)
        if nearest is None:
            raise PlanRejected(
                "neither solver could judge the limits",
                next_step="use the safe rule for this slot and check the forecasts",
            )
        above, below = nearest
        for name, excess in (("pcc_max_kw", above), ("pcc_min_kw", below)):
            if excess.max() > _LIMIT_SLACK_KW:
                slot = int(np.argmax(excess > _LIMIT_SLACK_KW))
                raise InfeasibleHive(name, slot, float(excess[slot]))
