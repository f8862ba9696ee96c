"""A Worker's side of the price iteration (market-design section 4 step 2), on the integers that are transmitted.

start(price0, p0) -> p0, then answer(price, gamma) once per broadcast, then bound(price) for the certificate
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Tariff
from honey_edge.market.homes.plan import Schedule, feasible_home
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.homes.worker_split import WorkerSplit, of_horizon
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.queen_step import price_per_kwh, watts

__all__ = ["COST_STEPS", "Proximal", "WorkerAnswer", "WorkerIteration", "of_horizon"]

COST_STEPS = 1_000_000_000
"""Steps of a private cost on the wire in one coin."""


@dataclass(frozen=True, eq=False)
class WorkerAnswer:
    """What a Worker sends for one broadcast, and the plan that stays at home.

    `power_w` import positive; `cost_e9_coin` the private cost in 10^-9 coin; `residual_e9_kw2` = |r|^2 and
    `inner_e9_kw2` (see `anderson`) in 10^-9 kW^2; `schedule` is executed if the round ends here.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    schedule: Schedule
    residual_e9_kw2: int = 0
    inner_e9_kw2: tuple[int, ...] = ()


class Proximal(Protocol):
    """What finds the plan nearest to a target (kW) that private cost allows, at the scale sigma."""

    def solve(self, target_kw: FloatArray, /) -> Schedule:
        """Return the minimiser of private cost + ||net - target||^2 / (2*sigma)."""


class WorkerIteration(WorkerSplit):
    """A Worker's side of one round: the private state w and its proximal schedule, set up once.

    `sigma_kw2_per_coin` is told by the Queen; `eps` is the tolerance of the schedule in kW. `proximal` answers in the
    home's place (`daughter`: a whole Hive).
    """

    def __init__(
        self,
        home: Home,
        sigma_kw2_per_coin: float,
        dt_h: float = 0.25,
        eps: float = 1e-4,
        proximal: Proximal | None = None,
    ) -> None:
        super().__init__(home.slots, sigma_kw2_per_coin, dt_h)
        self.home = home
        self._proximal = ProximalSchedule(home, dt_h, self.sigma, eps) if proximal is None else proximal

    def start(self, price0_e7: Sequence[int], power0_w: Sequence[int] | None = None) -> tuple[int, ...]:
        """Open the round at the starting price; return the starting profile (W), which is to be sent.

        `power0_w` is the shifted plan plus the change of the forecast (`shifted_power_w`), None = load - pv.
        """
        return self.opened(price0_e7, watts(self.home.base_kw) if power0_w is None else power0_w)

    def answer(
        self,
        prices_e7: Sequence[int],
        gamma_e9: Sequence[int] = (),
        forget: bool = False,
        iteration: int | None = None,
    ) -> WorkerAnswer:
        """Finish the step owed from the last answer with the weights `gamma_e9`, then answer the price.

        `forget` (the Queen dropped the history) makes it a plain step. `iteration` is the number of the broadcast
        from 1; None = the one after the last that was answered. Answering the same broadcast again is refused.
        Raises `ProtocolError` before `start`, for another horizon, an old iteration or absurd weights;
        `PlanRejected` leaves the state unmoved.
        """
        asked = self.asked(prices_e7, gamma_e9, forget, iteration)
        schedule = self._proximal.solve(asked.target_kw)
        power = watts(schedule.net_kw)
        moved = self.moved(asked, power)
        cost = round(schedule.private_cost * COST_STEPS)
        return WorkerAnswer(power, cost, schedule, moved.residual_e9_kw2, moved.inner_e9_kw2)

    def bound_e9_coin(self, prices_e7: Sequence[int]) -> int:
        """Return min(h + lambda.p) at these prices (10^-9 coin, rounded down): this home's part of the lower bound."""
        price = price_per_kwh(of_horizon("price_e7", prices_e7, self.home.slots))
        return math.floor(self._alone(Tariff(price, price)) * COST_STEPS)

    bound = bound_e9_coin

    def standalone_e9_coin(self, tariff: Tariff) -> int:
        """Return what this home would pay alone at its tariff, plan optimised (10^-9 coin)."""
        return round(self._alone(tariff) * COST_STEPS)

    def _alone(self, tariff: Tariff) -> float:
        """Return the cost of this home's best plan at a tariff (currency)."""
        home = feasible_home(self.home, self.dt_h, may_repair=True)[0]
        return CentralSchedule([home], tariff, NO_LIMITS, self.dt_h).solve().objective
