"""One Worker's account: pooled, late, spans, arrears, funding."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.billing.account import (
    ALONE,
    ARREARS,
    POOLED,
    SPAN_WINDOW_SLOTS,
    AccountError,
    Counters,
    Position,
    book_alone,
    book_pooled,
    statement_net_micro,
)
from honey_edge.billing.clearing import SlotPool, payment, share_surplus
from honey_edge.billing.tariff import Tariff

TARIFF = Tariff("EUR", tuple(200 + k for k in range(96)), tuple(50 - k for k in range(96)), (), 0)
START = Position(slot=100, imported=1000, exported=500, net_pico=7)


def test_a_pooled_reading_pays_its_tariff_less_its_discount() -> None:
    pool = SlotPool(300, 200, 100, 200, 50, 120, 250, 20)
    booking = book_pooled(START, Counters(101, 1100, 500), pool, 900, funding_micro=10**6)
    own = payment(pool, share_surplus(pool), 100, 900)
    assert own.discount > 0
    assert (booking.kind, booking.energy_milliwh) == (POOLED, 100)
    assert (booking.amount_pico, booking.discount_pico) == (own.amount, own.discount)
    assert booking.position == Position(101, 1100, 500, 7 + own.amount)


def test_arrears_keep_the_place_in_the_totals_but_not_the_discount() -> None:
    pool = SlotPool(300, 200, 100, 200, 50, 120, 250, 20)
    at_limit, above = replace(START, net_pico=5_000_000), replace(START, net_pico=5_000_001)
    reading = Counters(101, 1100, 500)
    assert book_pooled(at_limit, reading, pool, 1000, funding_micro=5).kind == POOLED
    booking = book_pooled(above, reading, pool, 1000, funding_micro=5)
    assert (booking.kind, booking.amount_pico, booking.discount_pico) == (ARREARS, 100 * 200, 0)


def test_a_late_reading_is_settled_at_the_tariff_of_its_slot() -> None:
    booking = book_alone(START, Counters(101, 1000, 560), TARIFF)
    assert (booking.kind, booking.energy_milliwh, booking.discount_pico) == (ALONE, -60, 0)
    assert booking.amount_pico == -60 * (50 - 101 % 96)
    assert booking.position.spans == ()


@pytest.mark.parametrize("energy", [10, 11, 1, 0, -10, -11, -1])
def test_a_span_is_spread_evenly_with_the_remainder_in_its_last_slot(energy: int) -> None:
    reading = Counters(103, 1000 + max(energy, 0), 500 + max(-energy, 0))
    booking = book_alone(START, reading, TARIFF)
    part = int(energy / 3)
    parts = [part, part, energy - 2 * part]
    expected = 0
    for slot, e in zip((101, 102, 103), parts, strict=True):
        buy, sell = TARIFF.prices(slot)
        expected += e * (buy if e >= 0 else sell)
    assert booking.amount_pico == expected
    assert booking.position.spans == (103,)


def test_the_third_span_in_thirty_days_costs_the_dearest_and_earns_the_cheapest_price() -> None:
    twice = replace(START, spans=(90, 95))
    bought = book_alone(twice, Counters(103, 1030, 500), TARIFF)
    assert bought.amount_pico == 30 * max(TARIFF.prices(s)[0] for s in (101, 102, 103))
    assert bought.position.spans == (90, 95, 103)
    sold = book_alone(twice, Counters(103, 1000, 530), TARIFF)
    assert sold.amount_pico == -30 * min(TARIFF.prices(s)[1] for s in (101, 102, 103))


def test_a_late_single_slot_is_no_span_and_old_spans_are_forgotten() -> None:
    twice = replace(START, spans=(90, 95))
    late = book_alone(twice, Counters(101, 1030, 500), TARIFF)
    assert late.amount_pico == 30 * TARIFF.prices(101)[0]
    assert late.position.spans == (90, 95)
    slot = 90 + SPAN_WINDOW_SLOTS
    after = book_alone(replace(twice, slot=slot - 2), Counters(slot, 1030, 500), TARIFF)
    assert after.amount_pico == 15 * (TARIFF.prices(slot - 1)[0] + TARIFF.prices(slot)[0])
    assert after.position.spans == (95, slot)


@pytest.mark.parametrize(
    ("reading", "named"),
    [(Counters(100, 1000, 500), "not after"), (Counters(101, 999, 500), "below"), (Counters(101, 1000, 499), "below")],
)
def test_a_slot_or_counter_that_goes_back_is_refused(reading: Counters, named: str) -> None:
    pool = SlotPool(0, 0, 0, 2, 1, 1, 0, 0)
    with pytest.raises(AccountError, match=named):
        book_alone(START, reading, TARIFF)
    with pytest.raises(AccountError, match=named):
        book_pooled(START, reading, pool, 1000, 0)


def test_a_span_is_never_pooled() -> None:
    with pytest.raises(AccountError, match="span"):
        book_pooled(START, Counters(102, 1000, 500), SlotPool(0, 0, 0, 2, 1, 1, 0, 0), 1000, 0)


@given(st.integers(-(10**20), 10**20), st.integers(0, 10**12))
def test_a_statement_rounds_once_towards_the_pool_and_never_exceeds_funding(net_pico: int, funding: int) -> None:
    net = statement_net_micro(net_pico, funding)
    assert net <= funding
    if net < funding:
        assert net * 10**6 - 10**6 < net_pico <= net * 10**6
