"""What must hold for the whole without a broker: dispatch, presence, timetable on granted time, settings."""

import asyncio
import json

import pytest

from drivers.linux.broker import BrokerAway
from drivers.sim.granted import GrantedClock
from honey_edge.model.options import SettingsError
from honey_edge.wire import topics
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.messages import CursorMessage, StatusMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import digest
from queen_node.app.account_rows import account_row
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.presence import Presence
from queen_node.app.timetable import Connection, Timetable
from queen_node.chain import OnchainAccount
from queen_node.chain.records import AccountState
from queen_node.connection import GrantedMeter, slot_energy
from queen_node.downlink import Downlink
from queen_node.settings import EnrolledWorker, LimitsSection, TimesSection, parse_workers
from queen_node.store import Store, StoreError, accounts, books


class NoRounds:
    def __init__(self):
        self.first_slots = []
        self.received = []

    async def coordinate(self, first_slot, until_unix_s):
        self.first_slots.append((first_slot, until_unix_s))

    def receive(self, worker, payload):
        self.received.append(worker)


class Wire:
    """A broker that keeps what is published, or is away."""

    def __init__(self):
        self.out, self.away = [], False

    async def publish(self, out):
        if self.away:
            raise BrokerAway("away")
        self.out.append(out)

    def kinds(self):
        return [topics.parse(out.topic)[0].name for out in self.out]


@pytest.fixture
def wire():
    return Wire()


def downlink_of(world, wire):
    return Downlink(wire.publish, 7, world.agreement.domain, world.closer.signer)


def dispatcher_of(world, wire, limits=None):
    takers = Takers(world.ingest, world.channels, NoRounds(), Presence(), world.refusals)
    dispatcher = Dispatcher(
        7, takers, limits or LimitsSection(), lambda: world.now_unix_s, downlink_of(world, wire).statements
    )
    dispatcher.enrol([worker.name for worker in world.workers])
    return dispatcher, takers


def status(online):
    return encode(StatusMessage(online=online, version="1", at_unix_s=0))


def test_messages_reach_their_part_and_strangers_none(world, wire, first_slot):
    dispatcher, takers = dispatcher_of(world, wire)
    a = world.workers[0]

    async def bring():
        await dispatcher.on_message(topics.topic(topics.READING, 7, a.name), a.read(first_slot, 1, 0))
        await dispatcher.on_message(topics.topic(topics.WORKER_STATUS, 7, a.name), status(True))
        await dispatcher.on_message(topics.topic(topics.DECLARE, 7, a.name), b"{}")
        await dispatcher.on_message(topics.topic(topics.WORKER_STATUS, 7, a.name), b"{}")
        await dispatcher.on_message(topics.topic(topics.READING, 8, a.name), b"{}")
        await dispatcher.on_message(topics.topic(topics.READING, 7, "ab" * 20), b"{}")
        await dispatcher.on_message("home/x/power-w", b"1")

    asyncio.run(bring())
    assert {name: row.reading.slot for name, row in world.ingest.commit().items()} == {a.name: first_slot}
    assert takers.presence.online() == {a.name}
    assert takers.coordinator.received == [a.name]
    assert world.reasons() == ["topic", "foreign", "foreign", "malformed"]


def test_a_flood_of_one_worker_is_counted_and_stops_nobody_else(world, wire, first_slot):
    dispatcher, _ = dispatcher_of(world, wire, LimitsSection(messages_per_minute=10, burst_messages=10))
    a, b = world.workers[0], world.workers[1]

    async def flood():
        for _ in range(50):
            await dispatcher.on_message(topics.topic(topics.READING, 7, a.name), b"{}")
        await dispatcher.on_message(topics.topic(topics.READING, 7, b.name), b.read(first_slot, 1, 0))

    asyncio.run(flood())
    assert set(world.ingest.commit()) == {b.name}
    assert world.refusals.counted["flood"] == 40


def test_presence_follows_status_and_last_will():
    presence = Presence()
    presence.receive("a", status(True))
    presence.receive("a", status(True))
    assert presence.online() == {"a"}
    presence.receive("a", status(False))
    assert presence.online() == set()
    assert presence.receive("a", b"?")


def test_a_receipt_is_signed_and_a_broker_that_is_away_costs_nothing(world, wire, first_slot):
    a = world.workers[0]
    world.send(a, a.read(first_slot, 5, 0))
    down = downlink_of(world, wire)
    wire.away = True
    asyncio.run(down.receipts(world.ingest.newest))
    wire.away = False
    asyncio.run(down.receipts(world.ingest.newest))
    (out,) = wire.out
    message = decode(CursorMessage, out.payload)
    assert (out.qos, out.retained) == (1, True)
    assert message.reading == world.ingest.newest[a.name].hash.hex()
    domain = world.agreement.domain
    assert signed_by(world.agreement.queen, digest(domain, message.signed()), bytes.fromhex(message.signature))


def test_ingest_commits_what_arrives_and_receipts_it(world, first_slot):
    a = world.workers[0]
    seen = []

    async def receipts(newest):
        seen.append({name: row.reading.slot for name, row in newest.items()})

    async def live():
        world.ingest._send_receipts = receipts
        task = asyncio.create_task(world.ingest.run())
        world.ingest.offer(a.name, a.read(first_slot, 1, 0))
        while not seen:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(live())
    assert seen == [{a.name: first_slot}]


