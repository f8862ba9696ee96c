"""Sensitivities from meters, judged by an exact power flow of the shared 57-home feeder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from honey_edge.market.grid.sensitivities import MeterSeries, TooFewMeterData, estimate

HOMES = np.arange(0, 60, 6)[:10]


@pytest.fixture(scope="module")
def feeder(shared_dir: Path) -> Any:
    pytest.importorskip("power_grid_model", reason="SKIPPED LOUDLY: power-grid-model is the oracle of these tests")
    folder = shared_dir / "data" / "grid" / "village_57"
    if not folder.is_dir():
        pytest.skip(f"SKIPPED LOUDLY: {folder} is missing, so nothing judges the sensitivities")
    import importlib.util

    spec = importlib.util.spec_from_file_location("feeder_57", Path(__file__).with_name("feeder_57.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Feeder(folder)


def rows_of(feeder: Any) -> list[int]:
    return [feeder.buses.index(feeder.load_buses[home]) for home in HOMES]


def metered(feeder: Any, days: int, noise: float, seed: int = 0) -> tuple[MeterSeries, Any]:
    """Ten metered homes with load and sun, and their exact voltages; `noise` is the meters' own, as a share."""
    rng, columns = np.random.default_rng(seed), 96 * days
    hour = np.arange(columns) / 4 % 24
    shape = 0.3 + np.exp(-(((hour - 19) / 2) ** 2))
    sun = 4 * np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * ((hour > 6) & (hour < 18))
    power = np.zeros((len(feeder.load_buses), columns))
    reactive = np.zeros_like(power)
    for home in HOMES:
        own = shape * rng.uniform(0.5, 1.5) + rng.exponential(0.8, columns)
        power[home] = own - sun * rng.uniform(0.2, 1.0) * rng.uniform(0.6, 1.0, columns)
        reactive[home] = 0.2 * np.abs(power[home]) + 0.1 * rng.random(columns)
    source = 1.0 + 0.01 * np.sin(hour / 24 * 2 * np.pi) + 0.3 * np.cumsum(rng.normal(0.0, 2e-4, columns))
    exact = feeder.voltages(power, reactive, source)[rows_of(feeder)]
    seen = exact * (1.0 + noise * rng.normal(size=exact.shape))
    return MeterSeries(seen, power[HOMES], reactive[HOMES], source), exact


def true_k(feeder: Any) -> Any:
    """K by one more kW at every home in turn."""
    power = np.zeros((len(feeder.load_buses), HOMES.size + 1))
    power[HOMES] = 1.0
    power[HOMES, np.arange(1, HOMES.size + 1)] += 1.0
    squared = feeder.voltages(power, 0.0 * power, np.ones(HOMES.size + 1))[rows_of(feeder)] ** 2
    return squared[:, :1] - squared[:, 1:]


def test_the_simulated_feeder_is_the_published_one(feeder: Any) -> None:
    found = feeder.voltages(feeder.nominal_kw[:, None], 0.0 * feeder.nominal_kw[:, None], np.ones(1))[:, 0]
    assert max(abs(found[k] - feeder.nominal_pu[bus]) for k, bus in enumerate(feeder.buses)) <= 1e-5


def test_exact_meters_give_the_sensitivities(feeder: Any) -> None:
    truth, found = true_k(feeder), estimate(metered(feeder, 21, 0.0)[0])
    assert (np.abs(found.k_v2_per_kw - truth) / truth).mean() <= 0.02
    assert (found.k_v2_per_kw == found.k_v2_per_kw.T).all()
    assert ((found.low_v2_per_kw <= truth) & (truth <= found.high_v2_per_kw)).mean() >= 0.9
    assert found.error_p99_pu <= 1e-3


def test_noisy_meters_keep_signs_cover_the_truth_and_beat_a_fit_of_levels(feeder: Any) -> None:
    truth = true_k(feeder)
    series, exact = metered(feeder, 21, 2e-3)
    found = estimate(series)
    assert (found.k_v2_per_kw >= 0.0).all()
    assert ((found.low_v2_per_kw <= truth) & (truth <= found.high_v2_per_kw)).mean() >= 0.85
    levels = np.concatenate([-series.power_kw, -series.reactive_kvar, series.source_pu[None, :] ** 2])
    plain = np.linalg.lstsq(levels.T, (series.voltage_pu**2).T, rcond=None)[0][: HOMES.size].T
    assert np.abs(found.k_v2_per_kw - truth).mean() < 0.6 * np.abs(plain - truth).mean()
    away = np.abs(found.voltages_pu(series.power_kw, series.source_pu) - exact)
    assert away.mean() <= 1.2e-3
    assert np.quantile(away, 0.99) <= 3.7e-3


def test_the_band_is_tightened_by_the_error_and_holds_in_the_exact_power_flow(feeder: Any) -> None:
    series, exact = metered(feeder, 21, 2e-3)
    found = estimate(series)
    band = found.band(1.0, 0.95, 1.05)
    assert band.v_min_pu >= 0.95 + found.error_p99_pu
    assert band.v_max_pu <= 1.05 - found.error_p99_pu
    outside = found.voltages_pu(series.power_kw, series.source_pu)
    said = (outside >= band.v_min_pu) & (outside <= band.v_max_pu)
    assert ((exact >= 0.95) & (exact <= 1.05))[said].all()


def test_gaps_are_left_out_and_too_few_days_are_refused(feeder: Any) -> None:
    series, _ = metered(feeder, 22, 0.0)
    series.voltage_pu[3, 100:150] = np.nan
    series.source_pu[700] = np.nan
    found = estimate(series)
    truth = true_k(feeder)
    assert found.days == pytest.approx(22 - 51 / 96)
    assert (np.abs(found.k_v2_per_kw - truth) / truth).mean() <= 0.02
    with pytest.raises(TooFewMeterData, match=r"6\.0 days"):
        estimate(series.part(slice(800, 800 + 6 * 96)))


def test_parts_of_different_size_are_refused() -> None:
    with pytest.raises(TooFewMeterData, match="differ in size"):
        MeterSeries(np.ones((2, 5)), np.ones((3, 5)), np.ones((2, 5)), np.ones(5))
