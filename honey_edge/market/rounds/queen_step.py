"""The Queen's half of one iteration in closed form (market-design section 4 step 1, oracle 13), and its integers.

    Z = argmin F(Z) + ||Z - W||^2 / (2*S)   within the limits,      price = (W - Z) / (S*dt)

Powers in kW on this side and whole watts on the wire, prices per kWh here and whole 10^-7 coin per kWh there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from honey_edge.market.errors import AssetError, ProtocolError
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Limits, Tariff

RELAXATION = 1.7
"""Over-relaxation a of section 4."""

PRICE_STEPS = 10_000_000
"""Steps of a price on the wire in one coin per kWh."""

_INT32 = 2**31 - 1

PRICE_LIMIT = 200.0
"""Largest price (coin per kWh) that is broadcast; 32 bits hold 214."""


def default_sigma(tariff: Tariff, dt_h: float = 0.25) -> int:
    """Return the scale sigma (whole kW^2 per coin): 1/rho with rho = 0.01 at 0.2 per kWh and slots of 15 min."""
    level = max(1e-3, float(np.abs(tariff.buy_per_kwh).mean()))
    return max(1, round(100.0 * (0.2 / level) * (0.25 / dt_h)))


def whole(values: FloatArray, steps: int) -> tuple[int, ...]:
    """Round to whole 1/`steps`, as transmitted; `ProtocolError` where a number does not fit 32 bits."""
    scaled = np.rint(np.asarray(values, dtype=np.float64) * steps)
    if not bool((np.abs(scaled) <= _INT32).all()):
        raise ProtocolError(
            f"a number is outside 32 bits at {steps} steps per unit",
            next_step="check the forecast and the tariff for absurd numbers",
        )
    return tuple(int(number) for number in scaled)


def watts(power_kw: FloatArray) -> tuple[int, ...]:
    """Return powers (kW) as transmitted, in whole watts."""
    return whole(power_kw, 1000)


def kilowatts(power_w: Sequence[int]) -> FloatArray:
    """Return transmitted powers (W) in kW."""
    return np.array(power_w, dtype=np.float64) / 1000.0


def price_e7(price_per_kwh: FloatArray) -> tuple[int, ...]:
    """Return prices (coin per kWh) as transmitted, in whole 10^-7 coin per kWh."""
    return whole(price_per_kwh, PRICE_STEPS)


def price_per_kwh(prices_e7: Sequence[int]) -> FloatArray:
    """Return transmitted prices (10^-7 coin per kWh) in coin per kWh."""
    return np.array(prices_e7, dtype=np.float64) / PRICE_STEPS


def queen_step(
    aggregate_kw: FloatArray,
    total_scale: float,
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
) -> tuple[FloatArray, FloatArray]:
    """Return (z_kw, price_per_kwh) for W = `aggregate_kw` and S = `total_scale` (kW^2 per currency).

    Per slot W is moved towards 0 by S*dt*b (importing) or S*dt*s (exporting), clipped to the limits, and,
    with a peak charge, cut at the height whose marginal worth is the charge.
    """
    aggregate = np.asarray(aggregate_kw, dtype=np.float64)
    if aggregate.shape != tariff.buy_per_kwh.shape or total_scale <= 0.0:
        raise AssetError(f"the aggregate has {aggregate.size} slots, the tariff {tariff.slots}; scale {total_scale}")
    importing = aggregate - total_scale * dt_h * tariff.buy_per_kwh
    exporting = aggregate - total_scale * dt_h * tariff.sell_per_kwh
    free = np.where(importing > 0.0, importing, np.where(exporting < 0.0, exporting, 0.0))
    net = limits.clip(free)
    if tariff.peak_per_kw > 0.0 and float(net.max()) > 0.0:
        cap = _peak_cap(importing, net, total_scale * tariff.peak_per_kw, limits)
        net = limits.clip(np.minimum(free, cap))
    return net, (aggregate - net) / (total_scale * dt_h)


def _peak_cap(importing: FloatArray, net: FloatArray, worth_kw: float, limits: Limits) -> float:
    """Return the height M at which the slots above it would together move by `worth_kw`: bisection, 60 halvings.

    Slots whose own limit lies below M are held by the limit and do not count. M is at least 0 and what the
    lower limits force.
    """
    high = float(net.max())
    low = 0.0 if limits.pcc_min_kw is None else max(0.0, float(limits.pcc_min_kw.max()))
    ceiling = np.inf if limits.pcc_max_kw is None else limits.pcc_max_kw

    def moved_kw(cap: float) -> float:
        return float(np.where(ceiling > cap, np.maximum(importing - cap, 0.0), 0.0).sum())

    if moved_kw(low) <= worth_kw:
        return low
    for _ in range(60):
        middle = 0.5 * (low + high)
        if moved_kw(middle) > worth_kw:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
