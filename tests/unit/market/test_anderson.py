"""The acceleration: both ends hold the same numbers, it saves iterations, and no number of anybody breaks it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import Home, Tariff
from honey_edge.market.rounds.admm import QueenIteration, WorkerIteration, solve_direct, solve_hive, solve_single
from honey_edge.market.rounds.anderson import ANDERSON_DEPTH, SplitState, Weights, window
from honey_edge.market.rounds.stragglers import AnswerLedger
from honey_edge.market.rounds.sums_only import Change, CountedWorker, RunningTotals

FLAT = Tariff.of([0.2] * 96, [0.05] * 96)
SIGMA = 35


def totals(columns: list[tuple[int, ...]]) -> list[int]:
    return [sum(column) for column in zip(*columns, strict=True)]


def accelerated(homes: list[Home], iterations: int) -> tuple[QueenIteration, list[WorkerIteration]]:
    queen = QueenIteration(FLAT, len(homes), SIGMA, constant_w=[250] * 96)
    workers = [WorkerIteration(home, SIGMA) for home in homes]
    price = queen.start(totals([worker.start(queen.price_e7) for worker in workers]))
    for _ in range(iterations):
        answers = [worker.answer(price, queen.gamma_e9, queen.forget) for worker in workers]
        price = queen.absorb(
            totals([answer.power_w for answer in answers]),
            sum(answer.cost_e9_coin for answer in answers),
            None,
            sum(answer.residual_e9_kw2 for answer in answers),
            totals([answer.inner_e9_kw2 for answer in answers]),
        )
    return queen, workers


def test_worker_and_queen_hold_the_same_state_throughout_an_accelerated_round(make_home) -> None:
    queen, workers = accelerated([make_home(seed) for seed in (1, 2, 3)], 18)
    assert 0 < len(queen.gamma_e9) <= ANDERSON_DEPTH
    held = np.sum([worker._state.state_kw for worker in workers], axis=0) + 0.25
    assert np.abs(held - queen._aggregate.state_kw).max() < 1e-8


def test_acceleration_needs_fewer_iterations_for_the_same_agreement(make_home) -> None:
    homes = [make_home(400 + index) for index in range(8)]
    direct = solve_direct(homes, FLAT).objective
    gain = sum(solve_single(home, FLAT).objective for home in homes) - direct
    fast = solve_hive(homes, FLAT)
    slow = solve_hive(homes, FLAT, accelerate=False)
    assert abs(fast.objective - direct) <= 2e-3 * gain
    assert fast.status == "converged"
    assert fast.iterations < 0.75 * slow.iterations


def test_weights_solve_a_linear_iteration_at_once() -> None:
    """On a linear map of two numbers two differences are enough for the fixed point."""
    matrix, fixed = np.array([[0.6, 0.2], [0.1, 0.5]]), np.array([3.0, -2.0])
    split, weights, gamma = SplitState(np.zeros(2)), Weights(0), ()
    for iteration in range(1, 6):
        state = split.finished_step(gamma, iteration)
        moved = split.move(matrix @ (state - fixed) + fixed, np.zeros(2), gamma, iteration)
        gamma = weights.update(moved.residual_e9_kw2, moved.inner_e9_kw2)
    assert split.state_kw == pytest.approx(fixed, abs=1e-3)


def test_a_missed_iteration_leaves_the_history_as_it_was() -> None:
    split = SplitState(np.zeros(2))
    for iteration in (1, 2, 4):
        split.move(np.array([iteration, 1.0]), np.zeros(2), (10**8,) * (iteration - 1), iteration)
    steps = split.full_steps(3, 4)
    assert not steps[1].any()
    assert steps[0].any()
    assert steps[2].any()


@pytest.mark.parametrize(
    ("residual", "inner"),
    [(10**40, (1,)), (-5, (1,)), (10**9, (10**40,)), (10**9, ()), (10**9, (1, 2, 3)), (10**9, (-7,)), (0, (0,))],
)
def test_impossible_sums_end_in_a_plain_step(residual: int, inner: tuple[int, ...]) -> None:
    weights = Weights(96)
    assert weights.update(10**9, ()) == ()
    assert weights.update(residual, inner) == ()
    assert weights.forget
    assert window(0, 3) == 1


def test_after_enough_drops_the_plain_step_stays() -> None:
    weights = Weights(96)
    for _ in range(60):
        weights.update(10**9, (10**30,))
    assert weights.update(10**9, ()) == ()


def test_a_queen_survives_any_sums(make_home) -> None:
    chance = random.Random(4)
    queen, _ = accelerated([make_home(1), make_home(2)], 3)
    for _ in range(40):
        huge = 10 ** chance.choice([3, 9, 25, 400])
        price = queen.absorb(
            [chance.randint(-huge, huge) for _ in range(96)],
            chance.randint(-huge, huge),
            None,
            chance.randint(-huge, huge),
            [chance.randint(-huge, huge) for _ in range(chance.randint(0, 12))],
        )
        assert all(abs(number) < 2**31 for number in price)
        assert all(abs(weight) <= 10**11 for weight in queen.gamma_e9)


def test_a_worker_refuses_absurd_weights_and_a_second_answer(make_home) -> None:
    worker = WorkerIteration(make_home(1), SIGMA)
    worker.start((1_000_000,) * 96)
    worker.answer((1_000_000,) * 96, iteration=1)
    with pytest.raises(ProtocolError, match="answered already"):
        worker.answer((1_000_000,) * 96, iteration=1)
    for gamma in ((10**12,), (0,) * 11):
        with pytest.raises(ProtocolError, match="weights"):
            worker.answer((1_000_000,) * 96, gamma)


def opened_ledger() -> AnswerLedger:
    ledger = AnswerLedger({"a": (1000,), "b": (0,)}, (1_000_000,), SIGMA, largest_w=20_000)
    ledger.broadcast((1_000_000,))
    return ledger


@pytest.mark.parametrize(
    ("power", "cost", "residual", "inner"),
    [
        ((50_000,), 0, None, None),
        ((float("nan"),), 0, None, None),
        ((100,), -1, None, None),
        ((100,), 10**20, None, None),
        ((100,), 5, 10**15, ()),
        ((100,), 5, None, (7,)),
        ((100,), 5, float("inf"), ()),
    ],
)
def test_a_worker_whose_numbers_cannot_be_is_counted_with_its_last_profile(power, cost, residual, inner) -> None:
    ledger = opened_ledger()
    assert not ledger.take("a", 1, power, cost, residual, inner)
    assert ledger.impossible == ("a",)
    assert ledger.take("b", 1, (300,), 2)
    sums = ledger.close()
    assert sums.power_w[0] in (1300, 400)
    assert sums.missing == ()
    assert all(abs(number) < 10**12 for number in (*sums.power_w, sums.residual_e9_kw2, *sums.inner_e9_kw2))


def test_replayed_stale_and_dropped_answers_change_nothing() -> None:
    ledger = opened_ledger()
    assert ledger.take("a", 1, (700,), 1)
    assert not ledger.take("a", 1, (9_000,), 1)
    ledger.take("b", 1, (0,), 0)
    before = ledger.close()
    ledger.broadcast((1_000_000,))
    assert not ledger.take("a", 1, (9_000,), 1)
    ledger.drop("a", (400,))
    assert not ledger.take("a", 2, (9_000,), 1)
    assert before.power_w == (700,)
    assert ledger.close().power_w == (400,)


def test_the_order_of_arrival_changes_no_byte(make_home) -> None:
    def run(order: list[str]) -> tuple[object, ...]:
        homes = {name: make_home(500 + place) for place, name in enumerate("abcd")}
        workers = {name: WorkerIteration(home, SIGMA) for name, home in homes.items()}
        queen = QueenIteration(FLAT, 4, SIGMA)
        opening = {name: workers[name].start(queen.price_e7) for name in order}
        ledger = AnswerLedger(opening, queen.price_e7, SIGMA)
        price = queen.start(totals(list(opening.values())))
        for _ in range(6):
            number = ledger.broadcast(price, queen.gamma_e9, queen.forget)
            for name in order:
                if (number, name) == (3, "b"):
                    continue
                one = workers[name].answer(price, queen.gamma_e9, queen.forget, number)
                assert ledger.take(name, number, one.power_w, one.cost_e9_coin, one.residual_e9_kw2, one.inner_e9_kw2)
            sums = ledger.close()
            price = queen.absorb(
                sums.power_w, sums.cost_e9_coin, sums.correction_kw, sums.residual_e9_kw2, sums.inner_e9_kw2
            )
        held = np.sum([worker._state.finished_step((), 99) for worker in workers.values()], axis=0)
        assert np.isfinite(held).all()
        return price, queen.gamma_e9, queen.progress

    assert run(["a", "b", "c", "d"]) == run(["d", "b", "a", "c"])


@pytest.mark.parametrize("loss", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("sums_only", [False, True])
def test_lost_answers_cost_iterations_but_not_the_agreement(make_home, loss: float, sums_only: bool) -> None:
    homes = [make_home(700 + index) for index in range(6)]
    direct = solve_direct(homes, FLAT).objective
    gain = sum(solve_single(home, FLAT).objective for home in homes) - direct
    agreed = solve_hive(homes, FLAT, loss=loss, seed=3, sums_only=sums_only, max_iterations=120)
    assert abs(agreed.objective - direct) <= 1e-2 * gain


def test_sums_alone_keep_the_queen_with_what_the_workers_hold(make_home) -> None:
    """A Worker that is not counted takes its answer back: the Queen's step is the sum of theirs, the totals keep its
    last counted profile."""
    workers = [CountedWorker(make_home(seed), SIGMA) for seed in (1, 2, 3)]
    queen = QueenIteration(FLAT, 3, SIGMA)
    opening = totals([worker.start(queen.price_e7) for worker in workers])
    running = RunningTotals(opening, 3, totals([worker.opening_step_uw for worker in workers]))
    price = queen.start(opening)
    counted, chance = [True] * 3, random.Random(2)
    for _ in range(10):
        changes = []
        for place, worker in enumerate(workers):
            change = worker.answer(price, queen.gamma_e9, queen.forget, counted[place])
            counted[place] = chance.random() > 0.3
            if counted[place]:
                changes.append(change)
        inner = totals([change.inner_e9_kw2 for change in changes])
        power = totals([change.power_w for change in changes]) if changes else [0] * 96
        cost = sum(change.cost_e9_coin for change in changes)
        residual = sum(change.residual_e9_kw2 for change in changes)
        steps = tuple(totals([change.step_uw for change in changes])) if changes else ()
        total = running.add(Change(tuple(power), cost, residual, tuple(inner), steps), len(changes))
        price = queen.absorb(
            total.power_w,
            total.cost_e9_coin,
            total.held,
            total.residual_e9_kw2,
            total.inner_e9_kw2,
            total.missing_share,
        )
    for worker, was in zip(workers, counted, strict=True):
        worker.settle(was)
    held = np.sum([worker.iteration.step_kw for worker in workers], axis=0)
    assert np.abs(held - queen._aggregate.finished_step((), 11)).max() < 1e-8
    plans = np.sum([worker.schedule.net_kw for worker in workers if worker.schedule is not None], axis=0)
    assert np.abs(plans - np.array(total.power_w) / 1000).max() < 2e-3


def test_whoever_rejoins_is_followed_again(make_home) -> None:
    workers = {name: WorkerIteration(make_home(seed), SIGMA) for seed, name in enumerate("ab")}
    queen = QueenIteration(FLAT, 2, SIGMA)
    opening = {name: worker.start(queen.price_e7) for name, worker in workers.items()}
    ledger = AnswerLedger(opening, queen.price_e7, SIGMA)
    price = queen.start(totals(list(opening.values())))
    for turn in range(1, 9):
        number = ledger.broadcast(price, queen.gamma_e9, queen.forget)
        for name, worker in workers.items():
            if name == "b" and turn in (2, 3, 4):
                continue
            one = worker.answer(price, queen.gamma_e9, queen.forget, number)
            assert ledger.take(name, number, one.power_w, one.cost_e9_coin, one.residual_e9_kw2, one.inner_e9_kw2)
        sums = ledger.close()
        if turn == 4:
            assert ledger.silent == ("b",)
            ledger.drop("b")
            ledger.rejoin("b", workers["b"].start(price), price)
        price = queen.absorb(
            sums.power_w, sums.cost_e9_coin, sums.correction_kw, sums.residual_e9_kw2, sums.inner_e9_kw2
        )
    assert ledger.dropped == ()
    held = np.sum([worker._state.state_kw for worker in workers.values()], axis=0)
    assert np.abs(held - queen._aggregate.state_kw).max() < 1e-8
