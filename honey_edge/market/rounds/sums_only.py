"""Missing answers in rounds where the Queen learns sums only (market-design sections 4.3 and 4.5).

She cannot know the last profile of whoever is missing. So Workers send changes: what their numbers are more than those
of their last answer that was counted. Her running totals plus the opened sum of changes are the totals with the last
counted profile of everybody else. Nor can she know a single w. So beside the profile a Worker sends its own step,
f = w + a*r, in the same way, and whoever was not counted takes its answer back and stands where it stood (section 4.3:
its w does not move). The sum of the f is what the price follows from, and its differences from iteration to iteration
are the sums of dw + a*dr that the acceleration needs: nothing of a single home, whoever is missing.

A Worker that missed a broadcast altogether takes nothing back and answers the next one: its changes are still those
since its last counted answer.

The inner products of the uncounted are missing from the sums; those of the others are scaled up to all Workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.homes.assets import Home
from honey_edge.market.homes.plan import Schedule
from honey_edge.market.homes.worker_step import WorkerAnswer, WorkerIteration, of_horizon
from honey_edge.market.rounds.anderson import ANDERSON_DEPTH, HeldSums

STEPS_UW = 1_000_000_000
"""Steps of w + a*r on the wire in one kW: sums of rounded numbers stay within a thousandth of a watt."""

LARGEST_STEP_UW = 10**17
"""Largest w + a*r of one Worker (10^-6 W) that is sent: 100 MW."""


@dataclass(frozen=True, eq=False)
class Change:
    """What is masked and added up: changes of power (W), cost (10^-9 coin) and |r|^2 since the last counted answer,
    and the newest inner products (10^-9 kW^2).

    `step_uw` is the change of w + a*r (10^-6 W); () where whoever is missed stays out for the rest of the round.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    residual_e9_kw2: int
    inner_e9_kw2: tuple[int, ...]
    step_uw: tuple[int, ...] = ()


class CountedWorker:
    """A Worker's side: the iteration of `WorkerIteration`, answering with changes."""

    def __init__(self, home: Home, sigma_kw2_per_coin: float, dt_h: float = 0.25, eps: float = 1e-4) -> None:
        self.iteration = WorkerIteration(home, sigma_kw2_per_coin, dt_h, eps)
        self._sent: WorkerAnswer | None = None
        self._counted: WorkerAnswer | None = None
        self._opening: tuple[int, ...] = ()
        self._sent_step: tuple[int, ...] = ()
        self._counted_step: tuple[int, ...] = ()
        self._number = 0
        self.plans: dict[int, Schedule] = {}

    @property
    def schedule(self) -> Schedule | None:
        """The plan of the last counted answer, which is the one to follow; None before there is one.

        Call `answer` or `settle` first, so that it is known what was counted.
        """
        return None if self._counted is None else self._counted.schedule

    def start(self, price0_e7: Sequence[int], power0_w: Sequence[int] | None = None) -> tuple[int, ...]:
        """Open the round; return the starting profile (W), whose sum the Queen must open completely."""
        self._sent = self._counted = None
        self._number, self.plans = 0, {}
        self._opening = self.iteration.start(price0_e7, power0_w)
        self._counted_step = self._step_uw()
        return self._opening

    @property
    def opening_step_uw(self) -> tuple[int, ...]:
        """w of the opening (10^-6 W), whose sum the Queen must open as well; call it before the first `answer`."""
        return self._counted_step

    def answer(
        self, prices_e7: Sequence[int], gamma_e9: Sequence[int] = (), forget: bool = False, counted: bool = True
    ) -> Change:
        """Answer a broadcast that says whether this Worker's last answer was `counted`."""
        self.settle(counted)
        self._number += 1
        now = self._sent = self.iteration.answer(prices_e7, gamma_e9, forget, self._number)
        self._sent_step = self._step_uw()
        before = self._counted
        power = self._opening if before is None else before.power_w
        return Change(
            tuple(new - old for new, old in zip(now.power_w, power, strict=True)),
            now.cost_e9_coin - (0 if before is None else before.cost_e9_coin),
            now.residual_e9_kw2 - (0 if before is None else before.residual_e9_kw2),
            now.inner_e9_kw2,
            tuple(new - old for new, old in zip(self._sent_step, self._counted_step, strict=True)),
        )

    def _step_uw(self) -> tuple[int, ...]:
        """Return w + a*r as it is sent."""
        bounded = np.clip(np.rint(self.iteration.step_kw * STEPS_UW), -LARGEST_STEP_UW, LARGEST_STEP_UW)
        return tuple(int(number) for number in bounded)

    def settle(self, counted: bool) -> None:
        """Note whether the last answer was counted, without answering again (the final broadcast)."""
        if self._sent is None:
            return
        if counted:
            self._counted, self._counted_step = self._sent, self._sent_step
            self.plans[self._number] = self._sent.schedule
        else:
            self.iteration.take_back()
        self._sent = None


@dataclass(frozen=True, eq=False)
class Totals:
    """What `QueenIteration.absorb` takes: totals over all Workers, counted or not.

    `held` is what all Workers hold together, without the constants; None where steps are not sent.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    residual_e9_kw2: int
    inner_e9_kw2: tuple[int, ...]
    missing_share: float
    held: HeldSums | None = None


class RunningTotals:
    """The Queen's side: totals of a round of `workers` Workers, from opened sums of changes.

    `step0_sum_uw` is the sum of the openings' w (10^-6 W), () where steps are not sent.
    """

    def __init__(self, power0_sum_w: Sequence[int], workers: int, step0_sum_uw: Sequence[int] = ()) -> None:
        self._power, self._workers = tuple(power0_sum_w), workers
        self._cost = self._residual = 0
        self._steps = deque([tuple(step0_sum_uw)], maxlen=ANDERSON_DEPTH + 1)

    def add(self, opened: Change, counted: int) -> Totals:
        """Take the opened sum of `counted` Workers' changes; return the totals.

        Where nobody was counted pass zeros and no inner products.
        """
        change = of_horizon("power_sum_w", opened.power_w, len(self._power))
        self._power = tuple(old + more for old, more in zip(self._power, change, strict=True))
        self._cost += opened.cost_e9_coin
        self._residual += opened.residual_e9_kw2
        share = max(counted, 1)
        inner = tuple(product * self._workers // share for product in opened.inner_e9_kw2)
        held, missing = self._held(opened.step_uw), 1.0 - counted / self._workers
        return Totals(self._power, self._cost, max(self._residual, 0), inner, missing, held)

    def _held(self, change_uw: Sequence[int]) -> HeldSums | None:
        """Return the sum of w + a*r in place of w (r then counts as 0), and its last differences."""
        before = self._steps[-1]
        if not before:
            return None
        more = of_horizon("step_sum_uw", change_uw or (0,) * len(before), len(before))
        self._steps.append(tuple(old + new for old, new in zip(before, more, strict=True)))
        kept = np.array(self._steps, dtype=np.float64) / STEPS_UW
        return HeldSums(kept[-1], np.zeros(len(before)), np.diff(kept, axis=0))
