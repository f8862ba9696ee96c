"""Whether a plan can really happen: the last check before a set-point leaves the process (market-design section 2).

Everything is simulated again, slot by slot, from the powers and the assets alone; nothing here comes from the solver's
program or from `resimulate`. What a repair gave up (`Schedule.repairs`, section 7) is not asked for again, and nothing
more than that: a relaxed car may get less than it asked for, never more. A number that is none breaks every limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from honey_edge.market.homes.asset_schedule import Schedule
from honey_edge.market.homes.assets import Battery, Ev, Home, Thermal
from honey_edge.market.homes.repair import CAR_ENERGY_RELAXED, COMFORT_RELAXED, SOC_END_RELAXED, SOC_START_CLAMPED

TOLERANCE_KW = 5e-3
"""By how much a plan may be beside a limit (kW; for energies per slot) and still pass."""

BOTH_WAYS_KW = 1e-3
"""Charging and discharging at once beyond this is not a plan for a battery."""

_PROFILES = ("net_kw", "charge_kw", "discharge_kw", "soc_kwh", "curtail_kw", "heat_kw", "heat_kwh", "ev_kw", "shed_kw")


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken limit: the asset, the slot (from 0), the limit's name and by how many kW (energies: per slot)."""

    asset: str
    slot: int
    limit: str
    by_kw: float

    def __str__(self) -> str:
        return f"{self.asset}: {self.limit} broken in slot {self.slot} by {self.by_kw:.4f} kW"


@dataclass(frozen=True, slots=True)
class PhysicsReport:
    """The verdict: `ok` and every violation, in the order of assets and slots."""

    ok: bool
    violations: tuple[Violation, ...]


def check_plan(home: Home, schedule: Schedule, dt_h: float = 0.25, tolerance_kw: float = TOLERANCE_KW) -> PhysicsReport:
    """Simulate every asset again and report what the plan breaks; `home` as it is, or as it was repaired."""
    found = tuple(_unreadable(home, schedule))
    if not found:
        found = tuple(v for v in _all(home, schedule, dt_h) if not v.by_kw <= tolerance_kw)
    return PhysicsReport(not found, found)


def _unreadable(home: Home, schedule: Schedule) -> Iterator[Violation]:
    """Name profiles of another length than the forecast, and the first number of each that is none."""
    for name in _PROFILES:
        values = getattr(schedule, name).tolist()
        if len(values) != home.slots:
            yield Violation("home", min(len(values), home.slots), f"{name} covers the horizon", math.inf)
            continue
        for slot, value in enumerate(values):
            if not math.isfinite(value):
                yield Violation("home", slot, f"{name} is finite", math.inf)
                break


def _all(home: Home, schedule: Schedule, dt_h: float) -> Iterator[Violation]:
    """Yield the distance to every limit that is nearer than 0; the caller judges how much is too much."""
    yield from _battery(home.battery, schedule, dt_h)
    most_curtail = home.pv_kw.tolist() if home.pv_curtailable else [0.0] * home.slots
    yield from _range("pv", "curtail_kw", schedule.curtail_kw.tolist(), most_curtail)
    yield from _heat(home.thermal, schedule, dt_h)
    yield from _car(home.ev, schedule, dt_h)
    most_shed = [0.0] * home.slots if home.shed is None else home.shed.max_kw.tolist()
    yield from _range("shed", "shed_kw", schedule.shed_kw.tolist(), most_shed)
    yield from _balance(home, schedule)


def _range(asset: str, name: str, values: list[float], most: list[float]) -> Iterator[Violation]:
    """Yield where powers leave 0..most."""
    for slot, (value, high) in enumerate(zip(values, most, strict=True)):
        if value < 0.0:
            yield Violation(asset, slot, f"{name} >= 0", -value)
        elif value > high:
            yield Violation(asset, slot, f"{name} <= {high:g}", value - high)


def _balance(home: Home, schedule: Schedule) -> Iterator[Violation]:
    """Yield where the net power is not the sum of its parts."""
    for slot in range(home.slots):
        taken = home.load_kw[slot] + schedule.charge_kw[slot] + schedule.heat_kw[slot] + schedule.ev_kw[slot]
        given = home.pv_kw[slot] - schedule.curtail_kw[slot] + schedule.discharge_kw[slot] + schedule.shed_kw[slot]
        apart = abs(float(schedule.net_kw[slot] - (taken - given)))
        if apart > 0.0:
            yield Violation("home", slot, "net_kw is the sum of its parts", apart)


