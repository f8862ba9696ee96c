"""The price iteration: it reaches the central optimum, and nothing but the numbers themselves decides the outcome."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from honey_edge.market.errors import AssetError, InfeasibleHive, InfeasibleHome, ProtocolError
from honey_edge.market.homes.assets import Battery, Home, Limits, Tariff
from honey_edge.market.rounds.admm import (
    HiveSolution,
    QueenIteration,
    WarmStart,
    WorkerIteration,
    shifted_power_w,
    solve_direct,
    solve_hive,
    solve_single,
    watts,
)
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.splitting import split_schedules
from honey_edge.market.rounds.stragglers import AnswerLedger

DT_H = 0.25
FLAT = Tariff.of([0.2] * 96, [0.05] * 96)
EVENING = Tariff.of([0.35 if 68 < slot < 84 else 0.15 for slot in range(96)], [0.05] * 96)
PEAK = Tariff.of([0.2] * 96, [0.05] * 96, 0.35)
MakeHome = Callable[..., Home]


def hive(make_home: MakeHome, seed: int, count: int) -> list[Home]:
    return [make_home(seed * 100 + index, battery=index != 1) for index in range(count)]


def total_w(answers: list[tuple[int, ...]]) -> list[int]:
    return [sum(column) for column in zip(*answers, strict=True)]


@pytest.mark.parametrize(
    ("seed", "count", "tariff", "share"),
    [(2, 3, FLAT, 1e-3), (4, 5, FLAT, 1e-3), (5, 6, EVENING, 1e-3), (6, 6, PEAK, 1e-3), (1, 2, FLAT, 1e-2)],
)
def test_the_iteration_reaches_the_central_optimum(
    make_home: MakeHome, second_solver: Any, seed: int, count: int, tariff: Tariff, share: float
) -> None:
    """Within 60 iterations; homes that gain next to nothing stop where rounding to a watt hides the rest."""
    homes = hive(make_home, seed, count)
    central = CentralSchedule(homes, tariff, Limits(), DT_H)
    plans = central._plans(second_solver.solve(*central.program())[0], 0)
    second = sum(plan.private_cost for plan in plans)
    second += tariff.cost(np.sum([plan.net_kw for plan in plans], axis=0), DT_H)
    direct = solve_direct(homes, tariff).objective
    assert abs(direct - second) <= 1e-4 * max(1.0, abs(second))
    gain = sum(solve_single(home, tariff).objective for home in homes) - second
    agreed = solve_hive(homes, tariff)
    assert -1e-4 * max(1.0, abs(second)) <= agreed.objective - second <= share * gain
    assert agreed.iterations <= 60


def test_two_homes_that_gain_little_agree_when_they_may_go_on(make_home: MakeHome) -> None:
    homes = hive(make_home, 1, 2)
    direct = solve_direct(homes, FLAT).objective
    gain = sum(solve_single(home, FLAT).objective for home in homes) - direct
    agreed = solve_hive(homes, FLAT, max_iterations=100)
    assert agreed.objective - direct <= 1e-3 * gain


@pytest.mark.parametrize("tariff", [FLAT, EVENING])
def test_the_agreed_price_lies_between_sell_and_buy(make_home: MakeHome, tariff: Tariff) -> None:
    """P1 of the design."""
    agreed = solve_hive(hive(make_home, 7, 4), tariff)
    assert (agreed.price_per_kwh >= tariff.sell_per_kwh - 1e-6).all()
    assert (agreed.price_per_kwh <= tariff.buy_per_kwh + 1e-6).all()


def test_the_price_collects_what_the_hive_pays_and_nobody_would_rather_be_alone(make_home: MakeHome) -> None:
    """P2 and P3 of the design, at the direct optimum."""
    homes = hive(make_home, 8, 5)
    best = solve_direct(homes, FLAT)
    collected = DT_H * float(best.price_per_kwh @ best.pcc_kw)
    assert collected == pytest.approx(FLAT.cost(best.pcc_kw, DT_H), abs=1e-3)
    for home, plan in zip(homes, best.schedules, strict=True):
        shared = plan.private_cost + DT_H * float(best.price_per_kwh @ plan.net_kw)
        assert shared <= solve_single(home, FLAT).objective + 1e-3


def test_two_runs_agree_to_the_last_bit(make_home: MakeHome) -> None:
    def run() -> HiveSolution:
        return solve_hive(hive(make_home, 9, 3), EVENING)

    first, second = run(), run()
    assert first.price_e7 == second.price_e7
    assert first.objective == second.objective


def test_the_order_of_homes_and_answers_changes_no_price(make_home: MakeHome) -> None:
    homes = hive(make_home, 10, 5)
    mixed = homes[:]
    random.Random(1).shuffle(mixed)
    assert solve_hive(homes, FLAT).price_e7 == solve_hive(mixed, FLAT).price_e7


def test_a_shifted_round_begins_near_its_end(make_home: MakeHome) -> None:
    homes = hive(make_home, 11, 4)
    before = solve_hive(homes, FLAT)
    base = [watts(home.base_kw) for home in homes]
    start = WarmStart(before.price_e7, tuple(watts(plan.net_kw) for plan in before.schedules))
    again = solve_hive(homes, FLAT, warm=start, max_iterations=8)
    direct = solve_direct(homes, FLAT).objective
    gain = sum(solve_single(home, FLAT).objective for home in homes) - direct
    assert again.objective - direct <= 1e-3 * gain
    assert shifted_power_w((10, 20, 30), (1, 2, 3), (5, 5, 5)) == (23, 32, 14)
    assert shifted_power_w(base[0], base[0], (*base[0][1:], base[0][0])) == (*base[0][1:], base[0][0])


def test_limits_hold_at_the_end_of_a_round(make_home: MakeHome) -> None:
    homes = hive(make_home, 12, 4)
    free = solve_direct(homes, FLAT)
    limits = Limits(np.full(96, -50.0), np.full(96, 0.9 * float(free.pcc_kw.max())))
    bound = solve_direct(homes, FLAT, limits)
    assert limits.excess_kw(bound.pcc_kw) <= 5e-3
    agreed = solve_hive(homes, FLAT, limits)
    assert agreed.status != "limits_exceeded"
    assert limits.excess_kw(agreed.pcc_kw) <= 5e-3 * max(1.0, float(np.abs(agreed.pcc_kw).max()))


def test_a_limit_nobody_can_meet_is_named_and_never_an_agreement() -> None:
    homes = [Home.of([2.0, 3.0], [0.0, 0.0]), Home.of([1.0, 1.0], [0.0, 0.0])]
    tariff, limits = Tariff.of([0.2] * 2, [0.05] * 2), Limits.of(None, [3.5, 3.5])
    with pytest.raises(InfeasibleHive, match="slot 1"):
        solve_direct(homes, tariff, limits)
    assert solve_hive(homes, tariff, limits).status == "limits_exceeded"
    assert solve_hive(homes, tariff).price_per_kwh.tolist() == [0.2, 0.2]


def test_the_splitting_solve_is_as_exact_as_the_direct_one(make_home: MakeHome) -> None:
    homes = hive(make_home, 13, 3)
    plans, price, _ = split_schedules(homes, PEAK, Limits(), DT_H)
    pcc = np.sum([plan.net_kw for plan in plans], axis=0)
    objective = sum(plan.private_cost for plan in plans) + PEAK.cost(pcc, DT_H)
    assert objective == pytest.approx(solve_direct(homes, PEAK).objective, abs=1e-4)
    assert price.min() >= 0.05 - 1e-6


def test_worker_and_queen_hold_the_same_state_throughout(make_home: MakeHome) -> None:
    """W = sum of w + constant, from transmitted integers only."""
    homes = [make_home(seed) for seed in (1, 2, 3)]
    queen = QueenIteration(FLAT, 3, 100, constant_w=[250] * 96)
    workers = [WorkerIteration(home, 100) for home in homes]
    price = queen.start(total_w([worker.start(queen.price_e7) for worker in workers]))
    for _ in range(12):
        answers = [worker.answer(price) for worker in workers]
        price = queen.absorb(total_w([answer.power_w for answer in answers]))
        held = np.sum([worker._state.state_kw for worker in workers], axis=0) + 0.25
        assert np.abs(held - queen._aggregate.state_kw).max() < 1e-9


def test_messages_out_of_turn_or_of_another_horizon_are_refused(make_home: MakeHome) -> None:
    worker, queen = WorkerIteration(make_home(1), 100), QueenIteration(FLAT, 1, 100)
    with pytest.raises(ProtocolError, match="before the round's start"):
        worker.answer(queen.price_e7)
    with pytest.raises(ProtocolError, match="before the round's start"):
        queen.absorb([0] * 96)
    with pytest.raises(ProtocolError, match="price_e7 has 95 slots"):
        worker.start(queen.price_e7[1:])
    with pytest.raises(ProtocolError, match="power_sum_w has 3 slots"):
        queen.start([0] * 3)
    with pytest.raises(ProtocolError, match="at least one flexible"):
        QueenIteration(FLAT, 0, 100)
    with pytest.raises(AssetError, match="96 slots"):
        solve_hive([make_home(1, slots=4)], FLAT)


def test_an_infeasible_home_is_named_where_no_repair_is_allowed() -> None:
    home = Home.of([1.0] * 4, [0.0] * 4, Battery(10.0, 1.0, 9.0, 2.0, 9.0, 1.0, 1.0))
    tariff = Tariff.of([0.2] * 4, [0.05] * 4)
    with pytest.raises(InfeasibleHome, match="soc_end_unreachable"):
        solve_direct([home], tariff, may_repair=False)
    assert solve_direct([home], tariff).status == "converged"


def lossy_round(make_home: MakeHome, loss: float, seed: int) -> tuple[float, QueenIteration]:
    """A round in which answers get lost or come one iteration late, in any order; the last objective."""
    homes = {f"w{index}": make_home(700 + index) for index in range(5)}
    chance = random.Random(seed)
    queen = QueenIteration(FLAT, 5, 100, max_iterations=120)
    workers = {name: WorkerIteration(home, 100) for name, home in homes.items()}
    opening = {name: worker.start(queen.price_e7) for name, worker in workers.items()}
    ledger = AnswerLedger(opening, queen.price_e7, 100)
    price = queen.start(total_w(list(opening.values())))
    late: list[tuple[str, int, tuple[int, ...], int]] = []
    for _ in range(120):
        iteration = ledger.broadcast(price)
        for overdue in late:
            assert ledger.take(*overdue)
        late = []
        names = list(workers)
        chance.shuffle(names)
        for name in names:
            fate = chance.random()
            if fate < loss / 2:
                continue
            answer = workers[name].answer(price)
            sent = (name, iteration, answer.power_w, answer.cost_e9_coin)
            if fate < loss:
                late.append(sent)
            else:
                assert ledger.take(*sent)
                assert not ledger.take(*sent)
        sums = ledger.close()
        price = queen.absorb(sums.power_w, sums.cost_e9_coin, sums.correction_kw)
        if queen.finished:
            break
    assert queen.progress is not None
    return queen.progress.objective, queen


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_lost_and_late_answers_cost_iterations_but_not_the_agreement(make_home: MakeHome, loss: float) -> None:
    homes = [make_home(700 + index) for index in range(5)]
    direct = solve_direct(homes, FLAT).objective
    gain = sum(solve_single(home, FLAT).objective for home in homes) - direct
    objective, _ = lossy_round(make_home, loss, 5)
    assert abs(objective - direct) <= 2e-3 * gain


def test_whoever_misses_three_times_is_silent_and_strangers_are_refused() -> None:
    ledger = AnswerLedger({"a": (1000,), "b": (0,)}, (1_000_000,), 100)
    for _ in range(3):
        iteration = ledger.broadcast((1_000_000,))
        ledger.take("b", iteration, (500,), 7)
        sums = ledger.close()
        assert sums.missing == ("a",)
        assert sums.power_w == (1500,)
        assert sums.cost_e9_coin == 7
    assert ledger.silent == ("a",)
    with pytest.raises(ProtocolError, match="c does not take part"):
        ledger.take("c", 1, (1,), 0)
    with pytest.raises(ProtocolError, match="iteration 9"):
        ledger.take("a", 9, (1,), 0)
    with pytest.raises(ProtocolError, match="with 2 slots"):
        ledger.take("a", 1, (1, 2), 0)
