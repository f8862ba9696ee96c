"""A hundred real Worker agents over a real broker on loopback, conducted by the real Queen's conductor.

Each agent is the Worker's own code (journal, forecast, solver, uplink, TLS session with its certificate); they share
few processes, because a hundred interpreters do not fit here. One round begins cold, then slot after slot is lived:
each home reads something else than forecast, and the next round begins warm. Bars (issue, Figures): a warm
coordination under 10 s, at most 2 MB up. Reference in the same run: the opening of the round, which is one broadcast
and one answer of every home without any solving. Prints JSON lines.
"""

import asyncio
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.linux.broker import BrokerAddress, BrokerSession, Outgoing
from drivers.linux.clock import SystemClock
from honey_edge.billing.tariff import Tariff
from honey_edge.model.slots import SLOT_S, slot_at
from honey_edge.wire.codec import encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import CertificateMessage, RoundMessage, StatusMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.topics import (
    CERTIFICATE,
    DECLARE,
    QUEEN_STATUS,
    ROUND,
    WORKER_STATUS,
    parse,
    queen_subscriptions,
    topic,
    worker_subscriptions,
)
from honey_edge.wire.typed_data import Domain
from provisioning.broker_config import BrokerPlan
from provisioning.certificates import Authority
from provisioning.demo.broker import broker_child, find_broker, free_port
from provisioning.demo.children import Children
from queen_node.app.presence import Presence
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.store import Store
from queen_node.store.records import RoundRow
from queen_node.store.refusals import Refusals
from worker_node.agent.assets import HomeAssets
from worker_node.agent.battery import BatteryModel
from worker_node.agent.service import Agent, AgentTools
from worker_node.journal import JournalThread
from worker_node.uplink import Inbox, Peer, Publication, Uplink

HIVE, DOMAIN = 7, Domain(31337, b"\x11" * 20)
TARIFF = Tariff("EUR", (210_000,) * 24 + (270_000,) * 72, (60_000,) * 96, (), 50_000_000)
QUEEN = KeySigner(keccak(b"queen of the bench"))
HOMES, PROCESSES, WARM_ROUNDS = 100, 2, 4
HISTORY_DAYS, SLOTS_PER_DAY = 28, 96
WARM_BAR_S, UP_BAR_BYTES, ROUND_LIMIT_S, READY_S = 10.0, 2_000_000, 60.0, 120.0
ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where broker and certificates of the run are."""

    folder: Path
    port: int

    def address(self, name: str, client_id: str) -> BrokerAddress:
        """One client's way to the broker."""
        tls = self.folder / "tls"
        return BrokerAddress(
            "127.0.0.1", self.port, client_id, tls / "ca.pem", tls / f"{name}.pem", tls / f"{name}.key"
        )


def signer_of(number: int) -> KeySigner:
    """The device key of a home of the bench."""
    return KeySigner(keccak(f"home {number} of the bench".encode()))


def energy_milliwh(dice: random.Random, slot: int, sun_kwp: float) -> int:
    """Load less sun of a slot: an evening peak, noise, a bell of sun around noon."""
    hour = slot % SLOTS_PER_DAY / 4
    load = 0.3 + 0.9 * max(0.0, 1.0 - abs(hour - 19.0) / 4.0) + 0.4 * dice.random()
    sun = sun_kwp * max(0.0, 1.0 - ((hour - 12.0) / 5.0) ** 2) * (0.7 + 0.3 * dice.random())
    return round((load - sun) * 250_000)


