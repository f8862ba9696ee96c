"""The forecast of one home: what must hold whatever the history holds, lacks or is faulty in."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.market.errors import AssetError
from honey_edge.market.forecast import Forecast, HomeForecaster, LocalClock
from honey_edge.market.homes.assets import FloatArray

DAY0 = 20_000
KINDS = ("load", "pv", "net")


def slots_of(days: int, per_day: int, first_day: int = DAY0) -> np.ndarray:
    return first_day * per_day + np.arange(days * per_day)


def household(seed: int, days: int, per_day: int = 24, kind: str = "load") -> FloatArray:
    """Energy per slot (kWh): a daily pattern, a level that persists from day to day, noise, a weekly rhythm."""
    rng = np.random.default_rng(seed)
    hour = np.arange(per_day) * 24.0 / per_day
    sun = np.maximum(0.0, np.sin((hour - 6.0) * np.pi / 12.0)) * (hour > 6) * (hour < 18)
    level = np.ones(days)
    for day in range(1, days):
        level[day] = 0.6 * level[day - 1] + 0.4 + 0.25 * rng.standard_normal()
    level = np.clip(level, 0.1, 2.0)[:, None]
    load = (0.2 + np.exp(-(((hour - 19.0) / 3.0) ** 2))) * level * rng.lognormal(0.0, 0.4, (days, per_day))
    roof = 3.0 * sun * np.clip(level, 0.1, 1.0)
    energy = {"load": load, "pv": roof, "net": load - roof}[kind] * 24.0 / per_day
    return np.asarray(energy.ravel())


def fitted(kind: str, energy: FloatArray, per_day: int = 24, origin_day: float | None = None) -> HomeForecaster:
    slots = slots_of(-(-energy.size // per_day), per_day)[: energy.size]
    origin = DAY0 * per_day + energy.size if origin_day is None else int(origin_day * per_day)
    forecaster = HomeForecaster(kind, per_day)
    forecaster.fit_series(slots, energy, origin)
    return forecaster


def assert_sound(made: Forecast, count: int) -> None:
    assert made.point_kw.shape == (count,)
    assert made.quantiles_kw.shape == (9, count)
    assert np.isfinite(made.point_kw).all()
    assert np.isfinite(made.quantiles_kw).all()
    assert (np.diff(made.quantiles_kw, axis=0) >= -1e-9).all()
    if made.kind != "net":
        assert (made.point_kw >= 0).all()
        assert (made.quantiles_kw >= 0).all()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10_000),
    length=st.integers(0, 60 * 24),
    missing=st.floats(0.0, 1.0),
    odd=st.sampled_from([0.0, math.nan, math.inf, -5.0, 1e5, 1e300]),
    ahead=st.integers(0, 30),
    count=st.integers(1, 60),
)
def test_any_history_gives_a_sound_forecast(
    kind: str, seed: int, length: int, missing: float, odd: float, ahead: int, count: int
) -> None:
    energy = household(seed, 60, kind=kind)[:length].copy()
    rng = np.random.default_rng(seed)
    energy[rng.random(length) < missing] = np.nan
    energy[rng.random(length) < 0.02] = odd
    forecaster = fitted(kind, energy)
    assert_sound(forecaster.predict(forecaster.origin + ahead, count), count)


@pytest.mark.parametrize("per_day", [24, 48, 96])
@pytest.mark.parametrize("kind", KINDS)
def test_changing_the_future_changes_nothing(kind: str, per_day: int) -> None:
    energy = household(1, 50, per_day, kind)
    origin_day = DAY0 + 40.3
    other = energy.copy()
    other[int(40.3 * per_day) :] = 77.0
    made = [
        fitted(kind, series, per_day, origin_day).predict(int(origin_day * per_day), per_day)
        for series in (energy, other)
    ]
    assert np.array_equal(made[0].point_kw, made[1].point_kw)
    assert np.array_equal(made[0].quantiles_kw, made[1].quantiles_kw)


@pytest.mark.parametrize("days", [0, 2, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_without_quantiles_has_the_same_point(kind: str, days: int) -> None:
    forecaster = fitted(kind, household(4, days, kind=kind))
    whole, lean = (forecaster.predict(forecaster.origin, 60, quantiles=asked) for asked in (True, False))
    measured = {forecaster.origin: 2.0}
    assert np.array_equal(whole.point_kw, lean.point_kw)
    assert np.array_equal(whole.corrected(measured).point_kw, lean.corrected(measured).point_kw)
    assert lean.corrected(measured).quantiles_kw.shape == (0, 59)


@pytest.mark.parametrize("kind", ["load", "pv"])
def test_a_unit_ten_times_as_small_gives_a_forecast_ten_times_as_large(kind: str) -> None:
    energy = household(2, 60, kind=kind)
    small, large = (fitted(kind, energy * factor) for factor in (1.0, 10.0))
    point = small.predict(small.origin, 24).point_kw
    assert large.predict(large.origin, 24).point_kw == pytest.approx(10.0 * point, rel=1e-6, abs=1e-6)


def test_a_day_that_never_changes_is_repeated() -> None:
    day = 0.3 + np.sin(np.arange(24) * np.pi / 12.0) ** 2
    forecaster = fitted("load", np.tile(day, 60))
    made = forecaster.predict(forecaster.origin, 48)
    assert made.point_kw == pytest.approx(np.tile(day, 2), rel=0.05)
    assert made.quantiles_kw[8] == pytest.approx(np.tile(day, 2), rel=0.05)


def test_the_first_day_of_life_is_a_typical_home_and_no_sun() -> None:
    nothing = np.zeros(0)
    load, sun = fitted("load", nothing, origin_day=DAY0), fitted("pv", nothing, origin_day=DAY0)
    made = load.predict(DAY0 * 24, 24)
    assert 6.0 < made.point_kw.sum() < 12.0
    assert made.point_kw[19] > 2.0 * made.point_kw[3]
    assert made.quantiles_kw[0].sum() < 0.6 * made.point_kw.sum() < made.quantiles_kw[8].sum()
    assert sun.predict(DAY0 * 24, 24).point_kw.sum() == 0.0


def test_a_morning_sets_the_level_of_the_first_day_and_the_sun_is_mirrored_at_noon() -> None:
    load = fitted("load", np.full(12, 2.0))
    assert load.predict(load.origin, 12).point_kw.mean() > 2.0
    roof = household(3, 1, kind="pv")
    sun = fitted("pv", roof[:12])
    assert sun.predict(sun.origin, 12).point_kw == pytest.approx(roof[11::-1])


def test_a_persistent_level_is_followed_faster_than_by_the_28_day_mean() -> None:
    errors, plain = 0.0, 0.0
    for seed in range(6):
        energy = household(seed, 100)
        for day in range(70, 100, 3):
            forecaster = fitted("load", energy, origin_day=DAY0 + day)
            actual = energy[day * 24 : day * 24 + 24]
            errors += float(np.square(forecaster.predict(forecaster.origin, 24).point_kw - actual).sum())
            mean = energy.reshape(-1, 24)[day - 28 : day].mean(axis=0)
            plain += float(np.square(mean - actual).sum())
    assert errors < 0.95 * plain


def test_quantiles_hold_about_as_often_as_they_say() -> None:
    below = np.zeros(9)
    for seed in range(4):
        energy = household(seed, 120)
        for day in range(80, 120, 2):
            forecaster = fitted("load", energy, origin_day=DAY0 + day)
            made = forecaster.predict(forecaster.origin, 24)
            below += (energy[day * 24 : day * 24 + 24] <= made.quantiles_kw).mean(axis=1)
    assert below / 80 == pytest.approx(np.arange(1, 10) / 10, abs=0.08)


def test_a_week_without_measurements_does_not_become_a_week_without_load() -> None:
    energy = household(4, 60)
    gap = energy.copy()
    gap[-7 * 24 :] = np.nan
    whole, holed = fitted("load", energy), fitted("load", gap)
    expected = whole.predict(whole.origin, 24).point_kw.sum()
    assert holed.predict(holed.origin, 24).point_kw.sum() == pytest.approx(expected, rel=0.4)


def test_a_roof_that_was_dark_for_months_gives_no_absurd_numbers() -> None:
    energy = household(5, 120, kind="pv")
    energy[: 80 * 24] = 0.0
    for day in (80, 81, 83, 90):
        forecaster = fitted("pv", energy, origin_day=DAY0 + day)
        made = forecaster.predict(forecaster.origin, 24)
        assert_sound(made, 24)
        assert made.quantiles_kw.max() <= 1.2 * energy.max() + 1e-9


def test_journal_numbers_and_kilowatt_hours_are_the_same_history() -> None:
    energy = np.round(household(6, 30, 96), 6)
    slots = slots_of(30, 96)
    by_series, by_journal = HomeForecaster("load"), HomeForecaster("load")
    by_series.fit_series(slots, energy, int(slots[-1]) + 1)
    by_journal.fit({int(s): round(e * 1e6) for s, e in zip(slots, energy, strict=True)}, int(slots[-1]) + 1)
    expected = by_series.predict(by_series.origin, 96).point_kw
    assert by_journal.predict(by_journal.origin, 96).point_kw == pytest.approx(expected)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(AssetError, match="wind"):
        HomeForecaster("wind")
    with pytest.raises(AssetError, match="multiple of 24"):
        HomeForecaster("load", 25)
    with pytest.raises(AssetError, match="fit first"):
        HomeForecaster("load").predict(0, 1)
    forecaster = fitted("load", household(7, 3))
    for first, count in ((forecaster.origin - 1, 4), (forecaster.origin, 0)):
        with pytest.raises(AssetError, match="cannot be predicted"):
            forecaster.predict(first, count)
    with pytest.raises(AssetError, match="rising order"):
        LocalClock(0, ((5, 1), (5, 2)))


def test_a_home_whose_sun_makes_up_for_its_load_gets_no_absurd_numbers() -> None:
    """Load less sun that comes to nothing over a day: nothing may be divided by that."""
    energy = household(8, 60, kind="net").reshape(-1, 24)
    energy -= energy.mean(axis=1, keepdims=True)
    forecaster = fitted("net", energy.ravel())
    made = forecaster.predict(forecaster.origin, 48)
    assert_sound(made, 48)
    assert np.abs(made.point_kw).max() < 1.5 * np.abs(energy).max()
    assert np.abs(made.quantiles_kw).max() < 2.5 * np.abs(energy).max()
