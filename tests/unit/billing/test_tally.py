"""Peak charges and shares of the reserve of one account: what is due when, and that a late reading never escapes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.billing.account import ALONE, POOLED, AccountError, Booking, Counters, Position, book_alone
from honey_edge.billing.clearing import ClearingError
from honey_edge.billing.peak import PeakPool, peak_cost_pico
from honey_edge.billing.tally import PEAK, SHARE, Tally, book_tallied, charge_peak, share_reserve
from honey_edge.billing.tariff import MONTH, Tariff
from honey_edge.model.slots import day_of_month, last_slot_of_month

DAY_END = 96 * 20_000 + 95
MONTH_END = last_slot_of_month(DAY_END)
TARIFF = Tariff("EUR", (200,) * 96, (50,) * 96, (), 0, peak_micro_per_kw=1_000)
NONE = replace(TARIFF, peak_micro_per_kw=0)


def line(tally: Tally, at: Position, slot: int, energy: int, tariff: Tariff = TARIFF) -> tuple[Tally, Booking]:
    """Books a reading alone, as one that came late."""
    counters = Counters(slot, at.imported + max(energy, 0), at.exported + max(-energy, 0))
    return book_tallied(tally, at, book_alone(at, counters, tariff), tariff)


def walked(energies: list[int], first: int, tariff: Tariff = TARIFF) -> tuple[Tally, Position]:
    tally, at = Tally(), Position(first - 1, 0, 0, 0)
    for k, energy in enumerate(energies):
        tally, booking = line(tally, at, first + k, energy, tariff)
        at = booking.position
    return tally, at


def test_the_highest_import_of_each_open_period_and_all_energy_are_kept() -> None:
    tally, _ = walked([500, -900, 700], DAY_END - 1)
    assert tally == Tally(2_100, ((DAY_END + 96, 700),))
    before, _ = walked([500, -900], DAY_END - 1)
    assert before.highest_of(DAY_END) == 500
    assert walked([500, -900, 700], DAY_END - 1, NONE)[0] == Tally(2_100)
    assert Tally.of_text(tally.text()) == tally


def test_a_span_counts_as_spread_evenly_over_its_slots_in_each_of_its_periods() -> None:
    tally, booking = line(Tally(), Position(DAY_END - 2, 0, 0, 0), DAY_END + 1, 1_000)
    assert tally.highest == ((DAY_END + 96, 334),)
    assert booking.amount_pico == 1_000 * 200
    late = Tally(peak_slot=DAY_END)
    _, charged = line(late, Position(DAY_END - 2, 0, 0, 0), DAY_END + 1, 1_000)
    assert charged.amount_pico == 1_000 * 200 + peak_cost_pico(333, 1_000)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=6), st.data())
def test_late_readings_pay_in_the_end_what_the_whole_period_costs_alone(
    energies: list[int], data: st.DataObject
) -> None:
    """Charged after any part of the period, the rest settled alone: never more and never less than the own tariff."""
    known = data.draw(st.integers(0, len(energies)))
    first = DAY_END + 1 - len(energies)
    tally, at = walked(energies[:known], first)
    own = peak_cost_pico(tally.highest_of(DAY_END), 1_000)
    charged = charge_peak(tally, at, DAY_END, (own, 0), TARIFF)
    tally, at, paid = charged.tally, charged.position, charged.charge.amount_pico
    for k, energy in enumerate(energies[known:], first + known):
        plain = book_alone(at, Counters(k, at.imported + max(energy, 0), at.exported + max(-energy, 0)), TARIFF)
        tally, booking = book_tallied(tally, at, plain, TARIFF)
        paid += booking.amount_pico - plain.amount_pico
        at = booking.position
    assert paid == peak_cost_pico(max(0, *energies), 1_000)


def test_a_month_as_period_charges_the_highest_import_of_the_month_once() -> None:
    monthly = replace(TARIFF, peak_period=MONTH)
    assert monthly.peak_slot(DAY_END) == MONTH_END
    assert monthly.first_peak_slot(DAY_END) % 96 == 0
    assert day_of_month(monthly.first_peak_slot(DAY_END)) == 1
    assert monthly.peak_slot(monthly.first_peak_slot(DAY_END)) == MONTH_END
    tally, at = walked([5, 900, 7], MONTH_END - 2, monthly)
    charged = charge_peak(tally, at, MONTH_END, (10 * peak_cost_pico(900, 1_000), 40_000), monthly)
    assert charged.charge.amount_pico == peak_cost_pico(900, 1_000) - 4_000
    assert charged.charge.quantity_milliwh == 900


@pytest.mark.parametrize("slot", [DAY_END - 1, DAY_END - 96, DAY_END + 1])
def test_a_charge_of_another_slot_or_of_a_period_that_was_charged_is_refused(slot: int) -> None:
    tally, at = walked([500], DAY_END)
    with pytest.raises(AccountError, match="no peak charge is due"):
        charge_peak(tally, at, slot, (10**9, 0), TARIFF)
    with pytest.raises(AccountError, match="no peak charge"):
        charge_peak(tally, at, DAY_END, (10**9, 0), NONE)
    once = charge_peak(tally, at, DAY_END, (10**9, 0), TARIFF)
    with pytest.raises(AccountError, match="no peak charge is due"):
        charge_peak(once.tally, once.position, DAY_END, (10**9, 0), TARIFF)


def test_totals_below_the_own_charge_are_refused() -> None:
    tally, at = walked([500], DAY_END)
    with pytest.raises(ClearingError):
        charge_peak(tally, at, DAY_END, (peak_cost_pico(500, 1_000) - 1, 0), TARIFF)
    with pytest.raises(ClearingError):
        share_reserve(tally, replace(at, slot=MONTH_END), MONTH_END, 100, 499)


def test_a_charge_that_was_taken_before_its_period_was_over_is_found_at_the_next_pooled_line() -> None:
    tally, at = walked([500], DAY_END - 5)
    early = charge_peak(tally, at, DAY_END, (10**9, 0), TARIFF)
    after = replace(at, slot=at.slot + 1)
    with pytest.raises(AccountError, match="before it was over"):
        book_tallied(early.tally, early.position, Booking(POOLED, 0, 0, 0, after), TARIFF)
    assert book_tallied(early.tally, early.position, Booking(ALONE, 0, 0, 0, after), TARIFF)


def test_a_share_of_the_reserve_is_due_once_at_the_end_of_a_month_and_begins_a_new_count() -> None:
    tally, at = walked([300, -200], MONTH_END - 1)
    shared = share_reserve(tally, at, MONTH_END, 1_000, 1_500)
    assert (shared.charge.amount_pico, shared.position.net_pico) == (-333, at.net_pico - 333)
    assert (shared.tally.moved_milliwh, shared.tally.share_slot) == (0, MONTH_END)
    assert (shared.charge.kind, PEAK, SHARE) == (SHARE, 3, 4)
    for slot in (MONTH_END, MONTH_END - 96, DAY_END):
        with pytest.raises(AccountError, match="no share"):
            share_reserve(shared.tally, shared.position, slot, 1_000, 1_500)
    assert share_reserve(tally, at, MONTH_END, 0, 1_500).charge.amount_pico == 0


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(0, 10**6), st.integers(0, 1000), st.data())
def test_payments_of_a_period_add_up_nobody_pays_above_its_own_charge_and_order_does_not_matter(
    highest: list[int], hive: int, fee: int, data: st.DataObject
) -> None:
    costs = [peak_cost_pico(energy, 1_000) for energy in highest]
    pool = PeakPool(sum(costs), peak_cost_pico(hive, 1_000), fee)

    def paid(energy: int) -> int:
        tally = Tally(highest=((DAY_END, energy),) if energy else ())
        sums = (pool.charged, pool.shared)
        return charge_peak(tally, Position(DAY_END, 0, 0, 0), DAY_END, sums, TARIFF).charge.amount_pico

    amounts = [paid(energy) for energy in highest]
    assert all(0 <= amount <= own for amount, own in zip(amounts, costs, strict=True))
    left = sum(amounts) - pool.hive_cost - pool.fee + pool.deficit
    assert 0 <= left < len(highest)
    order = data.draw(st.permutations(range(len(highest))))
    assert [paid(highest[k]) for k in order] == [amounts[k] for k in order]
