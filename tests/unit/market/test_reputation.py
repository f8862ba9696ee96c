"""Reputation: exact integers, the reference as unit, fixed per day."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.reputation import (
    FLOOR,
    FREE_DAYS,
    FULL,
    Reputation,
    at_day,
    known_lag,
    observe,
    rho_of,
)

ENERGY = st.integers(min_value=-(10**8), max_value=10**8)


def after(days: int, error: int, missed: int, size: int = 0) -> Reputation:
    """A home that has been off by the same amounts for some days of 96 slots."""
    state = Reputation()
    for slot in range(days * 96):
        state = observe(state, slot // 96, measured=size, declared=size + error, reference=size + missed)
    return at_day(state, days)


@given(error=st.integers(0, 10**14), missed=st.integers(0, 10**14), size=st.integers(0, 10**14))
def test_the_factor_is_the_formula_of_section_9_rounded_down(error: int, missed: int, size: int) -> None:
    state = Reputation(error, missed, size)
    if state.scale == 0:
        return
    ratio = (Fraction(error, state.scale) - Fraction(12, 10)) / Fraction(13, 10)
    assert rho_of(state) == (1000 - 500 * min(max(ratio, Fraction(0)), Fraction(1))).__floor__()


@given(st.lists(ENERGY, min_size=9 * 4, max_size=12 * 4))
def test_whoever_declares_the_reference_keeps_the_full_factor(energies: list[int]) -> None:
    state = Reputation()
    for slot in range(1, len(energies)):
        before = energies[slot - 1]
        state = observe(state, slot // 4, measured=energies[slot], declared=before, reference=before)
        assert state.rho == FULL


def test_the_first_seven_days_are_free_and_then_a_bad_declaration_costs() -> None:
    assert after(FREE_DAYS - 1, error=10**6, missed=10**5).rho == FULL
    assert after(FREE_DAYS, error=10**6, missed=10**5).rho == FLOOR


def test_the_factor_stays_for_the_day_and_moves_with_the_next() -> None:
    state = after(8, error=10**6, missed=10**5)
    better = observe(state, 8, measured=0, declared=0, reference=10**9)
    assert better.rho == state.rho == FLOOR
    assert at_day(better, 9).rho == FULL


def test_what_the_queen_ordered_is_no_error() -> None:
    state = Reputation()
    for slot in range(9 * 96):
        state = observe(state, slot // 96, measured=700, declared=500, reference=600, ordered=200)
    assert state.error_mean == 0
    assert at_day(state, 9).rho == FULL


def test_a_meter_that_shows_nothing_and_declares_falls_to_the_floor() -> None:
    assert after(8, error=10**6, missed=0).rho == FLOOR
    assert after(8, error=0, missed=0).rho == FULL


def test_the_means_have_the_weight_of_one_in_a_hundred() -> None:
    state = observe(Reputation(), 0, measured=0, declared=1000, reference=0)
    state = observe(state, 0, measured=0, declared=2000, reference=0)
    assert state.error_mean == 1_010 * 10**6


def test_a_day_that_is_over_cannot_be_observed() -> None:
    with pytest.raises(AssetError, match="before day 3"):
        observe(at_day(Reputation(), 3), 2, measured=0, declared=0, reference=0)


def test_the_reference_of_a_quarter_hour_is_two_slots_old_and_of_longer_slots_one() -> None:
    assert [known_lag(minutes) for minutes in (15, 30, 60)] == [2, 1, 1]
    with pytest.raises(AssetError):
        known_lag(0)
