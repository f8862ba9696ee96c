"""A whole Hive in one process and in virtual time: forecast, coordination, execution, settlement, reputation.

Slot by slot as the daemons do it (market-design sections 4, 8 and 9), on the same classes. The same world, options and
seed give the same result, bit for bit, however many processes compute it. The clock is not asked anywhere here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from honey_edge.market.fairplay.meters import DAYS, MeterFinding, examine_meters
from honey_edge.market.fairplay.plausible import DAYS as PLAUSIBLE_DAYS
from honey_edge.market.fairplay.plausible import ShownRange
from honey_edge.market.fairplay.reputation import known_lag
from honey_edge.market.homes.assets import Battery, FloatArray, Home
from honey_edge.market.rounds.certificate import Certificate
from honey_edge.market.rounds.iteration import is_settled, round_sigma, starting_price_e7
from honey_edge.market.rounds.queen_step import price_e7, watts
from honey_edge.market.simulate.forecasts import RollingForecast
from honey_edge.market.simulate.money import SimulationBooks, SlotFacts
from honey_edge.market.simulate.rounds import (
    Lanes,
    LocalLanes,
    RoundResult,
    RoundTask,
    RoundTerms,
    coordinate,
)
from honey_edge.market.simulate.world import MICRO, SimulatedHome, World, filled

MILLIWH = 1_000_000
PRICE_E7_PER_MICRO = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does: `slots` of it, a coordination every `every` slots, lost messages, the settlement's knobs.

    `loss` is the share of broadcasts that a Worker does not hear and of readings that are late; `coordinated` False
    leaves all batteries at rest; `certify` asks for a certificate at the first coordination of each day. Defences can
    be left out to see what each is worth: `choose` (lambda of section 8), `enforce` (consequences of alarms) and
    `believable` (declarations are cut to what the meter has shown).
    """

    slots: int
    every: int = 4
    loss: float = 0.0
    seed: int = 0
    theta: int = 250
    fee: int = 0
    coordinated: bool = True
    certify: bool = True
    choose: bool = True
    enforce: bool = True
    believable: bool = True


@dataclass(frozen=True, slots=True)
class Misconduct:
    """What one home (by its place) does wrongly; the defaults are honest.

    `declared_kw` replaces its forecast and declaration; `reversed_meter` swaps its meter's clamp; `late` withholds
    every reading until after closing; `cost_scale` multiplies its private cost while it answers prices (1/k).
    """

    home: int = -1
    declared_kw: float | None = None
    reversed_meter: bool = False
    late: bool = False
    cost_scale: float = 1.0


HONEST = Misconduct()


