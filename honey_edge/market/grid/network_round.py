"""The price iteration with one price vector per group of homes: trees of Hives and feeders with voltage limits.

One flat splitting over all homes (market-design section 5): a home only ever sees the price of its own group, so its
side is the `WorkerIteration` of a Hive without inner limits, acceleration included. The Queens hold the groups' sums;
what differs is the step from those sums to the prices, which `Step` stands for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.network import Network
from honey_edge.market.grid.network_blend import NetworkBlender
from honey_edge.market.homes.asset_schedule import mixed_plan
from honey_edge.market.homes.assets import FloatArray, Home, Tariff
from honey_edge.market.homes.plan import Schedule
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.homes.worker_step import WorkerAnswer, of_horizon
from honey_edge.market.rounds.blend import BLEND_DEPTH
from honey_edge.market.rounds.iteration import (
    AWAY_KW,
    MAX_ITERATIONS,
    Progress,
    QueenIteration,
    WorkerIteration,
    round_sigma,
)
from honey_edge.market.rounds.queen_step import PRICE_LIMIT, kilowatts, price_e7, price_per_kwh, watts
from honey_edge.market.rounds.round_bytes import answer_record, broadcast_record

Step = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From W (groups x slots, kW) and S per group (kW^2 per currency) to (Z, price per kWh), both groups x slots."""

KEPT = 8
"""Plans that a home keeps until the round ends."""

_QUIET = 1e-3
_ENOUGH = 4.7e-3
"""Share at which the Queens are content: they see plans rounded to a watt, the real ones may lie a bit further out."""

_MIXED_OVER = 4e-3
"""Share of a limit that a mixture may use beyond it: most of what counts as kept, and some room for rounding."""

NEAR_MIXED = 2e-3
"""Estimated distance of a mixture to the optimum, as a share of the gain, at which a round ends. The estimate assumes
plans as far from the optimum as a single iteration's are; a mixture's were half as far and less."""

OVERSHOOT = 5e-3
"""Share by which a limit may be broken and still counts as kept (section 5)."""


@dataclass(frozen=True, eq=False)
class NetworkAgreement:
    """How a round ended: plans in the order of the homes, powers and prices (per kWh) of the groups, and the rest as
    in `HiveSolution`; `overshoot` is the worst share by which a limit is broken, `progress` tells of every iteration
    (its `excess_kw` is that share)."""

    schedules: tuple[Schedule, ...]
    group_kw: FloatArray
    group_price_e7: tuple[tuple[int, ...], ...]
    objective: float
    iterations: int
    status: str
    mismatch_kw: float
    overshoot: float
    message_bytes: int = 0
    progress: tuple[Progress, ...] = ()

    def with_bytes(self, more: int) -> NetworkAgreement:
        """Return the same with the bytes that went between Queens added."""
        return replace(self, message_bytes=self.message_bytes + more)

    @property
    def pcc_kw(self) -> FloatArray:
        """Power at the connection point (kW per slot)."""
        return np.asarray(self.group_kw.sum(axis=0), dtype=np.float64)


