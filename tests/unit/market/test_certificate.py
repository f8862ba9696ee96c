"""The certificate: a lower bound that never lies above the optimum and is close at the agreed price."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honey_edge.market.homes.assets import NO_LIMITS, Home, Limits, Tariff
from honey_edge.market.rounds.admm import solve_direct, solve_hive, solve_single
from honey_edge.market.rounds.certificate import lower_bound
from honey_edge.market.rounds.proof import PriceTrail
from tests.bench.hives import seeded_hive, tariff_of

FLAT = Tariff.of([0.2] * 96, [0.05] * 96)
PEAK = Tariff.of([0.2] * 96, [0.05] * 96, 0.35)


@pytest.mark.parametrize("tariff", [FLAT, PEAK])
def test_the_bound_is_tight_at_the_best_price_and_valid_at_any_other(
    make_home: Callable[..., Home], tariff: Tariff
) -> None:
    homes = [make_home(seed) for seed in (21, 22, 23)]
    best = solve_direct(homes, tariff)
    assert lower_bound(homes, tariff, best.price_per_kwh) == pytest.approx(best.objective, abs=2e-3)
    for price in (0.05, 0.11, 0.2):
        assert lower_bound(homes, tariff, np.full(96, price)) <= best.objective + 1e-4


def test_after_a_round_the_gap_is_a_small_share_of_the_gain(make_home: Callable[..., Home]) -> None:
    homes = [make_home(seed) for seed in (21, 22, 23, 24)]
    agreed = solve_hive(homes, FLAT)
    bound = lower_bound(homes, FLAT, agreed.price_per_kwh)
    gain = sum(solve_single(home, FLAT).objective for home in homes) - agreed.objective
    assert -1e-4 <= agreed.objective - bound <= 2e-2 * gain


def test_limits_add_their_support_term(make_home: Callable[..., Home]) -> None:
    homes = [make_home(seed) for seed in (21, 22)]
    free = solve_direct(homes, FLAT)
    limits = Limits(np.full(96, -30.0), np.full(96, 0.8 * float(free.pcc_kw.max())))
    best = solve_direct(homes, FLAT, limits)
    assert lower_bound(homes, FLAT, best.price_per_kwh, limits) == pytest.approx(best.objective, abs=2e-3)


def test_a_price_outside_the_tariff_proves_nothing_without_limits() -> None:
    home = Home.of([1.0, 1.0], [0.0, 0.0])
    tariff = Tariff.of([0.2] * 2, [0.05] * 2)
    assert lower_bound([home], tariff, np.array([0.3, 0.1]), NO_LIMITS) == -np.inf
    assert lower_bound([home], tariff, np.array([0.01, 0.1]), NO_LIMITS) == -np.inf
    within = Limits.of([0.0] * 2, [1.0] * 2)
    assert lower_bound([home], tariff, np.array([0.3, 0.2]), within) == pytest.approx(0.1)


def trail(flexible: int, beside_kw: float, moves: float = 0.001) -> PriceTrail:
    """Two days' levels of price; in the first the plans stand `beside_kw` beside what is asked for."""
    watched, total = PriceTrail(SHORT, flexible), np.array([beside_kw] * 4 + [0.0] * 4)
    for number in range(4):
        watched.add(climbing(number * moves), total, np.zeros(8))
    return watched


SHORT = Tariff.of([0.2] * 8, [0.05] * 8)


def climbing(by: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([0.15 + by] * 4 + [0.19] * 4)


def test_a_level_on_its_way_is_taken_to_the_next_price_above_or_below() -> None:
    up = trail(5, 0.05).ahead(climbing(0.004))
    assert up is not None
    assert up == pytest.approx([0.19] * 8)
    down = trail(5, -0.05, -0.001).ahead(climbing(-0.004))
    assert down is not None
    assert down == pytest.approx([0.05] * 4 + [0.19] * 4)


@pytest.mark.parametrize(("beside_kw", "moves"), [(0.05, -0.001), (0.01, 0.001), (0.0, 0.001)])
def test_no_second_price_where_the_price_goes_the_other_way_or_hardly_anything_is_beside(
    beside_kw: float, moves: float
) -> None:
    assert trail(5, beside_kw, moves).ahead(climbing(4 * moves)) is None


def test_no_second_price_while_plans_still_move() -> None:
    watched = PriceTrail(SHORT, 5)
    for number in range(4):
        watched.add(climbing(0.001 * number), np.array([0.05 + 0.05 * number] * 4 + [0.0] * 4), np.zeros(8))
    assert watched.ahead(climbing(0.004)) is None


def test_the_second_price_proves_more_where_a_night_is_on_its_way() -> None:
    homes = seeded_hive(3, 30)
    tariff = tariff_of("time_of_use")
    done = solve_hive(homes, tariff, max_iterations=20, certify=True)
    assert done.proof_e7
    assert done.certificate is not None
    assert done.certificate.lower_e9_coin is not None
    lower, best = done.certificate.lower_e9_coin / 1e9, solve_direct(homes, tariff).objective
    assert lower <= best + 1e-3
    assert best - lower <= 0.5 * (best - lower_bound(homes, tariff, done.price_per_kwh))
