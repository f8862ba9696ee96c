"""The schedule of one home on OSQP: proximal form for the price iteration, and alone against its own tariff.

Market-design section 2, oracles 01 and 12. This module is what the agent of a Worker imports; units kW, kWh,
currency; net power import positive.
"""

from __future__ import annotations

from dataclasses import replace

from honey_edge.market.assets import NO_LIMITS, Home, Limits, Tariff
from honey_edge.market.central import CentralSchedule
from honey_edge.market.plan import Schedule, feasible_home, infeasible_reasons, repair, resimulate
from honey_edge.market.proximal import ProximalSchedule

__all__ = ["ProximalSchedule", "Schedule", "StandaloneSchedule", "infeasible_reasons", "repair", "resimulate"]


class StandaloneSchedule:
    """The home's own optimum against a tariff: what it does without a Queen, and what it would have paid alone.

    `limits` bound its net power. `may_repair` as in `ProximalSchedule`. Set up here, solved by `solve`.
    """

    def __init__(
        self,
        home: Home,
        tariff: Tariff,
        dt_h: float = 0.25,
        *,
        limits: Limits = NO_LIMITS,
        may_repair: bool = True,
    ) -> None:
        home, self.repairs = feasible_home(home, dt_h, may_repair=may_repair)
        self._central = CentralSchedule([home], tariff, limits, dt_h)

    def solve(self) -> Schedule:
        """Return the plan; `objective` is private cost plus what the tariff charges.

        Raises `InfeasibleHive` where no plan meets the limits and `PlanRejected` when the check fails.
        """
        solution = self._central.solve()
        return replace(solution.schedules[0], objective=solution.objective, repairs=self.repairs)