class NetworkQueen(QueenIteration):
    """The Queens' side: all vectors of the plain iteration are the groups' vectors one after the other.

    `flexible_of` counts each group's flexible homes, `constant_w` sums each group's others (W per slot). A round also
    goes on while its mismatch is worth more than `mismatch_share` of the running gain: a few homes gain little
    against the power they exchange, and 1e-3 of that power can then be more than 1e-3 of the gain. With `blend` the
    end of the round mixes the homes' last plans (`weights_e6`).
    """

    def __init__(
        self,
        tariff: Tariff,
        network: Network,
        step: Step,
        flexible_of: Sequence[int],
        sigma_kw2_per_coin: float,
        constant_w: Sequence[Sequence[int]],
        *,
        dt_h: float = 0.25,
        max_iterations: int = MAX_ITERATIONS,
        accelerate: bool = True,
        mismatch_share: float = np.inf,
        blend: bool = False,
        near: float = NEAR_MIXED,
    ) -> None:
        super().__init__(
            tariff,
            sum(flexible_of),
            sigma_kw2_per_coin,
            dt_h=dt_h,
            max_iterations=max_iterations,
            accelerate=accelerate,
        )
        self.network, self._step, self._mismatch_share = network, step, mismatch_share
        self._mixer, self._near = NetworkBlender(tariff, network, dt_h) if blend else None, near
        self._scales = np.array(flexible_of, dtype=np.float64) * float(sigma_kw2_per_coin)
        self._constant_w = tuple(power for group in constant_w for power in group)
        self.price_e7 = self.agreed_e7 = self.price_e7 * network.groups

    def price_of(self, group: int) -> tuple[int, ...]:
        """Return what is to be broadcast to a group's homes next (10^-7 coin per kWh)."""
        slots = self.tariff.slots
        return self.price_e7[group * slots : (group + 1) * slots]

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return S*lambda (kW) of every group, one after the other."""
        return np.repeat(self._scales, self.tariff.slots) * self.dt_h * price_per_kwh(prices_e7)

    def _total_kw(self, power_sum_w: Sequence[int]) -> FloatArray:
        """Return the powers of the groups (kW), answers and constants added as integers."""
        answers = of_horizon("power_sum_w", power_sum_w, self.tariff.slots * self.network.groups)
        return kilowatts([own + fixed for own, fixed in zip(answers, self._constant_w, strict=True)])

    def _cost(self, total_kw: FloatArray, cost_sum_e9_coin: int) -> float:
        """Return U: private costs plus what the grid charges for the sum of the groups."""
        return super()._cost(self._by_group(total_kw).sum(axis=0), cost_sum_e9_coin)

    def _next_price(self, aggregate_kw: FloatArray) -> tuple[int, ...]:
        """Do the step and keep what follows from the prices as they are transmitted."""
        _, price = self._step(self._by_group(aggregate_kw), self._scales)
        self.price_e7 = price_e7(np.clip(price.ravel(), -PRICE_LIMIT, PRICE_LIMIT))
        self._net_kw = aggregate_kw - self._pull(self.price_e7)
        return self.price_e7

    def _judge(self, total_kw: FloatArray, private_cost: float) -> Progress:
        """Apply section 6 to the sum of the groups, and to every limit of the network."""
        groups = self._by_group(total_kw)
        least = self._least(groups, private_cost)
        asked, self._net_kw = self._net_kw, self._by_group(self._net_kw).sum(axis=0)
        total = groups.sum(axis=0)
        away = np.abs(total - self._net_kw) * (self.tariff.buy_per_kwh - self.tariff.sell_per_kwh)
        judged = super()._judge(total, private_cost)
        self._net_kw = asked
        gain = self._gain(total, judged.objective, private_cost)
        settled = judged.converged and 0.5 * self.dt_h * float(away.sum()) <= self._mismatch_share * gain
        if self._mixer is not None:
            return self._judge_mixture(self._mixer, groups, private_cost, judged, least, gain, settled=settled)
        over = self.network.overshoot(groups)
        converged = settled and over <= _ENOUGH
        return Progress(judged.iteration, judged.mismatch_kw, judged.objective, over, converged)

    def _judge_mixture(
        self,
        mixer: NetworkBlender,
        groups: FloatArray,
        private_cost: float,
        judged: Progress,
        least: float,
        gain: float,
        *,
        settled: bool,
    ) -> Progress:
        """End where the mixture keeps the limits and its distance to the optimum is small, as for single plans or as
        `_judge_blend` estimates it."""
        mixer.add(private_cost, groups)
        mixed = self.blend = mixer.best(_MIXED_OVER)
        self._bounds.append(least)
        over, enough = self.network.overshoot(mixed.total_kw), settled
        if self._residual_kw > 0.0:
            away = self._residual_kw * math.sqrt(self._numbers) * AWAY_KW / self._sigma
            enough = settled or max(0.0, mixed.objective - max(self._bounds)) + away <= self._near * gain
        return Progress(judged.iteration, judged.mismatch_kw, mixed.objective, over, enough and over <= _ENOUGH)

    def _least(self, groups: FloatArray, private_cost: float) -> float:
        """Return about what the optimum costs at least (currency), were the answers best answers to the prices alone.

        What the Queens asked for is their own best answer to the same prices, within all limits: their step says so.
        """
        net, price = self._by_group(self._net_kw), self._by_group(price_per_kwh(self.price_e7))
        grid = self.tariff.cost(net.sum(axis=0), self.dt_h)
        return private_cost + grid + self.dt_h * float((price * (groups - net)).sum())

    def _by_group(self, flat: FloatArray) -> FloatArray:
        """Return a vector of all groups as groups x slots."""
        return flat.reshape(self.network.groups, self.tariff.slots)


@dataclass(frozen=True, eq=False)
class _Side:
    """The homes' side in this process: their states, the group of each, and the plans of those that never move."""

    workers: tuple[WorkerIteration, ...]
    places: tuple[int, ...]
    groups: tuple[int, ...]

    def answers(self, queen: NetworkQueen) -> list[WorkerAnswer]:
        """Let every home answer the price of its group."""
        prices = [queen.price_of(group) for group in range(queen.network.groups)]
        pairs = zip(self.workers, self.groups, strict=True)
        return [worker.answer(prices[group], queen.gamma_e9, queen.forget) for worker, group in pairs]


