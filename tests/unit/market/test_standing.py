"""What must hold for one slot of a reputation: the same integers on both sides, nothing invented, full for a week."""

import random

from hypothesis import given
from hypothesis import strategies as st

from honey_edge.market.fairplay.reputation import FLOOR, FREE_DAYS, FULL, Reputation, observe
from honey_edge.market.fairplay.standing import (
    LAG_SLOTS,
    LENIENT_PERMILLE,
    MILLIWH_PER_WATT,
    after_slot,
    energies_of,
    factor_in,
    lowest_due,
)

DAY = 20_000
LATER = DAY + FREE_DAYS
LIAR = Reputation(error_mean=2 * 10**12, reference_mean=10**12, size_mean=0, first_day=DAY - 30, day=DAY - 1, rho=FULL)


def test_a_declared_watt_is_a_quarter_of_a_watt_hour_of_the_slot() -> None:
    assert MILLIWH_PER_WATT == 250
    after = after_slot(Reputation(), DAY * 96, measured=250_000, declared_w=1_400, reference=240_000)
    expected = observe(Reputation(), DAY, measured=250_000, declared=350_000, reference=240_000)
    assert after == expected
    assert after.error_mean == 100_000 * 10**6


def test_without_a_declaration_or_a_reference_nothing_is_observed() -> None:
    assert after_slot(LIAR, DAY * 96, 5, None, 7) is LIAR
    assert after_slot(LIAR, DAY * 96, 5, 7, None) is LIAR


def test_a_slot_has_an_energy_only_between_two_readings() -> None:
    counters = [(7, 100, 10), (8, 130, 15), (10, 200, 20), (11, 200, 90)]
    assert energies_of(counters) == {8: 25, 11: -70}
    assert LAG_SLOTS == 2


def test_the_factor_of_a_day_does_not_move_with_what_is_observed_on_it() -> None:
    first, last = DAY * 96, DAY * 96 + 95
    fixed = factor_in(LIAR, first)
    state = after_slot(LIAR, first, 10, 10_000, 10)
    assert factor_in(state, last) == fixed < FULL
    assert factor_in(state, last + 1) < fixed


def test_nothing_less_than_the_full_factor_is_accepted_in_the_first_week() -> None:
    assert lowest_due(Reputation(), DAY * 96) == FULL
    state = after_slot(Reputation(), DAY * 96, 0, 10_000, 0)
    assert lowest_due(state, LATER * 96 - 1) == FULL
    assert factor_in(state, LATER * 96) == FLOOR
    assert lowest_due(state, LATER * 96) == FLOOR


@given(error=st.integers(0, 10**13), reference=st.integers(0, 10**13))
def test_what_is_accepted_is_a_little_below_the_own_factor_and_never_below_the_floor(
    error: int, reference: int
) -> None:
    state = Reputation(error, reference, 10**10, DAY - 30, DAY - 1, FULL)
    own = factor_in(state, DAY * 96)
    assert lowest_due(state, DAY * 96) == max(FLOOR, own - LENIENT_PERMILLE)


def test_a_few_lost_declarations_stay_within_what_is_excused() -> None:
    """An unreliable home for sixty days, of whose Declarations the Queen never sees one in a thousand."""
    draw = random.Random(4)
    own = queen = Reputation()
    for slot in range(DAY * 96, (DAY + 60) * 96):
        if slot % 96 == 0:
            assert factor_in(queen, slot) >= lowest_due(own, slot)
        measured, reference = draw.randrange(400_000), draw.randrange(400_000)
        declared_w = measured // 250 + draw.randrange(-1_900, 1_900)
        own = after_slot(own, slot, measured, declared_w, reference)
        if draw.random() >= 0.001:
            queen = after_slot(queen, slot, measured, declared_w, reference)
    assert own != queen
    assert FLOOR < own.rho < FULL