def _battery(battery: Battery | None, schedule: Schedule, dt_h: float) -> Iterator[Violation]:
    """Yield what the battery cannot do: power, direction, window, end, and a state that does not follow."""
    charge, discharge = schedule.charge_kw.tolist(), schedule.discharge_kw.tolist()
    slots = len(charge)
    most_in = [0.0 if battery is None else battery.p_ch_max_kw] * slots
    most_out = [0.0 if battery is None else battery.p_dis_max_kw] * slots
    yield from _range("battery", "charge_kw", charge, most_in)
    yield from _range("battery", "discharge_kw", discharge, most_out)
    if battery is None:
        return
    stored = battery.e0_kwh
    if SOC_START_CLAMPED in schedule.repairs:
        stored = max(min(stored, battery.e_max_kwh), battery.e_min_kwh)
    for slot, (into, out) in enumerate(zip(charge, discharge, strict=True)):
        if into > BOTH_WAYS_KW and out > BOTH_WAYS_KW:
            yield Violation("battery", slot, "charges or discharges, not both", math.inf)
        stored = stored + into * dt_h * battery.eta_c - out * dt_h / battery.eta_d
        yield from _state("battery", slot, stored, (battery.e_min_kwh, battery.e_max_kwh), dt_h)
        yield from _told("battery", slot, "soc_kwh", float(schedule.soc_kwh[slot]), stored, dt_h)
    if SOC_END_RELAXED not in schedule.repairs and stored < battery.e_end_min_kwh:
        limit = f"state at the end >= {battery.e_end_min_kwh:g} kWh"
        yield Violation("battery", slots - 1, limit, (battery.e_end_min_kwh - stored) / dt_h)


def _state(asset: str, slot: int, state: float, window: tuple[float, float], dt_h: float) -> Iterator[Violation]:
    """Yield where a state (kWh) leaves its window."""
    if state < window[0]:
        yield Violation(asset, slot, f"state >= {window[0]:g} kWh", (window[0] - state) / dt_h)
    if state > window[1]:
        yield Violation(asset, slot, f"state <= {window[1]:g} kWh", (state - window[1]) / dt_h)


def _told(asset: str, slot: int, name: str, told: float, real: float, dt_h: float) -> Iterator[Violation]:
    """Yield where the state in the plan (kWh) is not the one that its powers lead to."""
    if told != real:
        yield Violation(asset, slot, f"{name} follows from the powers", abs(told - real) / dt_h)


def _heat(thermal: Thermal | None, schedule: Schedule, dt_h: float) -> Iterator[Violation]:
    """Yield what the heat store cannot do. With comfort relaxed an empty store gives no heat and the band is free."""
    heat = schedule.heat_kw.tolist()
    most = [0.0 if thermal is None else thermal.q_max_kw] * len(heat)
    yield from _range("heat", "heat_kw", heat, most)
    if thermal is None:
        return
    relaxed = COMFORT_RELAXED in schedule.repairs
    window = (0.0, max(thermal.cap_kwh, thermal.s0_kwh)) if relaxed else (thermal.s_min_kwh, thermal.cap_kwh)
    warmth = thermal.s0_kwh
    for slot, power in enumerate(heat):
        change = thermal.cop * power - float(thermal.draw_kw[slot])
        warmth = warmth - thermal.loss_per_step * warmth + dt_h * change
        warmth = max(warmth, 0.0) if relaxed else warmth
        yield from _state("heat", slot, warmth, window, dt_h)
        yield from _told("heat", slot, "heat_kwh", float(schedule.heat_kwh[slot]), warmth, dt_h)
    if not relaxed and warmth < thermal.s_end_min_kwh:
        short = (thermal.s_end_min_kwh - warmth) / dt_h
        yield Violation("heat", len(heat) - 1, f"state at the end >= {thermal.s_end_min_kwh:g} kWh", short)


def _car(ev: Ev | None, schedule: Schedule, dt_h: float) -> Iterator[Violation]:
    """Yield what the car cannot do: charge while away, too fast, or get another energy than it asked for."""
    power = schedule.ev_kw.tolist()
    most = [0.0] * len(power) if ev is None else [ev.p_max_kw * float(there) for there in ev.avail]
    yield from _range("car", "ev_kw", power, most)
    if ev is None:
        return
    given = math.fsum(power) * dt_h * ev.eta
    if given > ev.e_req_kwh or (given < ev.e_req_kwh and CAR_ENERGY_RELAXED not in schedule.repairs):
        apart = abs(given - ev.e_req_kwh) / dt_h
        yield Violation("car", len(power) - 1, f"energy is {ev.e_req_kwh:g} kWh", apart)