class BenchWorker:
    """One home: agent and uplink over its own session."""

    def __init__(self, place: Place, number: int, first_slot: int) -> None:
        self.dice = random.Random(number)
        self.sun_kwp = 0.0 if number % 3 == 0 else 2.0 + number % 5
        signer = signer_of(number)
        name = signer.address.hex()
        self.journal = JournalThread(place.folder / f"{name}.sqlite", signer.address)
        past = range(first_slot - HISTORY_DAYS * SLOTS_PER_DAY, first_slot)
        rows = [(slot, energy_milliwh(self.dice, slot, self.sun_kwp)) for slot in past]
        self.journal.run(lambda journal: journal.seed_history(rows))
        capacity = (5 + number % 9) * 1_000_000
        battery = BatteryModel(capacity, 0, capacity, capacity // 2, 3_000, 3_000, 950, 950, 10_000)
        self.stored_milliwh, self.power_w, self.battery = capacity // 2, 0, battery
        movable = HomeAssets(battery) if number % 5 else HomeAssets()
        self.agent = Agent(AgentTools(signer, DOMAIN, TARIFF, self.journal, self.told), movable)
        peer = Peer(HIVE, name, QUEEN.address.hex(), DOMAIN, "bench")
        inbox = Inbox(self.nothing_to_say, self.no_answer, self.agent.answer, self.changed)
        self.uplink = Uplink(peer, SystemClock(), self.journal, self, inbox)
        self.session = BrokerSession(
            place.address(name, f"worker-{name}"),
            [(one, 0) for one in worker_subscriptions(HIVE, name)],
            outgoing(self.uplink.will()),
            self.uplink.received,
            self.uplink.connected,
        )

    async def told(self, power_w: int) -> None:
        """The battery follows."""
        self.power_w = power_w

    async def nothing_to_say(self, payload: bytes) -> bytes | None:
        """No statements are sent here."""
        return None

    async def no_answer(self) -> bytes | None:
        """No statement was ever answered."""
        return None

    async def changed(self) -> None:
        """Nobody looks."""

    async def publish(self, out: Publication) -> None:
        """What the uplink sends."""
        await self.session.publish(outgoing(out))

    async def live(self, slot: int) -> None:
        """A slot begins: the last one was measured, and was not as forecast."""
        measured = energy_milliwh(self.dice, slot - 1, self.sun_kwp)
        await self.journal.call(lambda journal: journal.seed_history([(slot - 1, measured)]))
        self.stored_milliwh = self.battery.after(self.stored_milliwh, self.power_w, SLOT_S)
        await self.agent.start_slot(slot, self.stored_milliwh)


def outgoing(out: Publication) -> Outgoing:
    """A publication as the session wants it."""
    return Outgoing(out.topic, out.payload, out.qos, out.retained)


async def child(folder: Path, port: int, first: int, count: int, slot: int) -> None:
    """A process with some of the homes; lives a slot for every line it is told, and says so."""
    place = Place(folder, port)
    workers = [BenchWorker(place, number, slot) for number in range(first, first + count)]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker.session.run()) for worker in workers]
        while line := await reader.readline():
            await asyncio.gather(*(worker.live(int(line)) for worker in workers))
            print(line.decode().strip(), flush=True)
        for task in tasks:
            task.cancel()


class BenchQueen:
    """The conductor over her session; counts what comes up."""

    def __init__(self, place: Place, store: Store) -> None:
        self.up_bytes = self.up_messages = 0
        self.opened_s: list[float] = []
        self.presence, self.refusals = Presence(), Refusals()
        rules = RoundRules(HIVE, DOMAIN, TARIFF, 80_000, ANSWER_WITHIN_S)
        self.coordinator = Coordinator(
            SystemClock(), store, rules, self.refusals, self.round, self.presence.online, self.certificate
        )
        will = StatusMessage(online=False, version="bench", at_unix_s=0)
        self.session = BrokerSession(
            place.address(QUEEN.address.hex(), "queen"),
            [(name, 1) for name in queen_subscriptions(HIVE)],
            Outgoing(topic(QUEEN_STATUS, HIVE), encode(will), 1, True),
            self.received,
            self.connected,
        )

    async def connected(self) -> None:
        """Nothing is retained here."""

    async def received(self, text: str, payload: bytes) -> None:
        """A message of a Worker."""
        kind, _, worker = parse(text)
        if kind == WORKER_STATUS:
            self.presence.receive(worker, payload)
        elif kind == DECLARE:
            self.up_bytes += len(text) + len(payload)
            self.up_messages += 1
            self.coordinator.receive(worker, payload)

    async def round(self, message: RoundMessage) -> None:
        """A broadcast."""
        self.opened_s.append(time.monotonic())
        await self.session.publish(Outgoing(topic(ROUND, HIVE), encode(message), 1, False))

    async def certificate(self, message: CertificateMessage) -> None:
        """How good the agreement is."""
        await self.session.publish(Outgoing(topic(CERTIFICATE, HIVE), encode(message), 1, True))


@dataclass(frozen=True, slots=True)
class Lived:
    """One round: its row, how long it and its opening took, what came up."""

    row: RoundRow
    wall_s: float
    opening_s: float
    up_bytes: int
    up_messages: int


async def measured(queen: BenchQueen, first_slot: int) -> Lived:
    """Conducts one round."""
    queen.up_bytes = queen.up_messages = 0
    queen.opened_s.clear()
    started = time.monotonic()
    row = await queen.coordinator.coordinate(first_slot, time.time() + ROUND_LIMIT_S)
    wall_s = time.monotonic() - started
    if row is None:
        raise RuntimeError("no agent is online")
    return Lived(row, wall_s, queen.opened_s[1] - queen.opened_s[0], queen.up_bytes, queen.up_messages)


