"""The price iteration in floating point, to high accuracy: the direct solve where one large program is too slow.

The same two steps as market-design section 4, without integers, messages or a limit of 60 iterations. A
first-order solver on the whole program can oscillate on nearly linear problems with a peak charge; here the
Queen's step is exact and each home's step is strongly convex, so both always converge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from honey_edge.market.errors import PlanRejected
from honey_edge.market.homes.assets import FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.plan import Schedule
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.rounds.queen_step import RELAXATION, default_sigma, queen_step

_MAX_ITERATIONS = 4_000
_MISMATCH_KW = 1e-5


def split_schedules(
    homes: Sequence[Home], tariff: Tariff, limits: Limits, dt_h: float
) -> tuple[tuple[Schedule, ...], FloatArray, int]:
    """Return plans (in the order of the homes), price per kWh and iterations.

    Ends when the plans match what the Queen's step asks for within 1e-5 kW (per kW of the largest power) in
    two steps in a row; `PlanRejected` after 4000 iterations. The caller makes sure that limits can be met.
    """
    sigma = float(default_sigma(tariff, dt_h))
    solvers = [ProximalSchedule(home, dt_h, sigma, 1e-6, polishing=True) for home in homes]
    price = (tariff.buy_per_kwh + tariff.sell_per_kwh) / 2.0
    states = [home.base_kw + sigma * dt_h * price for home in homes]
    steady = 0
    for iteration in range(1, _MAX_ITERATIONS + 1):
        asked, price = queen_step(np.sum(states, axis=0), sigma * len(homes), tariff, limits, dt_h)
        pull = sigma * dt_h * price
        plans = tuple(solver.solve(state - 2.0 * pull) for solver, state in zip(solvers, states, strict=True))
        own = [plan.net_kw - (state - pull) for plan, state in zip(plans, states, strict=True)]
        total = np.sum([plan.net_kw for plan in plans], axis=0)
        mismatch = max(float(np.abs(total - asked).max()), max(float(np.abs(step).max()) for step in own))
        steady = steady + 1 if mismatch <= _MISMATCH_KW * max(1.0, float(np.abs(total).max())) else 0
        if steady >= 2:
            return plans, price, iteration
        states = [state + RELAXATION * step for state, step in zip(states, own, strict=True)]
    raise PlanRejected(
        f"the plans still differ from the price's demand by {mismatch:.6f} kW",
        next_step="use the safe rule for this slot and solve again with the next forecast",
    )
