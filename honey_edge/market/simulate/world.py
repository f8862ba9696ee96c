"""What a simulated Hive consists of: homes with their energy per slot, a tariff, and homes made from a seed.

Energy in kWh per slot, load and PV both >= 0; prices in micro-coins per kWh and slot. A series covers some days of
history (what forecasts may know before the run) and the days of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.assets import Battery, FloatArray, Tariff

HISTORY_DAYS = 7
"""Days of history of homes made from a seed."""

MICRO = 1_000_000
_BUY, _SELL = 0.20, 0.05
_TOU_CHEAP, _TOU_DEAR, _TOU_HOURS = 0.15, 0.35, (17, 21)
PEAK_PER_KW = 0.35
"""Charge of the tariff `peak`: coins per kW of the highest import of the horizon."""

_WITH_PV, _WITH_BATTERY = 0.6, 0.6
"""Shares of homes made from a seed that have a roof, and a battery."""


@dataclass(frozen=True, eq=False)
class SimulatedHome:
    """One home: energy per slot as measured (NaN: not measured), and its battery at the state it starts with."""

    name: str
    load_kwh: FloatArray
    pv_kwh: FloatArray
    battery: Battery | None = None


@dataclass(frozen=True, eq=False)
class PriceSeries:
    """Buy and sell price (micro-coins per kWh) of every slot of the series, and the charge per kW of the peak."""

    buy_micro: tuple[int, ...]
    sell_micro: tuple[int, ...]
    peak_per_kw: float = 0.0

    def tariff(self, places: Sequence[int]) -> Tariff:
        """Return the tariff that a round plans with."""
        buy = np.array([self.buy_micro[place] for place in places], dtype=np.float64) / MICRO
        sell = np.array([self.sell_micro[place] for place in places], dtype=np.float64) / MICRO
        return Tariff(buy, sell, self.peak_per_kw)


@dataclass(frozen=True, eq=False)
class World:
    """A Hive and its time: `first` is the slot (from 0 in the series) in which the run begins."""

    homes: tuple[SimulatedHome, ...]
    prices: PriceSeries
    step_minutes: int
    first: int

    def __post_init__(self) -> None:
        """Refuse series that do not fit each other."""
        slots = {home.load_kwh.size for home in self.homes} | {home.pv_kwh.size for home in self.homes}
        slots |= {len(self.prices.buy_micro), len(self.prices.sell_micro)}
        if len(slots) != 1 or not self.homes:
            raise AssetError(f"series of {sorted(slots)} slots; homes and prices must cover the same slots")
        if self.step_minutes < 1 or 1440 % self.step_minutes or not 0 <= self.first < self.slots:
            raise AssetError(f"slots of {self.step_minutes} minutes from slot {self.first} do not fit the series")
        if any(sell > buy for buy, sell in zip(self.prices.buy_micro, self.prices.sell_micro, strict=True)):
            raise AssetError("the sell price is above the buy price; use the smaller of the two as sell price")

    @property
    def per_day(self) -> int:
        """Slots of a day, which is also the horizon of a plan."""
        return 1440 // self.step_minutes

    @property
    def dt_h(self) -> float:
        """Length of a slot in hours."""
        return self.step_minutes / 60.0

    @property
    def slots(self) -> int:
        """Length of the series."""
        return int(self.homes[0].load_kwh.size)

    def horizon(self, place: int) -> list[int]:
        """Return the places of the day that begins at `place`; behind the series' end those of its last day."""
        day = range(place, place + self.per_day)
        return [one if one < self.slots else one - self.per_day for one in day]


def named_prices(name: str, slots: int, per_day: int) -> PriceSeries:
    """Return the prices of the tariff `flat`, `tou` (dear from 17 to 21 h) or `peak` (flat and a charge per kW)."""
    if name not in ("flat", "tou", "peak"):
        raise AssetError(f"tariff {name!r} is neither flat, tou, peak nor a file")
    hours = [(place % per_day) * 24.0 / per_day for place in range(slots)]
    first, last = _TOU_HOURS
    dear = [_TOU_DEAR if first <= hour < last else _TOU_CHEAP for hour in hours]
    buy = tuple(round(MICRO * price) for price in (dear if name == "tou" else [_BUY] * slots))
    return PriceSeries(buy, (round(MICRO * _SELL),) * slots, PEAK_PER_KW if name == "peak" else 0.0)


