"""Corrections: by what was just measured, and by a weather feed."""

import math

import numpy as np
import pytest

from honey_edge.market.forecast import Forecast, HomeForecaster
from honey_edge.market.homes.assets import FloatArray


def flat(kind: str, kw: float = 1.0, count: int = 96) -> Forecast:
    return Forecast(kind, 1000, 96, np.full(count, kw), np.linspace(0.5, 1.5, 9)[:, None] * np.full(count, kw))


def test_a_load_above_the_expected_stays_above_for_hours_and_then_as_expected() -> None:
    made = flat("load").corrected(dict.fromkeys(range(1000, 1004), 3.0))
    assert made.first_slot == 1004
    assert made.count == 92
    assert 1.8 < made.point_kw[0] < 2.5
    assert (np.diff(made.point_kw) < 0).all()
    assert made.point_kw[-1] == pytest.approx(1.0, abs=0.01)
    assert made.quantiles_kw[4] == pytest.approx(made.point_kw)


def test_a_load_below_the_expected_never_becomes_negative_but_load_less_sun_may() -> None:
    measured = {1000: -9.0}
    assert flat("load").corrected(measured).point_kw.min() == 0.0
    assert flat("load").corrected(measured).quantiles_kw.min() == 0.0
    assert flat("net").corrected(measured).point_kw[0] < -2.0


def test_the_sun_is_corrected_by_its_ratio_and_not_in_the_dark() -> None:
    half = flat("pv", 2.0).corrected({1000: 1.0, 1001: 1.0})
    assert half.point_kw[0] == pytest.approx(2.0 * (1.0 - 0.5 * 0.8))
    assert flat("pv", 0.0).corrected({1000: 1.0}).point_kw.max() == 0.0
    assert flat("pv", 1.0).corrected({1000: 1e9}).point_kw.max() <= 3.0


def test_only_the_newest_hour_counts_and_nonsense_is_left_out() -> None:
    base = flat("load").corrected({1007: 2.0})
    more = flat("load").corrected({900: 9.0, 1001: 50.0, 1007: 2.0, 1008: math.nan, 5000: 7.0})
    assert np.array_equal(base.point_kw, more.point_kw)
    untouched = flat("load")
    assert untouched.corrected({900: 9.0}) is untouched


class Feed:
    """Sun and air that are known for every slot from `first` on, in hourly slots."""

    def __init__(self, first: int, clear: FloatArray, air: FloatArray, known: bool = True) -> None:
        self._first, self._clear, self._air, self._known = first, clear, air, known

    def irradiance_w_per_m2(self, slots: np.ndarray) -> FloatArray:
        day = np.clip((slots - self._first) // 24, 0, self._clear.size - 1)
        light = 900.0 * np.maximum(0.0, np.sin((slots % 24 - 6) * np.pi / 12)) * self._clear[day]
        return light if self._known else np.full(slots.size, np.nan)

    def temperature_c(self, slots: np.ndarray) -> FloatArray:
        day = np.clip((slots - self._first) // 24, 0, self._air.size - 1)
        return self._air[day] if self._known else np.full(slots.size, np.nan)


FIRST, DAYS = 20_000 * 24, 60


def two_errors(kind: str, known: bool = True) -> tuple[float, float]:
    """Squared errors of two days ahead with and without the feed."""
    rng = np.random.default_rng(9)
    clear, air = rng.uniform(0.1, 1.0, DAYS + 2), rng.uniform(15.0, 36.0, DAYS + 2)
    feed = Feed(FIRST, clear, air, known)
    slots = FIRST + np.arange((DAYS + 2) * 24)
    sun = 0.004 * Feed(FIRST, clear, air).irradiance_w_per_m2(slots)
    load = 0.5 + 0.1 * np.maximum(Feed(FIRST, clear, air).temperature_c(slots) - 22.0, 0.0)
    energy = sun if kind == "pv" else load
    origin = FIRST + DAYS * 24
    errors = []
    for weather in (feed, None):
        forecaster = HomeForecaster(kind, 24, weather=weather)
        forecaster.fit_series(slots[: DAYS * 24], energy[: DAYS * 24], origin)
        made = forecaster.predict(origin, 48)
        assert (np.diff(made.quantiles_kw, axis=0) >= -1e-9).all()
        assert made.quantiles_kw.min() >= 0.0
        errors.append(float(np.square(made.point_kw - energy[DAYS * 24 :]).sum()))
    return errors[0], errors[1]


@pytest.mark.parametrize("kind", ["load", "pv"])
def test_a_weather_feed_makes_the_forecast_better(kind: str) -> None:
    with_feed, without = two_errors(kind)
    assert with_feed < 0.5 * without


@pytest.mark.parametrize("kind", ["load", "pv"])
def test_a_feed_that_knows_nothing_changes_nothing(kind: str) -> None:
    with_feed, without = two_errors(kind, known=False)
    assert with_feed == without
