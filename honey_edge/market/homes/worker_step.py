"""A Worker's side of the price iteration (market-design section 4 step 2), on the integers that are transmitted.

start(price0, p0) -> p0, then answer(price, gamma) once per broadcast, then bound(price) for the certificate
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Tariff
from honey_edge.market.homes.plan import Schedule, feasible_home
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.rounds.anderson import ANDERSON_DEPTH, LARGEST_GAMMA, STEPS_E9, SplitState
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.queen_step import kilowatts, price_per_kwh, watts

COST_STEPS = 1_000_000_000
"""Steps of a private cost on the wire in one coin."""


def of_horizon(name: str, numbers: Sequence[int], slots: int) -> Sequence[int]:
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

    `power_w` import positive; `cost_e9_coin` the private cost in 10^-9 coin; `residual_e9_kw2` = |r|^2 and
    `inner_e9_kw2` (see `anderson`) in 10^-9 kW^2; `schedule` is executed if the round ends here.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    schedule: Schedule
    residual_e9_kw2: int = 0
    inner_e9_kw2: tuple[int, ...] = ()


class Proximal(Protocol):
    """What finds the plan nearest to a target (kW) that private cost allows, at the scale sigma."""

    def solve(self, target_kw: FloatArray, /) -> Schedule:
        """Return the minimiser of private cost + ||net - target||^2 / (2*sigma)."""


class WorkerIteration:
    """A Worker's side of one round: the private state w and its proximal schedule, set up once.

    `sigma_kw2_per_coin` is told by the Queen; `eps` is the tolerance of the schedule in kW. `proximal` answers in the
    home's place (`daughter`: a whole Hive).
    """

    def __init__(
        self,
        home: Home,
        sigma_kw2_per_coin: float,
        dt_h: float = 0.25,
        eps: float = 1e-4,
        proximal: Proximal | None = None,
    ) -> None:
        self.home, self.dt_h, self.sigma = home, dt_h, float(sigma_kw2_per_coin)
        self._proximal = ProximalSchedule(home, dt_h, self.sigma, eps) if proximal is None else proximal
        self._state: SplitState | None = None
        self._before: tuple[SplitState, FloatArray, tuple[int, ...]] | None = None
        self._sent_w: tuple[int, ...] = ()
        self._counted_w: tuple[int, ...] = ()

    def start(self, price0_e7: Sequence[int], power0_w: Sequence[int] | None = None) -> tuple[int, ...]:
        """Open the round at the starting price; return the starting profile (W), which is to be sent.

        `power0_w` is the shifted plan plus the change of the forecast (`shifted_power_w`), None = load - pv.
        """
        slots = self.home.slots
        power = watts(self.home.base_kw) if power0_w is None else tuple(of_horizon("power0_w", power0_w, slots))
        self._state = SplitState(kilowatts(power) + self._pull(price0_e7))
        self._before, self._sent_w, self._counted_w = None, power, power
        return power

    def answer(
        self,
        prices_e7: Sequence[int],
        gamma_e9: Sequence[int] = (),
        forget: bool = False,
        iteration: int | None = None,
    ) -> WorkerAnswer:
        """Finish the step owed from the last answer with the weights `gamma_e9`, then answer the price.

        `forget` (the Queen dropped the history) makes it a plain step. `iteration` is the number of the broadcast
        from 1; None = the one after the last that was answered. Answering the same broadcast again is refused.
        Raises `ProtocolError` before `start`, for another horizon, an old iteration or absurd weights;
        `PlanRejected` leaves the state unmoved.
        """
        if self._state is None:
            raise ProtocolError(
                "a price arrived before the round's start",
                next_step="wait for the next broadcast of iteration 0",
            )
        number = self._state.answered + 1 if iteration is None else iteration
        weights = () if forget else _weights(gamma_e9)
        if number <= self._state.answered:
            raise ProtocolError(f"iteration {number} was answered already", next_step="send that answer again")
        pull = self._pull(prices_e7)
        schedule = self._proximal.solve(self._state.finished_step(weights, number) - 2.0 * pull)
        power = watts(schedule.net_kw)
        self._before, self._counted_w, self._sent_w = (self._state.copy(), pull, weights), self._sent_w, power
        moved = self._state.move(kilowatts(power), pull, weights, number)
        cost = round(schedule.private_cost * COST_STEPS)
        return WorkerAnswer(power, cost, schedule, moved.residual_e9_kw2, moved.inner_e9_kw2)

    def withdraw(self) -> None:
        """The last answer was not counted: take the last counted profile as the answer to that price instead.

        Only in rounds where the Queen knows sums alone (`sums_only`); call it before the next broadcast is answered.
        """
        if self._state is None or self._before is None:
            raise ProtocolError("there is no answer to withdraw", next_step="answer the broadcast first")
        (before, pull, weights), number = self._before, self._state.answered
        self._state, self._before, self._sent_w = before, None, self._counted_w
        before.move(kilowatts(self._counted_w), pull, weights, number)

    def bound_e9_coin(self, prices_e7: Sequence[int]) -> int:
        """Return min(h + lambda.p) at these prices (10^-9 coin, rounded down): this home's part of the lower bound."""
        price = price_per_kwh(of_horizon("price_e7", prices_e7, self.home.slots))
        return math.floor(self._alone(Tariff(price, price)) * COST_STEPS)

    bound = bound_e9_coin

    def standalone_e9_coin(self, tariff: Tariff) -> int:
        """Return what this home would pay alone at its tariff, plan optimised (10^-9 coin)."""
        return round(self._alone(tariff) * COST_STEPS)

    def _alone(self, tariff: Tariff) -> float:
        """Return the cost of this home's best plan at a tariff (currency)."""
        home = feasible_home(self.home, self.dt_h, may_repair=True)[0]
        return CentralSchedule([home], tariff, NO_LIMITS, self.dt_h).solve().objective

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return sigma*lambda (kW), lambda per kW and slot."""
        prices = price_per_kwh(of_horizon("price_e7", prices_e7, self.home.slots))
        return self.sigma * self.dt_h * prices


def _weights(gamma_e9: Sequence[int]) -> tuple[int, ...]:
    """Refuse weights that no Queen of this protocol sends."""
    largest = int(LARGEST_GAMMA * STEPS_E9)
    if len(gamma_e9) > ANDERSON_DEPTH or any(abs(weight) > largest for weight in gamma_e9):
        raise ProtocolError(
            f"{len(gamma_e9)} weights of at most {largest} are allowed {ANDERSON_DEPTH}",
            next_step="drop the broadcast and keep the plan of the last one",
        )
    return tuple(gamma_e9)
