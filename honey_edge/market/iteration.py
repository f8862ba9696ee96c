"""The price-broadcast iteration (market-design section 4, without acceleration) from both ends, on integers.

Worker and Queen calculate from the transmitted integers (W, 10^-7 coin per kWh), never from the unrounded
numbers, so W = sum of w_i + constant holds on both sides. The Queen needs sums only; integers add up to the
same whatever the order in which answers arrive. lambda below is per kW and slot: price per kWh times dt.

    Queen:   start(sum p0) -> price -> Workers -> absorb(sum p) -> price -> ... until `finished`
    Worker:  start(price0, p0), then answer(price) once per broadcast
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.errors import ProtocolError
from honey_edge.market.plan import Schedule
from honey_edge.market.proximal import ProximalSchedule
from honey_edge.market.queen_step import (
    RELAXATION,
    default_sigma,
    kilowatts,
    price_e7,
    price_per_kwh,
    queen_step,
    watts,
)

MAX_ITERATIONS = 60
COST_STEPS = 1_000_000_000
"""Steps of a private cost on the wire in one coin."""

WARM_SCALE = 10
"""Sigma of a round whose prices are nearly right already, over that of any other.

Where the Hive imports (or exports) the price stands still, and a plan moves by a share of 2*dt*c_quad*sigma of its way
per iteration: 2 % with c_quad 5e-4 and sigma 78. Every round has some way to go, because its last slot is new and the
charge spreads evenly over slots that cost the same; at 2 % plans and prices swing around each other until the limit
of iterations. Ten times sigma moves them by 20 %. A price moves by mismatch/(sigma*dt*n) per iteration, so where the
prices are wrong (a cold start, or sun that comes into the horizon and changes a whole night's price) the small sigma
is the faster one.
"""

SETTLED_KW = 0.02
"""Mismatch per flexible Worker up to which a finished round's prices count as nearly right."""

ANSWER_KW = 1e-3
"""How exactly a Worker's answer is known: half a watt of rounding, and the schedule's tolerance of 1e-4 kW or more."""

ROUNDING_KW = 0.25e-3
"""By how much rounding to a watt moves an answer on average; independent answers add up by the root of their number."""


def starting_price_e7(tariff: Tariff) -> tuple[int, ...]:
    """Return the price of iteration 0 without an earlier round: half way between sell and buy."""
    return price_e7((tariff.buy_per_kwh + tariff.sell_per_kwh) / 2.0)


def round_sigma(tariff: Tariff, dt_h: float = 0.25, *, settled: bool) -> int:
    """Return sigma (whole kW^2 per coin) of a round; `settled` if it begins with the prices of a settled one."""
    return default_sigma(tariff, dt_h) * (WARM_SCALE if settled else 1)


def is_settled(mismatch_kw: float, flexible: int) -> bool:
    """Whether the prices that a round of `flexible` Workers ended with are nearly right."""
    return flexible > 0 and mismatch_kw <= SETTLED_KW * flexible


def _horizon(name: str, numbers: Sequence[int], slots: int) -> Sequence[int]:
    """Refuse a transmitted vector that does not cover the horizon."""
    if len(numbers) != slots:
        raise ProtocolError(
            f"{name} has {len(numbers)} slots, this round {slots}",
            next_step="drop the message; the sender runs another round or version",
        )
    return numbers


@dataclass(frozen=True, eq=False)
class WorkerAnswer:
    """What a Worker sends for one broadcast, and the plan that stays at home.

    `power_w` import positive; `cost_e9_coin` the private cost in 10^-9 coin; `schedule` is executed if the
    round ends here.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    schedule: Schedule


class WorkerIteration:
    """A Worker's side of one round: the private state w and its proximal schedule, set up once.

    `sigma_kw2_per_coin` is told by the Queen; `eps` is the tolerance of the schedule in kW.
    """

    def __init__(self, home: Home, sigma_kw2_per_coin: float, dt_h: float = 0.25, eps: float = 1e-4) -> None:
        self.home, self.dt_h, self.sigma = home, dt_h, float(sigma_kw2_per_coin)
        self._proximal = ProximalSchedule(home, dt_h, self.sigma, eps)
        self._state_kw: FloatArray | None = None

    def start(self, price0_e7: Sequence[int], power0_w: Sequence[int] | None = None) -> tuple[int, ...]:
        """Open the round at the starting price; return the starting profile (W), which is to be sent.

        `power0_w` is the shifted plan plus the change of the forecast (`shifted_power_w`), None = load - pv.
        """
        slots = self.home.slots
        power = watts(self.home.base_kw) if power0_w is None else tuple(_horizon("power0_w", power0_w, slots))
        self._state_kw = kilowatts(power) + self.sigma * self._lambda(price0_e7)
        return power

    def answer(self, prices_e7: Sequence[int]) -> WorkerAnswer:
        """Answer one broadcast and move the private state.

        Raises `ProtocolError` before `start` or for another horizon; `PlanRejected` leaves the state unmoved.
        """
        if self._state_kw is None:
            raise ProtocolError(
                "a price arrived before the round's start",
                next_step="wait for the next broadcast of iteration 0",
            )
        pull = self.sigma * self._lambda(prices_e7)
        schedule = self._proximal.solve(self._state_kw - 2.0 * pull)
        power = watts(schedule.net_kw)
        self._state_kw = self._state_kw + RELAXATION * (kilowatts(power) - (self._state_kw - pull))
        return WorkerAnswer(power, round(schedule.private_cost * COST_STEPS), schedule)

    def _lambda(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return transmitted prices per kW and slot."""
        return price_per_kwh(_horizon("price_e7", prices_e7, self.home.slots)) * self.dt_h


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
    that do not. `price_e7` always holds what is to be broadcast next, `finished` whether the round may end.
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
        self._constant_w = tuple(_horizon("constant_w", constant_w, slots)) if constant_w is not None else (0,) * slots
        opening = starting_price_e7(tariff) if price0_e7 is None else price0_e7
        self.price_e7: tuple[int, ...] = tuple(_horizon("price0_e7", opening, slots))
        self.progress: Progress | None = None
        self._aggregate_kw: FloatArray | None = None
        self._net_kw = np.zeros(slots)
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
        self._aggregate_kw = total_kw + self._scale * price_per_kwh(self.price_e7) * self.dt_h
        self._start_objective = self._objective = self._cost(total_kw, cost_sum_e9_coin)
        return self._next_price(self._aggregate_kw)

    def absorb(
        self, power_sum_w: Sequence[int], cost_sum_e9_coin: int = 0, correction_kw: FloatArray | None = None
    ) -> tuple[int, ...]:
        """Take the sums of one iteration's answers; return the next price (10^-7 coin per kWh).

        For a Worker whose answer is missing its last profile belongs into the sum, and `correction_kw` (from
        `stragglers.AnswerLedger`) keeps W equal to what the Workers hold.
        """
        if self._aggregate_kw is None:
            raise ProtocolError("an answer arrived before the round's start", next_step="send iteration 0 first")
        total_kw = self._total_kw(power_sum_w)
        self.progress = self._judge(total_kw, cost_sum_e9_coin / COST_STEPS)
        aggregate = self._aggregate_kw + RELAXATION * (total_kw - self._net_kw)
        self._aggregate_kw = aggregate if correction_kw is None else aggregate + correction_kw
        return self._next_price(self._aggregate_kw)

    def _total_kw(self, power_sum_w: Sequence[int]) -> FloatArray:
        """Return the power at the connection point (kW): answers and constants, added as integers."""
        answers = _horizon("power_sum_w", power_sum_w, self.tariff.slots)
        return kilowatts([own + fixed for own, fixed in zip(answers, self._constant_w, strict=True)])

    def _cost(self, total_kw: FloatArray, cost_sum_e9_coin: int) -> float:
        """Return U: private costs plus what the grid charges."""
        return cost_sum_e9_coin / COST_STEPS + self.tariff.cost(total_kw, self.dt_h)

    def _next_price(self, aggregate_kw: FloatArray) -> tuple[int, ...]:
        """Do the closed-form step and keep what follows from the price as it is transmitted."""
        _, price = queen_step(aggregate_kw, self._scale, self.tariff, self.limits, self.dt_h)
        self.price_e7 = price_e7(price)
        self._net_kw = aggregate_kw - self._scale * price_per_kwh(self.price_e7) * self.dt_h
        return self.price_e7

    def _judge(self, total_kw: FloatArray, private_cost: float) -> Progress:
        """Apply section 6: (a) mismatch, (b) steady objective three times in a row, (c) limits.

        (a) and (b) ask for no more than the answers can tell: plans that stand still leave the sum as uncertain as
        its terms, and where it is asked to be 0 every watt beside costs half of what buying is dearer than selling.
        """
        objective = private_cost + self.tariff.cost(total_kw, self.dt_h)
        mismatch = float(np.abs(total_kw - self._net_kw).max())
        largest = max(1.0, float(np.abs(total_kw).max()))
        steady = max(1e-4 * self._gain(total_kw, objective, private_cost), self._noise)
        self._steady = self._steady + 1 if abs(objective - self._objective) <= steady else 0
        self._objective = objective
        excess = self.limits.excess_kw(total_kw)
        agreed = mismatch <= max(1e-3 * largest, self._mismatch_kw)
        converged = agreed and self._steady >= 3 and excess <= 5e-3 * largest
        return Progress(self.iteration + 1, mismatch, objective, excess, converged)

    def _gain(self, total_kw: FloatArray, objective: float, private_cost: float) -> float:
        """Return the running estimate of what the plans gain (currency), from below.

        A cold round begins without plans, so what it has gained counts. A warm one begins at the last round's gain:
        there the private costs stand for it, because nobody moves energy that saves less than the wear, or else a
        hundredth of the turnover (which alone is next to nothing in a Hive that covers its own load).
        """
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
    _horizon("base_before_w", base_before_w, slots)
    _horizon("base_now_w", base_now_w, slots)
    plan, before = (*power_w[1:], power_w[0]), (*base_before_w[1:], base_before_w[0])
    return tuple(p + now - old for p, now, old in zip(plan, base_now_w, before, strict=True))
