"""Daylight saving: load moves with the civil clock, the sun does not; hidden clock changes in PV data are found."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from honey_edge.market.forecast import HomeForecaster, LocalClock, civil_changes
from honey_edge.market.forecast.jumps import straightened

PER_DAY = 96
SPRING = datetime(2023, 3, 26, tzinfo=UTC)
AUTUMN = datetime(2023, 10, 29, tzinfo=UTC)


def slot_of(instant: datetime) -> int:
    return int(instant.timestamp()) // 900


def berlin(slot: int) -> int:
    offset = datetime.fromtimestamp(slot * 900, UTC).astimezone(ZoneInfo("Europe/Berlin")).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 900


def clock_around(slot: int) -> LocalClock:
    return LocalClock(4, civil_changes(berlin, slot - 40 * PER_DAY, slot + 4 * PER_DAY, PER_DAY))


def test_the_changes_of_a_zone_are_found_to_the_slot() -> None:
    change = slot_of(SPRING) + 4
    table = civil_changes(berlin, change - 300, change + 300, PER_DAY)
    assert table == ((change - 300, 4), (change, 8))


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_a_breakfast_stays_at_seven_across_the_change(day: datetime) -> None:
    """Load is 1 kW from 07:00 to 08:00 by the kitchen clock, every day, also on the one with 92 or 100 slots."""
    first = slot_of(day) - 30 * PER_DAY
    slots = np.arange(first, slot_of(day) + 3 * PER_DAY)
    hour = np.array([((slot + berlin(int(slot))) % PER_DAY) // 4 for slot in slots])
    energy = np.where(hour == 7, 0.25, 0.025)
    origin = slot_of(day)
    forecaster = HomeForecaster("load", PER_DAY, clock_around(origin))
    forecaster.fit_series(slots, energy, origin)
    made = forecaster.predict(origin, 2 * PER_DAY).point_kw
    after = hour[slots >= origin][: 2 * PER_DAY]
    assert made[after == 7].min() > 2.0 * made[after != 7].mean()
    assert np.argmax(made[:PER_DAY]) in np.flatnonzero(after[:PER_DAY] == 7)


def test_the_sun_ignores_the_civil_clock() -> None:
    origin = slot_of(SPRING) + PER_DAY
    slots = np.arange(origin - 30 * PER_DAY, origin)
    energy = np.maximum(0.0, np.sin((slots % PER_DAY - 24) * np.pi / 48))
    made = []
    for clock in (clock_around(origin), LocalClock(4)):
        forecaster = HomeForecaster("pv", PER_DAY, clock)
        forecaster.fit_series(slots, energy, origin)
        made.append(forecaster.predict(origin, PER_DAY).point_kw)
    assert np.array_equal(made[0], made[1])


def roof(days: int, jump_day: int, hours: int) -> tuple[np.ndarray, np.ndarray]:
    """A roof whose stamps jump by some hours on a day; index 0 is a Thursday as day 0 of the clock is."""
    index = np.arange(days * 24)
    sun_hour = index % 24 - np.where(index // 24 >= jump_day, hours, 0)
    clear = np.random.default_rng(1).uniform(0.4, 1.0, days)[index // 24]
    return index, np.maximum(0.0, np.sin((sun_hour - 6) * np.pi / 12)) * clear


@pytest.mark.parametrize("hours", [1, -1])
def test_an_hour_that_the_sun_jumps_on_a_sunday_is_taken_back(hours: int) -> None:
    sunday = 3 + 7 * 4
    index, energy = roof(45, sunday, hours)
    moved = straightened(index, energy, 24)
    old = index < sunday * 24
    assert np.array_equal(moved[old], index[old] + hours)
    assert np.array_equal(moved[~old], index[~old])


@pytest.mark.parametrize(("day", "hours"), [(3 + 7 * 4, 0), (3 + 7 * 4 + 2, 1), (3 + 7 * 4, 3)])
def test_what_is_no_clock_change_is_left_alone(day: int, hours: int) -> None:
    index, energy = roof(45, day, hours)
    assert np.array_equal(straightened(index, energy, 24), index)


def test_pv_on_the_civil_clock_is_right_again_some_days_after_the_change() -> None:
    sunday = 3 + 7 * 4
    index, energy = roof(sunday + 4, sunday, 1)
    forecaster = HomeForecaster("pv", 24)
    forecaster.fit_series(index, energy, (sunday + 4) * 24)
    made = forecaster.predict((sunday + 4) * 24, 24).point_kw
    assert made[6] == pytest.approx(0.0, abs=1e-6)
    assert made[18] > 0.05
