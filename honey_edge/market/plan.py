"""What a solver's answer becomes: a checked `Schedule`, and its repair before execution (market-design section 2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.assets import Battery, FloatArray, Home
from honey_edge.market.errors import InfeasibleHome, PlanRejected

RESIDUAL_KW = 5e-3
"""Largest violation of a limit (kW, and kWh divided by the slot's length) at which a plan may still be used."""

SOC_START = "soc_start_outside_window"
SOC_END = "soc_end_unreachable"
SOC_START_CLAMPED = "soc_start_clamped"
SOC_END_RELAXED = "soc_end_relaxed"


@dataclass(frozen=True, eq=False)
class Schedule:
    """A plan for one home over the horizon, one number per slot.

    `net_kw` import positive; `soc_kwh` at the end of the slot; `private_cost` (wear and small quadratics) and
    `objective` (what the solve minimised) in currency; `status` is "solved" (plans that are not, are not
    returned); `repairs` names what had to be relaxed, in that order (empty: nothing).
    """

    net_kw: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    soc_kwh: FloatArray
    curtail_kw: FloatArray
    private_cost: float
    objective: float
    status: str
    iterations: int
    residual_kw: float = 0.0
    repairs: tuple[str, ...] = ()


def private_cost(
    home: Home, charge_kw: FloatArray, discharge_kw: FloatArray, curtail_kw: FloatArray, dt_h: float
) -> float:
    """Return the home's own cost of these powers (kW) in currency, without the energy tariff."""
    cost = home.curt_c_quad * float(curtail_kw @ curtail_kw)
    if home.battery is not None:
        moved = float(charge_kw.sum() + discharge_kw.sum())
        squares = float(charge_kw @ charge_kw + discharge_kw @ discharge_kw)
        cost += home.battery.c_deg * moved + home.battery.c_quad * squares
    return dt_h * cost


def _outside(values: FloatArray, low: float, high: float | FloatArray) -> float:
    """Return how far the values leave [low, high] at worst; NaN counts as infinitely far."""
    worst = max(float((low - values).max()), float((values - high).max()), 0.0)
    return worst if np.isfinite(worst) and bool(np.isfinite(values).all()) else float("inf")


def checked_schedule(
    home: Home, parts: tuple[FloatArray, FloatArray, FloatArray, FloatArray], dt_h: float, iterations: int
) -> Schedule:
    """Measure the violation of every limit, refuse a bad plan, clip a good one.

    `parts` are charge, discharge (kW), state of charge (kWh) and curtailment (kW) as the solver left them.
    `objective` is the private cost; the caller adds what it minimised besides. Raises `PlanRejected`.
    """
    charge, discharge, soc, curtail = parts
    residual = _outside(curtail, 0.0, home.pv_kw)
    charge_max = discharge_max = 0.0
    if home.battery is not None:
        b = home.battery
        charge_max, discharge_max = b.p_ch_max_kw, b.p_dis_max_kw
        end_short = (max(b.e_min_kwh, b.e_end_min_kwh) - float(soc[-1])) / dt_h
        residual = max(
            residual,
            end_short,
            _outside(charge, 0.0, charge_max),
            _outside(discharge, 0.0, discharge_max),
            _outside(soc / dt_h, b.e_min_kwh / dt_h, b.e_max_kwh / dt_h),
        )
    if residual > RESIDUAL_KW:
        raise PlanRejected(
            f"the plan breaks a limit of the home by {residual:.4f} kW, allowed are {RESIDUAL_KW} kW",
            next_step="use the safe rule for this slot and solve again with the next forecast",
        )
    charge = np.minimum(np.maximum(charge, 0.0), charge_max)
    discharge = np.minimum(np.maximum(discharge, 0.0), discharge_max)
    curtail = np.minimum(np.maximum(curtail, 0.0), home.pv_kw)
    cost = private_cost(home, charge, discharge, curtail, dt_h)
    net = home.base_kw + charge - discharge + curtail
    return Schedule(net, charge, discharge, soc, curtail, cost, cost, "solved", iterations, residual)


def infeasible_reasons(battery: Battery, slots: int, dt_h: float) -> tuple[str, ...]:
    """Name what makes this battery's limits contradict each other over the horizon; empty if a schedule exists."""
    reasons = []
    start = min(max(battery.e0_kwh, battery.e_min_kwh), battery.e_max_kwh)
    if start != battery.e0_kwh:
        reasons.append(SOC_START)
    if battery.e_end_min_kwh > _reachable_kwh(battery, start, slots, dt_h):
        reasons.append(SOC_END)
    return tuple(reasons)


def _reachable_kwh(battery: Battery, start_kwh: float, slots: int, dt_h: float) -> float:
    """Return the fullest state of charge the battery can have at the end of the horizon."""
    return min(battery.e_max_kwh, start_kwh + slots * dt_h * battery.eta_c * battery.p_ch_max_kw)


def repair(battery: Battery, slots: int, dt_h: float) -> tuple[Battery, tuple[str, ...]]:
    """Return a battery whose limits agree, and the flags of what was changed, in this order.

    First the start is clamped into the window, then the state required at the end is lowered to the fullest
    one that can be reached.
    """
    flags: list[str] = []
    start = min(max(battery.e0_kwh, battery.e_min_kwh), battery.e_max_kwh)
    if start != battery.e0_kwh:
        battery = replace(battery, e0_kwh=start)
        flags.append(SOC_START_CLAMPED)
    reachable = _reachable_kwh(battery, start, slots, dt_h)
    if battery.e_end_min_kwh > reachable:
        battery = replace(battery, e_end_min_kwh=reachable)
        flags.append(SOC_END_RELAXED)
    return battery, tuple(flags)


def feasible_home(home: Home, dt_h: float, *, may_repair: bool) -> tuple[Home, tuple[str, ...]]:
    """Return the home with a battery that a schedule exists for, and the flags of its repairs.

    Raises `InfeasibleHome` with the names of the reasons where a repair is needed and not allowed.
    """
    if home.battery is None:
        return home, ()
    if not may_repair:
        reasons = infeasible_reasons(home.battery, home.slots, dt_h)
        if reasons:
            b = home.battery
            raise InfeasibleHome(
                reasons,
                f"start {b.e0_kwh} kWh, window [{b.e_min_kwh}, {b.e_max_kwh}] kWh, "
                f"at least {b.e_end_min_kwh} kWh at the end",
            )
    battery, flags = repair(home.battery, home.slots, dt_h)
    return (replace(home, battery=battery) if flags else home), flags


def resimulate(schedule: Schedule, battery: Battery, dt_h: float = 0.25) -> Schedule:
    """Return the plan as the battery will really follow it: every limit exactly met.

    Charging and discharging in the same slot is netted at the terminals (the net power stays, the losses of
    the detour vanish); the state of charge is computed again from the powers, and a power that would leave
    the window is cut to what fits. `net_kw` changes by what was cut; the costs stay those of the plan.
    """
    charge, discharge = schedule.charge_kw.copy(), schedule.discharge_kw.copy()
    both = np.minimum(charge, discharge)
    charge -= both
    discharge -= both
    soc = np.empty_like(charge)
    level = min(max(battery.e0_kwh, battery.e_min_kwh), battery.e_max_kwh)
    for slot in range(charge.size):
        room_kw = (battery.e_max_kwh - level) / (dt_h * battery.eta_c)
        stock_kw = (level - battery.e_min_kwh) * battery.eta_d / dt_h
        charge[slot] = min(max(charge[slot], 0.0), battery.p_ch_max_kw, room_kw)
        discharge[slot] = min(max(discharge[slot], 0.0), battery.p_dis_max_kw, stock_kw)
        level += dt_h * (battery.eta_c * charge[slot] - discharge[slot] / battery.eta_d)
        level = min(max(level, battery.e_min_kwh), battery.e_max_kwh)
        soc[slot] = level
    net = schedule.net_kw + (charge - schedule.charge_kw) - (discharge - schedule.discharge_kw)
    return replace(schedule, net_kw=net, charge_kw=charge, discharge_kw=discharge, soc_kwh=soc)
