"""Cover: what sellers are owed is never counted too low, and a pool is judged by that and the calendar alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.billing.clearing import SlotPool, choose_price, payment, share_surplus, totals_of
from honey_edge.billing.cover import Cover, counted_from, cover_objection, owed_to_sellers_pico

DAY = 96
NOON = 20_000 * DAY + 48
POOL = Cover(pool_micro=100, pending_micro=0, block=7, settled_slot=NOON - 48)

energies = st.lists(st.integers(-50_000_000, 50_000_000), max_size=12)
prices = st.tuples(st.integers(-100_000, 500_000), st.integers(0, 500_000))


@given(energies, prices, st.integers(-60_000_000, 60_000_000), st.integers(0, 1000), st.integers(0, 1000))
def test_what_is_owed_is_what_the_sellers_get_up_to_the_rounding(
    own: list[int], tariff: tuple[int, int], pcc: int, theta: int, fee: int
) -> None:
    sell, buy = tariff[0], tariff[0] + tariff[1]
    bought, sold = totals_of(own)
    price = choose_price((buy + sell) // 2, pcc, bought, sold, buy, sell)
    pool = SlotPool(bought, sold, pcc, buy, sell, price, theta, fee)
    sellers = [one for one in own if one < 0]
    paid = -sum(payment(pool, share_surplus(pool), one).amount for one in sellers)
    slack = owed_to_sellers_pico(pool) - paid
    dust = share_surplus(pool).to_sellers if not sellers else max(0, len(sellers) - 1)
    assert 0 <= slack <= dust


@given(st.dictionaries(st.integers(NOON - 200, NOON + 20), st.integers(0, 10**9)), st.integers(0, 10**4))
def test_a_pool_is_enough_exactly_from_the_rounded_sum_on(owed: dict[int, int], more: int) -> None:
    first = counted_from(POOL, NOON)
    total = sum(pico for slot, pico in owed.items() if first <= slot <= NOON)
    enough = -(-total // 10**6)
    assert cover_objection(replace(POOL, pool_micro=enough + more), owed, NOON, NOON - 1, 2) == ""
    if enough:
        assert "do not cover" in cover_objection(replace(POOL, pool_micro=enough - 1), owed, NOON, NOON - 1, 2)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_pending_withdrawal_counts_like_money_that_is_gone(pool: int, pending: int, owed: int) -> None:
    asked = replace(POOL, pool_micro=pool, pending_micro=pending)
    gone = replace(POOL, pool_micro=pool - pending)
    book = {NOON: owed * 10**6}
    assert bool(cover_objection(asked, book, NOON, None, 2)) == bool(cover_objection(gone, book, NOON, None, 2))


def test_without_an_own_look_only_the_running_day_counts_and_the_source_is_told() -> None:
    told = Cover(pool_micro=5, pending_micro=0, block=7)
    yesterday = {NOON - DAY: 10**12}
    assert counted_from(told, NOON) == NOON - 48
    assert cover_objection(told, yesterday, NOON, NOON - 1, 2) == ""
    assert "as told by the Queen" in cover_objection(told, {NOON: 10**12}, NOON, NOON - 1, 2)
    assert "own look at the chain" in cover_objection(POOL, {NOON: 10**12}, NOON, NOON - 1, 2)


@pytest.mark.parametrize(
    ("settled", "own_slot", "agreed", "days", "refused"),
    [
        (NOON - 2 * DAY, 0, NOON - 1, 2, False),
        (NOON - 2 * DAY - 1, 0, NOON - 1, 2, True),
        (NOON - 2 * DAY - 1, 0, NOON - 1, 3, False),
        (NOON - 5 * DAY, NOON - DAY, NOON - 1, 2, False),
        (NOON - 5 * DAY, 0, NOON - 5 * DAY, 2, False),
        (NOON - 5 * DAY, 0, None, 2, False),
        (NOON - 5 * DAY, 0, NOON - 1, 0, False),
    ],
)
def test_credit_is_open_for_the_days_of_the_terms_and_no_longer(
    settled: int, own_slot: int, agreed: int | None, days: int, refused: bool
) -> None:
    cover = replace(POOL, settled_slot=settled, own_slot=own_slot)
    assert ("days old" in cover_objection(cover, {}, NOON, agreed, days)) == refused


def test_terms_without_cover_days_still_refuse_a_pool_that_is_asked_away() -> None:
    assert cover_objection(POOL, {NOON: 10**15}, NOON, None, 0) == ""
    assert "does not cover requests" in cover_objection(replace(POOL, pending_micro=101), {}, NOON, None, 0)
