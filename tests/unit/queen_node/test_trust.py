"""What must hold for the Queen's reputations: observed from real readings and timely Declarations, and only these."""

from dataclasses import replace

import pytest
from msgspec import structs

from honey_edge.billing.account import ALONE
from honey_edge.market.fairplay.reputation import FLOOR, FULL, Reputation, observe
from honey_edge.model.slots import day_of, slot_end_unix_s
from honey_edge.wire.codec import encode
from honey_edge.wire.messages import DeclareMessage
from honey_edge.wire.recompute import TOTALS, Disagreement
from honey_edge.wire.typed_data import digest
from queen_node.store import books, reputations
from queen_node.store.reputations import Observed
from tests.unit.queen_node.answering_homes import Hive, home

ENERGY = {0: 400_000, 1: -300_000, 2: 90_000}
"""What each home takes in every slot (milliwatt-hours); the second has sun."""


def read(world, slot, first_slot, skip=()):
    """Every home's reading of a slot, in time."""
    world.now_unix_s = slot_end_unix_s(slot) + 5.0
    for k, worker in enumerate(world.workers):
        if k not in skip:
            moved = ENERGY[k] * (slot - first_slot)
            world.send(worker, worker.read(slot, 10**9 + max(moved, 0), 10**9 + max(-moved, 0)))


def declare(world, worker, slot, number, power_w):
    """What the coordinator stores of a Declaration; None: hidden by masks."""
    message = DeclareMessage(
        worker=worker.name,
        round=number,
        iteration=9,
        first_slot=slot,
        flexible=True,
        power_w=(),
        cost_e9_coin=0,
        profile="ab" * 32,
        signature="00" * 64,
    )
    with world.store.begin() as tx:
        books.add_declaration(tx, message, power_w)


def states(world):
    with world.store.begin() as tx:
        return reputations.all_reputations(tx)


