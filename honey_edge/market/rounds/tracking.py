"""Optional term in the Hive's objective: follow a profile that was committed to a retailer (white paper 4.1).

    F'(P) = F(P) + dt * weight/2 * sum_t (P_t - committed_t)^2

With it the Queen's step stays the closed one. Both quadratics of the step join into one around a shifted target:

    (Z-W)^2/(2S) + dt*weight/2*(Z-C)^2  =  (Z-W')^2/(2S') + constant,
    S' = S/(1 + S*dt*weight),   W' = (W + S*dt*weight*C)/(1 + S*dt*weight)

so limits and peak charge are handled as before, and the price is still (W - Z)/(S*dt). The price now contains the
marginal worth weight*(P - C) of keeping the promise and may leave [s, b]; settlement clips it (section 8), so P8 and P9
do not depend on it. `weight` is in currency per kWh and kW: with 0.01, being 10 kW off moves the price by 0.1 per kWh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError, ProtocolError
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Limits, Tariff, profile
from honey_edge.market.homes.worker_step import COST_STEPS
from honey_edge.market.rounds.certificate import Certificate, certificate_of, connection_bound
from honey_edge.market.rounds.iteration import QueenIteration
from honey_edge.market.rounds.queen_step import PRICE_LIMIT, kilowatts, price_e7, price_per_kwh, queen_step


@dataclass(frozen=True, eq=False)
class Commitment:
    """What was promised: mean power at the connection point per slot (kW, import positive), and what a deviation is
    worth (`weight`, currency per kWh and kW, not negative)."""

    committed_kw: FloatArray
    weight: float

    def __post_init__(self) -> None:
        """Copy and check."""
        object.__setattr__(self, "committed_kw", profile("committed_kw", self.committed_kw))
        if not (np.isfinite(self.weight) and self.weight >= 0.0):
            raise AssetError(f"the tracking weight is {self.weight}; it must be finite and not negative")

    def cost(self, power_kw: FloatArray, dt_h: float) -> float:
        """Return the penalty of a profile (currency)."""
        away = power_kw - self.committed_kw
        return 0.5 * self.weight * dt_h * float(away @ away)


def tracking_step(
    aggregate_kw: FloatArray,
    total_scale: float,
    tariff: Tariff,
    commitment: Commitment,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
) -> tuple[FloatArray, FloatArray]:
    """Return (z_kw, price_per_kwh) of the Queen's step with the tracking term; arguments as `queen_step`."""
    if commitment.committed_kw.size != tariff.slots:
        raise AssetError(f"the commitment has {commitment.committed_kw.size} slots, the tariff {tariff.slots}")
    pull = total_scale * dt_h * commitment.weight
    shifted = (np.asarray(aggregate_kw, dtype=np.float64) + pull * commitment.committed_kw) / (1.0 + pull)
    net, _ = queen_step(shifted, total_scale / (1.0 + pull), tariff, limits, dt_h)
    return net, (aggregate_kw - net) / (total_scale * dt_h)


class TrackingQueen(QueenIteration):
    """A `QueenIteration` whose step and objective contain a commitment; Workers notice nothing but the price."""

    def __init__(
        self,
        tariff: Tariff,
        flexible: int,
        sigma_kw2_per_coin: float,
        commitment: Commitment,
        *,
        limits: Limits = NO_LIMITS,
        constant_w: Sequence[int] | None = None,
        price0_e7: Sequence[int] | None = None,
        dt_h: float = 0.25,
        max_iterations: int = 60,
        accelerate: bool = True,
    ) -> None:
        super().__init__(
            _TrackedTariff(tariff.buy_per_kwh, tariff.sell_per_kwh, tariff.peak_per_kw, commitment),
            flexible,
            sigma_kw2_per_coin,
            limits=limits,
            constant_w=constant_w,
            price0_e7=price0_e7,
            dt_h=dt_h,
            max_iterations=max_iterations,
            accelerate=accelerate,
        )
        self.commitment = commitment

    def _next_price(self, aggregate_kw: FloatArray) -> tuple[int, ...]:
        """Do the step with the tracking term, and keep what follows from the price as it is transmitted."""
        _, price = tracking_step(aggregate_kw, self._scale, self.tariff, self.commitment, self.limits, self.dt_h)
        self.price_e7 = price_e7(np.clip(price, -PRICE_LIMIT, PRICE_LIMIT))
        self._net_kw = aggregate_kw - self._pull(self.price_e7)
        return self.price_e7

    def certificate(self, bound_sum_e9_coin: int, standalone_sum_e9_coin: int | None = None) -> Certificate:
        """Return the certificate with F' in place of F; what the homes would pay alone contains no commitment."""
        if self.progress is None:
            raise ProtocolError("no answers were absorbed yet", next_step="finish an iteration first")
        price = price_per_kwh(self.agreed_e7)
        grid = tracking_bound(price, self.tariff, self.commitment, self.limits, self.dt_h)
        fixed = self.dt_h * float(price @ kilowatts(self._constant_w))
        upper = math.ceil(self.progress.objective * COST_STEPS)
        return certificate_of(
            upper, bound_sum_e9_coin + math.floor((grid + fixed) * COST_STEPS), standalone_sum_e9_coin
        )


def tracking_bound(
    price: FloatArray, tariff: Tariff, commitment: Commitment, limits: Limits = NO_LIMITS, dt_h: float = 0.25
) -> float:
    """Return a lower bound (currency) of F'(P) - lambda.P within the limits; the peak charge only raises F'.

    Per slot the function is convex: its minimum is at 0 or where one of its two branches is level. -inf without a
    weight where the price leaves the tariff.
    """
    if commitment.weight == 0.0:
        return connection_bound(price, tariff, limits, dt_h)
    importing = commitment.committed_kw + (price - tariff.buy_per_kwh) / commitment.weight
    exporting = commitment.committed_kw + (price - tariff.sell_per_kwh) / commitment.weight
    best = np.where(importing > 0.0, importing, np.where(exporting < 0.0, exporting, 0.0))
    power = limits.clip(best)
    slope = np.where(power > 0.0, tariff.buy_per_kwh, tariff.sell_per_kwh) - price
    return dt_h * float(slope @ power) + commitment.cost(power, dt_h)


@dataclass(frozen=True, eq=False)
class _TrackedTariff(Tariff):
    """A tariff whose cost contains the penalty: what the stopping rule watches."""

    commitment: Commitment | None = None

    def cost(self, net_kw: FloatArray, dt_h: float) -> float:
        """Return F'(net) in currency units."""
        own = Tariff.cost(self, net_kw, dt_h)
        return own if self.commitment is None else own + self.commitment.cost(net_kw, dt_h)
