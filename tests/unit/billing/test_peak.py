"""The peak charge of a period and the monthly share of the reserve: exact, and never above the own tariff."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.billing.clearing import ClearingError
from honey_edge.billing.peak import PeakPool, peak_cost_pico, peak_payment_pico
from honey_edge.billing.reserve import monthly_share, reserve_after

PEAKS = st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=12)


@given(PEAKS, st.integers(0, 10**8), st.integers(0, 50_000_000), st.integers(0, 1000))
def test_peak_payments_fee_rounding_and_deficit_add_up_and_nobody_pays_above_its_own_charge(
    highest: list[int], hive: int, charge: int, fee: int
) -> None:
    costs = [peak_cost_pico(energy, charge) for energy in highest]
    pool = PeakPool(sum(costs), peak_cost_pico(hive, charge), fee)
    paid = [peak_payment_pico(own, pool.charged, pool.shared) for own in costs]
    assert all(0 <= amount <= own for amount, own in zip(paid, costs, strict=True))
    rounding = sum(paid) - (pool.charged - pool.shared)
    assert 0 <= rounding < max(1, len(paid))
    assert sum(paid) == pool.hive_cost + pool.fee + rounding - pool.deficit


def test_a_kilowatt_is_a_quarter_kilowatt_hour_of_one_slot() -> None:
    assert peak_cost_pico(250_000, 3_000_000) == 3_000_000 * 10**6


def test_a_home_without_the_charge_leaves_a_deficit_to_the_reserve() -> None:
    pool = PeakPool(charged=0, hive_cost=500, fee_permille=20)
    assert (pool.surplus, pool.deficit, pool.shared) == (0, 500, 0)
    assert peak_payment_pico(0, pool.charged, pool.shared) == 0


@pytest.mark.parametrize(("own", "charged", "shared"), [(-1, 5, 1), (6, 5, 1), (1, 5, 6), (1, 5, -1)])
def test_peak_totals_that_cannot_be_are_refused(own: int, charged: int, shared: int) -> None:
    with pytest.raises(ClearingError):
        peak_payment_pico(own, charged, shared)


@given(st.integers(-(10**15), 10**15), st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
def test_monthly_shares_never_exceed_the_reserve_and_multiplied_meters_gain_nothing(
    reserve: int, moved: list[int]
) -> None:
    total = sum(moved)
    shares = [monthly_share(reserve, own, total) for own in moved]
    assert 0 <= sum(shares) <= max(reserve, 0)
    halves = [part for own in moved for part in (own // 2, own - own // 2)]
    assert sum(monthly_share(reserve, own, total) for own in halves) <= sum(shares) + len(moved)


def test_a_deficit_is_paid_from_the_reserve_first_and_may_leave_it_below_zero() -> None:
    assert reserve_after(100, 5, 30) == 75
    assert reserve_after(10, 0, 30) == -20
    with pytest.raises(ClearingError):
        reserve_after(0, -1, 0)