def _flat_sums(profiles: Sequence[Sequence[int]], groups: Sequence[int], count: int, slots: int) -> list[list[int]]:
    """Add profiles (W) by group, as integers."""
    sums = [[0] * slots for _ in range(count)]
    for profile, group in zip(profiles, groups, strict=True):
        sums[group] = [total + own for total, own in zip(sums[group], profile, strict=True)]
    return sums


def solve_network(
    homes: Sequence[Home],
    tariff: Tariff,
    network: Network,
    step: Step,
    dt_h: float = 0.25,
    *,
    sigma_kw2_per_coin: int | None = None,
    eps: float = 1e-4,
    max_iterations: int = MAX_ITERATIONS,
    accelerate: bool = True,
    mismatch_share: float = np.inf,
    near: float = NEAR_MIXED,
) -> NetworkAgreement:
    """Run a round in this process until section 6 ends it; homes without flexibility are constants of their group.

    `AssetError` for forecasts of another length than the tariff, `PlanRejected` when a home's schedule or the step
    fails its check.
    """
    slots, count = tariff.slots, network.groups
    if not homes or any(home.slots != slots for home in homes):
        raise AssetError(f"every home needs a forecast of {slots} slots, as long as the tariff")
    sigma = round_sigma(tariff, dt_h, settled=False) if sigma_kw2_per_coin is None else sigma_kw2_per_coin
    places = tuple(place for place, home in enumerate(homes) if home.flexible)
    still = [place for place, home in enumerate(homes) if not home.flexible]
    groups = tuple(network.group_of[place] for place in places)
    constant = _flat_sums([watts(homes[k].base_kw) for k in still], [network.group_of[k] for k in still], count, slots)
    flexible_of = [groups.count(group) for group in range(count)]
    fixed = {place: ProximalSchedule(homes[place], dt_h, 1.0).solve(homes[place].base_kw) for place in still}
    if not places:
        return _collected([fixed[place] for place in still], tariff, network, dt_h, None, ())
    queen = NetworkQueen(
        tariff, network, step, flexible_of, sigma, constant,
        dt_h=dt_h, max_iterations=max_iterations, accelerate=accelerate, mismatch_share=mismatch_share,
        blend=True, near=near,
    )  # fmt: skip
    side = _Side(tuple(WorkerIteration(homes[place], sigma, dt_h, eps) for place in places), places, groups)
    moved, sent, progress = _run(queen, side)
    plans = {**fixed, **moved}
    done = _collected([plans[place] for place in range(len(homes))], tariff, network, dt_h, queen, queen.agreed_e7)
    return replace(done, message_bytes=sent, progress=progress)


