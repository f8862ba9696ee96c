"""Assets whose limits contradict each other: named, or repaired in the order of market-design section 7.

Each asset is one state with bounded steps, so the states it can reach form an interval per slot and the verdict is
exact: no solver is asked. A repair relaxes only what cannot hold, and no further than to `SLACK_KWH` beyond the
nearest that can be reached (solvers need an interior):

    battery  clamp the state of charge at the start into the window; then lower the one required at the end
    heat     let the store be as warm as full heating makes it where that is below the band (above the band: as cool
             as no heating makes it); heat that even an empty store cannot give is taken off the draw
    car      ask for as much energy as can be charged while it is there
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from honey_edge.market.errors import InfeasibleHome
from honey_edge.market.homes.assets import Battery, Ev, FloatArray, Home, Thermal

SOC_START = "soc_start_outside_window"
SOC_END = "soc_end_unreachable"
COMFORT = "comfort_unreachable"
CAR_ENERGY = "car_energy_unreachable"
SOC_START_CLAMPED = "soc_start_clamped"
SOC_END_RELAXED = "soc_end_relaxed"
COMFORT_RELAXED = "comfort_relaxed"
CAR_ENERGY_RELAXED = "car_energy_relaxed"

SLACK_KWH = 1e-4
"""How much further than to the nearest state that can be reached a limit is relaxed."""

_ROUNDING_KWH = 1e-9


@dataclass(frozen=True, eq=False)
class RelaxedThermal(Thermal):
    """A heat store whose comfort band was moved, slot by slot, to what can be reached (kWh)."""

    floor_kwh: FloatArray = field(default_factory=lambda: np.zeros(1))
    ceiling_kwh: FloatArray = field(default_factory=lambda: np.zeros(1))

    def band_kwh(self) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest state per slot (kWh)."""
        return self.floor_kwh, self.ceiling_kwh


def _clamped_start(battery: Battery) -> float:
    """Return the state of charge at the start, moved into the window (kWh)."""
    return min(max(battery.e0_kwh, battery.e_min_kwh), battery.e_max_kwh)


def _reachable_kwh(battery: Battery, start_kwh: float, slots: int, dt_h: float) -> float:
    """Return the fullest state of charge the battery can have at the end of the horizon."""
    return min(battery.e_max_kwh, start_kwh + slots * dt_h * battery.eta_c * battery.p_ch_max_kw)


def infeasible_reasons(battery: Battery, slots: int, dt_h: float) -> tuple[str, ...]:
    """Name what makes this battery's limits contradict each other over the horizon; empty if a schedule exists."""
    reasons = []
    start = _clamped_start(battery)
    if start != battery.e0_kwh:
        reasons.append(SOC_START)
    if battery.e_end_min_kwh > _reachable_kwh(battery, start, slots, dt_h):
        reasons.append(SOC_END)
    return tuple(reasons)


def repair(battery: Battery, slots: int, dt_h: float) -> tuple[Battery, tuple[str, ...]]:
    """Return a battery whose limits agree, and the flags of what was changed, in this order.

    First the start is clamped into the window, then the state required at the end is lowered to the fullest
    one that can be reached.
    """
    flags: list[str] = []
    start = _clamped_start(battery)
    if start != battery.e0_kwh:
        battery = replace(battery, e0_kwh=start)
        flags.append(SOC_START_CLAMPED)
    reachable = _reachable_kwh(battery, start, slots, dt_h)
    if battery.e_end_min_kwh > reachable:
        battery = replace(battery, e_end_min_kwh=max(0.0, reachable - SLACK_KWH))
        flags.append(SOC_END_RELAXED)
    return battery, tuple(flags)


