"""A Hive's price rounds toward a target of its whole sum: what a daughter Queen does for each price of her mother.

The mother asks for the p that minimises H(p) + |p - target|^2 / (2*sigma), H(p) being the least private cost at which
the homes draw p together within the node's limits. The daughter's step has this square in the place of the grid's
tariff, S = sigma of her homes times their number:

    Z = clip((target/sigma + W/S) / (1/sigma + 1/S), limits),      her price = (W - Z) / (S*dt)

`Toward` is fed with the sums of the homes' answers and knows no home: the synchronous `daughter.DaughterProximal` and
the daemon's rounds over a broker both run it. Powers without the members that have nothing to decide, unless said.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import FloatArray, Limits, Tariff
from honey_edge.market.homes.worker_step import COST_STEPS, of_horizon
from honey_edge.market.rounds.anderson import HeldSums, SplitState, Weights
from honey_edge.market.rounds.blend import BLEND_DEPTH, Blender
from honey_edge.market.rounds.queen_step import PRICE_LIMIT, kilowatts, price_e7, price_per_kwh, watts

MAX_INNER = 120
"""Price rounds of the daughter for one price of her mother, at most."""

STILL_KW = 5e-4
"""Root mean square residual of a home's power at which her rounds end: what rounding to a watt leaves is below it."""

MATCHED_KW = 0.25e-3
"""Mean distance of the sum to what she asks for at which her rounds end, times the root of her homes' number: what
rounding to a watt leaves. Every watt beside costs her mother half of what buying is dearer than selling."""

CLOSE_SHARE = 0.01
"""Sigma of the target, over that of a price's, when her homes are to meet a given sum: the pull is so much stronger."""

_LEAST_WORTH_PER_KWH = 1e-3


@dataclass(frozen=True, slots=True)
class Opening:
    """What a Hive opens a mother's round with: its sum (W, everybody), and what its homes would pay alone (10^-9 coin,
    None where one did not tell)."""

    flexible: bool
    power_w: tuple[int, ...]
    alone_e9_coin: int | None = None


