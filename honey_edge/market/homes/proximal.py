"""The schedule of one home in its proximal form: one step of the price iteration.

Market-design section 2 and oracle 12. Every setting of the solver is fixed by counts, none by time, so
the same inputs in the same order give the same bits. Units: kW, kWh, currency; net power import positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from honey_edge.market.errors import AssetError, PlanRejected
from honey_edge.market.homes.asset_closed import closed_form, has_closed_form
from honey_edge.market.homes.asset_program import HomeProgram, home_program
from honey_edge.market.homes.asset_schedule import Powers, Schedule
from honey_edge.market.homes.assets import FloatArray, Home, profile
from honey_edge.market.homes.plan import RESIDUAL_KW, measured, scheduled
from honey_edge.market.homes.repair import feasible_home
from honey_edge.market.homes.solver import SOLVED, QpAnswer, QpSettings, solver_named, solver_order

_SETTINGS = QpSettings(
    # The program is scaled by hand, in kW throughout (banded.SOC_ROW). The penalty adapts every 100 iterations: at 25
    # it oscillated in 7 of 22 rounds and a solve never ended. The answer is measured afterwards
    # (plan.checked_schedule), so the duality gap need not be watched as well.
    rho=1.5,
    alpha=1.75,
    adapt_every=100,
    check_every=10,
    watch_gap=False,
    max_iter=4_000,
    last_try=20_000,
)

EPS_SHARE = 0.5
"""Share of `eps` that the solver gets: it may stop with primal and dual residual at the tolerance at the same time."""

RESIDUAL_EPS = 30.0
"""Largest violation of a limit in units of `eps`: rows of states and sums weigh less than those of powers."""


class ProximalSchedule:
    """Minimise private cost + ||net - target||^2 / (2*scale) for one home, again and again for new targets.

    `scale_kw2_per_currency` is sigma of market-design section 4; `eps` the tolerance in kW at which the
    solver may stop (1e-4 keeps `net_kw` within 2e-3 kW of the optimum); `polishing` solves the active set
    exactly after the iterations; `solver` as in `solver.solver_named`. Matrices are set up here; `solve` changes one
    vector and starts from the last answer. With `may_repair` an asset that contradicts itself is repaired and flagged
    in `Schedule.repairs`, otherwise `InfeasibleHome` names it.
    """

    def __init__(
        self,
        home: Home,
        dt_h: float,
        scale_kw2_per_currency: float,
        eps: float = 1e-4,
        *,
        polishing: bool = False,
        may_repair: bool = True,
        solver: str = "osqp",
    ) -> None:
        if not (np.isfinite(scale_kw2_per_currency) and scale_kw2_per_currency > 0.0 and dt_h > 0.0 < eps):
            raise AssetError(
                f"scale {scale_kw2_per_currency} kW^2 per currency, dt {dt_h} h and eps {eps} must be "
                "positive and finite"
            )
        self.home, self.repairs = feasible_home(home, dt_h, may_repair=may_repair)
        self.dt_h, self.scale = dt_h, scale_kw2_per_currency
        self._allowed_kw = max(RESIDUAL_KW, RESIDUAL_EPS * eps)
        self._program: HomeProgram | None = None
        if has_closed_form(self.home):
            return
        self._program = program = home_program(self.home, dt_h)
        self._private = program.private_gradient() * self.scale
        self._linear = self._private.copy()
        lower, upper = program.bounds()
        first, *self._others = solver_order(solver)
        self._solver = solver_named(first)
        self._settings = replace(_SETTINGS, eps_abs=EPS_SHARE * eps, eps_rel=0.01 * eps, polishing=polishing)
        hessian, rows = program.hessian(1.0, self.scale), program.rows()
        self._solver.setup(hessian, self._linear, rows, lower, upper, self._settings)

    def solve(self, target_kw: Sequence[float] | FloatArray) -> Schedule:
        """Return the optimal plan for this target (kW per slot).

        Raises `AssetError` for a target of the wrong length and `PlanRejected` when the solver's answer does
        not stand the check; the next call starts afresh from wherever the solver is.
        """
        target = profile("target_kw", target_kw)
        if target.size != self.home.slots:
            raise AssetError(f"target_kw has {target.size} slots, the home's forecast {self.home.slots}")
        if self._program is None:
            powers, iterations = closed_form(self.home, target, self.scale, self.dt_h), 0
        else:
            powers, iterations = self._solve(self._program, target)
        plan = measured(self.home, powers, self.dt_h, self._allowed_kw)
        away = plan.net_kw - target
        objective = plan.private_cost + float(away @ away) / (2.0 * self.scale)
        return scheduled(plan, iterations, objective, self.repairs)

    def _solve(self, program: HomeProgram, target: FloatArray) -> tuple[Powers, int]:
        """Update the linear term, iterate from the last answer; return its powers and the iterations."""
        program.pull_back(program.net_at_zero_kw - target, out=self._linear)
        self._linear += self._private
        self._solver.update(linear=self._linear)
        answer = self._solver.solve()
        if answer.status != SOLVED:
            answer = self._second_opinion(program, answer)
        return program.split(answer.x), answer.iterations

    def _second_opinion(self, program: HomeProgram, failed: QpAnswer) -> QpAnswer:
        """Ask the other solvers: limits that contradict each other were repaired, so a plan exists."""
        lower, upper = program.bounds()
        for name in self._others:
            other = solver_named(name)
            other.setup(program.hessian(1.0, self.scale), self._linear, program.rows(), lower, upper, self._settings)
            answer = other.solve()
            if answer.status == SOLVED:
                return answer
        raise PlanRejected(
            f"the schedule did not converge: {failed.detail} after {failed.iterations} iterations",
            next_step="use the safe rule for this slot and solve again",
        )
