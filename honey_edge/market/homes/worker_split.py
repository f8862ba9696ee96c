"""The private state of a Worker's side of the price iteration, without the schedule that answers (section 4 step 2).

`asked` says what a broadcast asks for, `moved` takes whatever answered it. Between the two the state stands still, so
that the answer may take its time: a home solves a small program, a daughter Queen asks her own homes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.rounds.anderson import ANDERSON_DEPTH, LARGEST_GAMMA, STEPS_E9, Moved, SplitState
from honey_edge.market.rounds.queen_step import kilowatts, price_per_kwh


def of_horizon(name: str, numbers: Sequence[int], slots: int) -> Sequence[int]:
    """Refuse a transmitted vector that does not cover the horizon."""
    if len(numbers) != slots:
        raise ProtocolError(
            f"{name} has {len(numbers)} slots, this round {slots}",
            next_step="drop the message; the sender runs another round or version",
        )
    return numbers


@dataclass(frozen=True, eq=False)
class Asked:
    """What a broadcast asks a Worker for: the plan nearest to `target_kw` that private cost allows."""

    number: int
    pull_kw: FloatArray
    weights_e9: tuple[int, ...]
    target_kw: FloatArray


class WorkerSplit:
    """w of one Worker over a round; `sigma_kw2_per_coin` is told by the Queen."""

    def __init__(self, slots: int, sigma_kw2_per_coin: float, dt_h: float = 0.25) -> None:
        self.slots, self.dt_h, self.sigma = slots, dt_h, float(sigma_kw2_per_coin)
        self._state: SplitState | None = None
        self._before: SplitState | None = None

    @property
    def state_kw(self) -> FloatArray:
        """w of the newest answer (kW): what its target was taken from. `ProtocolError` before `opened`."""
        if self._state is None:
            raise ProtocolError("the round is not open", next_step="wait for the next broadcast of iteration 0")
        return self._state.state_kw

    @property
    def step_kw(self) -> FloatArray:
        """w with the plain step that the newest answer owes (kW): w + a*r. `ProtocolError` before `opened`."""
        if self._state is None:
            raise ProtocolError("the round is not open", next_step="wait for the next broadcast of iteration 0")
        return self._state.finished_step((), self._state.answered + 1)

    def opened(self, price0_e7: Sequence[int], power0_w: Sequence[int]) -> tuple[int, ...]:
        """Open the round at the starting price with a starting profile (W), which is returned: it is to be sent."""
        power = tuple(of_horizon("power0_w", power0_w, self.slots))
        self._state = SplitState(kilowatts(power) + self._pull(price0_e7))
        self._before = None
        return power

    def asked(
        self,
        prices_e7: Sequence[int],
        gamma_e9: Sequence[int] = (),
        forget: bool = False,
        iteration: int | None = None,
    ) -> Asked:
        """Return what a broadcast asks for; nothing moves.

        `forget` (the Queen dropped the history) makes the owed step a plain one. `iteration` is the number of the
        broadcast from 1; None = the one after the last that was answered. Raises `ProtocolError` before `opened`, for
        another horizon, an old iteration or absurd weights.
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
        return Asked(number, pull, weights, self._state.finished_step(weights, number) - 2.0 * pull)

    def moved(self, asked: Asked, power_w: tuple[int, ...]) -> Moved:
        """Take the answer (W) to what was asked; return |r|^2 and the inner products that go out with it."""
        assert self._state is not None
        self._before = self._state.copy()
        return self._state.move(kilowatts(power_w), asked.pull_kw, asked.weights_e9, asked.number)

    def take_back(self) -> None:
        """The last answer was not counted: stand where it was asked for, as if the broadcast had not come.

        Only in rounds where the Queen knows sums alone (`sums_only`); call it before the next broadcast is answered.
        """
        if self._before is None:
            raise ProtocolError("there is no answer to take back", next_step="answer the broadcast first")
        self._state, self._before = self._before, None

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return sigma*lambda (kW), lambda per kW and slot."""
        prices = price_per_kwh(of_horizon("price_e7", prices_e7, self.slots))
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
