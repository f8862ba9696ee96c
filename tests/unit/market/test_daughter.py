"""A daughter Queen as a plain Worker: her answer is the prox of her Hive, the round ends where the tree's would."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from honey_edge.market.cases.reading import read_hive
from honey_edge.market.errors import AssetError, PlanRejected, ProtocolError
from honey_edge.market.grid import daughter
from honey_edge.market.grid.daughter import (
    OVERSHOOT,
    DaughterIteration,
    DaughterProximal,
    Subtree,
    SubtreePlan,
    iteration_of,
)
from honey_edge.market.grid.tree import Tree, TreeNode
from honey_edge.market.grid.tree_money import NodeSlot, NodeTerms, settle_tree
from honey_edge.market.grid.tree_round import solve_tree_direct
from honey_edge.market.homes.asset_program import home_program
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.physics import check_plan
from honey_edge.market.homes.worker_step import COST_STEPS, WorkerAnswer, WorkerIteration
from honey_edge.market.rounds.admm import solve_direct
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.iteration import QueenIteration, round_sigma, starting_price_e7
from honey_edge.market.rounds.queen_step import watts
from honey_edge.market.rounds.round_loop import column_sums

DT_H, SLOTS, SIGMA = 0.25, 96, 35.0
TARIFF = Tariff(np.full(SLOTS, 0.2), np.full(SLOTS, 0.05))
MakeHome = Callable[..., Home]


@dataclass
class Mother:
    """A flat round: she treats whatever answers as a Worker; `patient` she goes on to the last iteration."""

    members: Sequence[Home | Subtree]
    tariff: Tariff = TARIFF
    limits: Limits = NO_LIMITS
    patient: bool = False

    def run(self) -> QueenIteration:
        moving = [one for one in self.members if one.flexible]
        fixed = [watts(one.base_kw) for one in self.members if isinstance(one, Home) and not one.flexible]
        slots = self.tariff.slots
        sigma = round_sigma(self.tariff, DT_H, settled=False)
        queen = QueenIteration(
            self.tariff, len(moving), sigma, limits=self.limits, constant_w=column_sums(fixed, slots), dt_h=DT_H
        )
        self.workers = [iteration_of(one, sigma, DT_H) for one in moving]
        price = queen.start(column_sums([worker.start(queen.price_e7) for worker in self.workers], slots))
        self.objectives = list[float]()
        while not queen.finished or (self.patient and queen.iteration < queen.max_iterations):
            self.answers = [worker.answer(price, queen.gamma_e9, queen.forget) for worker in self.workers]
            price = queen.absorb(
                column_sums([answer.power_w for answer in self.answers], slots),
                sum(answer.cost_e9_coin for answer in self.answers),
                None,
                sum(answer.residual_e9_kw2 for answer in self.answers),
                column_sums([answer.inner_e9_kw2 for answer in self.answers], 0),
            )
            assert queen.progress is not None
            self.objectives.append(queen.progress.objective)
        return queen

    def answer_of(self, subtree: Subtree) -> WorkerAnswer:
        moving = [one for one in self.members if one.flexible]
        return self.answers[moving.index(subtree)]


def alone(homes: Sequence[Home], tariff: Tariff = TARIFF) -> float:
    return sum(CentralSchedule([home], tariff, NO_LIMITS, DT_H).solve().objective for home in homes)


def village(make_home: MakeHome, seed: int, share: float | None) -> tuple[list[Home], list[Home], Limits]:
    """Three homes of the mother, six of the daughter, and limits at a share of what those would do without."""
    homes = [make_home(10 * seed + k, battery=k % 3 != 2) for k in range(9)]
    if share is None:
        return homes[:3], homes[3:], NO_LIMITS
    free = np.sum([plan.net_kw for plan in solve_direct(homes, TARIFF).schedules[3:]], axis=0)
    low, high = np.full(SLOTS, min(-0.1, share * free.min())), np.full(SLOTS, share * free.max())
    return homes[:3], homes[3:], Limits(low, high)


def direct(own: list[Home], hers: list[Home], limits: Limits) -> float:
    homes = {f"h{place}": home for place, home in enumerate([*own, *hers])}
    names = tuple(homes)
    nodes = [TreeNode("root", None, names[: len(own)]), TreeNode("her", "root", names[len(own) :], limits)]
    return solve_tree_direct(homes, Tree(nodes), TARIFF).objective


def nearest(homes: Sequence[Home], limits: Limits, target: FloatArray, second_solver: Any) -> FloatArray:
    """The prox of a Hive by Clarabel; its power is unique, because the distance is strictly convex in it."""
    everybody = [home_program(home, DT_H) for home in homes]
    programs = [program for program in everybody if program.columns]
    net = sparse.hstack([program.net_rows() for program in programs], format="csc")
    fixed = np.sum([program.net_at_zero_kw for program in everybody], axis=0)
    full = sparse.block_diag([program.hessian(0.0, 1.0) for program in programs]) + sparse.triu(net.T @ net) / SIGMA
    linear = np.concatenate([program.private_gradient() for program in programs]) + net.T @ (fixed - target) / SIGMA
    rows = sparse.vstack([sparse.block_diag([program.rows() for program in programs]), net], format="csr")
    bounds = [program.bounds() for program in programs]
    low = -np.inf if limits.pcc_min_kw is None else limits.pcc_min_kw
    high = np.inf if limits.pcc_max_kw is None else limits.pcc_max_kw
    lower = np.concatenate([*(one for one, _ in bounds), np.broadcast_to(low - fixed, SLOTS)])
    upper = np.concatenate([*(one for _, one in bounds), np.broadcast_to(high - fixed, SLOTS)])
    x, _ = second_solver.solve(sparse.csc_matrix(full), linear, rows, lower, upper)
    return np.asarray(fixed + net @ x)


@pytest.mark.parametrize("share", [None, 0.8])
def test_an_answer_is_the_nearest_that_the_hive_can_draw_within_her_limits(
    make_home: MakeHome, second_solver: Any, share: float | None
) -> None:
    _, hers, limits = village(make_home, 1, share)
    queen = DaughterProximal(Subtree(tuple(hers), limits), SIGMA, DT_H, 1e-4)
    queen.start(starting_price_e7(TARIFF), ())
    rng, rounds = np.random.default_rng(5), []
    target = rng.normal(0.0, 2.0, SLOTS)
    for step in (0.0, 0.3, 0.1):
        target = target + step * rng.normal(0.0, 1.0, SLOTS)
        plan = queen.solve(target)
        assert np.abs(plan.net_kw - nearest(hers, limits, target, second_solver)).max() <= 0.01
        rounds.append(plan.iterations)
    assert rounds[2] < rounds[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [None, 0.9])
def test_the_round_ends_at_the_flat_optimum(make_home: MakeHome, seed: int, share: float | None) -> None:
    """The mother's rule takes a daughter for one home and may end at 2e-3; her cheapest last plans are within 1e-3."""
    own, hers, limits = village(make_home, seed, share)
    subtree, best = Subtree(tuple(hers), limits), direct(own, hers, limits)
    gain = alone([*own, *hers]) - best
    quick = Mother((*own, subtree))
    assert quick.run().converged
    assert quick.objectives[-1] - best <= (1e-3 if share is None else 2e-3) * gain
    mother = Mother((*own, subtree), patient=True)
    mother.run()
    assert abs(min(mother.objectives[-8:]) - best) <= 1e-3 * gain
    plan = mother.answer_of(subtree).schedule
    assert isinstance(plan, SubtreePlan)
    assert limits.excess_kw(plan.net_kw) <= OVERSHOOT * np.abs(plan.net_kw).max()
    for home, one in zip(hers, plan.plans, strict=True):
        assert check_plan(home, one, DT_H).ok
    assert plan.net_kw == pytest.approx(np.sum([one.net_kw for one in plan.plans], axis=0), abs=5e-3)
    assert plan.private_cost == pytest.approx(sum(one.private_cost for one in plan.plans), abs=1e-6)


