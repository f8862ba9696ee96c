"""From a solver's plan to one that can be executed exactly: netted, clipped and simulated again (market-design 2).

First-order solutions break limits by about their tolerance, and where a price is negative a plan may charge and
discharge at once. Here every state is computed again from the powers, and a power is moved by as little as brings
the state into its window and keeps what is asked for at the end within reach.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from honey_edge.market.homes.asset_schedule import Powers, Schedule, net_power, private_cost
from honey_edge.market.homes.assets import Battery, Ev, FloatArray, Home, Thermal
from honey_edge.market.homes.repair import feasible_home


def resimulate(schedule: Schedule, home_or_battery: Home | Battery, dt_h: float = 0.25) -> Schedule:
    """Return the plan as the assets will really follow it: every limit exactly met.

    Charging and discharging in the same slot is netted at the terminals (the net power stays, the losses of the
    detour vanish). For a `Home` all assets are simulated, those that contradict themselves as `feasible_home` repairs
    them, and `private_cost` is that of the new powers. For a `Battery` the other assets stay as they are and
    `net_kw` changes by what was cut. `objective` stays that of the plan.
    """
    if isinstance(home_or_battery, Battery):
        charge, discharge, soc = _battery_run(home_or_battery, schedule.charge_kw, schedule.discharge_kw, dt_h)
        net = schedule.net_kw + (charge - schedule.charge_kw) - (discharge - schedule.discharge_kw)
        return replace(schedule, net_kw=net, charge_kw=charge, discharge_kw=discharge, soc_kwh=soc)
    home, _ = feasible_home(home_or_battery, dt_h, may_repair=True)
    powers = _home_run(home, schedule, dt_h)
    cost = private_cost(home, powers, dt_h)
    charge, discharge, soc, curtail, *others = powers
    moved = replace(
        schedule,
        net_kw=net_power(home, powers),
        charge_kw=charge,
        discharge_kw=discharge,
        soc_kwh=soc,
        curtail_kw=curtail,
        private_cost=cost,
    )
    return moved.with_others(*others)


def _home_run(home: Home, schedule: Schedule, dt_h: float) -> Powers:
    """Return powers and states of all assets of a home whose limits agree."""
    charge = discharge = soc = zeros = np.zeros(home.slots)
    if home.battery is not None:
        charge, discharge, soc = _battery_run(home.battery, schedule.charge_kw, schedule.discharge_kw, dt_h)
    curtail = np.clip(schedule.curtail_kw, 0.0, home.pv_kw) if home.pv_curtailable else zeros
    heat, heat_kwh = (zeros, zeros) if home.thermal is None else _heat_run(home.thermal, schedule.heat_kw, dt_h)
    car = zeros if home.ev is None else _car_run(home.ev, schedule.ev_kw, dt_h)
    shed = zeros if home.shed is None else np.clip(schedule.shed_kw, 0.0, home.shed.max_kw)
    return Powers(charge, discharge, soc, curtail, heat, heat_kwh, car, shed)


def _battery_run(
    battery: Battery, charge_kw: FloatArray, discharge_kw: FloatArray, dt_h: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return charge, discharge (kW) and state of charge (kWh) of a battery that does as planned as far as it can."""
    up, down = dt_h * battery.eta_c, dt_h / battery.eta_d
    most_up, most_down = up * battery.p_ch_max_kw, down * battery.p_dis_max_kw
    slots = charge_kw.size
    end = min(max(battery.e_end_min_kwh, battery.e_min_kwh), battery.e_max_kwh)
    needed = np.maximum(battery.e_min_kwh, end - most_up * np.arange(slots - 1, -1, -1.0)).tolist()
    powers = (charge_kw - discharge_kw).tolist()
    charge, discharge, soc = [0.0] * slots, [0.0] * slots, [0.0] * slots
    level = min(max(battery.e0_kwh, battery.e_min_kwh), battery.e_max_kwh)
    for slot in range(slots):
        wish = min(max(powers[slot], -battery.p_dis_max_kw), battery.p_ch_max_kw)
        planned = level + (up * wish if wish > 0.0 else down * wish)
        lowest = max(needed[slot], level - most_down)
        reached = min(max(planned, lowest), battery.e_max_kwh, level + most_up)
        if reached != planned:
            wish = (reached - level) / (up if reached > level else down)
            wish = min(max(wish, -battery.p_dis_max_kw), battery.p_ch_max_kw)
        charge[slot], discharge[slot] = max(wish, 0.0), max(-wish, 0.0)
        soc[slot] = level = reached
    return np.array(charge), np.array(discharge), np.array(soc)


def _heat_run(thermal: Thermal, heat_kw: FloatArray, dt_h: float) -> tuple[FloatArray, FloatArray]:
    """Return heating power (kW) and state (kWh) of a store that does as planned as far as its band allows."""
    low, high = (bound.tolist() for bound in thermal.band_kwh())
    keep, gain = 1.0 - thermal.loss_per_step, dt_h * thermal.cop
    full, taken = gain * thermal.q_max_kw, (dt_h * thermal.draw_kw).tolist()
    slots = heat_kw.size
    needed = low.copy()
    for slot in range(slots - 1, 0, -1):
        needed[slot - 1] = max(low[slot - 1], (needed[slot] + taken[slot] - full) / keep)
    planned, heat, states = heat_kw.tolist(), [0.0] * slots, [0.0] * slots
    level = thermal.s0_kwh
    for slot in range(slots):
        cold = keep * level - taken[slot]
        wish = min(max(planned[slot], 0.0), thermal.q_max_kw)
        reached = cold + gain * wish
        inside = min(max(reached, needed[slot]), high[slot])
        if inside != reached:
            wish = min(max((inside - cold) / gain, 0.0), thermal.q_max_kw)
            reached = cold + gain * wish
        heat[slot] = wish
        states[slot] = level = reached
    return np.array(heat), np.array(states)


def _car_run(ev: Ev, car_kw: FloatArray, dt_h: float) -> FloatArray:
    """Return charging power (kW) within the car's limits whose sum is exactly what the car asks for.

    What is missing is spread over the room that is left, what is too much is taken off in proportion.
    """
    most = ev.p_max_kw * ev.avail
    power = np.clip(car_kw, 0.0, most)
    asked, planned = ev.e_req_kwh / (dt_h * ev.eta), float(power.sum())
    if planned > asked:
        return power * (asked / planned)
    room = most - power
    free = float(room.sum())
    if asked <= planned or free <= 0.0:
        return power
    return np.minimum(power + room * min(1.0, (asked - planned) / free), most)
