"""Test A: are a Worker's answers those of one home? (market-design section 10)

An honest answer is p = argmin h(p) + |p - v|^2 / (2 sigma) for one convex h, so over a round the answer map is firmly
non-expansive: for every two iterations

    <dp, dv>  >=  |dp|^2  - tolerance

v = w - 2 sigma lambda contains the private w, which follows from the round's opening and the transmitted integers; so
the Queen can run the test on open answers, and with masks only inside an audit (audit.AuditDisclosure).

It is a check of consistency, not of honesty: whoever answers for another home, another forecast or with a scaled
private cost answers consistently. A scaled private cost (k*lambda instead of lambda) is a legitimate private cost and
can NOT be detected, by this or any other test; it is not worth much (docs/fair-play.md). False alarms come from the
solver's tolerance only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.rounds.anderson import SplitState
from honey_edge.market.rounds.queen_step import kilowatts, price_per_kwh

ANSWER_ERROR_KW = 2e-3
"""Root mean square over a profile by which an answer may miss the optimum: the solver's tolerance and half a watt."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """Two iterations of one round whose answers cannot both be honest; `gap_kw2` = <dp,dv> - |dp|^2 + tolerance < 0."""

    first: int
    second: int
    gap_kw2: float


def tolerance_kw2(step_kw: FloatArray, target_step_kw: FloatArray, error_kw: float = ANSWER_ERROR_KW) -> float:
    """Return by how much two honest answers that each miss by `error_kw` (rms) can fall short."""
    error = 2.0 * error_kw * float(np.sqrt(step_kw.size))
    return error * float(np.linalg.norm(target_step_kw) + 2.0 * np.linalg.norm(step_kw) + error)


class AnswerTrace:
    """Follows one Worker through a round on transmitted integers and keeps every (v, p).

    `opening_w` is the profile of iteration 0, `price0_e7` the starting price. The Worker itself can keep one as well:
    `state_kw` is the w that an audit asks for.
    """

    def __init__(self, opening_w: Sequence[int], price0_e7: Sequence[int], sigma: float, dt_h: float = 0.25) -> None:
        self._sigma, self._dt_h = float(sigma), dt_h
        self._state = SplitState(kilowatts(opening_w) + self._pull(price0_e7))
        self._seen: list[tuple[int, FloatArray, FloatArray]] = []

    @property
    def state_kw(self) -> FloatArray:
        """w of the newest answer (kW): what its target was taken from."""
        return self._state.state_kw

    def add(
        self,
        power_w: Sequence[int],
        prices_e7: Sequence[int],
        gamma_e9: Sequence[int] = (),
        forget: bool = False,
        iteration: int | None = None,
    ) -> None:
        """Take the answer to a broadcast. `ProtocolError` for another horizon or an iteration already seen."""
        number = self._state.answered + 1 if iteration is None else iteration
        if len(power_w) != self._state.state_kw.size or number <= self._state.answered:
            raise ProtocolError(f"the answer to iteration {number} does not fit this round", next_step="drop it")
        weights = () if forget else tuple(gamma_e9)
        power, pull = kilowatts(power_w), self._pull(prices_e7)
        target = self._state.finished_step(weights, number) - 2.0 * pull
        self._state.move(power, pull, weights, number)
        self._seen.append((number, target, power))

    def expansions(self, error_kw: float = ANSWER_ERROR_KW) -> tuple[Expansion, ...]:
        """Return every pair of iterations that breaks the inequality."""
        found = []
        for place, (second, target, power) in enumerate(self._seen):
            for first, target_before, power_before in self._seen[:place]:
                gap = firm_gap_kw2(power - power_before, target - target_before, error_kw)
                if gap < 0.0:
                    found.append(Expansion(first, second, gap))
        return tuple(found)

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return sigma*lambda (kW), lambda per kW and slot."""
        return self._sigma * self._dt_h * price_per_kwh(prices_e7)


def firm_gap_kw2(step_kw: FloatArray, target_step_kw: FloatArray, error_kw: float = ANSWER_ERROR_KW) -> float:
    """Return <dp,dv> - |dp|^2 + tolerance; negative means that no convex cost explains both answers."""
    return float(step_kw @ (target_step_kw - step_kw)) + tolerance_kw2(step_kw, target_step_kw, error_kw)
