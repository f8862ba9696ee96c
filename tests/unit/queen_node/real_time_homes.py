"""A Hive in real time: the Queen's desk and whole homes (agent, minutes, uplink, journal) on one clock and one link.

Only broker, meter and battery are stood in for: what one side publishes is what the other side's handler gets.
"""

import asyncio
from pathlib import Path

from drivers.sim.granted import GrantedClock
from honey_edge.model.slots import SLOT_S, slot_start_unix_s
from honey_edge.wire.messages import DeclareMessage
from honey_edge.wire.typed_data import Domain
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.presence import Presence
from queen_node.downlink import Downlink
from queen_node.realtime.decide import Band
from queen_node.realtime.desk import DeskRules, RealTimeDesk
from queen_node.settings import LimitsSection
from queen_node.store import books
from tests.unit.queen_node.conftest import DOMAIN, HIVE, QUEEN
from tests.unit.queen_node.test_app import NoRounds
from worker_node.agent.battery import BatteryModel
from worker_node.agent.service import HIVE as AGREED
from worker_node.agent.service import Agent, AgentTools
from worker_node.journal import JournalThread, StoredPlan
from worker_node.realtime.service import RealTime, RealTimeRules
from worker_node.uplink import Inbox, Peer, Uplink

POOL = Domain(DOMAIN.chain_id, bytes.fromhex("f1" * 20))
BATTERY = BatteryModel(6_400_000, 0, 6_400_000, 3_200_000, 5_000, 5_000, 950, 950, 10_000)
STORED_MILLIWH = 3_200_000
PRICE = 240_000
EVERY_S = 5


class Home:
    """One home; `load_w` is what it really takes beside its battery, `plan_w` what the battery was agreed to do."""

    def __init__(self, folder: Path, hive: "Hive", worker, load_w: int, plan_w: int | None) -> None:
        self.hive, self.worker, self.name = hive, worker, worker.name
        self.load_w, self.plan_w = load_w, plan_w
        self.declared_w = load_w + (plan_w or 0)
        self.battery_w, self.watt_seconds, self.told = 0, 0, []
        self.journal = JournalThread(folder / f"{self.name}.sqlite", worker.signer.address)
        self.start()

    def start(self) -> None:
        """The daemon's objects anew, as after a restart."""
        tools = AgentTools(self.worker.signer, DOMAIN, self.hive.world.tariff, self.journal, self.set_power_w)
        self.agent = Agent(tools, BATTERY if self.plan_w is not None else None)
        rules = RealTimeRules(self.hive.number, self.hive.pool, self.hive.queen.address, PRICE, 1_000, 0, 40_000)
        clock = self.hive.clock
        self.minutes = RealTime(rules, self.worker.signer, self.journal, self.agent, clock.now_unix_s, self.post)
        inbox = Inbox(self.nothing, self.nothing, self.nothing, self.nothing, None, self.minutes.order)
        peer = Peer(self.hive.number, self.name, self.hive.queen.address.hex(), DOMAIN, "1")
        self.uplink = Uplink(peer, clock, self.journal, self, inbox)

    def post(self, kind, message) -> None:
        self.uplink.post(kind, message)

    async def nothing(self, *_: object) -> None:
        return None

    async def publish(self, out) -> None:
        await self.hive.to_queen(out)

    async def set_power_w(self, power_w: int) -> None:
        self.told.append(power_w)
        self.battery_w = power_w

    @property
    def net_w(self) -> int:
        return self.load_w + self.battery_w

    async def take_up(self, slot: int) -> None:
        """The slot begins: plan and offer."""
        if self.plan_w is not None:
            plan = StoredPlan(
                slot, AGREED, 1, (self.declared_w,) * 96, (self.plan_w,) * 96, (self.load_w,) * 96, (0,) * 96
            )
            self.journal.run(lambda journal: journal.put_plan(plan))
        await self.agent.load()
        await self.agent.start_slot(slot, STORED_MILLIWH)
        await self.minutes.start_slot(slot)

    async def live(self, until_unix_s: int) -> None:
        """Samples until the end."""
        while (now := int(self.hive.clock.now_unix_s())) < until_unix_s:
            await self.minutes.sampled(now, float(self.net_w))
            self.watt_seconds += self.net_w * EVERY_S
            await self.hive.clock.sleep_until(now + EVERY_S)


