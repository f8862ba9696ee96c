"""What must hold end to end inside a slot: an unexpected load is mended in time, paid to the micro-coin, held against
nobody who was asked."""

import pytest

from honey_edge.market.fairplay.standing import MILLIWH_PER_WATT
from honey_edge.model.slots import slot_end_unix_s
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import FlexOrder
from honey_edge.wire.typed_data import digest
from queen_node.store import flex_orders, reputations
from tests.unit.queen_node.conftest import HIVE, QUEEN
from tests.unit.queen_node.real_time_homes import POOL, PRICE, Hive, Home

LOADS = (500, 400, 600)
PLANS = (None, 1_000, -200)
EXTRA_W = 3_000


@pytest.fixture
def hive(world, first_slot, tmp_path):
    made = Hive(world, first_slot + 3)
    for worker, load_w, plan_w in zip(world.workers, LOADS, PLANS, strict=True):
        made.homes[worker.name] = Home(tmp_path, made, worker, load_w, plan_w)
    made.declare()
    return made


def accepted(hive, home):
    with hive.world.store.begin() as tx:
        return flex_orders.accepted_orders(tx, home.name)


def surprise(hive):
    """3 kW more in the home without a battery, from the slot's first second to its last."""
    next(iter(hive.homes.values())).load_w = LOADS[0] + EXTRA_W


def close(hive, first_slot):
    """Readings of all homes up to the slot, as their meters counted, and its closing."""
    world = hive.world
    for slot in range(first_slot, hive.slot + 1):
        world.now_unix_s = slot_end_unix_s(slot) + 5.0
        for home in hive.homes.values():
            moved = home.declared_w * MILLIWH_PER_WATT if slot < hive.slot else home.watt_seconds * 10 // 36
            last = home.worker.journal[-1] if home.worker.journal else None
            imported, exported = (last.imported, last.exported) if last else (10**9, 10**9)
            world.send(home.worker, home.worker.read(slot, imported + max(moved, 0), exported + max(-moved, 0)))
        if slot > first_slot:
            world.closer.close(slot)


def test_3_kw_too_much_in_one_home_are_mended_by_two_batteries_within_two_minutes(hive):
    agreed = hive.sum_w() + sum(plan or 0 for plan in PLANS)
    surprise(hive)
    hive.run()
    late = [total for second, total in hive.by_minute if second >= 120]
    assert len(late) == 156
    assert all(abs(total - agreed) <= hive.rules.band.dead_band_w for total in late)
    assert hive.by_minute[0][1] == agreed + EXTRA_W
    assert hive.world.reasons() == []


def test_every_order_is_signed_by_both_and_paid_for_its_energy_to_the_micro_coin(hive):
    surprise(hive)
    hive.run()
    total_w = 0
    for home in list(hive.homes.values())[1:]:
        rows = accepted(hive, home)
        assert [row.serial for row in rows] == list(range(1, len(rows) + 1)) != []
        kept = home.journal.run(lambda journal: journal.flex.orders_after(0))
        assert [one.digest.hex() for one in kept] == [row.digest for row in rows]
        for row in rows:
            order = FlexOrder(HIVE, home.worker.signer.address, hive.slot, row.watts, row.price_micro, row.serial)
            hashed = digest(POOL, order)
            assert signed_by(QUEEN.address, hashed, row.signature)
            assert signed_by(home.worker.signer.address, hashed, row.worker_signature)
            assert (row.from_s, row.until_s) == (70, 900)
            assert row.price_micro == abs(row.watts) * 830 * PRICE // 3_600_000
            total_w += row.watts
    assert total_w == -(EXTRA_W - hive.rules.band.dead_band_w // 2)
    assert not accepted(hive, next(iter(hive.homes.values())))


def test_the_reputation_of_homes_that_were_asked_is_unharmed_on_both_sides_and_that_of_the_cause_is_not(
    hive, first_slot
):
    surprise(hive)
    hive.run()
    close(hive, first_slot)
    with hive.world.store.begin() as tx:
        known = reputations.all_reputations(tx)
        ordered = flex_orders.ordered_energies(tx, hive.slot)
    cause, *asked = hive.homes.values()
    assert known[cause.name].state.error_mean == EXTRA_W * MILLIWH_PER_WATT * 10**6
    for home in asked:
        assert ordered[home.name] < -100_000
        assert home.journal.run(lambda journal: journal.flex.ordered_milliwh(hive.slot)) == ordered[home.name]
        assert known[home.name].state.error_mean <= 2 * 10**6


def test_a_load_that_ends_is_called_back_without_being_paid_twice(hive):
    surprise(hive)

    def story(second):
        if second == 300:
            next(iter(hive.homes.values())).load_w = LOADS[0]
        if second == 600:
            surprise(hive)

    hive.run(story=story)
    for home in list(hive.homes.values())[1:]:
        rows = accepted(hive, home)
        assert len(rows) == 3
        assert rows[1].watts > 0
        assert [row.price_micro > 0 for row in rows] == [True, False, False]
    assert abs(hive.by_minute[-1][1] - hive.by_minute[0][1] + EXTRA_W) <= 100


def test_with_the_end_of_the_slot_the_batteries_follow_their_plans_again(hive):
    surprise(hive)
    hive.run(and_then=60)
    home = list(hive.homes.values())[1]
    assert home.told[-2] < PLANS[1]
    assert home.told[-1] == home.battery_w == PLANS[1]


def test_no_order_costs_more_than_what_is_left_of_the_stake(world, first_slot, tmp_path):
    hive = Hive(world, first_slot + 3, stake_micro=30_000)
    for worker, load_w, plan_w in zip(world.workers, LOADS, PLANS, strict=True):
        hive.homes[worker.name] = Home(tmp_path, hive, worker, load_w, plan_w)
    hive.declare()
    surprise(hive)
    hive.run()
    paid = sum(row.price_micro for home in hive.homes.values() for row in accepted(hive, home))
    assert 29_900 <= paid <= 30_000


def test_restarts_of_queen_and_home_in_the_middle_of_a_slot_change_nothing_that_was_signed(hive):
    surprise(hive)
    hive.run(seconds=200)
    home = list(hive.homes.values())[1]
    before, moved = accepted(hive, home), home.battery_w
    hive.restart()
    home.start()
    home.told.clear()

    async def again():
        await home.take_up(hive.slot)
        await home.minutes.sampled(int(hive.clock.now_unix_s()), 0.0)

    import asyncio

    asyncio.run(again())
    assert home.told == [PLANS[1], moved]
    assert accepted(hive, home) == before


def test_a_lost_acceptance_is_asked_for_again_and_a_home_that_hears_nothing_is_done_without(hive):
    cause, lossy, deaf = hive.homes.values()
    lost = []

    def dropped(topic):
        if topic.endswith(f"{lossy.name}/accept") and not lost:
            lost.append(topic)
            return True
        return topic.endswith(f"order/{deaf.name}")

    hive.lost = dropped
    surprise(hive)
    hive.run()
    assert lost
    assert not accepted(hive, deaf)
    rows = accepted(hive, lossy)
    assert [row.serial for row in rows] == list(range(1, len(rows) + 1))
    assert [one.serial for one in lossy.journal.run(lambda journal: journal.flex.orders_after(0))] == [
        row.serial for row in rows
    ]
    assert abs(hive.by_minute[-1][1] - hive.by_minute[0][1] + EXTRA_W) <= 100
    assert cause.battery_w == 0
