"""One round in this process (market-design section 4): the same classes and integers as over the broker.

With `loss` answers fail to be there when an iteration closes, by a seeded chance for each Worker and iteration: half of
them because the broadcast did not arrive, half because the answer comes one iteration late. With `sums_only` the Queen
learns sums alone, as in masked rounds, and what is not counted is lost for good.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from honey_edge.market.homes.asset_schedule import mixed_plan
from honey_edge.market.homes.assets import Home
from honey_edge.market.homes.plan import Schedule
from honey_edge.market.homes.worker_step import WorkerAnswer, WorkerIteration
from honey_edge.market.rounds.iteration import QueenIteration
from honey_edge.market.rounds.stragglers import AnswerLedger
from honey_edge.market.rounds.sums_only import Change, CountedWorker, RunningTotals

_DOWN_BYTES, _UP_BYTES = 394, 406
"""Broadcast and answer in the binary form of section 4.4 for 96 slots, without weights and inner products."""


def column_sums(profiles: Sequence[Sequence[int]], slots: int) -> list[int]:
    """Add profiles slot by slot, as integers."""
    return [sum(column) for column in zip(*profiles, strict=True)] if profiles else [0] * slots


@dataclass(frozen=True)
class Network:
    """What happens to answers: the share that is not there in time, the seed of the chance, and whether the Queen
    knows single answers."""

    loss: float = 0.0
    seed: int = 0
    sums_only: bool = False


@dataclass
class RoundEnd:
    """How a round ended: the plan of every flexible Worker that counts, and the bytes sent (binary form)."""

    schedules: list[Schedule | None]
    message_bytes: int = 0
    objectives: list[float] = field(default_factory=list)


class _Exchange(Protocol):
    """One iteration over some network."""

    def open(self, opening: Sequence[Sequence[int] | None]) -> list[int]: ...

    def step(self, price_e7: tuple[int, ...]) -> tuple[int, ...]: ...

    def plans(self, weights_e6: tuple[int, ...]) -> list[Schedule | None]: ...


def run_round(
    queen: QueenIteration,
    homes: Sequence[Home],
    sigma: float,
    *,
    opening: Sequence[Sequence[int] | None],
    eps: float,
    network: Network,
) -> RoundEnd:
    """Run a round of flexible homes to its end."""
    slots = queen.tariff.slots
    chance = random.Random(network.seed)
    exchange: _Exchange
    if network.sums_only:
        exchange = _SumsOnly(queen, [CountedWorker(home, sigma, queen.dt_h, eps) for home in homes], network, chance)
    else:
        workers = [WorkerIteration(home, sigma, queen.dt_h, eps) for home in homes]
        exchange = _Open(queen, workers, network, chance)
    price = queen.start(exchange.open(opening))
    end = RoundEnd([])
    while not queen.finished:
        weights = len(queen.gamma_e9)
        price = exchange.step(price)
        end.message_bytes += _bytes(len(homes), slots, weights)
        if queen.progress is not None:
            end.objectives.append(queen.progress.objective)
    end.schedules = exchange.plans(queen.weights_e6)
    return end


def _bytes(workers: int, slots: int, weights: int) -> int:
    """Return the bytes of one iteration in the binary form of section 4.4."""
    extra = 4 * (slots - 96)
    return _DOWN_BYTES + extra + 4 * weights + workers * (_UP_BYTES + extra + 8 * (weights + 1))


class _Open:
    """The Queen knows single answers: the ledger follows every Worker."""

    def __init__(
        self, queen: QueenIteration, workers: list[WorkerIteration], network: Network, chance: random.Random
    ) -> None:
        self._queen, self._workers, self._network, self._chance = queen, workers, network, chance
        self._names = [f"w{index:06d}" for index in range(len(workers))]
        self._ledger: AnswerLedger | None = None
        self._late: list[tuple[str, int, WorkerAnswer]] = []
        self._plans: list[dict[int, Schedule]] = [{} for _ in workers]

    def open(self, opening: Sequence[Sequence[int] | None]) -> list[int]:
        queen = self._queen
        opened = [w.start(queen.price_e7, p0) for w, p0 in zip(self._workers, opening, strict=True)]
        if self._network.loss > 0.0:
            named = dict(zip(self._names, opened, strict=True))
            self._ledger = AnswerLedger(named, queen.price_e7, self._workers[0].sigma, queen.dt_h)
        return column_sums(opened, queen.tariff.slots)

    def step(self, price_e7: tuple[int, ...]) -> tuple[int, ...]:
        if self._ledger is not None:
            return self._with_losses(self._ledger, price_e7)
        queen = self._queen
        answers = [worker.answer(price_e7, queen.gamma_e9, queen.forget) for worker in self._workers]
        for plans, answer in zip(self._plans, answers, strict=True):
            plans[queen.iteration + 1] = answer.schedule
        return queen.absorb(
            column_sums([answer.power_w for answer in answers], len(price_e7)),
            sum(answer.cost_e9_coin for answer in answers),
            None,
            sum(answer.residual_e9_kw2 for answer in answers),
            column_sums([answer.inner_e9_kw2 for answer in answers], 0),
        )

    def _with_losses(self, ledger: AnswerLedger, price_e7: tuple[int, ...]) -> tuple[int, ...]:
        queen, loss = self._queen, self._network.loss
        number = ledger.broadcast(price_e7, queen.gamma_e9, queen.forget)
        overdue, self._late = self._late, []
        for name, then, answer in overdue:
            self._take(ledger, name, then, answer)
        for name, worker in zip(self._names, self._workers, strict=True):
            fate = self._chance.random()
            if fate < loss / 2.0:
                continue
            answer = worker.answer(price_e7, queen.gamma_e9, queen.forget, number)
            if fate < loss:
                self._late.append((name, number, answer))
            else:
                self._take(ledger, name, number, answer)
        sums = ledger.close()
        return queen.absorb(
            sums.power_w,
            sums.cost_e9_coin,
            sums.correction_kw,
            sums.residual_e9_kw2,
            sums.inner_e9_kw2,
            sums.missing_share,
        )

    def _take(self, ledger: AnswerLedger, name: str, number: int, answer: WorkerAnswer) -> None:
        taken = ledger.take(
            name, number, answer.power_w, answer.cost_e9_coin, answer.residual_e9_kw2, answer.inner_e9_kw2
        )
        if taken:
            self._plans[self._names.index(name)][ledger.iteration] = answer.schedule

    def plans(self, weights_e6: tuple[int, ...]) -> list[Schedule | None]:
        last, dt_h = self._queen.iteration, self._queen.dt_h
        return [
            mixed_plan(worker.home, plans, last, weights_e6, dt_h) if plans else None
            for worker, plans in zip(self._workers, self._plans, strict=True)
        ]


class _SumsOnly:
    """The Queen knows sums: changes since the last counted answer."""

    def __init__(
        self, queen: QueenIteration, workers: list[CountedWorker], network: Network, chance: random.Random
    ) -> None:
        self._queen, self._workers, self._network, self._chance = queen, workers, network, chance
        self._counted = [True] * len(workers)
        self._totals: RunningTotals | None = None

    def open(self, opening: Sequence[Sequence[int] | None]) -> list[int]:
        queen = self._queen
        opened = [w.start(queen.price_e7, p0) for w, p0 in zip(self._workers, opening, strict=True)]
        total = column_sums(opened, queen.tariff.slots)
        steps = column_sums([worker.opening_step_uw for worker in self._workers], queen.tariff.slots)
        self._totals = RunningTotals(total, len(self._workers), steps)
        return total

    def step(self, price_e7: tuple[int, ...]) -> tuple[int, ...]:
        assert self._totals is not None
        queen, changes = self._queen, []
        for index, worker in enumerate(self._workers):
            change = worker.answer(price_e7, queen.gamma_e9, queen.forget, self._counted[index])
            self._counted[index] = self._chance.random() >= self._network.loss
            if self._counted[index]:
                changes.append(change)
        opened = Change(
            tuple(column_sums([change.power_w for change in changes], len(price_e7))),
            sum(change.cost_e9_coin for change in changes),
            sum(change.residual_e9_kw2 for change in changes),
            tuple(column_sums([change.inner_e9_kw2 for change in changes], 0)),
            tuple(column_sums([change.step_uw for change in changes], len(price_e7))),
        )
        totals = self._totals.add(opened, len(changes))
        return queen.absorb(
            totals.power_w,
            totals.cost_e9_coin,
            totals.held,
            totals.residual_e9_kw2,
            totals.inner_e9_kw2,
            totals.missing_share,
        )

    def plans(self, weights_e6: tuple[int, ...]) -> list[Schedule | None]:
        for worker, counted in zip(self._workers, self._counted, strict=True):
            worker.settle(counted)
        last, dt_h = self._queen.iteration, self._queen.dt_h
        return [
            mixed_plan(worker.iteration.home, worker.plans, last, weights_e6, dt_h) if worker.plans else None
            for worker in self._workers
        ]
