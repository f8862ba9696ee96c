"""What a solver's answer becomes: a checked `Schedule` (market-design section 2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from honey_edge.market.errors import PlanRejected
from honey_edge.market.homes.asset_execution import resimulate
from honey_edge.market.homes.asset_schedule import Powers, Schedule, net_power, private_cost
from honey_edge.market.homes.assets import Battery, FloatArray, Home
from honey_edge.market.homes.repair import (
    SOC_END,
    SOC_END_RELAXED,
    SOC_START,
    SOC_START_CLAMPED,
    feasible_home,
    infeasible_reasons,
    repair,
)

__all__ = [
    "RESIDUAL_KW",
    "SOC_END",
    "SOC_END_RELAXED",
    "SOC_START",
    "SOC_START_CLAMPED",
    "Powers",
    "Schedule",
    "checked_schedule",
    "feasible_home",
    "infeasible_reasons",
    "private_cost",
    "repair",
    "resimulate",
]

RESIDUAL_KW = 5e-3
"""Largest violation of a limit (kW, and kWh divided by the slot's length) at which a plan may still be used."""


def _outside(values: FloatArray, low: float | FloatArray, high: float | FloatArray) -> float:
    """Return how far the values leave [low, high] at worst (at most 0 when inside); NaN stays NaN."""
    return float(np.maximum(low - values, values - high).max())


def _battery_residual(battery: Battery, powers: Powers, dt_h: float) -> float:
    """Return the worst violation of the battery's limits (kW); NaN stays NaN."""
    charge, discharge, soc = powers.charge_kw, powers.discharge_kw, powers.soc_kwh
    end = max(battery.e_min_kwh, battery.e_end_min_kwh)
    distances = (
        -charge.min(),
        charge.max() - battery.p_ch_max_kw,
        -discharge.min(),
        discharge.max() - battery.p_dis_max_kw,
        (battery.e_min_kwh - soc.min()) / dt_h,
        (soc.max() - battery.e_max_kwh) / dt_h,
        (end - soc[-1]) / dt_h,
    )
    return float(np.array(distances).max())


def _other_residual(home: Home, powers: Powers, dt_h: float) -> float:
    """Return the worst violation of heat store, car and load (kW); NaN stays NaN, a missing profile is infinite."""
    distances = [0.0]
    if home.thermal is not None:
        if powers.heat_kw is None or powers.heat_kwh is None:
            return float("inf")
        low, high = home.thermal.band_kwh()
        distances.append(_outside(powers.heat_kw, 0.0, home.thermal.q_max_kw))
        distances.append(_outside(powers.heat_kwh, low, high) / dt_h)
    if home.ev is not None:
        if powers.ev_kw is None:
            return float("inf")
        distances.append(abs(dt_h * home.ev.eta * float(powers.ev_kw.sum()) - home.ev.e_req_kwh) / dt_h)
        distances.append(_outside(powers.ev_kw, 0.0, home.ev.p_max_kw * home.ev.avail))
    if home.shed is not None:
        if powers.shed_kw is None:
            return float("inf")
        distances.append(_outside(powers.shed_kw, 0.0, home.shed.max_kw))
    return float(np.array(distances).max())


def _clip(values: FloatArray | None, high: float | FloatArray) -> FloatArray | None:
    """Return the powers moved into [0, high]."""
    return None if values is None else np.minimum(np.maximum(values, 0.0), high)


def _clipped(home: Home, powers: Powers) -> Powers:
    """Return the powers moved into their own limits; states stay as they are."""
    charge, discharge, soc, curtail, heat, heat_kwh, car, shed = powers
    if home.battery is not None:
        charge = np.minimum(np.maximum(charge, 0.0), home.battery.p_ch_max_kw)
        discharge = np.minimum(np.maximum(discharge, 0.0), home.battery.p_dis_max_kw)
    return Powers(
        charge,
        discharge,
        soc,
        np.minimum(np.maximum(curtail, 0.0), home.pv_kw),
        None if home.thermal is None else _clip(heat, home.thermal.q_max_kw),
        heat_kwh,
        None if home.ev is None else _clip(car, home.ev.p_max_kw * home.ev.avail),
        None if home.shed is None else _clip(shed, home.shed.max_kw),
    )


class Measured(NamedTuple):
    """Powers within their limits, how far they were outside (kW), their net power and private cost."""

    powers: Powers
    residual_kw: float
    net_kw: FloatArray
    private_cost: float


def measured(home: Home, powers: Powers, dt_h: float, allowed_kw: float = RESIDUAL_KW) -> Measured:
    """Measure the violation of every limit, refuse bad powers with `PlanRejected`, clip good ones."""
    distances = [0.0, _outside(powers.curtail_kw, 0.0, home.pv_kw)]
    if home.battery is not None:
        distances.append(_battery_residual(home.battery, powers, dt_h))
    if home.more_than_battery:
        distances.append(_other_residual(home, powers, dt_h))
    residual = float(np.array(distances).max())
    if not residual <= allowed_kw:
        raise PlanRejected(
            f"the plan breaks a limit of the home by {residual:.4f} kW, allowed are {allowed_kw:g} kW",
            next_step="use the safe rule for this slot and solve again with the next forecast",
        )
    powers = _clipped(home, powers)
    return Measured(powers, residual, net_power(home, powers), private_cost(home, powers, dt_h))


def scheduled(
    plan: Measured, iterations: int, objective: float | None = None, repairs: tuple[str, ...] = ()
) -> Schedule:
    """Return the plan of measured powers; `objective` is the private cost where nothing else was minimised."""
    powers, cost = plan.powers, plan.private_cost
    others: dict[str, FloatArray] = {}
    for name in ("heat_kw", "heat_kwh", "ev_kw", "shed_kw"):
        if (values := getattr(powers, name)) is not None:
            others[name] = values
    return Schedule(
        plan.net_kw,
        powers.charge_kw,
        powers.discharge_kw,
        powers.soc_kwh,
        powers.curtail_kw,
        cost,
        cost if objective is None else objective,
        "solved",
        iterations,
        plan.residual_kw,
        repairs,
        **others,
    )


def checked_schedule(
    home: Home,
    parts: Powers | tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    dt_h: float,
    iterations: int,
    allowed_kw: float = RESIDUAL_KW,
) -> Schedule:
    """Measure the violation of every limit, refuse a bad plan, clip a good one.

    `parts` are the powers (kW) and states (kWh) as the solver left them; of a home with battery and PV only the
    first four are needed. `objective` is the private cost; the caller adds what it minimised besides. Raises
    `PlanRejected` beyond `allowed_kw` (larger for a solver that was asked for less accuracy).
    """
    return scheduled(measured(home, Powers(*parts), dt_h, allowed_kw), iterations)
