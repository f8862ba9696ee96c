"""A Hive of Hives over two real brokers: two composed Queens, homes with real agents, certificates and access lists."""

import asyncio
import contextlib
import json
import subprocess
import time

import pytest

from drivers.linux.broker import BrokerAddress, BrokerSession, Outgoing
from drivers.linux.clock import SystemClock
from honey_edge.billing.tariff import tariff_document
from honey_edge.model.slots import SLOT_S
from honey_edge.wire import topics
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import ReadingMessage, RoundMessage, StatusMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import ZERO_HASH, HiveTerms, Reading
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import digest, struct_hash
from provisioning.broker_config import BrokerPlan
from provisioning.certificates import Authority
from provisioning.demo.broker import CHOICES, broker_child, find_broker, free_port
from provisioning.demo.plan import DemoError
from queen_node.app.accounts_view import build_chain_work
from queen_node.app.compose import Queen
from queen_node.settings import load, queen_signer
from queen_node.store import Store, books, mothers
from tests.unit.mother.family import DOMAIN, TARIFF, agent_home

pytestmark = [pytest.mark.system, pytest.mark.deep]
OWNER, POINT = KeySigner(keccak(b"owner")), keccak(b"connection point")
QUEENS = {1: keccak(b"mother queen"), 2: keccak(b"daughter queen")}


class Shifted(SystemClock):
    """Real time moved to the beginning of a slot, so that no slot ends in the middle of the test."""

    def __init__(self):
        super().__init__()
        self._ahead_s = 60.0 - time.time() % SLOT_S

    def now_unix_s(self):
        return time.time() + self._ahead_s

    async def sleep_until(self, at_unix_s):
        await asyncio.sleep(max(0.0, at_unix_s - self.now_unix_s()))

    async def wait_for(self, event, until_unix_s):
        return await super().wait_for(event, until_unix_s - self._ahead_s)


