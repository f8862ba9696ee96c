"""A daughter Queen as a plain Worker of a mother that speaks no tree protocol (market-design section 5, last line).

Her "home" is her whole Hive. The mother's price asks for the p that minimises H(p) + |p - target|^2 / (2*sigma), H(p)
being the least private cost at which her homes draw p together within her node's limits. She finds it by price rounds
of her own, on the same integers: her step has this square in the place of the grid's tariff,

    Z = clip((target/sigma + W/S) / (1/sigma + 1/S), limits),      her price = (W - Z) / (S*dt),

so her homes cannot tell a daughter from a root. Her rounds go on from where the last ones ended. They cost a whole
round per price of the mother: where the mother speaks the tree protocol, `tree_round` needs one round for everybody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from honey_edge.market.errors import AssetError, PlanRejected
from honey_edge.market.homes.asset_schedule import Schedule
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.homes.solver import SOLVED
from honey_edge.market.homes.worker_step import COST_STEPS, WorkerAnswer, WorkerIteration, of_horizon
from honey_edge.market.rounds.anderson import SplitState, Weights
from honey_edge.market.rounds.queen_step import PRICE_LIMIT, kilowatts, price_e7, price_per_kwh, watts
from honey_edge.market.rounds.round_loop import column_sums

MAX_INNER = 120
"""Price rounds of the daughter for one price of her mother, at most."""

STILL_KW = 5e-4
"""Root mean square residual of a home's power at which her rounds end: what rounding to a watt leaves is below it."""

MATCHED_KW = 0.25e-3
"""Mean distance of the sum to what she asks for at which her rounds end, times the root of her homes' number: what
rounding to a watt leaves. Every watt beside costs her mother half of what buying is dearer than selling."""

OVERSHOOT = 5e-3
"""Share by which a node's limit may be broken and still counts as kept (section 5)."""


