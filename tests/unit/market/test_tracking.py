"""The tracking term: the Queen's step in closed form, and a round against one program of the whole Hive."""

from __future__ import annotations

from collections.abc import Callable

import clarabel
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize_scalar

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.asset_program import home_program
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.plan import checked_schedule
from honey_edge.market.rounds.iteration import WorkerIteration, round_sigma
from honey_edge.market.rounds.queen_step import queen_step
from honey_edge.market.rounds.tracking import Commitment, TrackingQueen, tracking_step

DT_H = 0.25
TARIFF = Tariff(np.full(96, 0.2), np.full(96, 0.05))
MakeHome = Callable[..., Home]


def test_each_slot_of_the_step_is_the_minimum_of_its_own_problem() -> None:
    chance = np.random.default_rng(4)
    aggregate, committed = chance.normal(0.0, 20.0, 96), chance.normal(0.0, 10.0, 96)
    net, price = tracking_step(aggregate, 300.0, TARIFF, Commitment(committed, 0.01))
    for t in range(0, 96, 8):
        best = minimize_scalar(
            lambda z, t=t: (
                DT_H * max(0.2 * z, 0.05 * z) + DT_H * 0.005 * (z - committed[t]) ** 2 + (z - aggregate[t]) ** 2 / 600.0
            ),
            bounds=(-100.0, 100.0),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert net[t] == pytest.approx(best.x, abs=1e-4)
    assert price == pytest.approx((aggregate - net) / (300.0 * DT_H))


def test_without_weight_it_is_the_plain_step_and_limits_hold() -> None:
    aggregate = np.linspace(-30.0, 30.0, 96)
    limits = Limits(np.full(96, -5.0), np.full(96, 8.0))
    plain = queen_step(aggregate, 100.0, TARIFF, limits)
    same = tracking_step(aggregate, 100.0, TARIFF, Commitment(np.zeros(96), 0.0), limits)
    assert np.array_equal(plain[0], same[0])
    net, _ = tracking_step(aggregate, 100.0, TARIFF, Commitment(np.full(96, 20.0), 1.0), limits)
    assert net.max() <= 8.0


def central(homes: list[Home], commitment: Commitment) -> float:
    """The optimum with the tracking term: Clarabel on x, u >= max(P, 0) and P of all homes at once."""
    programs = [home_program(home, DT_H) for home in homes]
    slots = TARIFF.slots
    net_rows = sparse.hstack([program.net_rows() for program in programs])
    fixed = np.sum([program.net_at_zero_kw for program in programs], axis=0)
    own = sparse.block_diag([program.hessian(0.0, 1.0) for program in programs])
    tracked = DT_H * commitment.weight * (net_rows.T @ net_rows)
    hessian = sparse.block_diag([own + sparse.triu(tracked), sparse.csc_matrix((slots, slots))], format="csc")
    linear = np.concatenate([program.private_gradient() for program in programs])
    linear = linear + net_rows.T @ (DT_H * 0.05 + DT_H * commitment.weight * (fixed - commitment.committed_kw))
    linear = np.concatenate([linear, np.full(slots, DT_H * 0.15)])
    rows = sparse.block_diag([program.rows() for program in programs])
    bounds = [program.bounds() for program in programs]
    lower, upper = (np.concatenate([pair[k] for pair in bounds]) for k in (0, 1))
    everything = sparse.bmat([[rows, None], [None, sparse.identity(slots)], [-net_rows, sparse.identity(slots)]])
    low = np.concatenate([lower, np.zeros(slots), fixed])
    high = np.concatenate([upper, np.full(2 * slots, np.inf)])
    x = solved(hessian, linear, everything.tocsc(), low, high)
    plans, start = [], 0
    for home, program in zip(homes, programs, strict=True):
        columns = program.net_rows().shape[1]
        plans.append(checked_schedule(home, program.split(x[start : start + columns]), DT_H, 0))
        start += columns
    pcc = np.sum([plan.net_kw for plan in plans], axis=0)
    return sum(plan.private_cost for plan in plans) + TARIFF.cost(pcc, DT_H) + commitment.cost(pcc, DT_H)


def solved(
    hessian: sparse.csc_matrix, linear: FloatArray, rows: sparse.csc_matrix, low: FloatArray, high: FloatArray
) -> FloatArray:
    above, below = np.isfinite(high), np.isfinite(low)
    matrix = sparse.vstack([rows[above], -rows[below]], format="csc")
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    bounds = np.concatenate([high[above], -low[below]])
    cones = [clarabel.NonnegativeConeT(bounds.size)]
    answer = clarabel.DefaultSolver(hessian, linear, matrix, bounds, cones, settings).solve()
    assert str(answer.status) == "Solved"
    return np.array(answer.x)


def test_a_round_with_a_commitment_ends_at_the_central_optimum(make_home: MakeHome) -> None:
    homes = [make_home(seed) for seed in range(4)]
    commitment = Commitment(np.full(96, float(np.mean(np.sum([home.base_kw for home in homes], axis=0)))), 0.02)
    sigma = round_sigma(TARIFF, settled=False)
    queen = TrackingQueen(TARIFF, len(homes), sigma, commitment, max_iterations=40)
    workers = [WorkerIteration(home, sigma) for home in homes]
    opened = [worker.start(queen.price_e7) for worker in workers]
    queen.start([sum(column) for column in zip(*opened, strict=True)])
    while not queen.finished:
        answers = [worker.answer(queen.price_e7, queen.gamma_e9, queen.forget) for worker in workers]
        queen.absorb(
            [sum(column) for column in zip(*(answer.power_w for answer in answers), strict=True)],
            sum(answer.cost_e9_coin for answer in answers),
            None,
            sum(answer.residual_e9_kw2 for answer in answers),
            [sum(column) for column in zip(*(answer.inner_e9_kw2 for answer in answers), strict=True)],
        )
    assert queen.progress is not None
    base = np.sum([home.base_kw for home in homes], axis=0)
    gain = TARIFF.cost(base, DT_H) + commitment.cost(base, DT_H) - queen.progress.objective
    assert queen.progress.objective == pytest.approx(central(homes, commitment), abs=1e-3 * gain)
    bound = sum(worker.bound_e9_coin(queen.agreed_e7) for worker in workers)
    certificate = queen.certificate(bound)
    assert certificate.lower_e9_coin is not None
    assert certificate.lower_e9_coin / 1e9 == pytest.approx(queen.progress.objective, abs=5e-3 * gain)


def test_a_commitment_must_fit_the_tariff_and_have_a_sane_weight() -> None:
    with pytest.raises(AssetError, match="commitment has 4"):
        tracking_step(np.zeros(96), 1.0, TARIFF, Commitment(np.zeros(4), 0.1), NO_LIMITS)
    with pytest.raises(AssetError, match="tracking weight"):
        Commitment(np.zeros(96), -1.0)