@pytest.fixture(params=CHOICES)
def place(request, tmp_path):
    """Both brokers, each with its own authority, and both Queens' settings."""
    try:
        choice = find_broker(request.param)
    except DemoError as error:
        pytest.skip(f"SKIPPED LOUDLY: {error}")
    slot = int(time.time() // SLOT_S)
    homes = {
        hive: [agent_home(tmp_path, seed, slot=slot) for seed in seeds] for hive, seeds in ((1, (1, 2)), (2, (3, 4, 5)))
    }
    point = KeySigner(POINT).address.hex()
    authorities, plans, running = {}, {}, []
    for hive, queen in QUEENS.items():
        folder = tmp_path / f"hive-{hive}"
        authorities[hive] = authority = Authority(folder / "tls", f"Hive {hive}")
        names = (*(home.name for home in homes[hive]), *((point,) if hive == 1 else ()))
        plans[hive] = plan = BrokerPlan(
            "127.0.0.1",
            free_port(),
            folder / "broker",
            authority.file,
            authority.issue_server("127.0.0.1"),
            hive,
            KeySigner(queen).address.hex(),
            names,
        )
        child = broker_child(choice, plan)
        running.append(subprocess.Popen(child.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    files = {hive: settings(tmp_path / f"hive-{hive}", hive, plans, authorities, slot - 2) for hive in QUEENS}
    yield homes, plans, authorities, files
    for process in running:
        process.terminate()
        process.wait(10)


def settings(folder, hive, plans, authorities, opening):
    """A Queen's settings with all that they name; the second Hive is the first one's daughter."""
    plan = plans[hive]
    terms = HiveTerms(hive, 1, 0, keccak(tariff_document(TARIFF)), 250, 20, 0, 10**6, 40_000, 0, 2)
    hashed = digest(DOMAIN, terms)
    (folder / "tariff.json").write_bytes(tariff_document(TARIFF))
    queen = KeySigner(QUEENS[hive])
    (folder / "terms.json").write_bytes(terms_document(TermsFile.of(terms, queen.sign(hashed), OWNER.sign(hashed))))
    for name, secret in (("queen.key", QUEENS[hive]), ("point.key", POINT)):
        (folder / name).write_text(secret.hex())
        (folder / name).chmod(0o600)
    rest = {"opening_slot": opening, "funding_micro": 10**9}
    enrolled = [{"address": name, "serial": f"HV-{k}", **rest} for k, name in enumerate(plan.workers)]
    (folder / "workers.json").write_text(json.dumps(enrolled))
    own = authorities[hive].issue_client(queen.address.hex())
    text = f"""
[hive]
hive = {hive}
chain_id = {DOMAIN.chain_id}
contract = "{DOMAIN.contract.hex()}"
queen_address = "{queen.address.hex()}"
owner_address = "{OWNER.address.hex()}"
terms_file = "terms.json"
tariff_file = "tariff.json"
workers_file = "workers.json"
key_file = "queen.key"

[broker]
host = "{plan.host}"
port = {plan.port}
client_id = "queen-{hive}"
ca_file = "{authorities[hive].file}"
certificate_file = "{own.certificate}"
key_file = "{own.key}"
"""
    if hive == 2:
        point = authorities[1].issue_client(KeySigner(POINT).address.hex())
        text += f"""
[mother]
hive = 1
host = "{plans[1].host}"
port = {plans[1].port}
ca_file = "{authorities[1].file}"
certificate_file = "{point.certificate}"
key_file = "{point.key}"
device_key_file = "point.key"
queen_address = "{KeySigner(QUEENS[1]).address.hex()}"
owner_address = "{OWNER.address.hex()}"
terms_file = "{folder.parent / "hive-1" / "terms.json"}"
tariff_file = "{folder.parent / "hive-1" / "tariff.json"}"
begin_within_s = 5
"""
    file = folder / "queen.toml"
    file.write_text(text)
    return file


class HomeAtBroker:
    """A home's agent behind its own session; without an agent it is the connection point's Worker, just there."""

    def __init__(self, plan, authority, signer, home=None):
        self.plan, self.signer, self.home, self.last = plan, signer, home, None
        self.name = name = signer.address.hex()
        own = authority.issue_client(name)
        address = BrokerAddress(plan.host, plan.port, f"worker-{name}", authority.file, own.certificate, own.key)
        heard = [(topics.topic(topics.ROUND, plan.hive), 0)]
        self.session = BrokerSession(address, heard, self._status(False), self._on, self._hello)

    def _status(self, online):
        payload = encode(StatusMessage(online=online, version="1", at_unix_s=0))
        return Outgoing(topics.topic(topics.WORKER_STATUS, self.plan.hive, self.name), payload, 1, True)

    async def read(self, slot, energy):
        """Signs and sends the reading of a slot's end, energy more than the one before."""
        before = self.last
        imported, exported = (before.imported, before.exported) if before else (0, 0)
        previous = struct_hash(before) if before else ZERO_HASH
        counters = imported + max(energy, 0), exported + max(-energy, 0)
        self.last = Reading(self.signer.address, slot, *counters, 0, b"\x01" * 32, previous)
        message = ReadingMessage.of(self.last, self.signer.sign(digest(DOMAIN, self.last)))
        name = topics.topic(topics.READING, self.plan.hive, self.name)
        await self.session.publish(Outgoing(name, encode(message), 1, False))

    async def _hello(self):
        await self.session.publish(self._status(True))

    async def _on(self, name, payload):
        told = await self.home.agent.answer(decode(RoundMessage, payload)) if self.home else None
        if told is not None:
            declare = topics.topic(topics.DECLARE, self.plan.hive, self.name)
            await self.session.publish(Outgoing(declare, encode(told), 1, False))


async def until(condition, seconds=30):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def whole(homes, plans, authorities, files):
    clock = Shifted()
    slot = int(clock.now_unix_s() // SLOT_S)
    loaded = {hive: load(file) for hive, file in files.items()}
    queens = {
        hive: Queen(one, clock, Store(f"sqlite:///{file.parent / 'queen.sqlite'}"), queen_signer(one))
        for (hive, one), file in zip(loaded.items(), files.values(), strict=True)
    }
    mother, daughter = queens[1], queens[2]
    for home in (*homes[1], *homes[2]):
        await home.begin(slot)
    point = KeySigner(POINT).address.hex()
    for hive, one in loaded.items():
        await build_chain_work(one, queens[hive].timetable.closer.store, clock).view.refresh()
    members = [HomeAtBroker(plans[h], authorities[h], home.signer, home) for h in homes for home in homes[h]]
    members.append(HomeAtBroker(plans[1], authorities[1], KeySigner(POINT)))
    tasks = [asyncio.create_task(work) for one in queens.values() for work in (one.session.run(), one.ingest.run())]
    try:
        # A broker that is just starting may keep a status neither for those who listen nor for those who come.
        await until(lambda: all(one.connection.connected.is_set() for one in queens.values()))
        hers = (daughter.mother.session.run(), daughter.mother.answering.run())
        tasks += [asyncio.create_task(work) for work in (*hers, *(member.session.run() for member in members))]
        await until(lambda: len(mother.presence.online()) == 3 and len(daughter.presence.online()) == 3)
        await until(lambda: daughter.mother.rounds._there())
        both = asyncio.gather(
            mother.coordinator.coordinate(slot + 1, clock.now_unix_s() + 120),
            daughter.timetable.coordinator.coordinate(slot + 1, clock.now_unix_s() + 120),
        )
        row, alone = await both
        await until(lambda: all(home.agent.view().plan is not None for one in homes.values() for home in one))
        statement = topics.topic(topics.STATEMENT, 1, point)
        await mother.session.publish(Outgoing(statement, b"{}", 1, True))
        await until(lambda: daughter.refusals.counted["mother-bill"] == 1)
        money = await settled(mother, daughter, members, slot)
        return row, alone, money, mother.refusals.counted, daughter.refusals.counted
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def settled(mother, daughter, members, slot):
    """Readings, closings at both Hives, the mother's Statement over her broker, and the daughter's next closing."""
    energies = (300_000, -200_000, 500_000, -100_000, 400_000)
    for at, amounts in ((slot - 2, (0,) * 6), (slot - 1, (*energies, sum(energies[2:])))):
        for member, energy in zip(members, amounts, strict=True):
            await member.read(at, energy)
    queens = (mother, daughter)
    await until(lambda: all(len(one.ingest.newest) == 3 for one in queens))
    await until(lambda: all(row.reading.slot == slot - 1 for one in queens for row in one.ingest.newest.values()))
    first = daughter.timetable.closer.close(slot - 1)
    mother.timetable.closer.close(slot - 1)
    await mother.downlink.statements(mother.channels.issue_due())
    store = daughter.timetable.closer.store

    def bill():
        with store.begin() as tx:
            return mothers.last_bill(tx)

    await until(lambda: bill() is not None)
    second = daughter.timetable.closer.close(slot)
    with mother.timetable.closer.store.begin() as tx:
        (line,) = books.lines_of(tx, members[-1].name)
    return first, second, bill(), line


def test_a_daughter_takes_part_in_her_mothers_round_over_both_brokers(place):
    row, alone, (first, second, bill, line), refused, hers = asyncio.run(whole(*place))
    assert alone is None
    assert row.flexible == 3
    assert row.ended == "converged"
    assert row.gap_ppm is not None
    assert row.gap_ppm <= 20_000
    assert not refused
    assert bill.charged_pico == line.amount_pico != bill.own_pico
    assert bill.own_pico == first.money.hive_cost
    assert second.totals.reserve == first.totals.reserve - (bill.charged_pico - bill.own_pico)
    assert dict(hers) == {"mother-bill": 1}