@pytest.mark.parametrize("share", [None, 0.9])
def test_her_bound_and_the_certificate_hold_with_a_daughter(make_home: MakeHome, share: float | None) -> None:
    own, hers, limits = village(make_home, 2, share)
    best = direct(own, hers, limits)
    mother = Mother((*own, Subtree(tuple(hers), limits)))
    queen = mother.run()
    bound = sum(worker.bound_e9_coin(queen.agreed_e7) for worker in mother.workers)
    fixed = sum(TARIFF.cost(home.base_kw, DT_H) for home in own if not home.flexible)
    standalone = sum(worker.standalone_e9_coin(TARIFF) for worker in mother.workers) + round(fixed * COST_STEPS)
    assert standalone / COST_STEPS == pytest.approx(alone([*own, *hers]), abs=2e-3)
    certificate = queen.certificate(bound, standalone)
    assert certificate.lower_e9_coin is not None
    assert certificate.lower_e9_coin / COST_STEPS <= best + 1e-3
    assert certificate.gap is not None
    assert certificate.gap <= 1e-2


def test_oracle_07_is_met_by_daughters_as_plain_workers_and_money_is_conserved(shared_dir: Path) -> None:
    document = json.loads((shared_dir / "oracles" / "07_two_level_tree.json").read_text())
    case, expected = read_hive(document, ""), document["expected"]
    assert case.tree is not None
    daughters = [Subtree(tuple(case.homes[one] for one in node.members), node.limit) for node in case.tree.nodes[1:]]
    listed = {one for node in case.tree.nodes for one in node.members}
    own = [home for name, home in case.homes.items() if name not in listed]
    own += [case.homes[one] for one in case.tree.nodes[0].members]
    mother = Mother((*own, *daughters), case.tariff, case.limits)
    told = mother.run().progress
    assert told is not None
    assert abs(told.objective - expected["objective"]) <= 1e-3 * expected["coordination_gain"]
    plans = [mother.answer_of(one).schedule for one in daughters]
    for subtree, plan in zip(daughters, plans, strict=True):
        assert subtree.limits.excess_kw(plan.net_kw) <= OVERSHOOT * max(1.0, float(np.abs(plan.net_kw).max()))
    for slot in range(0, SLOTS, 7):
        assert_conserved([plan for plan in plans if isinstance(plan, SubtreePlan)], slot)


