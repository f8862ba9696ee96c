"""A daughter Queen as a plain Worker of a mother that speaks no tree protocol (market-design section 5, last line).

Her "home" is her whole Hive. For each price of the mother she runs price rounds of her own toward what the mother asks
for (`toward`, on the same integers), so her homes cannot tell a daughter from a root. Her rounds go on from where the
last ones ended. They cost a whole round per price of the mother: where she speaks the tree protocol, `tree_round` needs
one round for everybody. Here all members answer in this process; a daughter's daemon asks them over her broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from honey_edge.market.errors import AssetError, PlanRejected
from honey_edge.market.grid.toward import MAX_INNER, Toward
from honey_edge.market.homes.asset_schedule import Schedule
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.homes.solver import SOLVED
from honey_edge.market.homes.worker_step import COST_STEPS, WorkerAnswer, WorkerIteration, of_horizon
from honey_edge.market.rounds.queen_step import kilowatts, watts
from honey_edge.market.rounds.round_loop import column_sums

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
        self.sigma, self.dt_h = float(sigma_kw2_per_coin), dt_h
        self.workers = {place: iteration_of(subtree.members[place], self.sigma, dt_h, eps) for place in moving}
        still = {place: one for place, one in enumerate(subtree.members) if place not in self.workers}
        self._fixed = {place: _fixed_plan(one, dt_h) for place, one in still.items()}
        constant_w = column_sums([watts(plan.net_kw) for plan in self._fixed.values()], slots)
        self.toward = Toward(subtree.limits, len(moving), self.sigma, dt_h, constant_w)
        self._price_e7: tuple[int, ...] = (0,) * slots
        self._power_w: dict[int, tuple[int, ...]] = {}
        self._open = False

    def start(self, price0_e7: Sequence[int], member_power_w: Sequence[Sequence[int] | None]) -> tuple[int, ...]:
        """Open her round with her members at the mother's price; return what they open with together (W)."""
        self._price_e7 = tuple(price0_e7)
        self._power_w = {}
        for place, worker in self.workers.items():
            told = member_power_w[place] if member_power_w else None
            self._power_w[place] = worker.start(self._price_e7, told)
        self._begin()
        return self.toward.total_w

    def solve(self, target_kw: FloatArray) -> SubtreePlan:
        """Return the plans of her Hive nearest to the target; `PlanRejected` where they leave her node's limits.

        A member whose schedule fails its check ends her round as well: the next one begins from the members' last
        powers.
        """
        if not self._open:
            for place, worker in self.workers.items():
                worker.start(self._price_e7, self._power_w[place])
            self._begin()
        try:
            answers = self._rounds(np.asarray(target_kw, dtype=np.float64))
        except PlanRejected:
            self._open = False
            raise
        total_kw, limits = kilowatts(self.toward.total_w), self.toward.limits
        over = limits.excess_kw(total_kw)
        if over > OVERSHOOT * max(1.0, float(np.abs(limits.clip(total_kw)).max())):
            raise PlanRejected(
                f"the plans leave the daughter's node limits by {over:.3f} kW after {self.toward.rounds} price rounds",
                next_step="the mother keeps the last answer; ask again, or widen the node's limits",
            )
        return self._plan(answers, total_kw, self.toward.rounds)

    def fixed_cost_e9_coin(self, tariff: Tariff) -> int:
        """Return what the members with nothing to decide pay at a tariff (10^-9 coin)."""
        return round(sum(tariff.cost(plan.net_kw, self.dt_h) for plan in self._fixed.values()) * COST_STEPS)

    def _begin(self) -> None:
        """Take the members' opening powers as the state that belongs to the price in force."""
        self.toward.begin(self._price_e7, self._sum_w())
        self._open = True

    def _rounds(self, target_kw: FloatArray) -> dict[int, WorkerAnswer]:
        """Exchange prices and answers until the homes stand still."""
        toward, answers, still = self.toward, dict[int, WorkerAnswer](), False
        toward.aim(target_kw)
        while not still and toward.rounds < MAX_INNER:
            self._price_e7 = toward.step()
            for place, worker in self.workers.items():
                answers[place] = worker.answer(self._price_e7, toward.gamma_e9, toward.forget)
                self._power_w[place] = answers[place].power_w
            still = toward.absorb(
                self._sum_w(),
                sum(answer.cost_e9_coin for answer in answers.values()),
                sum(answer.residual_e9_kw2 for answer in answers.values()),
                column_sums([answer.inner_e9_kw2 for answer in answers.values()], 0),
            )
        return answers

    def _sum_w(self) -> tuple[int, ...]:
        """Return what the members that move draw together (W)."""
        return tuple(column_sums(list(self._power_w.values()), self.toward.slots))

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

        They are asked at lambda plus her node's congestion price (`toward.bound_e9_coin`).
        """
        price, toward = of_horizon("price_e7", prices_e7, self.home.slots), self.queen.toward
        asked = toward.agreed_e7(price)
        own = sum(worker.bound_e9_coin(asked) for worker in self.queen.workers.values())
        return toward.bound_e9_coin(price, asked, own)

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
