"""Both named brokers, with Hive's own configuration: who may say and hear what (README MQTT)."""

import asyncio
import subprocess

import pytest

from drivers.linux.broker import BrokerAddress, BrokerSession, Outgoing
from honey_edge.wire import topics
from provisioning.broker_config import BrokerPlan
from provisioning.certificates import Authority
from provisioning.demo.broker import CHOICES, broker_child, find_broker, free_port
from provisioning.demo.plan import DemoError

pytestmark = pytest.mark.system
QUEEN, ALICE, BOB = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture(params=CHOICES)
def broker(request, tmp_path):
    try:
        choice = find_broker(request.param)
    except DemoError as error:
        pytest.skip(f"SKIPPED LOUDLY: {error}")
    authority = Authority(tmp_path / "tls", "Hive 7")
    server = authority.issue_server("127.0.0.1")
    plan = BrokerPlan("127.0.0.1", free_port(), tmp_path / "broker", authority.file, server, 7, QUEEN, (ALICE, BOB))
    child = broker_child(choice, plan)
    process = subprocess.Popen(child.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield plan, authority
    process.terminate()
    process.wait(10)


class _Client:
    """A session that keeps what it hears."""

    def __init__(self, plan, authority, name, subscriptions):
        files = authority.issue_client(name)
        self.heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        address = BrokerAddress(plan.host, plan.port, f"hive-{name}", authority.file, files.certificate, files.key)
        kind = topics.QUEEN_STATUS if name == QUEEN else topics.WORKER_STATUS
        status = topics.topic(kind, 7, "" if name == QUEEN else name)
        self.session = BrokerSession(address, subscriptions, Outgoing(status, b"off", 1, True), self._on, self._hello)

    async def _on(self, topic, payload):
        self.heard.put_nowait((topic, payload))

    async def _hello(self):
        pass

    async def say(self, topic, payload, retained=False):
        await self.session.publish(Outgoing(topic, payload, 1, retained))

    async def next(self):
        async with asyncio.timeout(10):
            return await self.heard.get()


async def _talk(plan, authority):
    queen = _Client(plan, authority, QUEEN, [(t, 1) for t in topics.queen_subscriptions(7)])
    alice = _Client(plan, authority, ALICE, [(t, 0) for t in topics.worker_subscriptions(7, ALICE)])
    spying = [(t, 0) for t in [*topics.worker_subscriptions(7, BOB), topics.topic(topics.STATEMENT, 7, ALICE)]]
    bob = _Client(plan, authority, BOB, spying)
    running = [asyncio.create_task(client.session.run()) for client in (queen, alice, bob)]
    async with asyncio.timeout(20):
        for client in (queen, alice, bob):
            await client.session.connected.wait()
    own, foreign = topics.topic(topics.READING, 7, BOB), topics.topic(topics.READING, 7, ALICE)
    await bob.say(own, b"mine")
    assert await queen.next() == (own, b"mine")
    try:
        await bob.say(foreign, b"forged")
    finally:
        async with asyncio.timeout(20):
            await bob.session.connected.wait()
    await alice.say(foreign, b"genuine")
    assert await queen.next() == (foreign, b"genuine")
    statement, announced = topics.topic(topics.STATEMENT, 7, ALICE), topics.topic(topics.ROUND, 7)
    await queen.say(statement, b"for alice", retained=True)
    await queen.say(announced, b"for all")
    assert [await alice.next(), await alice.next()] == [(statement, b"for alice"), (announced, b"for all")]
    assert await bob.next() == (announced, b"for all")
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def test_nobody_publishes_or_reads_as_another(broker):
    asyncio.run(_talk(*broker))
