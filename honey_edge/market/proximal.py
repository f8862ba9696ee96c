"""The schedule of one home in its proximal form on OSQP: one step of the price iteration.

Market-design section 2 and oracle 12. Every setting of the solver is fixed by counts, none by time, so
the same inputs in the same order give the same bits. Units: kW, kWh, currency; net power import positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import osqp

from honey_edge.market.assets import FloatArray, Home, profile
from honey_edge.market.banded import BandedHome
from honey_edge.market.errors import AssetError, PlanRejected
from honey_edge.market.plan import Schedule, checked_schedule, feasible_home

_SOLVED = int(osqp.SolverStatus.OSQP_SOLVED)

_RHO = 0.4
_FIRST_TRY, _LAST_TRY = 4_000, 20_000
_PROXIMAL_SETTINGS: dict[str, Any] = {
    # The program is scaled by hand (banded.SOC_ROW), in kW throughout: the solver's own scaling only costs
    # time.
    "scaling": 0,
    "rho": _RHO,
    "alpha": 1.75,
    "adaptive_rho_interval": 100,
    "check_termination": 10,
    # Adapting every 100 iterations: at 25 the penalty oscillated in 7 of 22 rounds and a solve never ended.
    # The answer is measured afterwards (plan.checked_schedule), so the duality gap need not be watched as
    # well.
    "check_dualgap": False,
    "max_iter": _FIRST_TRY,
    "verbose": False,
}


class ProximalSchedule:
    """Minimise private cost + ||net - target||^2 / (2*scale) for one home, again and again for new targets.

    `scale_kw2_per_currency` is sigma of market-design section 4; `eps` the tolerance in kW at which the
    solver may stop (1e-4 keeps `net_kw` within 2e-3 kW of the optimum); `polishing` solves the active set
    exactly after the iterations. Matrices are set up here; `solve` changes one vector and starts from the
    last answer. With `may_repair` a state of charge that contradicts the limits is repaired and flagged in
    `Schedule.repairs`, otherwise `InfeasibleHome` names it.
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
    ) -> None:
        if not (np.isfinite(scale_kw2_per_currency) and scale_kw2_per_currency > 0.0 and dt_h > 0.0 < eps):
            raise AssetError(
                f"scale {scale_kw2_per_currency} kW^2 per currency, dt {dt_h} h and eps {eps} must be "
                "positive and finite"
            )
        self.home, self.repairs = feasible_home(home, dt_h, may_repair=may_repair)
        self.dt_h, self.scale = dt_h, scale_kw2_per_currency
        self._program: BandedHome | None = None
        if self.home.battery is None:
            return
        self._program = program = BandedHome(self.home, self.home.battery, dt_h)
        self._private = program.private_gradient() * self.scale
        self._linear = self._private.copy()
        lower, upper = program.bounds()
        self._solver = osqp.OSQP(algebra="builtin")
        # Half of eps: OSQP may stop with primal and dual residual at the tolerance at the same time.
        self._solver.setup(
            program.hessian(1.0, self.scale),
            self._linear,
            program.rows(),
            lower,
            upper,
            eps_abs=0.5 * eps,
            eps_rel=0.01 * eps,
            polishing=polishing,
            **_PROXIMAL_SETTINGS,
        )

    def solve(self, target_kw: Sequence[float] | FloatArray) -> Schedule:
        """Return the optimal plan for this target (kW per slot).

        Raises `AssetError` for a target of the wrong length and `PlanRejected` when the solver's answer does
        not stand the check; the next call starts afresh from wherever the solver is.
        """
        target = profile("target_kw", target_kw)
        if target.size != self.home.slots:
            raise AssetError(f"target_kw has {target.size} slots, the home's forecast {self.home.slots}")
        schedule = self._curtail_only(target) if self._program is None else self._solve(self._program, target)
        away = schedule.net_kw - target
        objective = schedule.private_cost + float(away @ away) / (2.0 * self.scale)
        return replace(schedule, objective=objective, repairs=self.repairs)

    def _solve(self, program: BandedHome, target: FloatArray) -> Schedule:
        """Update the linear term, iterate from the last answer (at need once more from nothing), check the answer."""
        program.pull_back(program.net_at_zero_kw - target, out=self._linear)
        self._linear += self._private
        self._solver.update(q=self._linear)
        answer = self._solver.solve(raise_error=False)
        if answer.info.status_val != _SOLVED:
            self._solver.update_settings(rho=_RHO, max_iter=_LAST_TRY)
            self._solver.warm_start(x=np.zeros(program.columns), y=np.zeros(program.row_count))
            answer = self._solver.solve(raise_error=False)
            self._solver.update_settings(max_iter=_FIRST_TRY)
        if answer.info.status_val != _SOLVED:
            raise PlanRejected(
                f"the schedule did not converge: {answer.info.status} after {answer.info.iter} iterations",
                next_step="use the safe rule for this slot and solve again",
            )
        return checked_schedule(self.home, program.split(answer.x), self.dt_h, int(answer.info.iter))

    def _curtail_only(self, target: FloatArray) -> Schedule:
        """Return the closed form for a home without battery: each slot's curtailment is independent."""
        home, zeros = self.home, np.zeros(self.home.slots)
        curtail = zeros
        if home.pv_curtailable:
            wish = (target - home.base_kw) / (1.0 + 2.0 * self.dt_h * home.curt_c_quad * self.scale)
            curtail = np.minimum(np.maximum(wish, 0.0), home.pv_kw)
        return checked_schedule(home, (zeros, zeros, zeros, curtail), self.dt_h, 0)