def _envelope(thermal: Thermal, dt_h: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the coolest and warmest state per slot (kWh), and the draw that the store can give (kW).

    Coolest: no heating, but never below the band while that can be avoided. Warmest: full heating, never above the
    band while that can be avoided. An empty store gives what the heater makes and no more.
    """
    low, high = thermal.band_kwh()
    keep, full = 1.0 - thermal.loss_per_step, dt_h * thermal.cop * thermal.q_max_kw
    draw = thermal.draw_kw.copy()
    coolest, warmest = np.empty(draw.size), np.empty(draw.size)
    least = most = thermal.s0_kwh
    for slot in range(draw.size):
        if dt_h * draw[slot] > keep * most + full + _ROUNDING_KWH:
            draw[slot] = max(0.0, keep * most + full - 2.0 * SLACK_KWH) / dt_h
        taken = dt_h * draw[slot]
        warmest[slot] = most = max(min(keep * most + full - taken, high[slot]), keep * least - taken)
        coolest[slot] = least = min(max(keep * least - taken, low[slot]), most)
    return coolest, warmest, draw


def comfort_reasons(thermal: Thermal, dt_h: float) -> tuple[str, ...]:
    """Name the comfort band if no heating keeps it; empty if a schedule exists."""
    low, high = thermal.band_kwh()
    coolest, warmest, draw = _envelope(thermal, dt_h)
    kept = (warmest >= low - _ROUNDING_KWH).all() and (coolest <= high + _ROUNDING_KWH).all()
    return () if kept and (draw >= thermal.draw_kw - _ROUNDING_KWH).all() else (COMFORT,)


def relax_comfort(thermal: Thermal, dt_h: float) -> tuple[Thermal, tuple[str, ...]]:
    """Return a store whose band can be kept, and the flag if the band or the draw had to give way."""
    if not comfort_reasons(thermal, dt_h):
        return thermal, ()
    low, high = thermal.band_kwh()
    coolest, warmest, draw = _envelope(thermal, dt_h)
    floor = np.where(warmest < low + SLACK_KWH, np.minimum(low, warmest - SLACK_KWH), low)
    ceiling = np.where(coolest > high - SLACK_KWH, np.maximum(high, coolest + SLACK_KWH), high)
    known = {name: getattr(thermal, name) for name in Thermal.__dataclass_fields__ if name != "draw_kw"}
    return RelaxedThermal(**known, draw_kw=draw, floor_kwh=floor, ceiling_kwh=ceiling), (COMFORT_RELAXED,)


def _chargeable_kwh(ev: Ev, dt_h: float) -> float:
    """Return the energy that fits into the car while it is there."""
    return dt_h * ev.eta * ev.p_max_kw * float(ev.avail.sum())


def relax_car(ev: Ev, dt_h: float) -> tuple[Ev, tuple[str, ...]]:
    """Return a car that can be charged in time, and the flag if it asks for less now."""
    most = _chargeable_kwh(ev, dt_h)
    if ev.e_req_kwh <= most + _ROUNDING_KWH:
        return ev, ()
    return replace(ev, e_req_kwh=max(0.0, most - SLACK_KWH)), (CAR_ENERGY_RELAXED,)


def home_reasons(home: Home, dt_h: float) -> tuple[tuple[str, ...], str]:
    """Name everything that contradicts itself in this home, in the order of repair, and say it in numbers."""
    reasons: list[str] = []
    details: list[str] = []
    b, heat, ev = home.battery, home.thermal, home.ev
    if b is not None and (found := infeasible_reasons(b, home.slots, dt_h)):
        reasons += found
        details.append(
            f"battery: start {b.e0_kwh} kWh, window [{b.e_min_kwh}, {b.e_max_kwh}] kWh, "
            f"at least {b.e_end_min_kwh} kWh at the end"
        )
    if heat is not None and (found := comfort_reasons(heat, dt_h)):
        reasons += found
        details.append(
            f"heat: start {heat.s0_kwh} kWh, band [{heat.s_min_kwh}, {heat.cap_kwh}] kWh, at least "
            f"{heat.s_end_min_kwh} kWh at the end, heater {heat.q_max_kw} kW"
        )
    if ev is not None and ev.e_req_kwh > _chargeable_kwh(ev, dt_h) + _ROUNDING_KWH:
        reasons.append(CAR_ENERGY)
        details.append(f"car: {ev.e_req_kwh} kWh asked for, {_chargeable_kwh(ev, dt_h):.3f} kWh fit in time")
    return tuple(reasons), "; ".join(details)


def feasible_home(home: Home, dt_h: float, *, may_repair: bool) -> tuple[Home, tuple[str, ...]]:
    """Return the home with assets that a schedule exists for, and the flags of the repairs in their order.

    Raises `InfeasibleHome` with the names of the reasons where a repair is needed and not allowed.
    """
    if not may_repair:
        reasons, detail = home_reasons(home, dt_h)
        if reasons:
            raise InfeasibleHome(reasons, detail)
        return home, ()
    flags: list[str] = []
    if home.battery is not None:
        battery, done = repair(home.battery, home.slots, dt_h)
        flags += done
        home = replace(home, battery=battery) if done else home
    if home.thermal is not None:
        thermal, done = relax_comfort(home.thermal, dt_h)
        flags += done
        home = replace(home, thermal=thermal) if done else home
    if home.ev is not None:
        ev, done = relax_car(home.ev, dt_h)
        flags += done
        home = replace(home, ev=ev) if done else home
    return home, tuple(flags)