@dataclass(frozen=True, eq=False)
class Subtree:
    """A daughter's Hive: her homes and daughters of her own, and the limits of her node (kW)."""

    members: tuple[Home | Subtree, ...]
    limits: Limits = NO_LIMITS

    @property
    def flexible(self) -> bool:
        """Whether anybody in it has something to decide."""
        return any(member.flexible for member in self.members)

    @property
    def slots(self) -> int:
        """Length of the horizon."""
        return self.members[0].slots

    @property
    def load_kw(self) -> FloatArray:
        """Forecast consumption of everybody (kW per slot)."""
        return np.asarray(np.sum([member.load_kw for member in self.members], axis=0), dtype=np.float64)

    @property
    def pv_kw(self) -> FloatArray:
        """Forecast sun of everybody (kW per slot)."""
        return np.asarray(np.sum([member.pv_kw for member in self.members], axis=0), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class SubtreePlan(Schedule):
    """The sum of the members' plans, for the mother; `plans` are the members' own, in their order."""

    plans: tuple[Schedule, ...] = field(default=())


class DaughterProximal:
    """The daughter's rounds: `solve` answers a target like a home's `ProximalSchedule` does."""

    def __init__(self, subtree: Subtree, sigma_kw2_per_coin: float, dt_h: float, eps: float) -> None:
        slots, moving = subtree.slots, [place for place, one in enumerate(subtree.members) if one.flexible]
        if not moving or any(one.slots != slots for one in subtree.members):
            raise AssetError(f"a daughter needs a flexible member, and everybody a forecast of {slots} slots")
        self.limits, self.dt_h, self.sigma = subtree.limits, dt_h, float(sigma_kw2_per_coin)
        self._matched_kw = MATCHED_KW * math.sqrt(len(moving))
        self._scale, self._numbers = self.sigma * len(moving), slots * len(moving)
        self.workers = {place: iteration_of(subtree.members[place], self.sigma, dt_h, eps) for place in moving}
        still = {place: one for place, one in enumerate(subtree.members) if place not in self.workers}
        self._fixed = {place: _fixed_plan(one, dt_h) for place, one in still.items()}
        self.constant_w = tuple(column_sums([watts(plan.net_kw) for plan in self._fixed.values()], slots))
        self.price_e7: tuple[int, ...] = (0,) * slots
        self.congestion_per_kwh = np.zeros(slots)
        self._gamma: tuple[int, ...] = ()
        self._power_w: dict[int, tuple[int, ...]] = {}
        self._aggregate: SplitState | None = None

    def start(self, price0_e7: Sequence[int], member_power_w: Sequence[Sequence[int] | None]) -> tuple[int, ...]:
        """Open her round with her members at the mother's price; return what they open with together (W)."""
        self.price_e7 = tuple(price0_e7)
        self._power_w = {}
        for place, worker in self.workers.items():
            told = member_power_w[place] if member_power_w else None
            self._power_w[place] = worker.start(self.price_e7, told)
        self._begin()
        return self._total_w()

    def solve(self, target_kw: FloatArray) -> SubtreePlan:
        """Return the plans of her Hive nearest to the target; `PlanRejected` where they leave her node's limits.

        A member whose schedule fails its check ends her round as well: the next one begins from the members' last
        powers.
        """
        if self._aggregate is None:
            for place, worker in self.workers.items():
                worker.start(self.price_e7, self._power_w[place])
            self._begin()
        target = np.asarray(target_kw, dtype=np.float64)
        try:
            answers, rounds = self._rounds(target)
        except PlanRejected:
            self._aggregate = None
            raise
        total_kw = kilowatts(self._total_w())
        over = self.limits.excess_kw(total_kw)
        if over > OVERSHOOT * max(1.0, float(np.abs(self.limits.clip(total_kw)).max())):
            raise PlanRejected(
                f"the daughter's plans leave her node's limits by {over:.3f} kW after {rounds} price rounds",
                next_step="the mother keeps the last answer; ask again, or widen the node's limits",
            )
        free = (total_kw - target) / (self.sigma * self.dt_h)
        self.congestion_per_kwh = price_per_kwh(self.price_e7) - free
        return self._plan(answers, total_kw, rounds)

    def fixed_cost_e9_coin(self, tariff: Tariff) -> int:
        """Return what the members with nothing to decide pay at a tariff (10^-9 coin)."""
        return round(sum(tariff.cost(plan.net_kw, self.dt_h) for plan in self._fixed.values()) * COST_STEPS)

    def _begin(self) -> None:
        """Take the members' opening powers as the state that belongs to the price in force."""
        self._aggregate = SplitState(kilowatts(self._total_w()) + self._pull())
        self._gamma = ()

    def _rounds(self, target_kw: FloatArray) -> tuple[dict[int, WorkerAnswer], int]:
        """Exchange prices and answers until the homes stand still; the history of another target does not count."""
        assert self._aggregate is not None
        weights, answers = Weights(self._numbers), dict[int, WorkerAnswer]()
        for count in range(1, MAX_INNER + 1):
            number = self._aggregate.answered + 1
            net_kw = self._next_price(self._aggregate.finished_step(self._gamma, number), target_kw)
            for place, worker in self.workers.items():
                answers[place] = worker.answer(self.price_e7, self._gamma, False, number)
                self._power_w[place] = answers[place].power_w
            self._aggregate.move(kilowatts(self._total_w()), self._pull(), self._gamma, number)
            residual = sum(answer.residual_e9_kw2 for answer in answers.values())
            inner = column_sums([answer.inner_e9_kw2 for answer in answers.values()], 0) if count > 1 else ()
            self._gamma = weights.update(residual, inner)
            beside_kw = float(np.abs(kilowatts(self._total_w()) - net_kw).mean())
            if math.sqrt(residual / COST_STEPS / self._numbers) <= STILL_KW and beside_kw <= self._matched_kw:
                break
        return answers, count

    def _next_price(self, aggregate_kw: FloatArray, target_kw: FloatArray) -> FloatArray:
        """Do her step in closed form and keep the price as it is transmitted; return the power it asks for."""
        wanted = (target_kw * self._scale + aggregate_kw * self.sigma) / (self._scale + self.sigma)
        net = self.limits.clip(wanted)
        price = (aggregate_kw - net) / (self._scale * self.dt_h)
        self.price_e7 = price_e7(np.clip(price, -PRICE_LIMIT, PRICE_LIMIT))
        return aggregate_kw - self._pull()

    def _pull(self) -> FloatArray:
        """Return S*lambda (kW) of the price in force."""
        return self._scale * self.dt_h * price_per_kwh(self.price_e7)

    def _total_w(self) -> tuple[int, ...]:
        """Return what the members draw together (W)."""
        return tuple(column_sums([*self._power_w.values(), self.constant_w], len(self.constant_w)))

    def _plan(self, answers: dict[int, WorkerAnswer], total_kw: FloatArray, rounds: int) -> SubtreePlan:
        """Return the sum of the members' plans; its power is the sum of the transmitted ones."""
        plans = {**self._fixed, **{place: answer.schedule for place, answer in answers.items()}}
        cost = sum(answer.cost_e9_coin for answer in answers.values()) / COST_STEPS
        return _summed([plans[place] for place in sorted(plans)], total_kw, cost, rounds)


class DaughterIteration(WorkerIteration):
    """The Worker's side of the mother's round, answered by a whole Hive (`WorkerIteration` has the rest).

    `sigma_kw2_per_coin` is the mother's; an answer's `schedule` is a `SubtreePlan`.
    """

    def __init__(self, subtree: Subtree, sigma_kw2_per_coin: float, dt_h: float = 0.25, eps: float = 1e-4) -> None:
        self.subtree = subtree
        self.queen = DaughterProximal(subtree, sigma_kw2_per_coin, dt_h, eps)
        together = Home(subtree.load_kw, subtree.pv_kw)
        super().__init__(together, sigma_kw2_per_coin, dt_h, eps, proximal=self.queen)

    def start(
        self,
        price0_e7: Sequence[int],
        power0_w: Sequence[int] | None = None,
        member_power_w: Sequence[Sequence[int] | None] = (),
    ) -> tuple[int, ...]:
        """Open the mother's round; `member_power_w` are the members' own last plans, shifted (None: load - pv).

        Without `power0_w` the daughter opens with what her members open with.
        """
        opened = self.queen.start(price0_e7, member_power_w)
        return super().start(price0_e7, opened if power0_w is None else power0_w)

    def bound_e9_coin(self, prices_e7: Sequence[int]) -> int:
        """Return a lower bound of H(p) + lambda.p (10^-9 coin) from her members' bounds alone.

        They are asked at mu = lambda plus her node's congestion price. What mu differs by is worth at least
        (lambda - mu).limit, so it may differ only where, and in the direction in which, a limit bounds p.
        """
        price, limits = price_per_kwh(of_horizon("price_e7", prices_e7, self.home.slots)), self.subtree.limits
        rise, fall = np.maximum(self.queen.congestion_per_kwh, 0.0), np.minimum(self.queen.congestion_per_kwh, 0.0)
        rise = np.zeros_like(rise) if limits.pcc_max_kw is None else rise
        fall = np.zeros_like(fall) if limits.pcc_min_kw is None else fall
        asked_e7 = price_e7(np.clip(price + rise + fall, -PRICE_LIMIT, PRICE_LIMIT))
        asked = price_per_kwh(asked_e7)
        worth = kilowatts(self.queen.constant_w) * asked
        for limit, beyond in ((limits.pcc_max_kw, asked > price), (limits.pcc_min_kw, asked < price)):
            if limit is not None:
                worth += np.where(beyond, (price - asked) * limit, 0.0)
        own = sum(worker.bound_e9_coin(asked_e7) for worker in self.queen.workers.values())
        return own + math.floor(self.dt_h * float(worth.sum()) * COST_STEPS)

    bound = bound_e9_coin

    def standalone_e9_coin(self, tariff: Tariff) -> int:
        """Return what her homes would pay at a tariff, each alone (10^-9 coin)."""
        own = sum(worker.standalone_e9_coin(tariff) for worker in self.queen.workers.values())
        return own + self.queen.fixed_cost_e9_coin(tariff)


def iteration_of(
    member: Home | Subtree, sigma_kw2_per_coin: float, dt_h: float = 0.25, eps: float = 1e-4
) -> WorkerIteration:
    """Return the Worker's side of a home, or of a daughter; a mother cannot tell them apart."""
    if isinstance(member, Subtree):
        return DaughterIteration(member, sigma_kw2_per_coin, dt_h, eps)
    return WorkerIteration(member, sigma_kw2_per_coin, dt_h, eps)


def _fixed_plan(member: Home | Subtree, dt_h: float) -> Schedule:
    """Return the plan of a member with nothing to decide."""
    if isinstance(member, Home):
        return ProximalSchedule(member, dt_h, 1.0).solve(member.base_kw)
    plans = [_fixed_plan(one, dt_h) for one in member.members]
    return _summed(plans, kilowatts(column_sums([watts(plan.net_kw) for plan in plans], member.slots)), 0.0, 0)


def _summed(plans: Sequence[Schedule], net_kw: FloatArray, private_cost: float, iterations: int) -> SubtreePlan:
    """Return the plan of a Hive: power and cost as they were transmitted, the assets' profiles added up."""

    def total(name: str) -> FloatArray:
        return np.asarray(np.sum([getattr(plan, name) for plan in plans], axis=0), dtype=np.float64)

    return SubtreePlan(
        net_kw=net_kw,
        private_cost=private_cost,
        objective=private_cost,
        status=SOLVED,
        iterations=iterations,
        repairs=tuple(dict.fromkeys(one for plan in plans for one in plan.repairs)),
        plans=tuple(plans),
        charge_kw=total("charge_kw"),
        discharge_kw=total("discharge_kw"),
        soc_kwh=total("soc_kwh"),
        curtail_kw=total("curtail_kw"),
        heat_kw=total("heat_kw"),
        heat_kwh=total("heat_kwh"),
        ev_kw=total("ev_kw"),
        shed_kw=total("shed_kw"),
    )
