"""Voltage limits in the Queen's step: exact, kept by the round, tightened and never widened, infeasible by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.network_solve import InfeasibleNetwork
from honey_edge.market.grid.voltage import VoltageBand, queen_step_voltage
from honey_edge.market.grid.voltage_round import solve_voltage_direct, solve_voltage_distributed
from honey_edge.market.homes.assets import Home, Limits, Tariff
from honey_edge.market.rounds.queen_step import queen_step

SLOTS = 8
K = np.array([[2.0, 2.0, 2.0], [2.0, 5.0, 5.0], [2.0, 5.0, 9.0]]) * 1e-4


def tariff_of(peak: float = 0.0, slots: int = SLOTS) -> Tariff:
    return Tariff(np.full(slots, 0.2), np.full(slots, 0.05), peak)


def test_without_a_binding_band_the_step_is_the_plain_one() -> None:
    band = VoltageBand(1.0, 0.8, 1.2, K)
    rng = np.random.default_rng(0)
    aggregate, scale = rng.normal(0.0, 5.0, (3, SLOTS)), np.array([50.0, 100.0, 50.0])
    net, price = queen_step_voltage(aggregate, scale, tariff_of(), band.network(SLOTS))
    plain, plain_price = queen_step(aggregate.sum(axis=0), 200.0, tariff_of())
    assert np.abs(net.sum(axis=0) - plain).max() <= 1e-9
    assert np.abs(price - plain_price).max() <= 1e-12


@pytest.mark.parametrize("solver", ["clarabel", "osqp"])
@pytest.mark.parametrize("peak", [0.0, 0.1])
def test_a_binding_band_is_kept_and_nothing_within_it_is_better(solver: str, peak: float) -> None:
    band, tariff = VoltageBand(1.0, 0.995, 1.005, K), tariff_of(peak)
    rng = np.random.default_rng(1)
    aggregate, scale = rng.normal(0.0, 25.0, (3, SLOTS)), np.array([50.0, 100.0, 50.0])
    network = band.network(SLOTS)
    net, price = queen_step_voltage(aggregate, scale, tariff, network, solver=solver)
    assert network.overshoot(net) <= 1e-4
    assert np.ptp(price, axis=0).max() > 1e-3

    def cost(powers: np.ndarray) -> float:
        away = ((powers - aggregate) ** 2 / (2.0 * scale[:, None])).sum()
        return tariff.cost(powers.sum(axis=0), 0.25) + float(away)

    best = cost(net)
    for _ in range(200):
        trial = net + rng.normal(0.0, 0.3, net.shape)
        if network.overshoot(trial) <= 0.0:
            assert cost(trial) >= best - 1e-3


def test_homes_with_the_same_column_share_a_node_and_its_price() -> None:
    band = VoltageBand(1.0, 0.9, 1.1, K[:, [2, 0, 2, 1]])
    network = band.network(SLOTS)
    assert network.group_of == (0, 1, 0, 2)
    power = np.arange(4.0)[:, None] * np.ones(SLOTS)
    values = np.array([limit.value(network.group_kw(list(power))) for limit in network.limits[:-1]])
    assert np.abs(values - band.sensitivity_v2_per_kw @ power).max() <= 1e-15


def feeder(make_home: Callable[..., Home]) -> tuple[list[Home], VoltageBand, Tariff]:
    homes = [make_home(seed) for seed in (1, 4, 6)]
    return homes, VoltageBand(1.0, 0.9, 1.0004, K), tariff_of(slots=homes[0].slots)


def test_the_round_keeps_the_band_and_ends_at_the_direct_optimum(make_home: Callable[..., Home]) -> None:
    homes, band, tariff = feeder(make_home)
    direct = solve_voltage_direct(homes, band, tariff)
    free = solve_voltage_direct(homes, VoltageBand(1.0, 0.5, 1.5, K), tariff)
    agreed = solve_voltage_distributed(homes, band, tariff)
    assert direct.objective > free.objective + 1e-2
    assert agreed.overshoot <= 5e-3
    assert agreed.objective == pytest.approx(direct.objective, abs=1e-2)
    voltages = band.voltages_pu(np.array([plan.net_kw for plan in direct.schedules]))
    assert voltages.max() <= 1.0004 + 1e-6


def test_a_band_that_cannot_hold_is_named_with_node_and_slot(make_home: Callable[..., Home]) -> None:
    homes = [make_home(seed, battery=False, curtailable=False) for seed in (1, 4, 6)]
    band = VoltageBand(1.0, 0.9999, 1.5, K)
    with pytest.raises(InfeasibleNetwork, match=r"v_min_pu of voltage at node \d cannot be met: slot \d+"):
        solve_voltage_direct(homes, band, tariff_of(slots=homes[0].slots))


def test_the_connection_points_limit_holds_beside_the_band(make_home: Callable[..., Home]) -> None:
    homes, band, tariff = feeder(make_home)
    limits = Limits(np.full(tariff.slots, -1.5), np.full(tariff.slots, 2.5))
    solution = solve_voltage_direct(homes, band, tariff, limits)
    assert solution.pcc_kw.max() <= 2.5 + 1e-4
    assert solution.pcc_kw.min() >= -1.5 - 1e-4


def test_a_margin_tightens_and_never_widens() -> None:
    band = VoltageBand(1.0, 0.94, 1.06, K)
    tight = band.tightened(0.01)
    assert (tight.v_min_pu, tight.v_max_pu) == (pytest.approx(0.95), pytest.approx(1.05))
    for margin in (-0.001, 0.07, float("nan")):
        with pytest.raises(AssetError, match="margin"):
            band.tightened(margin)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((1.0, 0.94, 1.06, [[-1e-4]]), r"\[0\]\[0\] is negative"), ((1.0, 1.06, 0.94, K), "v_min_pu"),
        ((1.0, 0.94, 1.06, [[float("nan")]]), "finite"), ((1.0, 0.94, 1.06, [1.0]), "matrix"),
    ],
)  # fmt: skip
def test_what_is_no_band_is_refused(fields: tuple[float, float, float, object], message: str) -> None:
    with pytest.raises(AssetError, match=message):
        VoltageBand(*fields)  # type: ignore[arg-type]
