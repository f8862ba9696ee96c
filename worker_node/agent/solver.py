"""The part of the agent that loads numpy and OSQP; imported in a thread when the first plan is due.

Every round gets a new solver, so that a restarted Worker answers with the same numbers.
"""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from honey_edge.market.errors import InfeasibleHive, ProtocolError
from honey_edge.market.fairplay.disclosed import numbers_of, whole
from honey_edge.market.homes.asset_schedule import mixed_plan
from honey_edge.market.homes.assets import Home, Limits, Tariff, profile
from honey_edge.market.homes.battery import StandaloneSchedule, cost_alone
from honey_edge.market.homes.plan import Schedule, feasible_home
from honey_edge.market.homes.worker_step import COST_STEPS
from honey_edge.market.rounds.iteration import WorkerIteration, shifted_power_w
from honey_edge.market.rounds.queen_step import price_per_kwh, watts
from worker_node.agent.homes import DT_H, Profile, executable

SOLVER = "osqp"
"""The only one on a Worker: here no other library is loaded even where one is installed (memory, same answers)."""
SHARE_EXCEEDED = "limit_share_exceeded"
_MICRO_PER_COIN = 1e6


def tariff_of(buy_micro: Sequence[int], sell_micro: Sequence[int]) -> Tariff:
    """Prices in micro-coins per kWh per slot as the market takes them."""
    return Tariff(
        profile("buy_micro", buy_micro) / _MICRO_PER_COIN, profile("sell_micro", sell_micro) / _MICRO_PER_COIN
    )


def plan_alone(home: Home, buy_micro: Sequence[int], sell_micro: Sequence[int]) -> Profile:
    """The home's own optimum against its tariff (micro-coins per kWh per slot). Raises MarketError, PlanRefused."""
    ready, repairs = feasible_home(home, DT_H, may_repair=True)
    schedule = StandaloneSchedule(ready, tariff_of(buy_micro, sell_micro), DT_H, solver=SOLVER).solve()
    return executable(ready, schedule, repairs)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broadcast is answered with: W per slot, 10^-9 coin, 10^-9 kW^2."""

    power_w: tuple[int, ...]
    cost_e9_coin: int = 0
    residual_e9_kw2: int = 0
    inner_e9_kw2: tuple[int, ...] = ()


class Round:
    """One round with the Queen: opened with her starting price, answered price by price."""

    def __init__(self, home: Home, sigma_kw2_per_coin: int) -> None:
        self.home, self.repairs = feasible_home(home, DT_H, may_repair=True)
        self._iteration = WorkerIteration(self.home, sigma_kw2_per_coin, DT_H)
        self._schedules: dict[int, Schedule] = {}
        self._states_mw: dict[int, tuple[int, ...]] = {}
        self._sigma = sigma_kw2_per_coin
        self._opened_w: tuple[int, ...] = ()

    def open(
        self, price_e7: Sequence[int], before_w: Sequence[int] | None, base_before_w: Sequence[int]
    ) -> tuple[int, ...]:
        """The starting profile: the last plan shifted by a slot plus the change of the forecast, else the forecast."""
        now = watts(self.home.base_kw)
        power0 = None if before_w is None else shifted_power_w(before_w, base_before_w, now)
        self._opened_w = self._iteration.start(price_e7, power0)
        return self._opened_w

    def go_on(self, price_e7: Sequence[int], power_w: Sequence[int]) -> tuple[int, ...]:
        """The starting profile of a round begun anew for the same slots: where the last one stood."""
        self._opened_w = self._iteration.start(price_e7, power_w)
        return self._opened_w

    def answer(
        self, price_e7: Sequence[int], gamma_e9: Sequence[int] = (), forget: bool = False, iteration: int | None = None
    ) -> Answer:
        """The answer to a broadcast with its weights (`WorkerIteration.answer`). Raises MarketError."""
        told = self._iteration.answer(price_e7, gamma_e9, forget, iteration)
        number = len(self._schedules) + 1 if iteration is None else iteration
        self._schedules[number], self._states_mw[number] = told.schedule, whole(self._iteration.state_kw)
        return Answer(told.power_w, told.cost_e9_coin, told.residual_e9_kw2, told.inner_e9_kw2)

    def record(self) -> bytes:
        """What an audit may ask for (`fairplay_records`), packed: the home, and w of every answer."""
        found = {"sigma": self._sigma, "home": asdict(numbers_of(self.home)), "states_mw": self._states_mw}
        return zlib.compress(json.dumps(found, separators=(",", ":")).encode())

    def bound_e9_coin(self, price_e7: Sequence[int]) -> int:
        """The least that private cost plus energy at these prices can be (10^-9 coin): the home's part of the bound."""
        price = price_per_kwh(price_e7)
        return math.floor(cost_alone(self.home, Tariff(price, price), DT_H, solver=SOLVER) * COST_STEPS)

    def alone_e9_coin(self, buy_micro: Sequence[int], sell_micro: Sequence[int]) -> int:
        """What the home would pay for its own optimum without the Hive (10^-9 coin)."""
        return round(cost_alone(self.home, tariff_of(buy_micro, sell_micro), DT_H, solver=SOLVER) * COST_STEPS)

    def within(
        self,
        buy_micro: Sequence[int],
        sell_micro: Sequence[int],
        import_share_ppm: Sequence[int],
        export_share_ppm: Sequence[int],
    ) -> Profile:
        """The own optimum that keeps to shares of the opening's import and export.

        Where no plan of the home can, the last answer's plan with a flag. Raises MarketError, PlanRefused.
        """
        most = self._share_kw([max(p, 0) for p in self._opened_w], import_share_ppm)
        least = self._share_kw([min(p, 0) for p in self._opened_w], export_share_ppm)
        limits = Limits.of(least, most)
        try:
            tariff = tariff_of(buy_micro, sell_micro)
            schedule = StandaloneSchedule(self.home, tariff, DT_H, limits=limits, solver=SOLVER).solve()
        except InfeasibleHive:
            last = self.adopted()
            if last is None:
                raise
            return replace(last, repairs=(*last.repairs, SHARE_EXCEEDED))
        return executable(self.home, schedule, self.repairs)

    def _share_kw(self, power_w: Sequence[int], share_ppm: Sequence[int]) -> list[float] | None:
        """A part of each slot's power in kW; None where no shares were told."""
        if not share_ppm:
            return None
        if len(share_ppm) != len(power_w):
            raise ProtocolError(f"{len(share_ppm)} shares came for {len(power_w)} slots", next_step="plan alone")
        return [power * share / 1e9 for power, share in zip(power_w, share_ppm, strict=True)]

    def adopted(self, iteration: int | None = None) -> Profile | None:
        """The schedule of the answer to that broadcast (None: of the last), None where there is none.

        Raises PlanRefused.
        """
        at = max(self._schedules, default=0) if iteration is None else iteration
        schedule = self._schedules.get(at)
        return None if schedule is None else executable(self.home, schedule, self.repairs)

    def mixed(self, last: int, blend_e6: Sequence[int], counted: int | None = None) -> Profile | None:
        """The mixture of the plans up to iteration `last` that ends a round; None where there is no plan.

        Plans after `counted` (None: every plan counts) are not in the Queen's sums. Raises MarketError, PlanRefused.
        """
        plans = {number: plan for number, plan in self._schedules.items() if counted is None or number <= counted}
        if not plans:
            return None
        return executable(self.home, mixed_plan(self.home, plans, last, blend_e6, DT_H), self.repairs)
