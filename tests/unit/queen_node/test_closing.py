"""What must hold for money: every slot adds up to the pico-coin, and a late reading moves nobody else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.billing.account import ALONE, ARREARS, POOLED, Position
from honey_edge.wire.structs import HiveTerms, Reading
from honey_edge.wire.typed_data import struct_hash
from queen_node.closing.decide import AccountInput, ClosingInput, Rules, close_slot
from queen_node.store import books
from queen_node.store.records import PositionRow, StoredReading

SLOT = 1_900_801


def rules_of(tariff, fee=25, theta=250):
    terms = HiveTerms(7, 1, 0, b"\x02" * 32, theta, fee, 20, 500_000, 40_000, 0, 2)
    return Rules(terms, struct_hash(terms), tariff)


def account(k, energies, funding=10**12, position_slot=SLOT - 1, net_pico=0, opening=SLOT - 50):
    """An account whose waiting readings move it by `energies`, {slot: milliwatt-hours}."""
    worker = bytes([k + 1]) * 20
    imported, exported = 10**9, 10**9
    stored = []
    for slot, energy in sorted(energies.items()):
        imported += max(energy, 0)
        exported += max(-energy, 0)
        reading = Reading(worker, slot, imported, exported, 0, bytes(32), bytes(32))
        stored.append(StoredReading(reading, struct_hash(reading), bytes(64)))
    position = PositionRow(worker.hex(), opening, Position(position_slot, 10**9, 10**9, net_pico))
    return AccountInput(worker.hex(), opening, funding, position, tuple(stored))


ENERGY = st.integers(-5_000_000, 5_000_000)
HOME = st.one_of(
    st.builds(lambda e: {SLOT: e}, ENERGY),
    st.builds(lambda e, f: {SLOT - 2: e, SLOT: f}, ENERGY, ENERGY),
    st.builds(lambda e, f: {SLOT - 1: e, SLOT: f}, ENERGY, ENERGY),
    st.builds(lambda e: {SLOT - 1: e}, ENERGY),
    st.just({}),
)


@pytest.fixture(scope="module")
def tariff(world_tariff):
    return world_tariff


@pytest.fixture(scope="module")
def world_tariff(make_world):
    return make_world(0).tariff


@settings(max_examples=150, deadline=None)
@given(
    homes=st.lists(HOME, min_size=1, max_size=8),
    fee=st.integers(0, 1000),
    theta=st.integers(0, 1000),
    announced=st.integers(-100_000, 400_000),
    meter=st.one_of(st.none(), st.integers(-10_000_000, 10_000_000)),
    before=st.integers(-(10**12), 10**12),
    arrears=st.sets(st.integers(0, 7)),
)
def test_payments_equal_grid_fee_and_reserve_exactly(tariff, homes, fee, theta, announced, meter, before, arrears):
    accounts = []
    for k, home in enumerate(homes):
        net = 2 * 10**18 if k in arrears else 0
        accounts.append(account(k, home, position_slot=min([*home, SLOT]) - 1, net_pico=net))
    result = close_slot(ClosingInput(SLOT, rules_of(tariff, fee, theta), tuple(accounts), announced, meter, before))
    money, totals = result.money, result.totals
    paid = sum(line.amount_pico for line in result.lines)
    assert paid == money.metered_cost + money.fee + (totals.reserve - before)
    assert money.pooled == money.hive_cost + money.fee + (money.surplus - money.fee - money.discounts) - money.deficit
    assert totals.present + totals.missing == len(homes)
    for line in result.lines:
        buy, sell = tariff.prices(line.slot)
        if line.kind != ALONE:
            own = line.energy_milliwh * (buy if line.energy_milliwh >= 0 else sell)
            assert line.amount_pico <= own
            assert line.kind == (ARREARS if line.net_pico - line.amount_pico > 10**18 else POOLED)


@settings(max_examples=60, deadline=None)
@given(
    others=st.lists(ENERGY, min_size=1, max_size=5),
    late=ENERGY,
    meter=st.one_of(st.none(), st.integers(-(10**7), 10**7)),
)
def test_a_late_reading_moves_only_its_own_account_and_the_reserve(tariff, others, late, meter):
    rules = rules_of(tariff)
    punctual = tuple(account(k, {SLOT: e}) for k, e in enumerate(others))
    silent = account(9, {}, position_slot=SLOT - 2)
    delayed = account(9, {SLOT - 1: late}, position_slot=SLOT - 2)
    without = close_slot(ClosingInput(SLOT, rules, (*punctual, silent), 0, meter, 0))
    with_it = close_slot(ClosingInput(SLOT, rules, (*punctual, delayed), 0, meter, 0))
    own = delayed.worker
    assert [x for x in with_it.lines if x.worker != own] == list(without.lines)
    (line,) = [x for x in with_it.lines if x.worker == own]
    assert line.kind == ALONE
    assert with_it.totals == replace(without.totals, reserve=without.totals.reserve + line.amount_pico)


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(st.lists(st.integers(-3_000_000, 3_000_000), min_size=4, max_size=4), min_size=2, max_size=12),
    lag=st.integers(1, 3),
)
def test_with_every_exporter_late_the_reserve_stays_at_or_above_zero(tariff, days, lag):
    """Readings of a home that exports in a slot arrive `lag` slots late; the meter sees all energy on time."""
    rules = rules_of(tariff)
    exports_ever = [any(day[k] < 0 for day in days) for k in range(4)]
    positions = {k: account(k, {}, position_slot=SLOT - 1).account for k in range(4)}
    counters = {k: [10**9, 10**9] for k in range(4)}
    journal = {k: [] for k in range(4)}
    reserve = 0
    for step in range(len(days) + lag):
        slot = SLOT + step
        day = days[step] if step < len(days) else [0] * 4
        for k, energy in enumerate(day):
            counters[k][energy < 0] += abs(energy)
            reading = Reading(bytes([k + 1]) * 20, slot, *counters[k], 0, bytes(32), bytes(32))
            journal[k].append(StoredReading(reading, struct_hash(reading), bytes(64)))
        inputs = []
        for k in range(4):
            seen = slot - lag if exports_ever[k] else slot
            waiting = [r for r in journal[k] if positions[k].position.slot < r.reading.slot <= seen]
            inputs.append(AccountInput((bytes([k + 1]) * 20).hex(), SLOT - 1, 10**12, positions[k], tuple(waiting)))
        result = close_slot(ClosingInput(slot, rules, tuple(inputs), 0, sum(day), reserve))
        reserve = result.totals.reserve
        positions = {k: next(p for p in result.positions if p.worker == (bytes([k + 1]) * 20).hex()) for k in range(4)}
    assert reserve >= 0


def test_the_meter_counts_only_while_nothing_is_missing(tariff):
    here, away = account(0, {SLOT: 500}), account(1, {})
    both = close_slot(ClosingInput(SLOT, rules_of(tariff), (here, account(1, {SLOT: -200})), 0, 310, 0))
    assert (both.totals.pcc, both.totals.missing) == (310, 0)
    one = close_slot(ClosingInput(SLOT, rules_of(tariff), (here, away), 0, 310, 0))
    assert (one.totals.pcc, one.totals.missing) == (500, 1)


def test_nothing_up_to_the_baseline_is_billed(tariff):
    new = replace(account(0, {SLOT - 2: 5_000, SLOT - 1: 700, SLOT: 900}), account=None, opening_slot=SLOT - 1)
    result = close_slot(ClosingInput(SLOT, rules_of(tariff), (new,), 0, None, 0))
    assert [line.energy_milliwh for line in result.lines] == [900]
    assert result.positions[0].baseline_slot == SLOT - 1


def test_the_first_reading_after_the_opening_is_the_baseline_when_that_of_the_opening_never_comes(tariff):
    new = replace(account(0, {SLOT: 900}), account=None, opening_slot=SLOT - 3)
    result = close_slot(ClosingInput(SLOT, rules_of(tariff), (new,), 0, None, 0))
    assert result.lines == ()
    assert result.positions[0].baseline_slot == SLOT
    assert result.totals.missing == 1


def test_a_closing_happens_once_and_in_order(world, first_slot):
    for k, worker in enumerate(world.workers):
        world.send(worker, worker.read(first_slot, 100 * k, 0))
    assert world.closer.next_slot() == first_slot + 1
    first = world.closer.close(first_slot + 1)
    assert world.closer.close(first_slot + 1) == first
    world.restart()
    assert world.closer.close(first_slot + 1) == first
    assert world.closer.next_slot() == first_slot + 2
    with world.store.begin() as tx:
        assert books.closed_counted(tx) == 1


def test_without_an_open_account_no_slot_closes(make_world):
    assert make_world(0).closer.next_slot() is None