@dataclass(frozen=True, slots=True)
class Nearest:
    """A Hive's answer to a target: its sum (W, everybody), the private costs (10^-9 coin), whether it stood still."""

    power_w: tuple[int, ...]
    cost_e9_coin: int
    still: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a mother's round ends for a Hive: her price, and the sum that her homes are to meet (W; None: as it stands).

    `import_room_w` and `export_room_w` are what no agreement keeps to: then the homes plan alone within shares of them
    (W per slot; () where there is no limit). `proof_e7` is a second price that a bound is asked for at.
    """

    price_e7: tuple[int, ...]
    wanted_w: tuple[int, ...] | None = None
    import_room_w: tuple[int, ...] = ()
    export_room_w: tuple[int, ...] = ()
    proof_e7: tuple[int, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether the homes plan alone within shares."""
        return bool(self.import_room_w or self.export_room_w)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a Hive's homes adopted: their sum (W, everybody), and its part of the mother's certificate (10^-9 coin)."""

    power_w: tuple[int, ...]
    bound_e9_coin: int | None = None
    alone_e9_coin: int | None = None
    proof_e9_coin: int | None = None


class Toward:
    """`begin`, then for each target `aim` and as often as needed `step`, answers, `absorb`.

    `moving` homes answer with the scale `sigma_kw2_per_coin`; `constant_w` is the sum of the others. `price_e7`,
    `gamma_e9` and `forget` are what is broadcast next, `rounds` counts the answers since `aim`. `congestion_per_kwh` is
    what her node's limits add to the price (coin per kWh).
    """

    def __init__(
        self, limits: Limits, moving: int, sigma_kw2_per_coin: float, dt_h: float, constant_w: Sequence[int]
    ) -> None:
        self.limits, self.dt_h, self.sigma = limits, dt_h, float(sigma_kw2_per_coin)
        self.constant_w, self.slots = tuple(constant_w), len(constant_w)
        self._matched_kw = MATCHED_KW * math.sqrt(moving)
        self._scale, self._numbers = self.sigma * moving, self.slots * moving
        self.price_e7: tuple[int, ...] = (0,) * self.slots
        self.gamma_e9: tuple[int, ...] = ()
        self.forget = False
        self.rounds, self.beside_kw = 0, 0.0
        self.total_w: tuple[int, ...] = self.constant_w
        self.cost_e9_coin = 0
        self._target_kw, self._target_sigma = np.zeros(self.slots), self.sigma
        self._weights = Weights(self._numbers)
        self._net_kw = np.zeros(self.slots)
        self.congestion_per_kwh, self._given = np.zeros(self.slots), False
        self._aggregate: SplitState | None = None
        self._columns: deque[tuple[float, FloatArray]] = deque(maxlen=BLEND_DEPTH)

    def begin(self, price_in_force_e7: Sequence[int], power_w: Sequence[int]) -> None:
        """Take what the homes draw (W, sum) as the state that belongs to the price they opened with."""
        self.price_e7 = tuple(of_horizon("price0_e7", price_in_force_e7, self.slots))
        self.total_w = self._everybody(power_w)
        self._aggregate = SplitState(kilowatts(self.total_w) + self._pull())
        self.gamma_e9, self.forget = (), False
        self._columns.clear()

    def aim(self, target_kw: FloatArray, sigma_kw2_per_coin: float | None = None) -> None:
        """Go for another target (kW, everybody); the history of the one before does not count."""
        self._target_kw = np.asarray(target_kw, dtype=np.float64)
        self._target_sigma = self.sigma if sigma_kw2_per_coin is None else sigma_kw2_per_coin
        self._weights, self.rounds, self._given = Weights(self._numbers), 0, False

    def aim_at(self, power_w: Sequence[int], price_in_force_e7: Sequence[int]) -> None:
        """Go for a given sum (W, everybody) that belongs to a price.

        Private costs pull away from any sum; at a price that agrees with it they pull as much as the price pushes back.
        The sum keeps her limits already: what they cost stays as the last price of the mother showed it.
        """
        close = CLOSE_SHARE * self.sigma
        self.aim(kilowatts(power_w) - close * self.dt_h * price_per_kwh(price_in_force_e7), close)
        self._given = True

    def step(self) -> tuple[int, ...]:
        """Do her step in closed form; return the price as it is transmitted."""
        if self._aggregate is None:
            raise ProtocolError("a target came before the homes opened", next_step="open the round first")
        aggregate = self._aggregate.finished_step(self.gamma_e9, self._aggregate.answered + 1)
        target, share = self._target_kw, self._target_sigma
        wanted = (target * self._scale + aggregate * share) / (self._scale + share)
        net = self.limits.clip(wanted)
        price = (aggregate - net) / (self._scale * self.dt_h)
        self.price_e7 = price_e7(np.clip(price, -PRICE_LIMIT, PRICE_LIMIT))
        self._net_kw = aggregate - self._pull()
        if not self._given:
            free = (net - target) / (share * self.dt_h)
            self.congestion_per_kwh = np.where(net == wanted, 0.0, price - free)
        return self.price_e7

    def absorb(
        self,
        power_w: Sequence[int],
        cost_e9_coin: int,
        residual_e9_kw2: int,
        inner_e9_kw2: Sequence[int],
        correction_kw: HeldSums | None = None,
        missing_share: float = 0.0,
    ) -> bool:
        """Take the sums of the answers (as `QueenIteration.absorb`); whether her homes stand still at the target."""
        if self._aggregate is None:
            raise ProtocolError("an answer came before the homes opened", next_step="open the round first")
        self.total_w, self.cost_e9_coin = self._everybody(power_w), cost_e9_coin
        total_kw, number = kilowatts(self.total_w), self._aggregate.answered + 1
        self._aggregate.move(total_kw, self._pull(), self.gamma_e9, number)
        if correction_kw is not None:
            fixed = kilowatts(self.constant_w)
            self._aggregate.correct(
                HeldSums(correction_kw.state_kw + fixed, correction_kw.residual_kw, correction_kw.full_steps_kw)
            )
        self._columns.append((cost_e9_coin / COST_STEPS, total_kw))
        self.gamma_e9 = self._weights.update(residual_e9_kw2, inner_e9_kw2 if self.rounds else (), missing_share)
        self.forget = self._weights.forget
        self.rounds += 1
        self.beside_kw = float(np.abs(total_kw - self._net_kw).mean())
        still = math.sqrt(residual_e9_kw2 / COST_STEPS / self._numbers) <= STILL_KW
        return still and self.beside_kw <= self._matched_kw

    def mixture(self, power_w: Sequence[int], price_in_force_e7: Sequence[int]) -> tuple[tuple[int, ...], FloatArray]:
        """Return the weights (10^-6, newest last) of the last answers that come nearest to a sum, and their sum (kW).

        Nearest is cheapest, where a kWh beside the sum costs twice as much as the dearest one of the price in force.
        """
        wanted, price = kilowatts(power_w), price_per_kwh(price_in_force_e7)
        worth = max(_LEAST_WORTH_PER_KWH, 2.0 * float(np.abs(price).max()))
        low, high = self.limits.pcc_min_kw, self.limits.pcc_max_kw
        limits = Limits(None if low is None else low - wanted, None if high is None else high - wanted)
        blender = Blender(Tariff(price + worth, price - worth), limits, self.dt_h)
        for cost, total_kw in self._columns:
            blender.add(cost, total_kw - wanted)
        best = blender.best()
        return best.weights_e6, best.total_kw + wanted

    def mixture_w(
        self, power_w: Sequence[int], price_in_force_e7: Sequence[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """`mixture` with its sum in whole watts; without any answer no weights and what the homes opened with."""
        if not self._columns:
            return (), self.total_w
        weights, total_kw = self.mixture(power_w, price_in_force_e7)
        return weights, watts(total_kw)

    def agreed_e7(self, price_in_force_e7: Sequence[int]) -> tuple[int, ...]:
        """The mother's price with her own congestion price, which may only be where a limit bounds that side."""
        return asked_e7(price_in_force_e7, self.congestion_per_kwh, self.limits)

    def bound_e9_coin(self, price_in_force_e7: Sequence[int], asked_price_e7: Sequence[int], members_e9: int) -> int:
        """`bound_e9_coin` of this module for her homes; `members_e9` is the sum of their bounds at the asked price."""
        return bound_e9_coin(price_in_force_e7, asked_price_e7, members_e9, self.constant_w, self.limits, self.dt_h)

    def _pull(self) -> FloatArray:
        """Return S*lambda (kW) of the price in force."""
        return self._scale * self.dt_h * price_per_kwh(self.price_e7)

    def _everybody(self, power_w: Sequence[int]) -> tuple[int, ...]:
        """Return the sum with the members that have nothing to decide (W)."""
        return tuple(own + fixed for own, fixed in zip(power_w, self.constant_w, strict=True))


