"""What must hold for rounds: they end, with or without answers; each broadcast is counted before it is sent."""

import dataclasses

import pytest

from honey_edge.wire.codec import encode
from honey_edge.wire.messages import DeclareMessage
from queen_node.store import books
from queen_node.store.schema import declarations
from tests.unit.queen_node.answering_homes import SLOTS, Hive, home


@pytest.fixture
def homes():
    return [home(0.8, 0.0, True), home(0.5, 1.2, True), home(1.0, 0.0, False)]


def test_a_round_ends_with_a_final_price_within_the_tariff_and_declarations(world, first_slot, homes):
    hive = Hive(world, homes)
    row = hive.coordinate(first_slot + 1)
    assert row.flexible == 2
    assert row.ended in ("converged", "limit")
    assert row.broadcasts == len(hive.sent)
    assert [m.iteration for m in hive.sent] == list(range(len(hive.sent)))
    assert [m.final for m in hive.sent] == [False] * (len(hive.sent) - 1) + [True]
    assert hive.sent[-1].price_e7_per_kwh == hive.sent[-2].price_e7_per_kwh == row.prices_e7
    with world.store.begin() as tx:
        assert len(tx.execute(declarations.select()).all()) == 3
        assert books.last_round(tx, first_slot + 1).prices_e7 == row.prices_e7


def test_the_next_round_starts_from_the_last_price_shifted(world, first_slot, homes):
    hive = Hive(world, homes)
    first = hive.coordinate(first_slot + 1)
    first_sigma = hive.sent[0].sigma_kw2_per_coin
    second = Hive(world, homes)
    second.sent = list(hive.sent)
    second.coordinate(first_slot + 2)
    assert second.sent[len(hive.sent)].price_e7_per_kwh == (*first.prices_e7[1:], first.prices_e7[-1])
    assert second.sent[len(hive.sent)].sigma_kw2_per_coin >= 5 * first_sigma
    assert second.sent[len(hive.sent)].round == first.number + 1


def test_after_a_round_that_ended_far_from_agreement_prices_may_move_fast_again(world, first_slot, homes):
    hive = Hive(world, homes)
    settled = hive.coordinate(first_slot + 1)
    cold_sigma = hive.sent[0].sigma_kw2_per_coin
    with world.store.begin() as tx:
        books.put_round(tx, dataclasses.replace(settled, mismatch_kw=0.02, ended="limit"))
    hive.coordinate(first_slot + 2)
    assert hive.sent[-1].sigma_kw2_per_coin == cold_sigma
    with world.store.begin() as tx:
        last = books.last_round(tx)
        books.put_round(tx, dataclasses.replace(last, ended="running"))
    hive.coordinate(first_slot + 3)
    assert hive.sent[-1].sigma_kw2_per_coin == cold_sigma


def test_a_worker_that_falls_silent_does_not_stop_the_others(world, first_slot, homes):
    hive = Hive(world, homes, silent_from={world.workers[0].name: 2})
    row = hive.coordinate(first_slot + 1)
    assert row.ended in ("converged", "limit")
    assert row.flexible == 2
    assert hive.sent[-1].final
    assert len({message.round for message in hive.sent}) == 1


def test_homes_without_flexibility_get_the_price_of_their_direction(world, first_slot):
    hive = Hive(world, [home(0.5, 0.0, False), home(0.2, 0.0, False), home(0.1, 0.3, False)])
    row = hive.coordinate(first_slot + 1)
    assert (row.ended, row.broadcasts) == ("constant", 2)
    assert row.prices_e7[0] == world.tariff.prices(first_slot + 1)[0] * 10


def test_without_workers_there_is_no_round(make_world, first_slot):
    world = make_world(0)
    assert Hive(world, []).coordinate(first_slot) is None


def test_the_announced_price_settles_a_balanced_slot(world, first_slot, homes):
    row = Hive(world, homes).coordinate(first_slot + 1)
    a, b, c = world.workers
    for step in range(2):
        world.now_unix_s = (first_slot + step + 1) * 900.0
        world.send(a, a.read(first_slot + step, 1_000_000 * step, 0))
        world.send(b, b.read(first_slot + step, 0, 1_000_000 * step))
        world.send(c, c.read(first_slot + step, 0, 0))
    closed = world.closer.close(first_slot + 1)
    buy, sell = world.tariff.prices(first_slot + 1)
    assert closed.totals.price == min(max(row.prices_e7[0] // 10, sell), buy)


def test_strange_answers_are_refused_by_reason_and_change_nothing(world, first_slot, homes):
    hive = Hive(world, homes)
    a, b = world.workers[0], world.workers[1]
    good = {"worker": a.name, "round": 99, "iteration": 0, "first_slot": 5, "flexible": True, "cost_e9_coin": 0}
    late = encode(DeclareMessage(**good, power_w=(0,) * SLOTS))
    hive.coordinator.receive(a.name, late)
    hive.coordinator.receive(b.name, late)
    hive.coordinator.receive(a.name, b"[]")
    forged = DeclareMessage(**good, power_w=(), profile="ab" * 32, signature="00" * 64)
    hive.coordinator.receive(a.name, encode(forged))
    assert world.reasons() == ["forged", "malformed", "foreign", "round"]

    class Loud(Hive):
        def answer(self, name, own, message):
            told = super().answer(name, own, message)
            if name == a.name and message.iteration == 0:
                return DeclareMessage(
                    **{**good, "round": message.round, "first_slot": message.first_slot}, power_w=(10**6,) * SLOTS
                )
            return told

    row = Loud(world, homes).coordinate(first_slot + 1)
    assert row.flexible == 1
    assert world.refusals.counted["profile"] > 0


def test_a_round_ends_at_its_largest_number_of_iterations(world, first_slot, homes):
    hive = Hive(world, homes, most_iterations=2)
    row = hive.coordinate(first_slot + 1)
    assert (row.ended, row.iterations, row.broadcasts) == ("limit", 2, 4)