def home_battery(capacity_kwh: float, power_kw: float) -> Battery | None:
    """Return a battery that starts empty, so that a run brings no energy along; None for no capacity or power."""
    if capacity_kwh <= 0.0 or power_kw <= 0.0:
        return None
    low, high = 0.05 * capacity_kwh, 0.95 * capacity_kwh
    return Battery(capacity_kwh, low, high, low, low, power_kw, power_kw)


def seeded_homes(count: int, days: int, seed: int, per_day: int = 96) -> tuple[SimulatedHome, ...]:
    """Return homes that follow from the seed alone, each from its own index: `HISTORY_DAYS` and `days` days.

    Loads have a base, a morning and an evening; roofs share the weather of the day; sizes differ.
    """
    if count < 1 or days < 1:
        raise AssetError(f"{count} homes and {days} days must be at least 1")
    total = HISTORY_DAYS + days
    weather = np.random.default_rng([seed, 0]).beta(3.0, 1.5, total)
    return tuple(_seeded_home(index, total, seed, weather, per_day) for index in range(count))


def _seeded_home(index: int, days: int, seed: int, weather: FloatArray, per_day: int) -> SimulatedHome:
    """Make one home from its own stream of random numbers."""
    chance = np.random.default_rng([seed, 1, index])
    hour = np.tile(np.arange(per_day) * 24.0 / per_day, days)
    habit = np.repeat(chance.lognormal(0.0, 0.2, days), per_day)
    evening = chance.uniform(0.5, 2.5) * np.exp(-(((hour - chance.uniform(17.0, 21.0)) / 2.0) ** 2))
    morning = chance.uniform(0.1, 1.0) * np.exp(-(((hour - chance.uniform(6.0, 9.0)) / 1.0) ** 2))
    noise = chance.lognormal(0.0, 0.35, hour.size)
    load_kw = (chance.uniform(0.1, 0.4) + evening + morning) * habit * noise
    kwp = chance.uniform(1.5, 7.0) if chance.random() < _WITH_PV else 0.0
    sun = np.maximum(0.0, np.sin((hour - 6.0) * np.pi / 12.0)) * ((hour > 6.0) & (hour < 18.0))
    clouds = np.repeat(weather, per_day) * chance.uniform(0.85, 1.0, hour.size)
    capacity = chance.uniform(4.0, 13.0) if chance.random() < _WITH_BATTERY else 0.0
    battery = home_battery(capacity, capacity * chance.uniform(0.3, 0.6))
    hours = 24.0 / per_day
    return SimulatedHome(f"home{index:04d}", load_kw * hours, 0.85 * kwp * sun * clouds * hours, battery)


FILL_SLOTS = 4


def filled(series_kwh: FloatArray) -> FloatArray:
    """Return a series without gaps: the first four slots of a gap on a straight line between its ends, 0 beyond.

    The rule of the reference economics of the measured data. Gaps at the series' ends become 0.
    """
    values = np.array(series_kwh, dtype=np.float64)
    missing = np.flatnonzero(~np.isfinite(values))
    if not missing.size:
        return values
    for gap in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1):
        before, after = int(gap[0]) - 1, int(gap[-1]) + 1
        values[gap] = 0.0
        if before >= 0 and after < values.size:
            line = np.linspace(values[before], values[after], gap.size + 2)[1:-1]
            values[gap[:FILL_SLOTS]] = line[:FILL_SLOTS]
    return values


def world_of_series(
    names: Sequence[str],
    load_kwh: Sequence[Sequence[float]],
    pv_kwh: Sequence[Sequence[float]],
    batteries: Sequence[tuple[float, float]],
    prices: PriceSeries,
    step_minutes: int,
    first: int,
) -> World:
    """Return a world from measured series: one row per slot, one column per home (NaN: not measured).

    `batteries` holds capacity (kWh) and power (kW) per home, 0 for none.
    """
    load, pv = np.array(load_kwh, dtype=np.float64), np.array(pv_kwh, dtype=np.float64)
    if load.shape != pv.shape or load.ndim != 2 or load.shape[1] != len(names) or len(batteries) != len(names):
        raise AssetError(f"load of shape {load.shape}, PV of {pv.shape} and {len(names)} homes do not fit each other")
    homes = tuple(
        SimulatedHome(name, load[:, k], pv[:, k], home_battery(*batteries[k])) for k, name in enumerate(names)
    )
    return World(homes, prices, step_minutes, first)
