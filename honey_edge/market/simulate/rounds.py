"""One coordination of a simulated Hive of any size: Workers in shards, the Queen from their sums.

The same classes and integers as over the broker (`WorkerIteration`, `QueenIteration`). Shards have a fixed size, and
their sums are added in their order, so the outcome does not depend on who computes them: one process or several, behind
`Lanes`. A lost broadcast (`loss`) leaves the Worker where it is; who misses what follows from the seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from honey_edge.market.homes.asset_schedule import mixed_plan
from honey_edge.market.homes.assets import FloatArray, Home, Tariff
from honey_edge.market.homes.plan import Schedule, resimulate
from honey_edge.market.rounds.anderson import HeldSums, SplitState
from honey_edge.market.rounds.blend import BLEND_DEPTH
from honey_edge.market.rounds.certificate import Certificate
from honey_edge.market.rounds.iteration import MAX_ITERATIONS, QueenIteration, WorkerAnswer, WorkerIteration
from honey_edge.market.rounds.queen_step import kilowatts, price_per_kwh

SHARD_HOMES = 100
"""Homes per shard."""

COST_STEPS = 1_000_000_000


@dataclass(frozen=True, eq=False)
class RoundTerms:
    """What every Worker of a round is told: sigma (kW^2 per coin), the length of a slot, the starting price."""

    sigma: int
    dt_h: float
    price0_e7: tuple[int, ...]
    loss: float
    seed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ShardSums:
    """One shard's part of an iteration: integers to be added up, and what its Workers hold where some missed it."""

    power_w: tuple[int, ...]
    cost_e9_coin: int
    residual_e9_kw2: int
    inner_e9_kw2: tuple[int, ...]
    held: HeldSums | None
    answers: int


@dataclass(frozen=True, eq=False)
class ShardPlans:
    """Executable plans of a shard's homes, one row per home (kW per slot): the battery (charging positive) and the
    home's net power."""

    battery_kw: FloatArray
    net_kw: FloatArray