def assert_conserved(plans: Sequence[SubtreePlan], slot: int) -> None:
    """Both levels settle the slot that was agreed: what comes in goes out, to the last pico-coin."""
    terms = NodeTerms(buy=200, sell=50, price=125)
    nodes = {}
    for place, plan in enumerate(plans):
        energy = {f"{place}-{k}": round(one.net_kw[slot] * 250_000) for k, one in enumerate(plan.plans)}
        nodes[f"her{place}"] = NodeSlot("root", energy, sum(energy.values()), terms, {})
    nodes["root"] = NodeSlot(None, {}, sum(node.pcc_milliwh for node in nodes.values()), terms, {})
    settled = settle_tree(nodes)
    assert all(money.left_over == 0 for money in settled.values())
    paid = sum(amount for name, money in settled.items() if name != "root" for amount in money.payments.values())
    kept = sum(money.fee + money.reserve - money.deficit for money in settled.values())
    assert paid == settled["root"].charged + kept
    assert all(settled[name].charged == settled["root"].payments[name] for name in nodes if name != "root")


def test_a_daughter_of_a_daughter_is_a_worker_too(make_home: MakeHome) -> None:
    homes = [make_home(40 + place) for place in range(6)]
    inner = Subtree((homes[4], homes[5]))
    nested = Mother((homes[0], homes[1], Subtree((homes[2], homes[3], inner))))
    queen, best = nested.run(), solve_direct(homes, TARIFF).objective
    assert queen.progress is not None
    assert queen.progress.objective - best <= 2e-3 * (alone(homes) - best)