@dataclass
class RoundLog:
    """What the coordinations of a run came to."""

    iterations: list[int] = field(default_factory=list)
    converged: int = 0
    certificates: list[tuple[Certificate, int]] = field(default_factory=list)

    def add(self, result: RoundResult) -> None:
        """Note one."""
        self.iterations.append(result.iterations)
        self.converged += result.converged
        if result.certificate is not None:
            self.certificates.append((result.certificate, result.alone_e9_coin))

    @property
    def worst_gap(self) -> float | None:
        """The largest certified gap of the run; None where none was asked for, or nothing was to be gained."""
        told = [certificate.gap for certificate, _ in self.certificates if certificate.gap is not None]
        gaps = [gap for gap in told if math.isfinite(gap)]
        return max(gaps, default=None)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished run: the books, wear (coin) and cost alone (coin) per home, coordinations, meters named by test D.

    `alone` is what the home would have paid without a Hive: its own tariff, its battery by the simple rule (store what
    is left over, use it when something is missing), wear included.
    """

    names: tuple[str, ...]
    books: SimulationBooks
    wear: FloatArray
    alone: FloatArray
    rounds: RoundLog
    meters: tuple[MeterFinding, ...]

    @property
    def cost(self) -> FloatArray:
        """Payments and wear per home (coin)."""
        paid = np.array([account.paid_pico / 1e12 for account in self.books.accounts])
        return paid + self.wear


class Simulation:
    """One run of a world."""

    def __init__(
        self,
        world: World,
        options: Options,
        misconduct: Misconduct = HONEST,
        lanes: Lanes | None = None,
        noted: Callable[[RoundResult], None] | None = None,
    ) -> None:
        self.world, self.options, self.misconduct = world, options, misconduct
        self._lanes = LocalLanes() if lanes is None else lanes
        self._noted = noted
        load = np.column_stack([home.load_kwh for home in world.homes])
        pv = np.column_stack([home.pv_kwh for home in world.homes])
        self._load = np.column_stack([filled(home.load_kwh) for home in world.homes])
        self._pv = np.column_stack([filled(home.pv_kwh) for home in world.homes])
        self._measured = np.isfinite(load) & np.isfinite(pv)
        self._forecast_load = RollingForecast(load, world.per_day)
        self._forecast_pv = RollingForecast(pv, world.per_day, sun=True)
        self._lag = known_lag(world.step_minutes)
        count = len(world.homes)
        self._flexible = [k for k, home in enumerate(world.homes) if home.battery is not None]
        self._soc = np.array([home.battery.e0_kwh if home.battery else 0.0 for home in world.homes])
        self._wear = np.zeros(count)
        self._battery_kw = np.zeros((count, world.per_day))
        self._shown: list[list[int]] = []
        self._connection: list[int] = []
        self._last: RoundResult | None = None
        self._last_base: FloatArray | None = None
        self._planned_at = -1
        self._chance = np.random.default_rng([options.seed, 7])
        self._was_late: frozenset[int] = frozenset()
        self.books = SimulationBooks(
            count,
            world.step_minutes,
            theta=options.theta,
            fee=options.fee,
            choose=options.choose,
            enforce=options.enforce,
        )
        self.rounds = RoundLog()
        self._range = ShownRange(count, PLAUSIBLE_DAYS * world.per_day)
        for place in range(max(0, world.first - PLAUSIBLE_DAYS * world.per_day), world.first):
            flow = np.rint((self._load[place] - self._pv[place]) * MILLIWH).astype(np.int64)
            self._range.see((-flow if misconduct.reversed_meter else flow).tolist())

    def run(self) -> Outcome:
        """Run to the end."""
        first = self.world.first
        for place in range(first, min(first + self.options.slots, self.world.slots)):
            if self.options.coordinated and self._flexible and (place - first) % self.options.every == 0:
                self._coordinate(place)
            self._slot(place)
        alone = np.array([self._alone(k) for k in range(len(self.world.homes))])
        names = tuple(home.name for home in self.world.homes)
        return Outcome(names, self.books, self._wear, alone, self.rounds, self._examined())

    def _known_end(self, place: int) -> int:
        """Return the slot before which readings are known when the declaration of `place` is due."""
        return max(0, place - self._lag + 1)

    def _base_kw(self, place: int, count: int) -> tuple[FloatArray, FloatArray]:
        """Return forecast load and PV (kW, one row per slot) as the Workers tell them.

        A suspended home is not asked: the Queen plans with what its readings let expect.
        """
        known, dt_h = self._known_end(place), self.world.dt_h
        load = self._forecast_load.corrected(place, count, known) / dt_h
        pv = self._forecast_pv.corrected(place, count, known) / dt_h
        liar, told = self.misconduct.home, self.misconduct.declared_kw
        heard = not self.options.enforce or self.books.accounts[liar].conduct.pooled
        if told is not None and heard:
            load[:, liar], pv[:, liar] = max(told, 0.0), max(-told, 0.0)
        if self.misconduct.reversed_meter:
            load[:, liar], pv[:, liar] = pv[:, liar].copy(), load[:, liar].copy()
        return load, pv

    def _believed_kw(self, base_kw: FloatArray) -> FloatArray:
        """Return the forecasts of homes that answer no prices as the Queen counts them (kW, a row per slot)."""
        if not self.options.believable:
            return base_kw
        low, high = self._range.bounds_kw(self.world.dt_h)
        return np.asarray(np.clip(base_kw, low, high))

    def _coordinate(self, place: int) -> None:
        """Agree on the day that begins at `place`; only its first slots are executed."""
        world, slots = self.world, self.world.per_day
        load, pv = self._base_kw(place, slots)
        homes = [self._planning_home(k, load[:, k], pv[:, k]) for k in self._flexible]
        others = [k for k in range(len(world.homes)) if k not in set(self._flexible)]
        told = self._believed_kw(load - pv)
        constant = [watts(told[:, k]) for k in others]
        tariff = world.prices.tariff(world.horizon(place))
        base = np.array([home.base_kw for home in homes])
        opening = self._warm(place, base)
        start = starting_price_e7(tariff) if self._last is None else self._shifted_price(place)
        first = world.first
        certify = self.options.certify and ((place - first) // slots != (self._planned_at - first) // slots)
        certify = certify or (self.options.certify and self._planned_at < 0)
        alone = sum(tariff.cost(told[:, k], world.dt_h) for k in others) if certify else 0.0
        task = RoundTask(
            homes,
            tuple(sum(column) for column in zip(*constant, strict=True)) if constant else (0,) * slots,
            alone,
            tariff,
            opening,
            certify,
        )
        terms = RoundTerms(
            round_sigma(tariff, world.dt_h, settled=self._settled(place), blend=True),
            world.dt_h,
            start,
            self.options.loss,
            (self.options.seed, 3, place),
        )
        result = coordinate(task, terms, self._lanes)
        self.rounds.add(result)
        if self._noted is not None:
            self._noted(result)
        self._last, self._last_base, self._planned_at = result, base, place
        self._battery_kw[self._flexible] = result.battery_kw

    def _settled(self, place: int) -> bool:
        """Whether prices are nearly right to begin with: those of a good coordination one slot ago."""
        return (
            self._last is not None
            and place == self._planned_at + 1
            and is_settled(self._last.mismatch_kw, len(self._flexible))
        )

    def _planning_home(self, k: int, load_kw: FloatArray, pv_kw: FloatArray) -> Home:
        """Return a home as its Worker plans with it: its forecast, its battery as full as it is now."""
        battery = self.world.homes[k].battery
        if battery is not None:
            scale = self.misconduct.cost_scale if k == self.misconduct.home else 1.0
            soc = min(max(float(self._soc[k]), battery.e_min_kwh), battery.e_max_kwh)
            battery = replace(battery, e0_kwh=soc, c_deg=scale * battery.c_deg, c_quad=scale * battery.c_quad)
        return Home(load_kw, pv_kw, battery)

    def _warm(self, place: int, base_kw: FloatArray) -> list[tuple[int, ...]] | None:
        """Return the opening profiles from the last coordination; None for a cold start."""
        shift = place - self._planned_at
        if self._last is None or self._last_base is None or shift >= self.world.per_day:
            return None
        before = np.roll(self._last_base, -shift, axis=1)
        return [watts(row) for row in np.roll(self._last.net_kw, -shift, axis=1) + base_kw - before]

    def _shifted_price(self, place: int) -> tuple[int, ...]:
        """Return the last prices moved on; the new last slots take their neighbour's within their own tariff."""
        if self._last is None:
            raise AssertionError("there is no last price")
        shift = min(place - self._planned_at, self.world.per_day - 1)
        prices = self._last.price_e7
        tariff = self.world.prices.tariff(self.world.horizon(place))
        low, high = price_e7(tariff.sell_per_kwh), price_e7(tariff.buy_per_kwh)
        moved = (*prices[shift:], *([prices[-1]] * shift))
        keep = len(prices) - shift
        return tuple(p if k < keep else min(max(p, low[k]), high[k]) for k, p in enumerate(moved))

    def _slot(self, place: int) -> None:
        """Execute one slot and settle it."""
        world = self.world
        planned = self._planned_kw(place)
        load, pv = self._base_kw(place, 1)
        base = load[0] - pv[0]
        declared, heard = base + planned, self._believed_kw(load - pv)[0] + planned
        power = self._execute(planned)
        flow = np.rint((self._load[place] - self._pv[place] + power * world.dt_h) * MILLIWH).astype(np.int64)
        shown = flow.tolist()
        if self.misconduct.reversed_meter:
            shown[self.misconduct.home] = -shown[self.misconduct.home]
        promised = np.rint(declared * world.dt_h * MILLIWH).astype(np.int64).tolist()
        connection = int(flow.sum())
        self.books.settle(self._facts(place, shown, promised, connection, float(heard.sum())))
        self._shown.append(shown)
        self._connection.append(connection)
        self._range.see(shown)
        self._charge_peak(place)

    def _charge_peak(self, place: int) -> None:
        """At the end of a day, settle its peak charge if the tariff has one (a plan's horizon is a day too)."""
        charge, day = self.world.prices.peak_per_kw, self.world.per_day
        if charge <= 0.0 or place % day != day - 1:
            return
        shown, connection = self._shown[-day:], self._connection[-day:]
        highest = [max(0, *column) for column in zip(*shown, strict=True)]
        self.books.settle_peak(highest, max(0, *connection), round(charge * MICRO))

    def _facts(
        self, place: int, shown: list[int], declared: list[int], connection: int, declared_sum_kw: float
    ) -> SlotFacts:
        """Return the slot as the settlement sees it."""
        known = len(self._shown) - self._lag
        return SlotFacts(
            place // self.world.per_day,
            shown,
            declared,
            self._shown[known] if known >= 0 else None,
            connection,
            self.world.prices.buy_micro[place],
            self.world.prices.sell_micro[place],
            self._announced_e7(place, declared_sum_kw),
            self._late(),
            self._unobserved(place),
        )

    def _unobserved(self, place: int) -> frozenset[int]:
        """Return whose energy, or whose reference, was not measured."""
        known = self._measured[place] & self._measured[max(0, place - self._lag)]
        return frozenset(np.flatnonzero(~known).tolist())

    def _announced_e7(self, place: int, declared_sum_kw: float) -> int:
        """Return the announced price: of the last coordination, or what the declared sum's direction costs."""
        if self._last is not None:
            return self._last.price_e7[place - self._planned_at]
        prices = self.world.prices
        return PRICE_E7_PER_MICRO * (prices.buy_micro if declared_sum_kw > 0.0 else prices.sell_micro)[place]

    def _late(self) -> frozenset[int]:
        """Return whose slot has no reading at one of its ends: late now, or late one slot ago."""
        count = len(self.world.homes)
        now: frozenset[int] = frozenset()
        if self.options.loss > 0.0:
            now = frozenset(np.flatnonzero(self._chance.random(count) < self.options.loss).tolist())
        if self.misconduct.late:
            now |= {self.misconduct.home}
        late, self._was_late = now | self._was_late, now
        return late

    def _planned_kw(self, place: int) -> FloatArray:
        """Return the batteries' planned power (kW, charging positive)."""
        if self._planned_at < 0:
            return np.zeros(len(self.world.homes))
        return self._battery_kw[:, place - self._planned_at].copy()

    def _execute(self, planned_kw: FloatArray) -> FloatArray:
        """Let every battery follow its plan as far as it can; return its power (kW, charging positive)."""
        power = np.zeros(planned_kw.size)
        for k in self._flexible:
            battery = self.world.homes[k].battery
            if battery is None:
                continue
            power[k], self._soc[k], wear = follow(battery, float(self._soc[k]), float(planned_kw[k]), self.world.dt_h)
            self._wear[k] += wear
        return power

    def _alone(self, k: int) -> float:
        """Return what the run would have cost a home without a Hive (coin)."""
        end = min(self.world.first + self.options.slots, self.world.slots)
        return cost_alone(self.world, self.world.homes[k], self._load[:end, k], self._pv[:end, k])

    def _examined(self) -> tuple[MeterFinding, ...]:
        """Return what test D says about the last seven days; nothing for a shorter run or a Hive too large for it."""
        rows = DAYS * self.world.per_day
        if len(self._shown) < rows or len(self.world.homes) + 3 > rows:
            return ()
        energy = np.array(self._shown[-rows:], dtype=np.float64) / MILLIWH
        connection = np.array(self._connection[-rows:], dtype=np.float64) / MILLIWH
        return examine_meters(energy, connection)


