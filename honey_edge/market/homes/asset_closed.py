"""Proximal answers of homes that need no solver: market-design section 2 with assets that are each one formula.

    minimise  private cost + ||net - target||^2/(2*scale)

Curtailing and shedding pull the net power in opposite directions and both cost something, so per slot at most one of
them moves, and each slot stands for itself. A car alone is a projection onto a box with one sum: the common price of
its energy follows from the sorted corners of a monotone function.
"""

from __future__ import annotations

import numpy as np

from honey_edge.market.homes.asset_schedule import Powers
from honey_edge.market.homes.assets import Ev, FloatArray, Home


def has_closed_form(home: Home) -> bool:
    """Whether `closed_form` answers for this home."""
    if home.battery is not None or home.thermal is not None:
        return False
    others = home.shed is not None or (home.pv_curtailable and bool((home.pv_kw > 0.0).any()))
    return home.ev is None or not others


def closed_form(home: Home, target_kw: FloatArray, scale: float, dt_h: float) -> Powers:
    """Return the optimal powers (kW) for this target; `scale` in kW^2 per currency."""
    zeros = np.zeros(home.slots)
    wish = target_kw - home.base_kw
    curtail, shed, car = zeros, None, None
    if home.pv_curtailable:
        curtail = np.clip(wish / (1.0 + 2.0 * dt_h * home.curt_c_quad * scale), 0.0, home.pv_kw)
    if home.shed is not None:
        pull = -wish - dt_h * home.shed.cost_per_kwh * scale
        shed = np.clip(pull / (1.0 + 2.0 * dt_h * home.shed.c_quad * scale), 0.0, home.shed.max_kw)
    if home.ev is not None:
        car = car_powers(home.ev, wish, 1.0 + 2.0 * dt_h * home.ev.c_quad * scale, dt_h)
    return Powers(zeros, zeros, zeros, curtail, ev_kw=car, shed_kw=shed)


def car_powers(ev: Ev, wish_kw: FloatArray, weight: float, dt_h: float) -> FloatArray:
    """Return clip((wish + mu)/weight, 0, most) with the one mu that gives the car its energy.

    The sum grows from 0 to that of the limits as mu grows, with corners where a slot starts and where it is full.
    """
    most = ev.p_max_kw * ev.avail
    asked = ev.e_req_kwh / (dt_h * ev.eta)
    there = most > 0.0
    if not there.any() or asked <= 0.0:
        return np.zeros(most.size)
    wish, limit = wish_kw[there], most[there]
    starts, ends = -wish, weight * limit - wish
    corners = np.concatenate([starts, ends])
    slopes = np.concatenate([np.ones(wish.size), -np.ones(wish.size)])
    order = np.argsort(corners, kind="stable")
    corners, slope = corners[order], np.cumsum(slopes[order]) / weight
    sums = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(corners))])
    at = int(np.searchsorted(sums, asked, side="left"))
    if at >= sums.size:
        mu = corners[-1]
    elif at == 0:
        mu = corners[0]
    else:
        mu = corners[at - 1] + (asked - sums[at - 1]) / slope[at - 1]
    power = np.zeros(most.size)
    power[there] = np.clip((wish + mu) / weight, 0.0, limit)
    return power
