"""The schedule of one home: proximal form for the price iteration, and alone against its own tariff.

Market-design section 2, oracles 01, 02 and 12. This module is what the agent of a Worker imports; units kW, kWh,
currency; net power import positive.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from honey_edge.market.errors import PlanRejected
from honey_edge.market.homes.assets import NO_LIMITS, Home, Limits, Tariff
from honey_edge.market.homes.plan import Schedule, feasible_home, infeasible_reasons, repair, resimulate
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.homes.solver import AUTO
from honey_edge.market.rounds.central import CentralSchedule

__all__ = [
    "ProximalSchedule",
    "Schedule",
    "StandaloneSchedule",
    "cost_alone",
    "infeasible_reasons",
    "repair",
    "resimulate",
]

BOTH_WAYS_KW = 1e-3
"""Charging and discharging at once beyond this pays only where a price is negative, and no battery does it."""


def cost_alone(home: Home, tariff: Tariff, dt_h: float = 0.25, *, solver: str = AUTO) -> float:
    """Return what the home's best plan costs at a tariff (currency), private cost included; limits are repaired.

    With sell = buy = an announced price it is the home's part of the lower bound (section 6). Raises `PlanRejected`.
    """
    ready = feasible_home(home, dt_h, may_repair=True)[0]
    return CentralSchedule([ready], tariff, NO_LIMITS, dt_h, solver=solver).solve().objective


class StandaloneSchedule:
    """The home's own optimum against a tariff: what it does without a Queen, and what it would have paid alone.

    `limits` bound its net power. `may_repair` as in `ProximalSchedule`, `solver` as in `solver.solver_order`. Set up
    here, solved by `solve`.
    """

    def __init__(
        self,
        home: Home,
        tariff: Tariff,
        dt_h: float = 0.25,
        *,
        limits: Limits = NO_LIMITS,
        may_repair: bool = True,
        solver: str = AUTO,
    ) -> None:
        self.home, self.repairs = feasible_home(home, dt_h, may_repair=may_repair)
        self._tariff, self._limits, self._dt_h, self._solver = tariff, limits, dt_h, solver
        self._central = CentralSchedule([self.home], tariff, limits, dt_h, solver=solver)

    def solve(self) -> Schedule:
        """Return the plan; `objective` is private cost plus what the tariff charges.

        With negative prices the optimum may burn energy by charging and discharging at once: then the plan is netted
        and simulated again, so `objective` is that of a plan the battery can follow. Raises `InfeasibleHive` where no
        plan meets the limits and `PlanRejected` when the check fails.
        """
        solution = self._central.solve()
        plan = replace(solution.schedules[0], objective=solution.objective, repairs=self.repairs)
        if float(np.minimum(plan.charge_kw, plan.discharge_kw).max()) <= BOTH_WAYS_KW:
            return plan
        real = resimulate(plan, self.home, self._dt_h)
        excess = self._limits.excess_kw(real.net_kw)
        if excess > 5e-3 * max(1.0, float(np.abs(real.net_kw).max())):
            raise PlanRejected(
                f"without charging and discharging at once the limit is exceeded by {excess:.3f} kW",
                next_step="widen the limit in the slots with negative prices, or use the safe rule",
            )
        return replace(real, objective=real.private_cost + self._tariff.cost(real.net_kw, self._dt_h))
