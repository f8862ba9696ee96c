"""Island mode and power limits from outside (market-design section 11, oracle 09).

On an island nothing flows at the connection point; loads that may be left out are assets with a price, so the cheapest
is left out first. A grid operator's limit holds until it expires, then its fail-safe value does: a lost connection can
never leave a limit in force that nobody stands behind, nor lift one that must stay. Powers in kW, import positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.network import one_group
from honey_edge.market.grid.network_round import NetworkAgreement, solve_network
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.rounds.iteration import NEAR, QueenIteration, round_sigma
from honey_edge.market.rounds.queen_step import price_e7, price_per_kwh, queen_step

SLOT_S = 900
ISLAND_SCALE = 1.6
"""Sigma of an island's round over that of any other: its prices lie far from the tariff's, at the cost of curtailed sun
or of shed load, and have to get there first."""

_FAR_KW = 1e6
_EPS = 1e-5


def island_limits(slots: int) -> Limits:
    """Return the limits of an island: nothing in, nothing out."""
    return Limits(np.zeros(slots), np.zeros(slots))


def is_island(limits: Limits) -> bool:
    """Whether these limits let nothing in or out in any slot."""
    low, high = limits.pcc_min_kw, limits.pcc_max_kw
    return low is not None and high is not None and not low.any() and not high.any()


def island_sigma(tariff: Tariff, dt_h: float = 0.25) -> int:
    """Return sigma (whole kW^2 per coin) of an island's round."""
    return round(ISLAND_SCALE * round_sigma(tariff, dt_h, settled=False))


class IslandIteration(QueenIteration):
    """The Queen's side of an island's round; its limits are those of an island.

    Prices leave the tariff, up to `ceiling_per_kwh` that the homes accepted and as far below 0; without a ceiling
    they stay within 0 and the dearest price of the tariff. Where that is not enough, the limits do not hold.
    """

    ceiling_per_kwh = 0.0

    def within(self, ceiling_per_kwh: float) -> IslandIteration:
        """Set the ceiling; return itself."""
        self.ceiling_per_kwh = ceiling_per_kwh
        return self

    def _next_price(self, aggregate_kw: FloatArray) -> tuple[int, ...]:
        """Do the step and keep the price below the ceiling."""
        self.price_e7 = self._bearable(super()._next_price(aggregate_kw))
        self._net_kw = aggregate_kw - self._pull(self.price_e7)
        return self.price_e7

    def _provable(self, prices_e7: tuple[int, ...]) -> tuple[int, ...]:
        """Return the price that ends the round."""
        return self._bearable(super()._provable(prices_e7))

    def _bearable(self, prices_e7: tuple[int, ...]) -> tuple[int, ...]:
        low = min(-self.ceiling_per_kwh, float(self.tariff.sell_per_kwh.min()), 0.0)
        high = max(self.ceiling_per_kwh, float(self.tariff.buy_per_kwh.max()))
        return price_e7(np.clip(price_per_kwh(prices_e7), low, high))


def solve_island(homes: Sequence[Home], tariff: Tariff, dt_h: float = 0.25) -> NetworkAgreement:
    """Run the round of an island: the Queen asks for 0 in every slot, whatever price that takes."""
    limits = island_limits(tariff.slots)

    def step(aggregate_kw: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        net, price = queen_step(aggregate_kw[0], float(scale[0]), tariff, limits, dt_h)
        return net[None, :], price[None, :]

    sigma = island_sigma(tariff, dt_h)
    network = one_group(len(homes), limits, tariff.slots)
    return solve_network(homes, tariff, network, step, dt_h, sigma_kw2_per_coin=sigma, eps=_EPS, near=NEAR)


def with_priority(
    homes: Sequence[Home], priority: Sequence[int], first_cost_per_kwh: float, step_per_kwh: float
) -> list[Home]:
    """Return the homes with shedding priced by priority: 0 is left out first, every step more costs more.

    `first_cost_per_kwh` (above any price of the Hive's tariff) and `step_per_kwh` > 0 keep the order; a home without
    sheddable load is unchanged. `AssetError` for a list of another length.
    """
    if len(priority) != len(homes):
        raise AssetError(f"{len(priority)} priorities for {len(homes)} homes")
    if step_per_kwh <= 0.0 or first_cost_per_kwh < 0.0 or any(rank < 0 for rank in priority):
        raise AssetError("priorities count from 0, the first cost is at least 0 and the step above 0")
    return [
        home
        if home.shed is None
        else replace(home, shed=replace(home.shed, cost_per_kwh=first_cost_per_kwh + rank * step_per_kwh))
        for home, rank in zip(homes, priority, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class GridLimit:
    """A limit with an expiry: `min_kw`..`max_kw` until `until_unix_s`, afterwards the fail-safe values.

    None is no limit on that side. `AssetError` for a minimum above the maximum.
    """

    max_kw: float | None
    min_kw: float | None
    until_unix_s: int
    fail_safe_max_kw: float | None = None
    fail_safe_min_kw: float | None = None

    def __post_init__(self) -> None:
        """Check both pairs."""
        for low, high in ((self.min_kw, self.max_kw), (self.fail_safe_min_kw, self.fail_safe_max_kw)):
            if any(value is not None and not np.isfinite(value) for value in (low, high)):
                raise AssetError("a limit is no finite number; leave it out for no limit")
            if low is not None and high is not None and low > high:
                raise AssetError(f"min_kw {low} is above max_kw {high}")

    def limits(self, first_slot_unix_s: int, slots: int, slot_s: int = SLOT_S) -> Limits:
        """Return the limits of a horizon: a slot that the limit does not cover to its end has the stricter of both."""
        starts = first_slot_unix_s + slot_s * np.arange(slots)
        whole, none = starts + slot_s <= self.until_unix_s, starts >= self.until_unix_s
        low = _by_slot(self.min_kw, self.fail_safe_min_kw, whole, none, -np.inf, np.maximum)
        high = _by_slot(self.max_kw, self.fail_safe_max_kw, whole, none, np.inf, np.minimum)
        return _joined(low, high)


def _by_slot(
    now: float | None, later: float | None, whole: np.ndarray, none: np.ndarray, absent: float, stricter: np.ufunc
) -> FloatArray:
    """Return one side's limit per slot."""
    first = absent if now is None else now
    then = absent if later is None else later
    return np.asarray(np.where(whole, first, np.where(none, then, stricter(first, then))), dtype=np.float64)


def tightest(limits: Sequence[Limits], slots: int) -> Limits:
    """Return the limits that keep all of these: the Hive's own, the operator's, an island's.

    Where two contradict each other the smaller power wins, because less import is the safe side.
    """
    low, high = np.full(slots, -np.inf), np.full(slots, np.inf)
    for one in limits:
        low = low if one.pcc_min_kw is None else np.maximum(low, one.pcc_min_kw)
        high = high if one.pcc_max_kw is None else np.minimum(high, one.pcc_max_kw)
    return _joined(low, high)


def _joined(low_kw: FloatArray, high_kw: FloatArray) -> Limits:
    """Return limits from sides that may be infinite and may cross; the smaller power wins."""
    low = np.minimum(low_kw, high_kw)
    if not np.isfinite(low).any() and not np.isfinite(high_kw).any():
        return NO_LIMITS
    return Limits(
        np.maximum(low, -_FAR_KW) if np.isfinite(low).any() else None,
        np.minimum(high_kw, _FAR_KW) if np.isfinite(high_kw).any() else None,
    )
