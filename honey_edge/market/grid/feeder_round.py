"""The Queen's side of a round with a voltage band: one price per electrical node, one common price to announce.

`NetworkQueen` wants the sums of every node; whoever collects answers by node hands them over with `opens` and
`ahead`. To the conversation around it this class then looks like the iteration of a Hive without inner limits: `start`
and `absorb` return the common price, which is the nodes' mean by what their homes can move. Settlement uses that one:
what the nodes' prices differ by keeps the band and is not collected (section 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from honey_edge.market.errors import PlanRejected
from honey_edge.market.grid.network import Network
from honey_edge.market.grid.network_round import NetworkQueen
from honey_edge.market.grid.voltage import queen_step_voltage
from honey_edge.market.grid.voltage_round import MISMATCH_SHARE
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Limits, Tariff
from honey_edge.market.rounds.anderson import HeldSums
from honey_edge.market.rounds.iteration import MAX_ITERATIONS
from honey_edge.market.rounds.queen_step import price_e7, price_per_kwh, queen_step
from honey_edge.market.rounds.stragglers import Sums


class FeederQueen(NetworkQueen):
    """One round; `flexible_of` and `constant_w` are by node, `price0_e7` is the common starting price.

    `unkept` says that in some iteration no powers at all kept the band: that step was made without it.
    """

    def __init__(
        self,
        tariff: Tariff,
        network: Network,
        flexible_of: Sequence[int],
        sigma_kw2_per_coin: float,
        constant_w: Sequence[Sequence[int]],
        price0_e7: Sequence[int],
        *,
        limits: Limits = NO_LIMITS,
        dt_h: float = 0.25,
        max_iterations: int = MAX_ITERATIONS,
    ) -> None:
        super().__init__(
            tariff, network, self._banded, flexible_of, sigma_kw2_per_coin, constant_w,
            dt_h=dt_h, max_iterations=max_iterations, mismatch_share=MISMATCH_SHARE, blend=True,
        )  # fmt: skip
        self._connection, self.unkept = limits, False
        self._opening_w: tuple[int, ...] = ()
        self._prepared: tuple[int, ...] | None = None
        self.price_e7 = self._agreed = tuple(price0_e7) * network.groups

    @property
    def agreed_e7(self) -> tuple[int, ...]:
        """The common price that ends the round."""
        return self._common(self._agreed)

    @agreed_e7.setter
    def agreed_e7(self, prices_e7: tuple[int, ...]) -> None:
        self._agreed = prices_e7

    def agreed_of(self, group: int) -> tuple[int, ...]:
        """Return the price of a node that ends the round."""
        slots = self.tariff.slots
        return self._agreed[group * slots : (group + 1) * slots]

    def opens(self, power_w: Sequence[Sequence[int]]) -> None:
        """Take the sums of the starting profiles by node (W)."""
        self._opening_w = tuple(power for node in power_w for power in node)

    def ahead(self, told: Sums) -> None:
        """Take an iteration's sums, all nodes one after the other; `absorb` then returns what follows.

        This is the part that takes time; it may run in a thread while nobody else uses this object.
        """
        self._prepared = super().absorb(
            told.power_w, told.cost_e9_coin, told.correction_kw, told.residual_e9_kw2, told.inner_e9_kw2,
            told.missing_share,
        )  # fmt: skip
        if self.blend is not None:
            self.blend = replace(self.blend, total_kw=self.blend.total_kw.sum(axis=0))

    def start(self, power0_sum_w: Sequence[int], cost_sum_e9_coin: int = 0) -> tuple[int, ...]:
        """Return the first common price; the profiles are those of `opens`."""
        return self._common(super().start(self._opening_w, cost_sum_e9_coin))

    def absorb(
        self,
        power_sum_w: Sequence[int],
        cost_sum_e9_coin: int = 0,
        correction_kw: HeldSums | None = None,
        residual_e9_kw2: int = 0,
        inner_e9_kw2: Sequence[int] = (),
        missing_share: float = 0.0,
    ) -> tuple[int, ...]:
        """Return the next common price; the sums are those of `ahead`."""
        assert self._prepared is not None
        prepared, self._prepared = self._prepared, None
        return self._common(prepared)

    def _lower_e9(self, prices_e7: tuple[int, ...], bound_sum_e9_coin: int) -> int | None:
        """Return None: a lower bound needs to know every home's reach, which the Queen does not."""
        return None

    def _common(self, prices_e7: Sequence[int]) -> tuple[int, ...]:
        """Return the mean of the nodes' prices, weighted by their scale."""
        prices = self._by_group(price_per_kwh(prices_e7))
        return price_e7(self._scales @ prices / float(self._scales.sum()))

    def _banded(self, aggregate_kw: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Do the step with the band; without it where nothing keeps it, which `unkept` then says."""
        try:
            return queen_step_voltage(aggregate_kw, scale, self.tariff, self.network, self._connection, self.dt_h)
        except PlanRejected:
            self.unkept = True
        total, price = queen_step(
            aggregate_kw.sum(axis=0), float(scale.sum()), self.tariff, self._connection, self.dt_h
        )
        return np.tile(total / len(scale), (len(scale), 1)), np.tile(price, (len(scale), 1))