class Shard:
    """Some Workers of one round."""

    def __init__(self, homes: Sequence[Home], first: int, terms: RoundTerms) -> None:
        self._homes, self._first, self._terms = homes, first, terms
        self._workers = [WorkerIteration(home, terms.sigma, terms.dt_h) for home in homes]
        self._followers: list[SplitState] = []
        self._last: list[WorkerAnswer | None] = [None] * len(homes)
        self._plans: list[dict[int, Schedule]] = [{} for _ in homes]
        self._power = np.zeros((len(homes), homes[0].slots), dtype=np.int64)
        self._cost = [0] * len(homes)

    def start(self, opening_w: Sequence[Sequence[int]] | None) -> tuple[int, ...]:
        """Open the round; return the sum of the opening profiles (W)."""
        for place, worker in enumerate(self._workers):
            self._power[place] = worker.start(
                self._terms.price0_e7, None if opening_w is None else tuple(opening_w[place])
            )
        if self._terms.loss > 0.0:
            pull = self._pull(self._terms.price0_e7)
            self._followers = [SplitState(kilowatts(row.tolist()) + pull) for row in self._power]
        return self._power_sum()

    def answer(
        self, prices_e7: tuple[int, ...], gamma_e9: tuple[int, ...], forget: bool, number: int, held_window: int
    ) -> ShardSums:
        """Let every Worker that hears the broadcast answer it."""
        present = self._hear(number)
        for place in present:
            self._answer_one(place, prices_e7, gamma_e9, forget, number)
        answers = [one for place in present if (one := self._last[place]) is not None]
        residual = sum(one.residual_e9_kw2 for one in self._last if one is not None)
        inner = tuple(sum(column) for column in zip(*(one.inner_e9_kw2 for one in answers), strict=True))
        held = self._held(held_window, number) if self._terms.loss > 0.0 else None
        return ShardSums(self._power_sum(), sum(self._cost), residual, inner, held, len(answers))

    def plans(self, last: int, weights_e6: tuple[int, ...]) -> ShardPlans:
        """Return what the Workers execute: the mixture of their last plans, exactly as the batteries can follow it."""
        battery, net = np.zeros(self._power.shape), np.zeros(self._power.shape)
        for place, (home, plans) in enumerate(zip(self._homes, self._plans, strict=True)):
            net[place] = home.base_kw
            if not plans or home.battery is None:
                continue
            mixed = mixed_plan(home, plans, last, weights_e6, self._terms.dt_h)
            plan = resimulate(mixed, home.battery, self._terms.dt_h)
            battery[place], net[place] = plan.charge_kw - plan.discharge_kw, plan.net_kw
        return ShardPlans(battery, net)

    def bounds(self, prices_e7: tuple[int, ...]) -> int:
        """Return the sum of min h + lambda.p in 10^-9 coin."""
        return sum(worker.bound_e9_coin(prices_e7) for worker in self._workers)

    def alone(self, tariff: Tariff) -> int:
        """Return the sum of the optimised stand-alone costs in 10^-9 coin."""
        return sum(worker.standalone_e9_coin(tariff) for worker in self._workers)

    def _hear(self, number: int) -> list[int]:
        """Return the places of the Workers that hear this broadcast; without loss all, the same for every run."""
        terms, count = self._terms, len(self._workers)
        if terms.loss <= 0.0:
            return list(range(count))
        chance = np.random.default_rng([*terms.seed, number, self._first]).random(count)
        return np.flatnonzero(chance >= terms.loss).tolist()

    def _answer_one(
        self, place: int, prices_e7: tuple[int, ...], gamma_e9: tuple[int, ...], forget: bool, number: int
    ) -> None:
        """Let one Worker answer and keep what it said."""
        answer = self._workers[place].answer(prices_e7, gamma_e9, forget, number)
        self._last[place], self._cost[place] = answer, answer.cost_e9_coin
        self._power[place] = answer.power_w
        self._plans[place][number] = answer.schedule
        if len(self._plans[place]) > BLEND_DEPTH:
            del self._plans[place][min(self._plans[place])]
        if self._followers:
            weights = () if forget else gamma_e9
            self._followers[place].move(kilowatts(answer.power_w), self._pull(prices_e7), weights, number)

    def _held(self, count: int, number: int) -> HeldSums:
        """Return what this shard's Workers hold together."""
        slots = self._power.shape[1]
        steps = sum((one.full_steps(count, number) for one in self._followers), np.zeros((count, slots)))
        state = sum((one.state_kw for one in self._followers), np.zeros(slots))
        residual = sum((one.residual_kw for one in self._followers), np.zeros(slots))
        return HeldSums(np.asarray(state), np.asarray(residual), np.asarray(steps))

    def _power_sum(self) -> tuple[int, ...]:
        return tuple(self._power.sum(axis=0).tolist())

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return sigma*lambda (kW), lambda per kW and slot."""
        return self._terms.sigma * self._terms.dt_h * price_per_kwh(prices_e7)


class Lanes(Protocol):
    """Where shards live. Answers come in the order of the shards, whoever computed them."""

    def open(self, shards: Sequence[tuple[Sequence[Home], int]], terms: RoundTerms) -> None:
        """Set up the shards of a round: homes and the number of the first."""

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every shard, each with its own arguments."""


