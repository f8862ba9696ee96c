"""The Queen's closed form against a second solver, and the integers of the wire."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from honey_edge.market.errors import AssetError, ProtocolError
from honey_edge.market.homes.assets import NO_LIMITS, Limits, Tariff
from honey_edge.market.rounds.queen_step import default_sigma, kilowatts, price_e7, price_per_kwh, queen_step, watts

FEW = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FEW
@given(seed=st.integers(0, 10_000), peak=st.sampled_from([0.0, 0.02, 0.35, 50.0]), limited=st.booleans())
def test_the_closed_form_equals_a_second_solver(second_solver: Any, seed: int, peak: float, limited: bool) -> None:
    rng, slots, scale, dt_h = np.random.default_rng(seed), 24, 150.0, 0.25
    wanted = rng.normal(5.0, 15.0, slots)
    sell = rng.normal(0.05, 0.05, slots)
    tariff = Tariff(sell + rng.uniform(0.0, 0.3, slots), sell, peak)
    limits = Limits(np.full(slots, -8.0), rng.uniform(0.0, 12.0, slots)) if limited else NO_LIMITS
    net, price = queen_step(wanted, scale, tariff, limits, dt_h)
    each, none = sparse.identity(slots), sparse.csc_matrix((slots, 1))
    rows = sparse.bmat(
        [
            [each, None, None],
            [None, each, None],
            [-each, each, none],
            [-each, None, sparse.csc_matrix(np.ones((slots, 1)))],
            [None, None, sparse.identity(1)],
        ],
        format="csc",
    )
    low = np.full(slots, -np.inf) if limits.pcc_min_kw is None else limits.pcc_min_kw
    high = np.full(slots, np.inf) if limits.pcc_max_kw is None else limits.pcc_max_kw
    lower = np.concatenate([low, np.zeros(3 * slots + 1)])
    upper = np.concatenate([high, np.full(3 * slots + 1, np.inf)])
    hessian = sparse.diags(np.concatenate([np.ones(slots), np.zeros(slots + 1)]), format="csc")
    spread = scale * dt_h * (tariff.buy_per_kwh - tariff.sell_per_kwh)
    linear = np.concatenate([scale * dt_h * tariff.sell_per_kwh - wanted, spread, [scale * peak]])
    x, _ = second_solver.solve(hessian, linear, rows, lower, upper)
    assert np.abs(net - x[:slots]).max() < 1e-3
    assert np.allclose(price, (wanted - net) / (scale * dt_h))


def test_without_limits_and_peak_the_price_stays_between_sell_and_buy() -> None:
    tariff = Tariff.of([0.2] * 50, [0.05] * 50)
    _, price = queen_step(np.linspace(-40.0, 40.0, 50), 100.0, tariff)
    assert price.min() >= 0.05 - 1e-12
    assert price.max() <= 0.2 + 1e-12


def test_another_horizon_or_scale_is_refused() -> None:
    tariff = Tariff.of([0.2] * 2, [0.05] * 2)
    with pytest.raises(AssetError, match="3 slots"):
        queen_step(np.zeros(3), 100.0, tariff)
    with pytest.raises(AssetError, match="scale 0"):
        queen_step(np.zeros(2), 0.0, tariff)


def test_integers_of_the_wire_come_back_within_half_a_step() -> None:
    power, price = np.array([1.23449, -0.0006, 0.0]), np.array([0.123456789, -0.05, 0.0])
    assert watts(power) == (1234, -1, 0)
    assert kilowatts(watts(power)) == pytest.approx(power, abs=5e-4)
    assert price_e7(price) == (1234568, -500000, 0)
    assert price_per_kwh(price_e7(price)) == pytest.approx(price, abs=5e-8)


@pytest.mark.parametrize("absurd", [3e6, float("nan"), float("inf")])
def test_a_number_beyond_the_wire_is_refused(absurd: float) -> None:
    with pytest.raises(ProtocolError, match="32 bits"):
        watts(np.array([absurd]))


def test_sigma_follows_the_price_level_and_the_slot() -> None:
    assert default_sigma(Tariff.of([0.2], [0.1])) == 100
    assert default_sigma(Tariff.of([0.4], [0.1])) == 50
    assert default_sigma(Tariff.of([0.2], [0.1]), 1.0) == 25
