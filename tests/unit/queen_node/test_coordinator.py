"""What must hold for rounds: they end, with or without answers; each broadcast is counted before it is sent."""

import asyncio
import contextlib
import dataclasses

import pytest

from honey_edge.market.assets import Battery, Home
from honey_edge.market.iteration import WorkerIteration
from honey_edge.wire.codec import encode
from honey_edge.wire.messages import DeclareMessage
from honey_edge.wire.typed_data import digest
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.store import books
from queen_node.store.schema import declarations

SLOTS = 96


class InstantClock:
    """Time that stands still; a wait ends at once when nothing more can come."""

    def __init__(self):
        self.now = 1_710_720_040.0
        self.timeouts = 0

    def now_unix_s(self):
        return self.now

    def trusted(self):
        return True

    async def sleep_until(self, at_unix_s):
        self.now = max(self.now, at_unix_s)

    async def wait_for(self, event, until_unix_s):
        for _ in range(5):
            await asyncio.sleep(0)
        if not event.is_set():
            self.now, self.timeouts = max(self.now, until_unix_s), self.timeouts + 1
        return event.is_set()

    def hold(self, why):
        return contextlib.nullcontext()


def home(load_kw, pv_kw, battery):
    box = Battery(10.0, 1.0, 10.0, 5.0, 5.0, 3.0, 3.0, c_quad=1e-3) if battery else None
    return Home([load_kw] * SLOTS, [pv_kw] * SLOTS, battery=box)


class Hive:
    """Workers that answer broadcasts through the Queen's own handler."""

    def __init__(self, world, homes, silent_from=None):
        self.world, self.clock = world, InstantClock()
        self.homes = dict(zip([w.name for w in world.workers], homes, strict=True))
        self.silent_from = silent_from or {}
        self.iterations, self.sent = {}, []
        rules = RoundRules(7, world.agreement.domain, world.tariff, 80_000, 2.0)
        self.coordinator = Coordinator(
            self.clock, world.store, rules, world.refusals, self.broadcast, lambda: set(self.homes)
        )

    async def broadcast(self, message):
        with self.world.store.begin() as tx:
            assert books.broadcasts_counted(tx) == len(self.sent) + 1
        self.sent.append(message)
        for name, own in self.homes.items():
            if message.iteration < self.silent_from.get(name, 10**6):
                self.coordinator.receive(name, encode(self.answer(name, own, message)))

    def answer(self, name, own, message):
        flexible = own.battery is not None
        fields = {
            "worker": name,
            "round": message.round,
            "iteration": message.iteration,
            "first_slot": message.first_slot,
            "flexible": flexible,
        }
        if message.iteration == 0:
            worker = WorkerIteration(own, message.sigma_kw2_per_coin)
            self.iterations[name] = worker
            return DeclareMessage(**fields, power_w=worker.start(message.price_e7_per_kwh), cost_e9_coin=0)
        if message.final:
            declared = DeclareMessage(**fields, power_w=(), cost_e9_coin=0, profile="ab" * 32)
            signer = self.world.by_name(name).signer
            signature = signer.sign(digest(self.world.agreement.domain, declared.signed())).hex()
            return DeclareMessage(**fields, power_w=(), cost_e9_coin=0, profile="ab" * 32, signature=signature)
        if not flexible:
            return DeclareMessage(**fields, power_w=(0,) * SLOTS, cost_e9_coin=0)
        answer = self.iterations[name].answer(message.price_e7_per_kwh)
        return DeclareMessage(**fields, power_w=answer.power_w, cost_e9_coin=answer.cost_e9_coin)

    def coordinate(self, first_slot):
        return asyncio.run(self.coordinator.coordinate(first_slot, self.clock.now + 60))


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
    assert second.sent[len(hive.sent)].sigma_kw2_per_coin == 10 * first_sigma
    assert second.sent[len(hive.sent)].round == first.number + 1


def test_after_a_round_that_ended_far_from_agreement_prices_may_move_fast_again(world, first_slot, homes):
    hive = Hive(world, homes)
    settled = hive.coordinate(first_slot + 1)
    cold_sigma = hive.sent[0].sigma_kw2_per_coin
    with world.store.begin() as tx:
        books.put_round(tx, dataclasses.replace(settled, mismatch_kw=0.5, ended="limit"))
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
    assert row.flexible == 1
    assert hive.sent[-1].final


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
    hive = Hive(world, homes)
    rules = RoundRules(7, world.agreement.domain, world.tariff, 80_000, 2.0, most_iterations=2)
    hive.coordinator = Coordinator(
        hive.clock, world.store, rules, world.refusals, hive.broadcast, lambda: set(hive.homes)
    )
    row = hive.coordinate(first_slot + 1)
    assert (row.ended, row.iterations, row.broadcasts) == ("limit", 2, 4)