def run_timetable(world, wire, instants, connected=True, online=()):
    """Runs both time-driven tasks up to each instant in turn; `instants` pairs it with what to do before."""
    rounds = NoRounds()

    async def live():
        clock = GrantedClock((min(at for at, _ in instants)) - 100)
        session, connection = asyncio.Event(), Connection()
        if connected:
            session.set()
            connection.up(clock.now_unix_s())
        table = Timetable(
            clock,
            TimesSection(),
            world.closer,
            world.channels,
            rounds,
            downlink_of(world, wire),
            session,
            connection,
            lambda: set(online),
        )
        tasks = [asyncio.create_task(table.close_slots()), asyncio.create_task(table.coordinate())]
        await asyncio.sleep(0)
        for at, action in instants:
            action(session, connection, clock)
            await clock.grant(at)
        for task in tasks:
            task.cancel()

    asyncio.run(live())
    return rounds


def fill(world, first_slot, slots):
    for step in range(slots + 1):
        world.now_unix_s = (first_slot + step + 1) * 900.0
        for worker in world.workers:
            world.send(worker, worker.read(first_slot + step, 1_000 * step, 0))


def nothing(*_):
    return None


def test_slots_close_20_s_after_their_end_and_rounds_start_at_40_s(world, wire, first_slot):
    fill(world, first_slot, 1)
    end = (first_slot + 2) * 900
    counted = []

    def count(*_):
        with world.store.begin() as tx:
            counted.append(books.closed_counted(tx))

    rounds = run_timetable(world, wire, [(end + 19, nothing), (end + 20, count), (end + 39, count), (end + 60, count)])
    assert counted == [0, 1, 1]
    assert rounds.first_slots == [(first_slot + 3, end + 300)]
    assert wire.kinds() == ["slot", "statement", "statement", "statement"]


def test_after_an_outage_of_the_broker_readings_are_awaited_before_a_slot_closes(world, wire, first_slot):
    fill(world, first_slot, 1)
    end = (first_slot + 2) * 900
    counted = []

    def count(*_):
        with world.store.begin() as tx:
            counted.append(books.closed_counted(tx))

    def back(session, connection, clock):
        session.set()
        connection.up(end + 100)

    run_timetable(
        world, wire, [(end + 10, nothing), (end + 119, back), (end + 120, count), (end + 121, count)], connected=False
    )
    assert counted == [0, 1]


def test_many_overdue_slots_close_in_order_without_waiting_for_answers(world, wire, first_slot):
    fill(world, first_slot, 6)
    late = (first_slot + 7) * 900 + 30
    run_timetable(world, wire, [(late, nothing)], online=[])
    with world.store.begin() as tx:
        assert [c.totals.slot for c in books.closed_slots(tx)] == [first_slot + k for k in range(1, 7)]


def test_only_counters_of_a_slots_end_count_for_the_connection_point(world, first_slot):
    meter = GrantedMeter(world.store)
    at = (first_slot + 1) * 900
    meter.on_grant({"grant": at})
    for when, imported, exported in ((at, 10, 5), (at + 10, 99, 99), (at + 900, 40, 15), (at + 900, 77, 77)):
        meter.on_grant({"meter": {"unix_s": when, "import_milliwh": imported, "export_milliwh": exported}})
    with world.store.begin() as tx:
        assert slot_energy(tx, first_slot + 1) == 20
        assert slot_energy(tx, first_slot + 2) is None
    meter.on_grant({"meter": {"unix_s": at + 1800, "import_milliwh": 0, "export_milliwh": 15}})
    with world.store.begin() as tx:
        assert slot_energy(tx, first_slot + 2) is None


def onchain(state, slot, funding=5):
    return OnchainAccount(funding, 0, 0, 0, slot, state, False, "00" * 20)


def test_an_account_keeps_its_opening_slot_until_it_is_opened_anew():
    worker = EnrolledWorker("aa" * 20, "HW-1", 0, 0)
    closed = account_row(worker, onchain(AccountState.NONE, 0), None)
    assert (closed.is_open, closed.opening_slot) == (False, 0)
    opened = account_row(worker, onchain(AccountState.OPEN, 100), closed)
    assert (opened.is_open, opened.opening_slot) == (True, 100)
    settled = account_row(worker, onchain(AccountState.OPEN, 195, 9), opened)
    assert (settled.opening_slot, settled.chain_slot, settled.funding_micro) == (100, 195, 9)
    ended = account_row(worker, onchain(AccountState.CLOSED, 195), settled)
    again = account_row(worker, onchain(AccountState.OPEN, 300), ended)
    assert (ended.is_open, again.is_open, again.opening_slot) == (False, True, 300)


def test_a_worker_named_twice_or_without_address_is_refused_with_its_place():
    entry = {"address": "ab" * 20, "serial": "HW-1"}
    assert parse_workers(json.dumps([entry]).encode(), "w.json")[0].serial == "HW-1"
    for bad in ([entry, entry], [{"serial": "x"}], [{**entry, "address": "0xAB"}], [{**entry, "opening_slot": -1}], {}):
        with pytest.raises(SettingsError, match=r"w\.json"):
            parse_workers(json.dumps(bad).encode(), "w.json")
    with pytest.raises(SettingsError, match="not JSON"):
        parse_workers(b"[", "w.json")


def test_a_database_of_another_schema_or_place_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'q.sqlite'}"
    with pytest.raises(StoreError):
        Store(url, create=False)
    store = Store(url)
    with store.begin() as tx:
        assert accounts.read_cover(tx).block == 0
        tx.exec_driver_sql("update schema set version = 99")
    store.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(url)
    with pytest.raises(StoreError):
        Store("sqlite:////nowhere/at/all/q.sqlite")