def test_she_opens_with_what_her_members_open_with_and_repeats_to_the_bit(make_home: MakeHome) -> None:
    subtree = Subtree((make_home(1), make_home(2), make_home(3, battery=False, curtailable=False)))
    opened, answers = [], []
    for _ in range(2):
        worker = DaughterIteration(subtree, SIGMA, DT_H)
        price = starting_price_e7(TARIFF)
        opened.append(worker.start(price))
        answers.append([worker.answer(price).power_w, worker.answer(price, (5 * 10**8,)).power_w])
    assert opened[0] == tuple(
        column_sums([watts(home.base_kw) for home in subtree.members if isinstance(home, Home)], SLOTS)
    )
    assert answers[0] == answers[1]
    with pytest.raises(ProtocolError):
        worker.answer(price, (), False, 1)


def test_warm_members_and_an_answer_taken_back(make_home: MakeHome) -> None:
    subtree = Subtree((make_home(1), make_home(2)))
    worker, price = DaughterIteration(subtree, SIGMA, DT_H), starting_price_e7(TARIFF)
    warm = [(7,) * SLOTS, (-3,) * SLOTS]
    assert worker.start(price, None, warm) == (4,) * SLOTS
    assert worker.start(price, (9,) * SLOTS, warm) == (9,) * SLOTS
    worker.answer(price)
    worker.take_back()
    assert worker.answer(price, (), False, 2).power_w


def test_limits_that_her_homes_cannot_meet_are_refused_and_the_mother_keeps_the_last_answer(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daughter, "MAX_INNER", 20)
    impossible = Limits(None, np.full(SLOTS, -30.0))
    worker = DaughterIteration(Subtree((make_home(1), make_home(2)), impossible), SIGMA, DT_H)
    price = starting_price_e7(TARIFF)
    worker.start(price)
    with pytest.raises(PlanRejected, match="limits"):
        worker.answer(price)
    with pytest.raises(PlanRejected, match="limits"):
        worker.answer(price, (), False, 1)


def test_a_member_whose_schedule_fails_leaves_a_state_to_go_on_from(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = DaughterIteration(Subtree((make_home(1), make_home(2))), SIGMA, DT_H)
    price = starting_price_e7(TARIFF)
    worker.start(price)
    second, whole = worker.queen.workers[1], worker.queen.workers[1].answer

    def failing(*_: Any) -> WorkerAnswer:
        raise PlanRejected("the solver gave up", next_step="again")

    monkeypatch.setattr(second, "answer", failing)
    with pytest.raises(PlanRejected, match="gave up"):
        worker.answer(price)
    monkeypatch.setattr(second, "answer", whole)
    fresh = DaughterIteration(worker.subtree, SIGMA, DT_H)
    fresh.start(price)
    again, clean = worker.answer(price), fresh.answer(price)
    assert np.abs(again.schedule.net_kw - clean.schedule.net_kw).max() <= 0.02


def test_a_hive_without_anything_to_decide_is_no_worker_of_a_round(make_home: MakeHome) -> None:
    still = make_home(3, battery=False, curtailable=False)
    assert not Subtree((still,)).flexible
    with pytest.raises(AssetError):
        DaughterIteration(Subtree((still,)), SIGMA, DT_H)
    mixed = DaughterIteration(Subtree((make_home(1), Subtree((still, still)))), SIGMA, DT_H)
    mixed.start(starting_price_e7(TARIFF))
    plan = mixed.answer(starting_price_e7(TARIFF)).schedule
    assert isinstance(plan, SubtreePlan)
    assert isinstance(plan.plans[1], SubtreePlan)
    assert plan.plans[1].net_kw == pytest.approx(2.0 * still.base_kw, abs=2e-3)
    assert isinstance(iteration_of(make_home(1), SIGMA), WorkerIteration)
