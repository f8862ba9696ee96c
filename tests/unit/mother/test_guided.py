"""A daughter's own rounds toward targets: masked homes, missing homes, and what is not there."""

import asyncio

import numpy as np
import pytest

from honey_edge.market.grid.toward import Ending, Toward
from honey_edge.market.homes.assets import NO_LIMITS
from honey_edge.market.rounds.queen_step import kilowatts
from queen_node.coordinator.guided import GuidedCoordinator
from queen_node.store import books
from tests.unit.queen_node.answering_homes import SLOTS, Hive, home
from tests.unit.queen_node.conftest import FIRST_SLOT, World
from tests.unit.queen_node.masking_homes import MaskingHive

PRICE = (1_200_000,) * SLOTS
TARGET = np.concatenate([np.full(48, 3.0), np.full(48, 1.0)])


def guided(hive):
    own = hive.coordinator
    hive.coordinator = GuidedCoordinator(
        hive.clock, hive.world.store, own._rules, hive.world.refusals, hive.broadcast, hive.online, hive.certified
    )
    return hive.coordinator


def homes(count=3):
    return [home(0.4 + 0.2 * k, 0.0, True) for k in range(count)]


def talk(coordinator, *targets, ending=None, newer=lambda: False):
    async def story():
        opening = await coordinator.open_for(FIRST_SLOT + 1, PRICE, 70, coordinator._clock.now + 100)
        found = [await coordinator.nearest(one, coordinator._clock.now + 100, newer) for one in targets]
        return opening, found, await coordinator.adopt(ending or Ending(PRICE), coordinator._clock.now + 100)

    return asyncio.run(story())


def test_masked_homes_are_led_by_their_sum_alone_to_what_open_ones_agree_on():
    plain = Hive(World(3), homes())
    opening, (first, second), adopted = talk(guided(plain), TARGET, TARGET + 0.2)
    hidden = MaskingHive(World(3), homes(), first_slot=FIRST_SLOT)
    masked_opening, found, masked = talk(guided(hidden), TARGET, TARGET + 0.2)
    assert opening.power_w == masked_opening.power_w
    for one, other in zip((first, second), found, strict=True):
        assert one.still
        assert other.still
        assert np.abs(kilowatts(one.power_w) - kilowatts(other.power_w)).max() <= 0.02
    assert masked.power_w == found[-1].power_w
    assert adopted.power_w == second.power_w
    assert all(message.masked for message in hidden.sent)
    assert all(told.power_w == () for told in hidden.told)


def test_a_home_that_falls_silent_is_counted_with_its_last_plan_and_the_others_go_on():
    world = World(3)
    hive = Hive(world, homes(), silent_from={world.workers[0].name: 3})
    _, (found,), adopted = talk(guided(hive), TARGET)
    assert sum(one.iteration for one in hive.sent) > 10
    last = hive.powers
    assert found.power_w == tuple(sum(slot) for slot in zip(*last.values(), strict=True))
    assert adopted is not None


def test_a_newer_price_ends_the_search_after_one_answer():
    hive = Hive(World(3), homes())
    _, (found,), _ = talk(guided(hive), TARGET, newer=lambda: True)
    assert not found.still
    assert [message.iteration for message in hive.sent] == [0, 1, 2]


def test_the_round_is_stored_as_any_other_with_the_price_the_homes_saw_last():
    hive = Hive(World(3), homes())
    talk(guided(hive), TARGET)
    with hive.world.store.begin() as tx:
        row = books.last_round(tx, FIRST_SLOT + 1)
    assert row.ended == "converged"
    assert row.broadcasts == len(hive.sent)
    assert row.prices_e7 == PRICE == hive.sent[-1].price_e7_per_kwh
    assert row.sigma == 70
    assert not hive.coordinator.interrupted(FIRST_SLOT + 1)


def test_without_homes_or_without_a_round_there_is_no_answer():
    hive = Hive(World(0), [])
    coordinator = guided(hive)

    async def story():
        none = await coordinator.open_for(FIRST_SLOT + 1, PRICE, 70, 0.0)
        return none, await coordinator.nearest(TARGET, 0.0, lambda: False), await coordinator.adopt(Ending(PRICE), 0.0)

    assert asyncio.run(story()) == (None, None, None)


def test_a_given_sum_is_met_though_private_costs_pull_away_from_it():
    hive = Hive(World(3), homes())
    _, (found,), adopted = talk(
        guided(hive), TARGET, ending=Ending(PRICE, wanted_w=tuple(round(1000 * one) for one in TARGET))
    )
    assert np.abs(kilowatts(adopted.power_w) - TARGET).mean() < np.abs(kilowatts(found.power_w) - TARGET).mean()
    assert np.abs(kilowatts(adopted.power_w) - TARGET).mean() <= 0.03


def test_the_nearest_mixture_of_answers_is_found():
    toward = Toward(NO_LIMITS, 2, 70.0, 0.25, (0,) * 4)
    toward.begin((1_000_000,) * 4, (0,) * 4)
    toward.aim(np.zeros(4))
    for power in (1_000, 3_000):
        toward.step()
        toward.absorb((power,) * 4, 0, 10**9, ())
    weights, total_w = toward.mixture_w((1_500,) * 4, (1_000_000,) * 4)
    assert sum(weights) == 1_000_000
    assert weights == pytest.approx((750_000, 250_000), abs=2)
    assert total_w == pytest.approx((1_500,) * 4, abs=1)
