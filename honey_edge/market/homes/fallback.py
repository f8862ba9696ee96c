"""What to do when a round ends without agreement and the limits would break (market-design section 6, last part).

The limit of the connection point is tightened by half a per cent and shared out; every home then plans for itself at
its own tariff within its share. What the homes need anyway is theirs; what is left, or what has to be saved, is shared
in proportion to the power that each can move. A home that cannot meet its share plans as near to it as it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import InfeasibleHive, PlanRejected
from honey_edge.market.homes.assets import FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.plan import Schedule, feasible_home
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.rounds.central import CentralSchedule

TIGHTER = 5e-3
"""Share by which limits are tightened before they are shared out."""

_NEAR_SIGMA = 1.0
"""Weight of the private cost beside the distance to the share (kW^2 per currency): hardly any."""


@dataclass(frozen=True, eq=False)
class LocalPlans:
    """Plans in the order of the homes, and by how much their sum still leaves the limits (kW, 0: they hold)."""

    schedules: tuple[Schedule, ...]
    excess_kw: float


def movable_kw(home: Home) -> float:
    """Return the power (kW) that a home can move at all."""
    power = 0.0 if home.battery is None else home.battery.p_ch_max_kw + home.battery.p_dis_max_kw
    power += 0.0 if home.thermal is None else home.thermal.q_max_kw
    power += 0.0 if home.ev is None else home.ev.p_max_kw
    power += 0.0 if home.shed is None else float(home.shed.max_kw.max())
    return power + (float(home.pv_kw.max()) if home.pv_curtailable else 0.0)


def shared_limits(homes: Sequence[Home], limits: Limits) -> tuple[Limits, ...]:
    """Return each home's own limits; they add up to the tightened limits wherever somebody can move."""
    base = np.array([home.base_kw for home in homes])
    movable = np.array([movable_kw(home) for home in homes])
    weight = movable / movable.sum() if movable.sum() > 0.0 else np.zeros(len(homes))
    total = base.sum(axis=0)

    def shares(limit_kw: FloatArray | None, inwards: float) -> list[FloatArray | None]:
        if limit_kw is None:
            return [None] * len(homes)
        left = limit_kw + inwards * TIGHTER * np.abs(limit_kw) - total
        return [own + part * left for own, part in zip(base, weight, strict=True)]

    low, high = shares(limits.pcc_min_kw, 1.0), shares(limits.pcc_max_kw, -1.0)
    return tuple(_crossing_free(least, most) for least, most in zip(low, high, strict=True))


def _crossing_free(least: FloatArray | None, most: FloatArray | None) -> Limits:
    """Return limits whose lower one gives way where tightening made them cross."""
    return Limits(least if least is None or most is None else np.minimum(least, most), most)


def local_plans(homes: Sequence[Home], tariff: Tariff, limits: Limits, dt_h: float = 0.25) -> LocalPlans:
    """Return the homes' own plans within their shares of the limits."""
    plans = tuple(_plan(home, tariff, own, dt_h) for home, own in zip(homes, shared_limits(homes, limits), strict=True))
    return LocalPlans(plans, limits.excess_kw(np.sum([plan.net_kw for plan in plans], axis=0)))


def _plan(home: Home, tariff: Tariff, limits: Limits, dt_h: float) -> Schedule:
    """Return one home's cheapest plan within its limits, or the plan nearest to them."""
    ready = feasible_home(home, dt_h, may_repair=True)[0]
    if home.flexible:
        try:
            return CentralSchedule([ready], tariff, limits, dt_h).solve().schedules[0]
        except (InfeasibleHive, PlanRejected):
            pass
    return ProximalSchedule(ready, dt_h, _NEAR_SIGMA).solve(limits.clip(home.base_kw))
