"""Missing answers in rounds where the Queen learns sums only (market-design sections 4.3 and 4.5).

She cannot know the last profile of whoever is missing. So Workers send changes: what their numbers are more than those
of their last answer that was counted. Her running totals plus the opened sum of changes are the totals with the last
counted profile of everybody else. And since she cannot know a single w either, nobody's stands still: who was not
counted takes its last counted profile as its answer to that price, as if it had nothing to decide
(`WorkerIteration.withdraw`). So W = sum of w holds with no more than the sums.

A Worker that missed a broadcast altogether does not know what to withdraw from: it stays out and its last counted
profile stays in the totals, which needs nobody's help. It joins again in the next round.

The inner products of the uncounted are missing from the sums; those of the others are scaled up to all Workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.market.homes.assets import Home
from honey_edge.market.homes.plan import Schedule
from honey_edge.market.homes.worker_step import WorkerAnswer, WorkerIteration, of_horizon


@dataclass(frozen=True, eq=False)
class Change:
    """What is masked and added up: changes of power (W), cost (10^-9 coin) and |r|^2 since the last counted answer,
    and the newest inner products (10^-9 kW^2)."""

    power_w: tuple[int, ...]
    cost_e9_coin: int
    residual_e9_kw2: int
    inner_e9_kw2: tuple[int, ...]


class CountedWorker:
    """A Worker's side: the iteration of `WorkerIteration`, answering with changes."""

    def __init__(self, home: Home, sigma_kw2_per_coin: float, dt_h: float = 0.25, eps: float = 1e-4) -> None:
        self.iteration = WorkerIteration(home, sigma_kw2_per_coin, dt_h, eps)
        self._sent: WorkerAnswer | None = None
        self._counted: WorkerAnswer | None = None
        self._opening: tuple[int, ...] = ()

    @property
    def schedule(self) -> Schedule | None:
        """The plan of the last counted answer, which is the one to follow; None before there is one.

        Call `answer` or `settle` first, so that it is known what was counted.
        """
        return None if self._counted is None else self._counted.schedule

    def start(self, price0_e7: Sequence[int], power0_w: Sequence[int] | None = None) -> tuple[int, ...]:
        """Open the round; return the starting profile (W), whose sum the Queen must open completely."""
        self._sent = self._counted = None
        self._opening = self.iteration.start(price0_e7, power0_w)
        return self._opening

    def answer(
        self, prices_e7: Sequence[int], gamma_e9: Sequence[int] = (), forget: bool = False, counted: bool = True
    ) -> Change:
        """Answer a broadcast that says whether this Worker's last answer was `counted`."""
        self.settle(counted)
        now = self._sent = self.iteration.answer(prices_e7, gamma_e9, forget)
        before = self._counted
        power = self._opening if before is None else before.power_w
        return Change(
            tuple(new - old for new, old in zip(now.power_w, power, strict=True)),
            now.cost_e9_coin - (0 if before is None else before.cost_e9_coin),
            now.residual_e9_kw2 - (0 if before is None else before.residual_e9_kw2),
            now.inner_e9_kw2,
        )

    def settle(self, counted: bool) -> None:
        """Note whether the last answer was counted, without answering again (the final broadcast)."""
        if self._sent is None:
            return
        if counted:
            self._counted = self._sent
        else:
            self.iteration.withdraw()
        self._sent = None


@dataclass(frozen=True, eq=False)
class Totals:
    """What `QueenIteration.absorb` takes: totals over all Workers, counted or not."""

    power_w: tuple[int, ...]
    cost_e9_coin: int
    residual_e9_kw2: int
    inner_e9_kw2: tuple[int, ...]
    missing_share: float


class RunningTotals:
    """The Queen's side: totals of a round of `workers` Workers, from opened sums of changes."""

    def __init__(self, power0_sum_w: Sequence[int], workers: int) -> None:
        self._power, self._workers = tuple(power0_sum_w), workers
        self._cost = self._residual = 0

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
        return Totals(self._power, self._cost, max(self._residual, 0), inner, 1.0 - counted / self._workers)
