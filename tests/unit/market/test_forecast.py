"""The first forecast: the same slot of the day, whatever is missing in the history."""

import pytest

from honey_edge.market.errors import AssetError
from honey_edge.market.forecast import forecast_day

FIRST = 96 * 20_000 + 10


def test_the_mean_of_the_same_slot_is_returned_in_kilowatts() -> None:
    history = {FIRST - 96: 250_000, FIRST - 192: 750_000}
    assert forecast_day(history, FIRST, 1) == [2.0]


def test_only_the_last_days_count_and_the_newest_older_value_stands_in() -> None:
    history = {FIRST - 96 * 40: 999_000, FIRST - 96 * 29: 500_000}
    assert forecast_day(history, FIRST, 1) == [2.0]
    assert forecast_day({**history, FIRST - 96 * 28: 250_000}, FIRST, 1) == [1.0]


def test_a_slot_never_seen_is_nought_and_gaps_do_not_count_as_nought() -> None:
    history = {FIRST - 96 * 3: 250_000, FIRST + 1 - 96: 500_000}
    assert forecast_day(history, FIRST, 3) == [1.0, 2.0, 0.0]
    assert forecast_day({}, FIRST) == [0.0] * 96


def test_nothing_at_or_after_the_first_slot_is_looked_at() -> None:
    past = {FIRST - 96 + slot: 250_000 for slot in range(96)}
    future = {FIRST + slot: 9_000_000 for slot in range(192)}
    assert forecast_day({**past, **future}, FIRST) == [1.0] * 96


@pytest.mark.parametrize("count", [1, 96, 200])
def test_a_regular_history_repeats_itself_also_beyond_a_day(count: int) -> None:
    history = {slot: (slot % 96) * 1000 for slot in range(FIRST - 28 * 96, FIRST)}
    expected = [((FIRST + step) % 96) * 0.004 for step in range(count)]
    assert forecast_day(history, FIRST, count) == pytest.approx(expected)


def test_senseless_counts_are_refused() -> None:
    with pytest.raises(AssetError, match="count 0"):
        forecast_day({}, FIRST, 0)
    with pytest.raises(AssetError, match="days 0"):
        forecast_day({}, FIRST, 1, 0)