class LocalLanes:
    """All shards in this process."""

    def __init__(self) -> None:
        self._shards: list[Shard] = []

    def open(self, shards: Sequence[tuple[Sequence[Home], int]], terms: RoundTerms) -> None:
        """Set up the shards here."""
        self._shards = [Shard(homes, first, terms) for homes, first in shards]

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call the shards one after the other."""
        return [getattr(shard, method)(*own) for shard, own in zip(self._shards, arguments, strict=True)]


@dataclass(frozen=True, eq=False)
class RoundResult:
    """How a coordination ended.

    Rows of `net_kw` and `battery_kw` are the flexible homes in their order; `price_e7` the price agreed on;
    `certificate` None when it was not asked for, else `alone_e9_coin` is what all homes would pay alone, optimised.
    """

    price_e7: tuple[int, ...]
    net_kw: FloatArray
    battery_kw: FloatArray
    iterations: int
    converged: bool
    mismatch_kw: float
    certificate: Certificate | None
    alone_e9_coin: int


@dataclass(frozen=True, eq=False)
class RoundTask:
    """A coordination to be done: flexible homes, the sum of the others (W), what they pay alone (coin), the tariff."""

    homes: Sequence[Home]
    constant_w: tuple[int, ...]
    constant_alone: float
    tariff: Tariff
    opening_w: Sequence[Sequence[int]] | None = None
    certify: bool = False
    max_iterations: int = MAX_ITERATIONS


def coordinate(task: RoundTask, terms: RoundTerms, lanes: Lanes) -> RoundResult:
    """Run one coordination to its end (market-design sections 4 and 6)."""
    cuts = range(0, len(task.homes), SHARD_HOMES)
    lanes.open([(task.homes[first : first + SHARD_HOMES], first) for first in cuts], terms)
    opening = [(None if task.opening_w is None else task.opening_w[first : first + SHARD_HOMES],) for first in cuts]
    alone = None
    if task.certify:
        own = lanes.call("alone", [(task.tariff,)] * len(cuts))
        alone = sum(own) + round(task.constant_alone * COST_STEPS)
    queen = QueenIteration(
        task.tariff,
        len(task.homes),
        terms.sigma,
        constant_w=task.constant_w,
        price0_e7=terms.price0_e7,
        dt_h=terms.dt_h,
        max_iterations=task.max_iterations,
        blend=True,
        alone_e9_coin=alone,
    )
    queen.start(_columns(lanes.call("start", opening)))
    while not queen.finished:
        _iterate(queen, lanes, len(cuts), len(task.homes))
    return _collected(task, queen, lanes, len(cuts), alone)


def _iterate(queen: QueenIteration, lanes: Lanes, shards: int, homes: int) -> None:
    """Broadcast once and absorb the sums."""
    number = queen.iteration + 1
    broadcast = (queen.price_e7, queen.gamma_e9, queen.forget, number, queen.held_window())
    parts: list[ShardSums] = lanes.call("answer", [broadcast] * shards)
    inner = [part.inner_e9_kw2 for part in parts if part.answers]
    queen.absorb(
        _columns([part.power_w for part in parts]),
        sum(part.cost_e9_coin for part in parts),
        _held_sum([part.held for part in parts if part.held is not None]),
        sum(part.residual_e9_kw2 for part in parts),
        _columns(inner) if inner else (),
        1.0 - sum(part.answers for part in parts) / homes,
    )


def _held_sum(held: Sequence[HeldSums]) -> HeldSums | None:
    """Add up what the shards hold, in their order; None where nobody can have missed anything."""
    if not held:
        return None
    return HeldSums(
        np.sum([one.state_kw for one in held], axis=0),
        np.sum([one.residual_kw for one in held], axis=0),
        np.sum([one.full_steps_kw for one in held], axis=0),
    )


def _columns(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Add integers place by place."""
    return tuple(sum(column) for column in zip(*rows, strict=True))


def _collected(task: RoundTask, queen: QueenIteration, lanes: Lanes, shards: int, alone: int | None) -> RoundResult:
    """Fetch plans and, if asked for, the certificate."""
    plans: list[ShardPlans] = lanes.call("plans", [(queen.iteration, queen.weights_e6)] * shards)
    progress = queen.progress
    if progress is None:
        raise AssertionError("a finished round has iterated")
    certificate = None
    if alone is not None:
        bound, proof_e7 = sum(lanes.call("bounds", [(queen.agreed_e7,)] * shards)), queen.proof_e7
        proof = sum(lanes.call("bounds", [(proof_e7,)] * shards)) if proof_e7 else None
        certificate = queen.best_certificate(bound, alone, proof)
    return RoundResult(
        queen.agreed_e7,
        np.vstack([one.net_kw for one in plans]),
        np.vstack([one.battery_kw for one in plans]),
        progress.iteration,
        progress.converged,
        progress.mismatch_kw,
        certificate,
        alone or 0,
    )