def follow(battery: Battery, soc_kwh: float, wanted_kw: float, dt_h: float) -> tuple[float, float, float]:
    """Return (power kW, state kWh, wear coin) of a slot in which a battery follows `wanted_kw` as far as it can."""
    room = max(0.0, battery.e_max_kwh - soc_kwh) / (dt_h * battery.eta_c)
    stock = max(0.0, soc_kwh - battery.e_min_kwh) * battery.eta_d / dt_h
    power = min(max(wanted_kw, -battery.p_dis_max_kw, -stock), battery.p_ch_max_kw, room)
    change = battery.eta_c * power if power >= 0.0 else power / battery.eta_d
    wear = dt_h * (battery.c_deg * abs(power) + battery.c_quad * power * power)
    return power, min(max(soc_kwh + dt_h * change, battery.e_min_kwh), battery.e_max_kwh), wear


def cost_alone(world: World, home: SimulatedHome, load_kwh: FloatArray, pv_kwh: FloatArray) -> float:
    """Return energy and wear (coin) of a home on its own: store what is left over, use it when something is missing."""
    soc = home.battery.e0_kwh if home.battery is not None else 0.0
    total = highest = 0.0
    for place in range(world.first, load_kwh.size):
        net = float(load_kwh[place] - pv_kwh[place])
        if home.battery is not None:
            power, soc, wear = follow(home.battery, soc, -net / world.dt_h, world.dt_h)
            net += power * world.dt_h
            total += wear
        micro = world.prices.buy_micro[place] if net >= 0.0 else world.prices.sell_micro[place]
        total += net * micro / MICRO
        highest = max(highest, net / world.dt_h)
        if place % world.per_day == world.per_day - 1:
            total, highest = total + world.prices.peak_per_kw * highest, 0.0
    return total
