"""The price-broadcast iteration (market-design section 4) on integers: the Queen's end, and how rounds follow on.

Worker and Queen calculate from the transmitted integers (W, 10^-7 coin per kWh), never from the unrounded
numbers, so W = sum of w_i + constant holds on both sides. The Queen needs sums only; integers add up to the
same whatever the order in which answers arrive. lambda below is per kW and slot: price per kWh times dt.

    Queen:   start(sum p0) -> price -> Workers -> absorb(sum p) -> price -> ... until `finished`
    Worker:  start(price0, p0), then answer(price) once per broadcast
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Limits, Tariff
from honey_edge.market.homes.worker_step import COST_STEPS, WorkerAnswer, WorkerIteration, of_horizon
from honey_edge.market.rounds.anderson import HeldSums, SplitState, Weights, window
from honey_edge.market.rounds.blend import Blend, Blender
from honey_edge.market.rounds.certificate import Certificate, certificate_of, connection_bound, within_domain
from honey_edge.market.rounds.proof import PriceTrail
from honey_edge.market.rounds.queen_step import (
    PRICE_LIMIT,
    default_sigma,
    kilowatts,
    price_e7,
    price_per_kwh,
    queen_step,
)

__all__ = [
    "MAX_ITERATIONS",
    "Progress",
    "QueenIteration",
    "WorkerAnswer",
    "WorkerIteration",
    "is_settled",
    "round_sigma",
    "shifted_power_w",
    "shifted_price_e7",
    "starting_price_e7",
]

MAX_ITERATIONS = 60
WARM_SCALE = 10
"""Sigma of a round whose prices are nearly right already, over that of any other.