class Hive:
    """The Queen's side and the link. `lost(topic)` is true for a publication that never arrives."""

    number, pool, queen = HIVE, POOL, QUEEN

    def __init__(self, world, slot: int, *, stake_micro: int = 10**9, dead_band_w: int = 100) -> None:
        self.world, self.slot, self.homes = world, slot, {}
        self.clock = GrantedClock(float(slot_start_unix_s(slot)))
        self.lost = lambda topic: False
        self.sent, self.by_minute = [], []
        self.downlink = Downlink(self.to_worker, self.number, DOMAIN, self.queen)
        band = Band(dead_band_w, 500_000)
        self.rules = DeskRules(self.number, self.pool, self.queen, band, stake_micro, 80_000, 5, 5)
        self.restart()

    def restart(self) -> None:
        """The Queen's objects anew from her store."""
        world = self.world
        self.desk = RealTimeDesk(self.clock, world.store, self.rules, world.refusals, self.downlink.order)
        takers = Takers(world.ingest, world.channels, NoRounds(), Presence(), world.refusals, None, self.desk)
        now = self.clock.now_unix_s
        self.dispatcher = Dispatcher(self.number, takers, LimitsSection(), now, self.downlink.statements)
        self.dispatcher.enrol([worker.name for worker in world.workers])

    async def to_queen(self, out) -> None:
        self.sent.append(out)
        if not self.lost(out.topic):
            await self.dispatcher.on_message(out.topic, out.payload)

    async def to_worker(self, out) -> None:
        self.sent.append(out)
        home = self.homes[out.topic.rpartition("/")[2]]
        if not self.lost(out.topic):
            await home.uplink.received(out.topic, out.payload)

    def declare(self) -> None:
        """What the coordinator stored of the homes' Declarations for the slot."""
        for home in self.homes.values():
            fields = {
                "worker": home.name,
                "round": self.slot,
                "iteration": 1,
                "first_slot": self.slot,
                "flexible": True,
            }
            signed = {"profile": "ab" * 32, "signature": "00" * 64}
            message = DeclareMessage(**fields, **signed, power_w=(), cost_e9_coin=0)
            with self.world.store.begin() as tx:
                books.add_declaration(tx, message, home.declared_w)

    def sum_w(self) -> int:
        return sum(home.net_w for home in self.homes.values())

    def run(self, seconds: int = SLOT_S, story=lambda second: None, and_then: int = 0) -> None:
        """Lives through the slot and some seconds of the next; `story(second)` changes what happens."""
        asyncio.run(self._run(seconds, story, and_then))

    async def _run(self, seconds: int, story, and_then: int) -> None:
        begin = slot_start_unix_s(self.slot)
        for home in self.homes.values():
            await home.take_up(self.slot)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self.desk.run())]
        tasks += [loop.create_task(home.live(begin + seconds)) for home in self.homes.values()]
        await asyncio.sleep(0)
        for second in range(0, seconds, EVERY_S):
            story(second)
            await self.clock.grant(begin + second)
            self.by_minute.append((second, self.sum_w()))
        await self.clock.grant(begin + seconds)
        if and_then:
            for home in self.homes.values():
                await home.take_up(self.slot + 1)
            tasks += [loop.create_task(home.live(begin + seconds + and_then)) for home in self.homes.values()]
            await asyncio.sleep(0)
            await self.clock.grant(begin + seconds + and_then)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for failed in tasks[1:]:
            failed.result()