def asked_e7(price_in_force_e7: Sequence[int], congestion_per_kwh: FloatArray, limits: Limits) -> tuple[int, ...]:
    """Return the price (10^-7 coin per kWh) her members' bounds are asked at: the mother's, and her congestion price
    where a limit bounds that side."""
    price = price_per_kwh(price_in_force_e7)
    rise = np.zeros_like(price) if limits.pcc_max_kw is None else np.maximum(congestion_per_kwh, 0.0)
    fall = np.zeros_like(price) if limits.pcc_min_kw is None else np.minimum(congestion_per_kwh, 0.0)
    return price_e7(np.clip(price + rise + fall, -PRICE_LIMIT, PRICE_LIMIT))


def bound_e9_coin(
    price_in_force_e7: Sequence[int],
    asked_price_e7: Sequence[int],
    members_e9: int,
    constant_w: Sequence[int],
    limits: Limits,
    dt_h: float,
) -> int:
    """Return a lower bound of H(p) + lambda.p (10^-9 coin) from her members' bounds at another price mu.

    What mu differs from lambda by is worth at least (lambda - mu).limit, so it may differ only where, and in the
    direction in which, a limit bounds p (`asked_e7`).
    """
    price, asked = price_per_kwh(price_in_force_e7), price_per_kwh(asked_price_e7)
    worth = kilowatts(constant_w) * asked
    for limit, beyond in ((limits.pcc_max_kw, asked > price), (limits.pcc_min_kw, asked < price)):
        if limit is not None:
            worth += np.where(beyond, (price - asked) * limit, 0.0)
    return members_e9 + math.floor(dt_h * float(worth.sum()) * COST_STEPS)


def mixed_w(told_w: dict[int, tuple[int, ...]], last: int, weights_e6: Sequence[int]) -> tuple[int, ...]:
    """Return the mixture (W) of answers by iteration that the end of a round names, as `mixed_plan` does for a home.

    Weights (10^-6, sum 10^6) belong to the iterations up to `last`, newest last; an iteration without an answer counts
    the newest one before. Without weights it is the newest answer up to `last`. `ProtocolError` for what is no mixture.
    """
    weights = tuple(weights_e6) or (1_000_000,)
    if sum(weights) != 1_000_000 or min(weights) < 0 or not told_w:
        raise ProtocolError(
            f"{len(weights)} weights with sum {sum(weights)} mix {len(told_w)} answers",
            next_step="keep the plan of the last answer",
        )
    known = sorted(told_w)
    sums = [0] * len(told_w[known[0]])
    for number, weight in zip(range(last - len(weights) + 1, last + 1), weights, strict=True):
        named = max((k for k in known if k <= number), default=known[0])
        sums = [have + weight * power for have, power in zip(sums, told_w[named], strict=True)]
    return tuple(round(one / 1_000_000) for one in sums)
