"""The certificate: a lower bound that never lies above the optimum and is close at the agreed price."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honey_edge.market.homes.assets import NO_LIMITS, Home, Limits, Tariff
from honey_edge.market.rounds.admm import solve_direct, solve_hive, solve_single
from honey_edge.market.rounds.certificate import lower_bound

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