def _run(queen: NetworkQueen, side: _Side) -> tuple[dict[int, Schedule], int, tuple[Progress, ...]]:
    """Exchange prices and answers until the Queen has enough; return the plans by place, the bytes and the progress.

    Plans and prices still swing a little when a round ends: every home mixes its last plans as the Queen names it.
    """
    slots, count = queen.tariff.slots, queen.network.groups
    pairs = zip(side.workers, side.groups, strict=True)
    opened = [worker.start(queen.price_of(group)) for worker, group in pairs]
    queen.start(_joined(_flat_sums(opened, side.groups, count, slots)))
    sent, progress = 0, list[Progress]()
    kept: list[dict[int, Schedule]] = [{} for _ in side.workers]
    while not queen.finished:
        answers = side.answers(queen)
        sent += _sizes(queen, answers)
        queen.absorb(
            _joined(_flat_sums([answer.power_w for answer in answers], side.groups, count, slots)),
            sum(answer.cost_e9_coin for answer in answers),
            None,
            sum(answer.residual_e9_kw2 for answer in answers),
            [sum(column) for column in zip(*(answer.inner_e9_kw2 for answer in answers), strict=True)],
        )
        for plans, answer in zip(kept, answers, strict=True):
            plans[queen.iteration] = answer.schedule
            plans.pop(queen.iteration - BLEND_DEPTH, None)
        if queen.progress is not None:
            progress.append(queen.progress)
    last, weights, dt_h = queen.iteration, queen.weights_e6, queen.dt_h
    mixed = [
        mixed_plan(worker.home, plans, last, weights, dt_h) for worker, plans in zip(side.workers, kept, strict=True)
    ]
    return dict(zip(side.places, mixed, strict=True)), sent, tuple(progress)


def _sizes(queen: NetworkQueen, answers: Sequence[WorkerAnswer]) -> int:
    """Return the bytes of one iteration: a broadcast per group, an answer per home."""
    number = queen.iteration + 1
    down = [len(broadcast_record(0, number, queen.price_of(k), queen.gamma_e9)) for k in range(queen.network.groups)]
    return sum(down) + sum(len(answer_record(0, number, answer)) for answer in answers)


def _joined(sums: Sequence[Sequence[int]]) -> list[int]:
    """Return the groups' vectors one after the other."""
    return [power for group in sums for power in group]


def _collected(
    plans: Sequence[Schedule],
    tariff: Tariff,
    network: Network,
    dt_h: float,
    queen: NetworkQueen | None,
    agreed: tuple[int, ...],
) -> NetworkAgreement:
    """Evaluate the plans as they are and name how the round ended; without a Queen nobody had anything to decide."""
    group_kw = network.group_kw([plan.net_kw for plan in plans])
    pcc, over = np.asarray(group_kw.sum(axis=0)), network.overshoot(group_kw)
    objective = sum(plan.private_cost for plan in plans) + tariff.cost(pcc, dt_h)
    if queen is None:
        edge = price_e7(np.where(pcc > 0.0, tariff.buy_per_kwh, tariff.sell_per_kwh))
        status = "converged" if over <= OVERSHOOT else "limits_exceeded"
        return NetworkAgreement(tuple(plans), group_kw, (edge,) * network.groups, objective, 0, status, 0.0, over)
    slots = tariff.slots
    prices = tuple(agreed[group * slots : (group + 1) * slots] for group in range(network.groups))
    mismatch = 0.0 if queen.progress is None else queen.progress.mismatch_kw
    status = "converged" if queen.converged else "iteration_limit" if over <= OVERSHOOT else "limits_exceeded"
    return NetworkAgreement(tuple(plans), group_kw, prices, objective, queen.iteration, status, mismatch, over)
