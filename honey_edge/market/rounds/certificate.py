"""How far an agreement can be from the optimum: the published certificate of market-design section 6.

    L = sum_i min(h_i + lambda.p_i) + min(F(P) - lambda.P over the limits)   <=   optimum   <=   U

Each home's part is its own answer to the price without the quadratic term. The connection point's part is 0 for a
price between sell and buy; limits add their support term; with a peak charge the price may exceed the buy price by
that charge in all slots together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.plan import feasible_home
from honey_edge.market.homes.worker_step import COST_STEPS, WorkerIteration
from honey_edge.market.rounds.central import CentralSchedule

if TYPE_CHECKING:
    from honey_edge.market.rounds.iteration import QueenIteration

_PRICE_STEP = 1e-7


@dataclass(frozen=True)
class Certificate:
    """What is published of a round: the optimum lies between `lower_e9_coin` and `upper_e9_coin` (10^-9 coin).

    `gap` = (upper - lower) / (cost of all homes alone - upper): the largest share of the gain that was missed; infinite
    where the price proves nothing or nobody gains. None where the cost alone was not told.
    """

    upper_e9_coin: int
    lower_e9_coin: int | None
    gap: float | None

    @property
    def gap_ppm(self) -> int | None:
        """The gap in millionths, None where it is not a finite number."""
        return None if self.gap is None or not math.isfinite(self.gap) else round(self.gap * 1e6)


def certificate_of(upper_e9_coin: int, lower_e9_coin: int | None, standalone_e9_coin: int | None) -> Certificate:
    """Return the certificate of two bounds and the sum of what all homes would pay alone (10^-9 coin)."""
    if standalone_e9_coin is None:
        return Certificate(upper_e9_coin, lower_e9_coin, None)
    gain = standalone_e9_coin - upper_e9_coin
    if lower_e9_coin is None or gain <= 0:
        return Certificate(upper_e9_coin, lower_e9_coin, math.inf)
    return Certificate(upper_e9_coin, lower_e9_coin, max(0, upper_e9_coin - lower_e9_coin) / gain)


def certify_round(queen: QueenIteration, homes: Sequence[Home], sigma_kw2_per_coin: float) -> Certificate:
    """Return the certificate of a finished round in this process; every home answers once more."""
    workers = [WorkerIteration(home, sigma_kw2_per_coin, queen.dt_h) for home in homes if home.flexible]
    bound = sum(worker.bound_e9_coin(queen.agreed_e7) for worker in workers)
    alone = sum(worker.standalone_e9_coin(queen.tariff) for worker in workers)
    fixed = sum(queen.tariff.cost(home.base_kw, queen.dt_h) for home in homes if not home.flexible)
    proof = sum(worker.bound_e9_coin(queen.proof_e7) for worker in workers) if queen.proof_e7 else None
    return queen.best_certificate(bound, alone + round(fixed * COST_STEPS), proof)


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
    grid = connection_bound(price, tariff, limits, dt_h)
    if grid == -np.inf:
        return grid
    own = Tariff(price, price)
    ready = [feasible_home(home, dt_h, may_repair=True)[0] for home in homes]
    return grid + sum(CentralSchedule([home], own, NO_LIMITS, dt_h).solve().objective for home in ready)


def _on_the_tariff(price: FloatArray, tariff: Tariff) -> FloatArray:
    """Undo the rounding of the wire at the edges of the tariff."""
    price = np.where(np.abs(price - tariff.sell_per_kwh) <= _PRICE_STEP, tariff.sell_per_kwh, price)
    return np.where(np.abs(price - tariff.buy_per_kwh) <= _PRICE_STEP, tariff.buy_per_kwh, price)


def within_domain(price_per_kwh: FloatArray, tariff: Tariff, limits: Limits, dt_h: float) -> FloatArray:
    """Return the price moved to where it proves a lower bound: within the tariff, in sum at most the peak charge above.

    A limit bounds the power on its side, and then any price on that side proves something.
    """
    price = _on_the_tariff(price_per_kwh, tariff)
    if limits.pcc_min_kw is None:
        price = np.maximum(price, tariff.sell_per_kwh)
    if limits.pcc_max_kw is None:
        excess = np.maximum(price - tariff.buy_per_kwh, 0.0)
        charged = dt_h * float(excess.sum())
        most = max(0.0, tariff.peak_per_kw - dt_h * excess.size * _PRICE_STEP)  # rounding must not lift it above
        if charged > most:
            price = price - excess * (1.0 - most / charged)
    return price


def connection_bound(price_per_kwh: FloatArray, tariff: Tariff, limits: Limits, dt_h: float) -> float:
    """Return a lower bound (currency) of F(P) - lambda.P within the limits, exact without limits.

    Per slot the function is convex with a corner at 0, so the smallest value lies there or at a limit. The peak
    charge is worth at least any weights on the slots' imports that add up to it: the price's excess is covered.
    """
    price = _on_the_tariff(price_per_kwh, tariff)
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
