"""The part of the agent that loads numpy and OSQP; imported in a thread when the first plan is due.

Every round gets a new solver, so that a restarted Worker answers with the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.market.assets import Battery, Home, Tariff, profile
from honey_edge.market.battery import StandaloneSchedule
from honey_edge.market.iteration import WorkerIteration, shifted_power_w
from honey_edge.market.plan import Schedule, resimulate
from honey_edge.market.queen_step import watts
from worker_node.agent.battery import BatteryModel

DT_H = 0.25
_MILLIWH_PER_KWH = 1e6
_MICRO_PER_COIN = 1e6


@dataclass(frozen=True, slots=True)
class Profile:
    """A schedule in whole watts per slot: net at the connection, and battery (charging positive)."""

    net_w: tuple[int, ...]
    battery_w: tuple[int, ...]


def home_of(model: BatteryModel, base_kw: Sequence[float], stored_milliwh: int) -> Home:
    """The home for the market: forecast of load less sun (kW per slot) and the battery as it will be."""
    battery = Battery(
        cap_kwh=model.capacity_milliwh / _MILLIWH_PER_KWH,
        e_min_kwh=model.min_milliwh / _MILLIWH_PER_KWH,
        e_max_kwh=model.max_milliwh / _MILLIWH_PER_KWH,
        e0_kwh=stored_milliwh / _MILLIWH_PER_KWH,
        e_end_min_kwh=model.end_min_milliwh / _MILLIWH_PER_KWH,
        p_ch_max_kw=model.charge_w / 1000,
        p_dis_max_kw=model.discharge_w / 1000,
        eta_c=model.charge_permille / 1000,
        eta_d=model.discharge_permille / 1000,
        c_deg=model.wear_micro_per_kwh / _MICRO_PER_COIN,
    )
    load, sun = [max(value, 0.0) for value in base_kw], [max(-value, 0.0) for value in base_kw]
    return Home(profile("load_kw", load), profile("pv_kw", sun), battery)


def executable(home: Home, schedule: Schedule) -> Profile:
    """The schedule as the battery can really follow it."""
    assert home.battery is not None
    real = resimulate(schedule, home.battery, DT_H)
    return Profile(watts(real.net_kw), watts(real.charge_kw - real.discharge_kw))


def plan_alone(home: Home, buy_micro: Sequence[int], sell_micro: Sequence[int]) -> Profile:
    """The home's own optimum against its tariff (micro-coins per kWh per slot). Raises MarketError."""
    buy = profile("buy_micro", buy_micro) / _MICRO_PER_COIN
    sell = profile("sell_micro", sell_micro) / _MICRO_PER_COIN
    return executable(home, StandaloneSchedule(home, Tariff(buy, sell), DT_H).solve())


class Round:
    """One round with the Queen: opened with her starting price, answered price by price."""

    def __init__(self, home: Home, sigma_kw2_per_coin: int) -> None:
        self.home = home
        self._iteration = WorkerIteration(home, sigma_kw2_per_coin, DT_H)
        self._schedule: Schedule | None = None

    def open(
        self, price_e7: Sequence[int], before_w: Sequence[int] | None, base_before_w: Sequence[int]
    ) -> tuple[int, ...]:
        """The starting profile: the last plan shifted by a slot plus the change of the forecast, else the forecast."""
        now = watts(self.home.base_kw)
        power0 = None if before_w is None else shifted_power_w(before_w, base_before_w, now)
        return self._iteration.start(price_e7, power0)

    def answer(self, price_e7: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """Net power per slot (W) and private cost (10^-9 coin) for a broadcast. Raises MarketError."""
        answer = self._iteration.answer(price_e7)
        self._schedule = answer.schedule
        return answer.power_w, answer.cost_e9_coin

    def adopted(self) -> Profile | None:
        """The schedule of the last answer, None before the first."""
        return None if self._schedule is None else executable(self.home, self._schedule)
