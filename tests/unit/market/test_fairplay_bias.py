"""Test C: a lasting lie raises alarms, honest errors do not, and what follows from alarms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.bias import (
    ALLOWANCE,
    CLIP,
    FLOORED,
    GOOD,
    STEPS,
    SUSPENDED,
    THRESHOLD,
    BiasTest,
    Conduct,
    after_alarm,
    after_audit,
    after_quiet,
    alarm_days,
    ratio_of,
    rho_in,
    smallest_scale,
    watch,
)
from honey_edge.market.fairplay.reputation import FLOOR, FREE_DAYS, FULL


def days_of(mean: int, count: int) -> BiasTest:
    state = BiasTest()
    for slot in range(count * 4 + 1):
        state = watch(state, slot // 4, mean)
    return state


def test_a_lie_of_one_r_is_found_within_a_week_of_the_free_days() -> None:
    days = alarm_days([STEPS] * 30)
    assert days[0] <= 6
    assert days[1] - days[0] < 7


def test_both_directions_count_alike() -> None:
    assert alarm_days([STEPS] * 30) == alarm_days([-STEPS] * 30)


@given(st.lists(st.integers(-CLIP, CLIP), max_size=40).map(lambda days: [one for day in days for one in (day, -day)]))
def test_what_cancels_by_the_next_day_never_alarms_below_the_threshold(means: list[int]) -> None:
    small = [one * (THRESHOLD // 2) // CLIP for one in means]
    assert alarm_days(small) == ()


def test_a_mean_within_the_allowance_is_never_an_alarm() -> None:
    assert alarm_days([ALLOWANCE] * 3650) == ()


def test_the_running_test_sees_what_the_calibration_counts() -> None:
    state = days_of(STEPS, FREE_DAYS + 12)
    first = alarm_days([STEPS] * 12)
    expected = [day + FREE_DAYS for day in first]
    assert list(state.alarms) == [day for day in expected if day > expected[-1] - 7]


def test_the_first_week_is_not_judged() -> None:
    assert days_of(CLIP, FREE_DAYS).alarms == ()


def test_ratios_are_clipped_and_have_a_smallest_unit() -> None:
    assert ratio_of(10**9, 0, 10**6, 15) == CLIP
    assert ratio_of(-(10**9), 0, 10**6, 15) == -CLIP
    assert ratio_of(5000, 0, 0, 15) == STEPS
    assert smallest_scale(15) == 5000 * 10**6
    assert ratio_of(100, 150, 10**12, 15, ordered=50) == 0


def test_a_day_that_is_over_cannot_be_watched() -> None:
    with pytest.raises(AssetError):
        watch(watch(BiasTest(), 5, 0), 4, 0)


def test_two_alarms_in_seven_days_floor_the_reputation_and_two_more_suspend() -> None:
    conduct = after_alarm(Conduct(), 10)
    assert conduct.standing == GOOD
    conduct = after_alarm(conduct, 16)
    assert conduct.standing == FLOORED
    assert rho_in(conduct, FULL, FLOOR) == FLOOR
    conduct = after_alarm(after_alarm(conduct, 18), 20)
    assert conduct.standing == SUSPENDED
    assert not conduct.pooled


def test_alarms_seven_days_apart_have_no_consequence() -> None:
    assert after_alarm(after_alarm(Conduct(), 10), 17).standing == GOOD


def test_a_floor_ends_after_quiet_days_and_a_suspension_only_by_an_audit() -> None:
    floored = after_alarm(after_alarm(Conduct(), 10), 12)
    assert after_quiet(floored, 19).standing == FLOORED
    assert after_quiet(floored, 20).standing == GOOD
    suspended = after_alarm(after_alarm(floored, 13), 14)
    assert after_quiet(suspended, 400).standing == SUSPENDED
    assert after_audit(suspended, 30, passed=False).standing == SUSPENDED
    assert after_audit(suspended, 30, passed=True).standing == GOOD
