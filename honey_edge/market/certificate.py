"""How far an agreement can be from the optimum: the published certificate of market-design section 6.

    L = sum_i min(h_i + lambda.p_i) + min(F(P) - lambda.P over the limits)   <=   optimum   <=   U

Each home's part is its own answer to the price without the quadratic term. The connection point's part is 0 for a
price between sell and buy; limits add their support term; with a peak charge the price may exceed the buy price by
that charge in all slots together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from honey_edge.market.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.central import CentralSchedule
from honey_edge.market.plan import feasible_home

_PRICE_STEP = 1e-7


def lower_bound(
    homes: Sequence[Home],
    tariff: Tariff,
    price_per_kwh: FloatArray,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
) -> float:
    """Return L (currency) for an announced price (per kWh and slot); -inf where the price proves nothing.

    A price a rounding step outside the tariff is moved onto it first. The schedules are solved to about 1e-4 of a
    currency unit, and so far the bound may be too high.
    """
    price = _on_the_tariff(np.asarray(price_per_kwh, dtype=np.float64), tariff)
    grid = _connection_part(price, tariff, limits, dt_h)
    if grid == -np.inf:
        return grid
    own = Tariff(price, price)
    ready = [feasible_home(home, dt_h, may_repair=True)[0] for home in homes]
    return grid + sum(CentralSchedule([home], own, NO_LIMITS, dt_h).solve().objective for home in ready)


def _on_the_tariff(price: FloatArray, tariff: Tariff) -> FloatArray:
    """Undo the rounding of the wire at the edges of the tariff."""
    price = np.where(np.abs(price - tariff.sell_per_kwh) <= _PRICE_STEP, tariff.sell_per_kwh, price)
    return np.where(np.abs(price - tariff.buy_per_kwh) <= _PRICE_STEP, tariff.buy_per_kwh, price)


def _connection_part(price: FloatArray, tariff: Tariff, limits: Limits, dt_h: float) -> float:
    """Return a lower bound of F(P) - lambda.P within the limits, exact without limits.

    Per slot the function is convex with a corner at 0, so the smallest value lies there or at a limit. The peak
    charge is worth at least any weights on the slots' imports that add up to it: the price's excess is covered.
    """
    excess = np.maximum(price - tariff.buy_per_kwh, 0.0)
    covered = min(1.0, tariff.peak_per_kw / (dt_h * float(excess.sum()))) if excess.any() else 0.0
    buy = tariff.buy_per_kwh + covered * excess
    slots = price.size
    low = np.full(slots, -np.inf) if limits.pcc_min_kw is None else limits.pcc_min_kw
    high = np.full(slots, np.inf) if limits.pcc_max_kw is None else limits.pcc_max_kw
    smallest = _worth(limits.clip(np.zeros(slots)), price, buy, tariff.sell_per_kwh)
    for corner in (low, high):
        smallest = np.minimum(smallest, _worth(corner, price, buy, tariff.sell_per_kwh))
    return dt_h * float(smallest.sum())


def _worth(power_kw: FloatArray, price: FloatArray, buy: FloatArray, sell: FloatArray) -> FloatArray:
    """Return max(b*P, s*P) - lambda*P per slot; the limit value where the power is infinite."""
    slope = np.where(power_kw > 0.0, buy, sell) - price
    return np.where(slope == 0.0, 0.0, slope * np.where(slope == 0.0, 0.0, power_kw))