Where the Hive imports (or exports) the price stands still, and a plan moves by a share of 2*dt*c_quad*sigma of its way
per iteration: 2 % with c_quad 5e-4 and sigma 78. Every round has some way to go, because its last slot is new and the
charge spreads evenly over slots that cost the same; at 2 % plans and prices swing around each other until the limit
of iterations. Ten times sigma moves them by 20 %. A price moves by mismatch/(sigma*dt*n) per iteration, so where the
prices are wrong (a cold start, or sun that comes into the horizon and changes a whole night's price) the small sigma
is the faster one.
"""

ACCELERATED_SCALE = 0.35
"""Sigma with acceleration over that without: rho about 0.03 instead of 0.01, the best mean over 18 hives (section 4
says 0.02)."""

BLENDED_SCALE = 0.7
"""The same where the end of the round mixes plans: mixing takes out the swings of the larger steps."""

SETTLED_KW = 0.02
"""Mismatch per flexible Worker up to which a finished round's prices count as nearly right."""

ANSWER_KW = 1e-3
"""How exactly a Worker's answer is known: half a watt of rounding, and the schedule's tolerance of 1e-4 kW or more."""

NEAR = 1e-3
"""Estimated distance to the optimum, as a share of the gain, at which a round may end without waiting."""

STILL_ITERATIONS = 8
STILL = 1e-4
"""A mixture that became cheaper by less than this share of the gain in so many iterations is as good as it gets ..."""

STILL_AWAY = 4.0
"""... if what the residuals may hide is at most this times `NEAR`: mixtures also stand still while prices climb."""

AWAY_KW = 0.1
"""Root mean square distance of a power to its optimum that the estimate assumes; seeded hives showed 0.03 to 0.1."""

BOUNDS_KEPT = 3
"""Iterations whose estimates of the lower bound count."""

ROUNDING_KW = 0.25e-3
"""By how much rounding to a watt moves an answer on average; independent answers add up by the root of their number."""


def starting_price_e7(tariff: Tariff) -> tuple[int, ...]:
    """Return the price of iteration 0 without an earlier round: half way between sell and buy."""
    return price_e7((tariff.buy_per_kwh + tariff.sell_per_kwh) / 2.0)


def round_sigma(
    tariff: Tariff, dt_h: float = 0.25, *, settled: bool, accelerate: bool = True, blend: bool = False
) -> int:
    """Return sigma (whole kW^2 per coin) of a round; `settled` if it begins with the prices of a settled one."""
    quick = BLENDED_SCALE if blend else ACCELERATED_SCALE
    scale = (WARM_SCALE if settled else 1.0) * (quick if accelerate else 1.0)
    return max(1, round(default_sigma(tariff, dt_h) * scale))


def _bounded(number: int, largest: int) -> int:
    """Cut a transmitted number to what can be calculated with."""
    return min(max(number, -largest), largest)


def bounded(power_w: Sequence[int]) -> tuple[int, ...]:
    """Cut transmitted powers (W) to what can be calculated with."""
    return tuple(_bounded(power, LARGEST_SUM_W) for power in power_w)


def is_settled(mismatch_kw: float, flexible: int) -> bool:
    """Whether the prices that a round of `flexible` Workers ended with are nearly right."""
    return flexible > 0 and mismatch_kw <= SETTLED_KW * flexible


LARGEST_SUM_W = 10**13
"""Largest sum of powers (W) that is calculated with; any more is false."""

LARGEST_COST_E9 = 10**18
"""Largest sum of private costs (10^-9 coin) that is calculated with."""


@dataclass(frozen=True)
class Progress:
    """Where a round stands after an iteration.

    `mismatch_kw` = max |sum p - Z|; `objective` = sum of private costs + grid cost of the plans (currency);
    `excess_kw` = how far the plans leave the limits; `converged` = all three conditions of section 6 hold.
    """

    iteration: int
    mismatch_kw: float
    objective: float
    excess_kw: float
    converged: bool


class QueenIteration:
    """The Queen's side of one round: W from sums, the price, and the stopping rule of section 6.

    `flexible` is the number of Workers that answer prices; `constant_w` the sum of the forecasts (W) of those
    that do not. `price_e7`, `gamma_e9` and `forget` always hold what is to be broadcast next, `agreed_e7` the price
    that ends the round (the one the last answers answered to; with `blend` the next one, which is nearer and, moved
    into the tariff, proves a better bound), `finished` whether the round may end.
    """

    def __init__(
        self,
        tariff: Tariff,
        flexible: int,
        sigma_kw2_per_coin: float,
        *,
        limits: Limits = NO_LIMITS,
        constant_w: Sequence[int] | None = None,
        price0_e7: Sequence[int] | None = None,
        dt_h: float = 0.25,
        max_iterations: int = MAX_ITERATIONS,
        accelerate: bool = True,
        blend: bool = False,
        alone_e9_coin: int | None = None,
    ) -> None:
        slots = tariff.slots
        if flexible < 1:
            raise ProtocolError(
                "a round needs at least one flexible Worker",
                next_step="sum the forecasts; there is nothing to agree on",
            )
        self.tariff, self.limits, self.dt_h, self.max_iterations = tariff, limits, dt_h, max_iterations
        self._scale = flexible * float(sigma_kw2_per_coin)
        self._mismatch_kw = flexible * ANSWER_KW
        spread = float((tariff.buy_per_kwh - tariff.sell_per_kwh).sum())
        self._noise = dt_h * 0.5 * spread * math.sqrt(flexible) * ROUNDING_KW
        fixed = (0,) * slots if constant_w is None else of_horizon("constant_w", constant_w, slots)
        self._constant_w = bounded(fixed)
        opening = starting_price_e7(tariff) if price0_e7 is None else price0_e7
        self.price_e7: tuple[int, ...] = tuple(of_horizon("price0_e7", opening, slots))
        self.agreed_e7 = self.price_e7
        self.gamma_e9: tuple[int, ...] = ()
        self.forget = False
        self.progress: Progress | None = None
        self._weights = Weights(flexible * slots) if accelerate else None
        self._blender = Blender(tariff, limits, dt_h) if blend else None
        self._trail = PriceTrail(tariff, flexible) if blend else None
        self.blend: Blend | None = None
        self._alone = None if alone_e9_coin is None else _bounded(alone_e9_coin, LARGEST_COST_E9) / COST_STEPS
        self._bounds: deque[float] = deque(maxlen=BOUNDS_KEPT)
        self._mixtures: deque[float] = deque(maxlen=STILL_ITERATIONS)
        self._aggregate: SplitState | None = None
        self._net_kw = np.zeros(slots)
        self._numbers, self._sigma, self._residual_kw = flexible * slots, float(sigma_kw2_per_coin), 0.0
        self._start_objective = self._objective = 0.0
        self._steady = 0

    @property
    def iteration(self) -> int:
        """Iterations absorbed so far."""
        return 0 if self.progress is None else self.progress.iteration

    @property
    def converged(self) -> bool:
        """Whether the last iteration met every condition of section 6."""
        return self.progress is not None and self.progress.converged

    @property
    def finished(self) -> bool:
        """Whether the round is to end: converged, or at its largest number of iterations."""
        return self.converged or self.iteration >= self.max_iterations

    def start(self, power0_sum_w: Sequence[int], cost_sum_e9_coin: int = 0) -> tuple[int, ...]:
        """Take the sum of the starting profiles (W); return the first price (10^-7 coin per kWh)."""
        total_kw = self._total_kw(power0_sum_w)
        self._aggregate = SplitState(total_kw + self._pull(self.price_e7))
        self._start_objective = self._objective = self._cost(total_kw, cost_sum_e9_coin)
        return self._next_price(self._aggregate.state_kw)

    def absorb(
        self,
        power_sum_w: Sequence[int],
        cost_sum_e9_coin: int = 0,
        correction_kw: HeldSums | None = None,
        residual_e9_kw2: int = 0,
        inner_e9_kw2: Sequence[int] = (),
        missing_share: float = 0.0,
    ) -> tuple[int, ...]:
        """Take the sums of one iteration's answers; return the next price (10^-7 coin per kWh).

        `gamma_e9` and `forget` belong to that price and are broadcast beside it. For a Worker whose answer is missing
        its last profile belongs into the sum, and `correction_kw` (from `stragglers.AnswerLedger`) tells what the
        Workers really hold. Without residual and inner products the next step is a plain one. Numbers that no homes
        can add up to are cut to the largest that can be calculated with.
        """
        if self._aggregate is None:
            raise ProtocolError("an answer arrived before the round's start", next_step="send iteration 0 first")
        total_kw = self._total_kw(power_sum_w)
        number = self.iteration + 1
        self._residual_kw = math.sqrt(max(0, _bounded(residual_e9_kw2, LARGEST_COST_E9)) / COST_STEPS)
        self._aggregate.move(total_kw, self._pull(self.price_e7), self.gamma_e9, number)
        if correction_kw is not None:
            self._aggregate.correct(self._with_constant(correction_kw))
        if self._trail is not None:
            self._trail.add(price_per_kwh(self.price_e7), total_kw, self._net_kw)
        self.progress = self._judge(total_kw, _bounded(cost_sum_e9_coin, LARGEST_COST_E9) / COST_STEPS)
        self.agreed_e7 = self.price_e7
        if self._weights is not None:
            self.gamma_e9 = self._weights.update(residual_e9_kw2, inner_e9_kw2, missing_share)
            self.forget = self._weights.forget
        price = self._next_price(self._aggregate.finished_step(self.gamma_e9, number + 1))
        if self._blender is not None:
            self.agreed_e7 = self._provable(price)
        return price

    def _provable(self, prices_e7: tuple[int, ...]) -> tuple[int, ...]:
        """Return the price that ends the round: moved to where it proves a lower bound."""
        if self._blender is None:
            return prices_e7
        return price_e7(within_domain(price_per_kwh(prices_e7), self.tariff, self.limits, self.dt_h))

    @property
    def proof_e7(self) -> tuple[int, ...]:
        """A second price at which the homes may prove a better lower bound (`proof`); () where there is none."""
        ahead = None if self._trail is None else self._trail.ahead(price_per_kwh(self.agreed_e7))
        return () if ahead is None else self._provable(price_e7(ahead))

    def held_window(self) -> int:
        """Return for how many newest differences `HeldSums.full_steps_kw` is to be given."""
        return window(len(self.gamma_e9), self.iteration + 1)

    def certificate(self, bound_sum_e9_coin: int, standalone_sum_e9_coin: int | None = None) -> Certificate:
        """Return how far the last answers can be from the optimum (section 6).

        `bound_sum_e9_coin` is the sum of `WorkerIteration.bound_e9_coin(agreed_e7)` over the flexible Workers, the
        constants are added here; `standalone_sum_e9_coin` is what ALL homes would pay alone, constants included.
        """
        if self.progress is None:
            raise ProtocolError("no answers were absorbed yet", next_step="finish an iteration first")
        upper = math.ceil(self.progress.objective * COST_STEPS)
        return certificate_of(upper, self._lower_e9(self.agreed_e7, bound_sum_e9_coin), standalone_sum_e9_coin)

    def best_certificate(
        self, bound_sum_e9_coin: int, standalone_sum_e9_coin: int | None, proof_sum_e9_coin: int | None
    ) -> Certificate:
        """Return the better certificate of `agreed_e7` and `proof_e7`; None where the second was not asked for."""
        told, proof_e7 = self.certificate(bound_sum_e9_coin, standalone_sum_e9_coin), self.proof_e7
        if proof_sum_e9_coin is None or not proof_e7:
            return told
        other = self._lower_e9(proof_e7, proof_sum_e9_coin)
        bounds = [lower for lower in (told.lower_e9_coin, other) if lower is not None]
        return certificate_of(told.upper_e9_coin, max(bounds, default=None), standalone_sum_e9_coin)

    def _lower_e9(self, prices_e7: tuple[int, ...], bound_sum_e9_coin: int) -> int | None:
        """Return L (10^-9 coin) at these prices, constants included; None where they prove nothing."""
        price = price_per_kwh(prices_e7)
        grid = connection_bound(price, self.tariff, self.limits, self.dt_h)
        if not math.isfinite(grid):
            return None
        fixed = self.dt_h * float(price @ kilowatts(self._constant_w))
        return _bounded(bound_sum_e9_coin, LARGEST_COST_E9) + math.floor((grid + fixed) * COST_STEPS)

    def _with_constant(self, held: HeldSums) -> HeldSums:
        """Add the constants, which never move, to what the Workers hold."""
        return HeldSums(held.state_kw + kilowatts(self._constant_w), held.residual_kw, held.full_steps_kw)

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return S*lambda (kW) of transmitted prices."""
        return self._scale * self.dt_h * price_per_kwh(prices_e7)

    def _total_kw(self, power_sum_w: Sequence[int]) -> FloatArray:
        """Return the power at the connection point (kW): answers and constants, added as integers."""
        answers = bounded(of_horizon("power_sum_w", power_sum_w, self.tariff.slots))
        return kilowatts([own + fixed for own, fixed in zip(answers, self._constant_w, strict=True)])

    def _cost(self, total_kw: FloatArray, cost_sum_e9_coin: int) -> float:
        """Return U: private costs plus what the grid charges."""
        return _bounded(cost_sum_e9_coin, LARGEST_COST_E9) / COST_STEPS + self.tariff.cost(total_kw, self.dt_h)

    def _next_price(self, aggregate_kw: FloatArray) -> tuple[int, ...]:
        """Do the closed-form step and keep what follows from the price as it is transmitted."""
        _, price = queen_step(aggregate_kw, self._scale, self.tariff, self.limits, self.dt_h)
        self.price_e7 = price_e7(np.clip(price, -PRICE_LIMIT, PRICE_LIMIT))
        self._net_kw = aggregate_kw - self._pull(self.price_e7)
        return self.price_e7

    @property
    def weights_e6(self) -> tuple[int, ...]:
        """How the final broadcast mixes the last plans (10^-6, newest last); () for the last plans alone."""
        return () if self.blend is None else self.blend.weights_e6

    def _judge(self, total_kw: FloatArray, private_cost: float) -> Progress:
        """Judge the newest plans, or their best mixture with the ones before."""
        if self._blender is None:
            return self._judge_newest(total_kw, private_cost)
        return self._judge_blend(self._blender, total_kw, private_cost)

    def _judge_blend(self, blender: Blender, total_kw: FloatArray, private_cost: float) -> Progress:
        """End where the mixture's estimated distance to the optimum is a small share of the gain and limits hold.

        The objective standing still (section 6 b) proves little: mixtures stand still while prices climb. Without
        residuals (a Worker of an older version) there is no estimate, and the rule for single plans holds.
        """
        judged = self._judge_newest(total_kw, private_cost)
        blender.add(private_cost, total_kw)
        mixed = self.blend = blender.best()
        self._bounds.append(self._bound(total_kw, private_cost))
        self._mixtures.append(mixed.objective)
        largest = max(1.0, float(np.abs(mixed.total_kw).max()))
        excess = self.limits.excess_kw(mixed.total_kw)
        converged = judged.converged
        if self._residual_kw > 0.0:
            away = self._residual_kw * math.sqrt(self._numbers) * AWAY_KW / self._sigma
            beside = max(0.0, mixed.objective - max(self._bounds))
            gain = self._gain(mixed.total_kw, mixed.objective, private_cost)
            near = max(NEAR * gain, self._noise)
            cheaper = self._mixtures[0] - mixed.objective
            still = len(self._mixtures) == STILL_ITERATIONS and abs(cheaper) <= STILL * gain
            enough = beside + away <= near or (still and beside + away <= STILL_AWAY * near)
            converged = enough and excess <= 5e-3 * largest
        return Progress(judged.iteration, judged.mismatch_kw, mixed.objective, excess, converged)

    def _bound(self, total_kw: FloatArray, private_cost: float) -> float:
        """Return about what the optimum costs at least (currency), were the answers best answers to the price alone."""
        price = within_domain(price_per_kwh(self.price_e7), self.tariff, self.limits, self.dt_h)
        grid = connection_bound(price, self.tariff, self.limits, self.dt_h)
        return private_cost + self.dt_h * float(price @ total_kw) + grid

    def _judge_newest(self, total_kw: FloatArray, private_cost: float) -> Progress:
        """Apply section 6: (a) mismatch, (b) steady objective three times in a row or as good as optimal, (c) limits.

        (a) and (b) ask for no more than the answers can tell: plans that stand still leave the sum as uncertain as
        its terms, and where it is asked to be 0 every watt beside costs half of what buying is dearer than selling.
        """
        objective = private_cost + self.tariff.cost(total_kw, self.dt_h)
        mismatch = float(np.abs(total_kw - self._net_kw).max())
        largest = max(1.0, float(np.abs(total_kw).max()))
        gain = self._gain(total_kw, objective, private_cost)
        steady = max(1e-4 * gain, self._noise)
        self._steady = self._steady + 1 if abs(objective - self._objective) <= steady else 0
        self._objective = objective
        excess = self.limits.excess_kw(total_kw)
        agreed = mismatch <= max(1e-3 * largest, self._mismatch_kw)
        still = self._steady >= 3 or self._distance(total_kw) <= NEAR * gain
        converged = agreed and still and excess <= 5e-3 * largest
        return Progress(self.iteration + 1, mismatch, objective, excess, converged)

    def _distance(self, total_kw: FloatArray) -> float:
        """Return an estimate of U - optimum (currency) from the sums alone; infinite without residuals.

        A plan p is the best answer to lambda + r/sigma. So U - optimum is at most what F(P) exceeds lambda.P (and the
        support term of the limits) by, plus r.(p* - p)/sigma. How far p* is nobody knows: `AWAY_KW` per power.
        """
        if self._residual_kw <= 0.0 or len(self.price_e7) != self.tariff.slots:
            return math.inf
        price = price_per_kwh(self.price_e7)
        grid = connection_bound(price, self.tariff, self.limits, self.dt_h)
        beside = self.tariff.cost(total_kw, self.dt_h) - self.dt_h * float(price @ total_kw) - grid
        return beside + self._residual_kw * math.sqrt(self._numbers) * AWAY_KW / self._sigma

    def _gain(self, total_kw: FloatArray, objective: float, private_cost: float) -> float:
        """Return what the plans gain (currency): exactly where the homes told what they would pay alone.

        Else an estimate from below:
        A cold round begins without plans, so what it has gained counts. A warm one begins at the last round's gain:
        there the private costs stand for it, because nobody moves energy that saves less than the wear, or else a
        hundredth of the turnover (which alone is next to nothing in a Hive that covers its own load).
        """
        if self._alone is not None and self._alone > objective:
            return self._alone - objective
        turnover = self.dt_h * float((np.abs(self.tariff.buy_per_kwh) * np.abs(total_kw)).sum())
        return max(self._start_objective - objective, private_cost, 0.01 * turnover)


def shifted_price_e7(prices_e7: Sequence[int], tariff: Tariff) -> tuple[int, ...]:
    """Return the last round's prices one slot on; the new last slot takes its neighbour's, within its own tariff.

    Storage levels prices between neighbouring slots, and the state of charge required at the end levels the last ones
    most of all, so the neighbour's price is nearly right. The price of the same time a day earlier (section 4.2 wraps)
    is not: on the demo's day it set every battery's power in the last slot wrong, up to 20 kW in sum, and all prices
    nearby had to follow and come back, which cost 18 iterations where 9 to 14 are enough.
    """
    sell, buy = price_e7(tariff.sell_per_kwh[-1:])[0], price_e7(tariff.buy_per_kwh[-1:])[0]
    return (*prices_e7[1:], min(max(prices_e7[-1], sell), buy))


def shifted_power_w(power_w: Sequence[int], base_before_w: Sequence[int], base_now_w: Sequence[int]) -> tuple[int, ...]:
    """Return the last round's plan one slot on, plus the change of the forecast base (all in W, section 4.2)."""
    slots = len(power_w)
    of_horizon("base_before_w", base_before_w, slots)
    of_horizon("base_now_w", base_now_w, slots)
    plan, before = (*power_w[1:], power_w[0]), (*base_before_w[1:], base_before_w[0])
    return tuple(p + now - old for p, now, old in zip(plan, base_now_w, before, strict=True))