def trusted(world, worker, slot, factor):
    """A Worker whose means amount to a factor, from thirty days before the slot."""
    error = (1200 + (FULL - factor) * 26 // 10) * 10**9
    state = Reputation(error, 10**12, 0, day_of(slot) - 30, day_of(slot) - 1, FULL)
    with world.store.begin() as tx:
        reputations.put_reputation(tx, worker.name, Observed(state, slot - 1))


def close_from(world, first_slot, count, skip=()):
    for slot in range(first_slot, first_slot + count):
        read(world, slot, first_slot, skip=skip if slot > first_slot else ())
        if slot > first_slot:
            world.closer.close(slot)


def test_a_closed_slot_is_observed_from_reading_declaration_and_the_last_known_reading(world, first_slot):
    liar, honest, _ = world.workers
    slot = first_slot + 3
    declare(world, liar, slot, 1, 2_000)
    declare(world, liar, slot, 2, 2_600)
    declare(world, honest, slot, 2, -1_200)
    close_from(world, first_slot, 4)
    day = day_of(slot)
    expected = observe(Reputation(), day, measured=400_000, declared=650_000, reference=400_000)
    assert states(world) == {
        liar.name: Observed(expected, slot),
        honest.name: Observed(
            observe(Reputation(), day, measured=-300_000, declared=-300_000, reference=-300_000), slot
        ),
    }
    world.restart()
    world.closer.close(slot)
    assert states(world)[liar.name] == Observed(expected, slot)


def test_nothing_is_invented_for_a_slot_that_lacks_something(world, first_slot):
    early, masked, late = world.workers
    declare(world, early, first_slot + 2, 1, 2_600)
    declare(world, masked, first_slot + 4, 1, -1_200)
    declare(world, masked, first_slot + 4, 2, None)
    declare(world, late, first_slot + 4, 2, 360)
    close_from(world, first_slot, 4)
    read(world, first_slot + 4, first_slot, skip=(2,))
    world.closer.close(first_slot + 4)
    assert states(world) == {}


def test_the_factor_scales_the_discount_only_and_what_it_takes_stays_in_the_reserve(world, make_world, first_slot):
    poor, other = world.workers[0], make_world()
    trusted(world, poor, first_slot, 700)
    for one in (world, other):
        close_from(one, first_slot, 2)
    slot = first_slot + 1
    with world.store.begin() as tx, other.store.begin() as full:
        mine = {line.worker: line for line in books.lines_closed_at(tx, slot)}
        before = {line.worker: line for line in books.lines_closed_at(full, slot)}
        now, then = books.closed_slot(tx, slot), books.closed_slot(full, slot)
    assert mine[poor.name].reputation == 700
    buy, _ = world.tariff.prices(slot)
    own_tariff = mine[poor.name].energy_milliwh * buy
    discount, full_discount = own_tariff - mine[poor.name].amount_pico, own_tariff - before[poor.name].amount_pico
    assert 0 < discount < full_discount
    assert abs(1000 * discount - 700 * full_discount) <= 1000
    assert [line for name, line in mine.items() if name != poor.name] == [
        line for name, line in before.items() if name != poor.name
    ]
    assert now.totals.reserve - then.totals.reserve == full_discount - discount
    assert now.totals == replace(then.totals, reserve=now.totals.reserve)


def test_a_late_reading_settles_alone_without_a_factor(world, first_slot):
    poor = world.workers[0]
    trusted(world, poor, first_slot, FLOOR)
    close_from(world, first_slot, 2, skip=(0,))
    read(world, first_slot + 2, first_slot)
    world.closer.close(first_slot + 2)
    with world.store.begin() as tx:
        (line,) = books.lines_of(tx, poor.name)
    assert (line.kind, line.reputation) == (ALONE, FULL)


def test_the_told_factor_is_signed_and_a_home_that_expects_more_objects(world, first_slot):
    poor = world.workers[0]
    trusted(world, poor, first_slot, 700)
    close_from(world, first_slot, 2)
    poor.lowest_reputation = 701
    with pytest.raises(Disagreement, match="reputation: is 700") as refused:
        world.countersign_all()
    assert refused.value.reason == TOTALS
    poor.lowest_reputation = 700
    assert world.countersign_all() == 3


def test_the_factor_is_fixed_through_the_day_and_follows_the_day_after(world, first_slot):
    worker = world.workers[0]
    assert first_slot % 96 == 0
    begin = first_slot + 92
    trusted(world, worker, begin, 1000)
    for slot in range(begin, begin + 8):
        declare(world, worker, slot, slot, 1_000_000)
    close_from(world, begin, 8)
    with world.store.begin() as tx:
        told = {line.slot - first_slot: line.reputation for line in books.lines_of(tx, worker.name)}
    assert [told[k] for k in (93, 94, 95)] == [FULL] * 3
    assert told[96] == told[97] == told[99] == FLOOR


class Declaring(Hive):
    """Homes whose final answers tell the profile, `late_s` seconds after the broadcast."""

    late_s = 0.0

    def answer(self, name, own, message):
        answer = super().answer(name, own, message)
        if message.final:
            self.clock.now += self.late_s
            return structs.replace(answer, power_w=(1_234,) * 96)
        return answer


def declared_after(world, slot, late_s):
    hive = Declaring(world, [home(0.8, 0.0, True), home(0.5, 1.2, True), home(1.0, 0.0, False)])
    hive.late_s = late_s
    hive.coordinate(slot)
    with world.store.begin() as tx:
        return reputations.declared_w(tx, slot), hive


def test_a_declaration_counts_only_before_its_slot_begins_and_in_the_round_that_runs(world, make_world, first_slot):
    slot = first_slot + 1
    in_time, hive = declared_after(world, slot, 0.0)
    assert in_time == {worker.name: 1_234 for worker in world.workers}
    assert declared_after(make_world(), slot, 900.0)[0] == {}
    worker = world.workers[0]
    later = DeclareMessage(
        worker=worker.name,
        round=hive.sent[-1].round + 1,
        iteration=1,
        first_slot=slot,
        flexible=True,
        power_w=(7,) * 96,
        cost_e9_coin=0,
        profile="cd" * 32,
    )
    later = structs.replace(later, signature=worker.signer.sign(digest(world.agreement.domain, later.signed())).hex())
    hive.coordinator.receive(worker.name, encode(later))
    with world.store.begin() as tx:
        assert worker.name not in reputations.declared_w(tx, slot)