@contextlib.asynccontextmanager
async def broker(folder: Path, homes: int) -> AsyncIterator[Place]:
    """A broker with TLS, access list and everybody's certificate."""
    authority = Authority(folder / "tls", "bench")
    names = [signer_of(number).address.hex() for number in range(homes)]
    queen = QUEEN.address.hex()
    for name in (queen, *names):
        issued = authority.issue_client(name)
        issued.certificate.rename(folder / "tls" / f"{name}.pem")
        issued.key.rename(folder / "tls" / f"{name}.key")
    port, server = free_port(), authority.issue_server("127.0.0.1")
    plan = BrokerPlan("127.0.0.1", port, folder / "broker", authority.file, server, HIVE, queen, tuple(names))
    children = Children(folder / "logs")
    await children.start(broker_child(find_broker(), plan))
    try:
        yield Place(folder, port)
    finally:
        await children.end_all()


async def lived(folder: Path, homes: int, processes: int, warm_rounds: int) -> list[Lived]:
    """The cold round and the warm ones after it."""
    slot = slot_at(time.time())
    store = Store(f"sqlite:///{folder / 'queen.sqlite'}")
    async with broker(folder, homes) as place, agents(place, homes, processes, slot) as live:
        queen = BenchQueen(place, store)
        session = asyncio.create_task(queen.session.run())
        try:
            await live(slot)
            async with asyncio.timeout(READY_S):
                while len(queen.presence.online()) < homes:
                    await asyncio.sleep(0.05)
            rounds = [await measured(queen, slot + 1)]
            for step in range(1, warm_rounds + 1):
                await live(slot + step)
                rounds.append(await measured(queen, slot + step + 1))
            return rounds
        finally:
            session.cancel()
            store.close()


@contextlib.asynccontextmanager
async def agents(
    place: Place, homes: int, processes: int, slot: int
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """The processes with the agents; what is yielded lets all of them live a slot."""
    share = -(-homes // processes)
    running = []
    for first in range(0, homes, share):
        numbers = (place.port, first, min(share, homes - first), slot)
        command = (sys.executable, "-m", "tests.bench.agents", str(place.folder), *map(str, numbers))
        log = (place.folder / f"agents-{first}.log").open("wb")
        pipe = asyncio.subprocess.PIPE
        running.append(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log))
        log.close()

    async def live(at: int) -> None:
        for process in running:
            assert process.stdin is not None
            process.stdin.write(f"{at}\n".encode())
        for process in running:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), READY_S)
            if line.strip() != str(at).encode():
                raise RuntimeError(f"an agents' process ended; read the logs in {place.folder}")

    try:
        yield live
    finally:
        for process in running:
            assert process.stdin is not None
            process.stdin.close()
        for process in running:
            await process.wait()


def report(name: str, rounds: list[Lived], barred: bool) -> bool:
    """Prints one JSON line; whether its bars are met."""
    wall_s, up = max(one.wall_s for one in rounds), max(one.up_bytes for one in rounds)
    held = wall_s < WARM_BAR_S and up <= UP_BAR_BYTES
    gaps = [one.row.gap_ppm for one in rounds if one.row.gap_ppm is not None]
    line = {
        "bench": "agents",
        "figure": name,
        "homes": HOMES,
        "processes": PROCESSES,
        "rounds": len(rounds),
        "worst_wall_s": round(wall_s, 3),
        "median_wall_s": round(statistics.median(one.wall_s for one in rounds), 3),
        "reference": "opening of the round: one broadcast, one answer of every home, nothing solved",
        "reference_wall_s": round(statistics.median(one.opening_s for one in rounds), 3),
        "worst_up_bytes": up,
        "answers": max(one.up_messages for one in rounds),
        "iterations": [one.row.iterations for one in rounds],
        "ended": [one.row.ended for one in rounds],
        "flexible": rounds[-1].row.flexible,
        "worst_gap_ppm": max(gaps, default=None),
        "bar": {"wall_s": WARM_BAR_S, "up_bytes": UP_BAR_BYTES} if barred else None,
        "held": held if barred else None,
    }
    print(json.dumps(line), flush=True)
    return held or not barred


def main() -> int:
    """Prints the figures; 1 when a bar is missed, 0 otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        cold, *warm = asyncio.run(lived(Path(folder), HOMES, PROCESSES, WARM_ROUNDS))
    report("cold coordination", [cold], barred=False)
    return 0 if report("warm coordination", warm, barred=True) else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(child(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:])))
    else:
        sys.exit(main())
