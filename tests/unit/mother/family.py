"""A mother's Hive and a daughter's in one process: real Coordinators, real Worker agents, no broker.

Broadcasts go straight into the agents and their answers straight back. Time stands still; a wait lasts until its event
or, where nobody can answer any more, until the world says so.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from honey_edge.billing.tariff import Tariff
from honey_edge.market.homes.asset_schedule import Powers, private_cost
from honey_edge.market.homes.assets import NO_LIMITS, Home
from honey_edge.market.homes.assets import Tariff as MarketTariff
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import CertificateMessage, DeclareMessage, RoundMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import Domain
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.coordinator.guided import GuidedCoordinator
from queen_node.mother.answering import MotherRounds, MotherRules
from queen_node.store import Store
from queen_node.store.refusals import Refusals
from worker_node.agent import homes as agent_homes
from worker_node.agent.battery import BatteryModel
from worker_node.agent.service import Agent, AgentTools
from worker_node.journal import JournalThread, StoredPlan

SLOT = 1_975_680
SLOTS, DT_H = 96, 0.25
DOMAIN = Domain(31337, bytes.fromhex("d0" * 20))
TARIFF = Tariff("CHF", (300_000,) * 96, (80_000,) * 96, (), 50_000_000)
WALL_S = 20.0


class StandingClock:
    """Time that stands still while somebody may still answer; `late` lets the running waits end."""

    def __init__(self) -> None:
        self.now = SLOT * 900 + 40.0
        self._late = asyncio.Event()

    def now_unix_s(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return True

    async def sleep_until(self, at_unix_s: float) -> None:
        self.now = max(self.now, at_unix_s)

    async def wait_for(self, event: asyncio.Event, until_unix_s: float) -> bool:
        if until_unix_s <= self.now:
            return event.is_set()
        waits = [asyncio.ensure_future(one.wait()) for one in (event, self._late)]
        async with asyncio.timeout(WALL_S):
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        if not event.is_set():
            self.now = max(self.now, until_unix_s)
        return event.is_set()

    def late(self) -> None:
        """Lets every wait that is running end without its event."""
        self._late.set()
        self._late = asyncio.Event()

    def hold(self, why: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


@dataclass
class AgentHome:
    """One home: a Worker's agent over its journal."""

    signer: KeySigner
    agent: Agent
    journal: JournalThread
    stored_milliwh: int

    @property
    def name(self) -> str:
        return self.signer.address.hex()

    async def begin(self, slot: int = SLOT) -> None:
        await self.agent.load()
        await self.agent.start_slot(slot, self.stored_milliwh)

    async def home(self, first_slot: int = SLOT + 1) -> Home:
        """The home as its agent sees it, for the judge."""
        base_kw = await self.agent._desk.forecast(first_slot, SLOTS)
        assert base_kw is not None
        return agent_homes.home_of(self.agent._assets, base_kw, await self.agent._at_end(), first_slot)

    @property
    def plan(self) -> StoredPlan:
        plan = self.agent.view().plan
        assert plan is not None
        return plan


def agent_home(folder: Path, seed: int, *, battery: bool = True, slot: int = SLOT) -> AgentHome:
    """A home with seeded load and sun, with or without a battery."""
    signer, chance = KeySigner(keccak(b"home %d" % seed)), np.random.default_rng(seed)
    journal = JournalThread(folder / f"home-{seed}.sqlite", signer.address)
    hours = np.arange(SLOTS) / 4.0
    load = 0.3 + 0.5 * np.exp(-((hours - 19.0) ** 2) / 6.0) + 0.2 * chance.random(SLOTS)
    sun = (seed % 3) * 1.4 * np.maximum(0.0, np.cos((hours - 12.5) / 12.0 * np.pi))
    rows = [(slot - SLOTS + k, round(250_000 * (load[k] - sun[k]))) for k in range(SLOTS)]
    journal.run(lambda one: one.seed_history(rows))

    async def told(power_w: int) -> None:
        return None

    model = BatteryModel(6_400_000, 0, 6_400_000, 3_200_000, 3_000, 3_000, 950, 950, 10_000) if battery else None
    agent = Agent(AgentTools(signer, DOMAIN, TARIFF, journal, told), model)
    return AgentHome(signer, agent, journal, 3_200_000)


class HiveOfAgents:
    """A Queen's coordinator and her agents; `more` also hears her broadcasts."""

    def __init__(
        self, hive: int, homes: list[AgentHome], clock: StandingClock, kind: type[Coordinator] = Coordinator, **rules
    ) -> None:
        self.homes, self.clock, self.sent = {one.name: one for one in homes}, clock, list[RoundMessage]()
        self.store, self.refusals = Store("sqlite://"), Refusals()
        self.members = set(self.homes)
        self.more: Callable[[RoundMessage], None] | None = None
        self.certificates, self.declared = list[CertificateMessage](), dict[str, DeclareMessage]()
        self._answering = set[asyncio.Task[None]]()
        self.coordinator = kind(
            clock,
            self.store,
            RoundRules(hive, DOMAIN, TARIFF, 80_000, 2.0, **rules),
            self.refusals,
            self.broadcast,
            lambda: set(self.members),
            self.certified,
        )

    async def certified(self, message: CertificateMessage) -> None:
        self.certificates.append(message)

    async def broadcast(self, message: RoundMessage) -> None:
        """Tells every agent; each answers in a task of its own."""
        self.sent.append(message)
        for home in self.homes.values():
            task = asyncio.create_task(self._answer(home, message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        if self.more is not None:
            self.more(message)

    async def _answer(self, home: AgentHome, message: RoundMessage) -> None:
        told = await home.agent.answer(decode(RoundMessage, encode(message)))
        if told is not None:
            self.hear(told)

    def hear(self, told: DeclareMessage) -> None:
        if told.profile:
            self.declared[told.worker] = told
        self.coordinator.receive(told.worker, encode(told))

    async def settle(self) -> None:
        """Waits for the answers that nobody awaits, such as late Declarations."""
        while self._answering:
            await asyncio.gather(*self._answering)


class Family:
    """A mother with homes of her own, and a daughter's whole Hive as one more member."""

    def __init__(self, own: list[AgentHome], hers: list[AgentHome], **rules) -> None:
        self.clock = StandingClock()
        self.mother = HiveOfAgents(1, own, self.clock)
        self.daughter = HiveOfAgents(2, hers, self.clock, GuidedCoordinator, **rules)
        self.key = KeySigner(keccak(b"connection point"))
        self.refused: list[tuple[str, str]] = []
        self.mother.members.add(self.name)
        assert isinstance(self.daughter.coordinator, GuidedCoordinator)
        self.rounds = MotherRounds(
            self.clock, MotherRules(1, DOMAIN, self.key, 0.2), self.daughter.coordinator, self.declare, self.refuse
        )
        self.answers: list[DeclareMessage] = []
        self.mother.more = lambda message: self.rounds.receive(encode(message))

    @property
    def name(self) -> str:
        return self.key.address.hex()

    async def declare(self, answer: DeclareMessage) -> None:
        self.answers.append(answer)
        self.mother.hear(answer)

    def refuse(self, reason: str, detail: str, payload: bytes) -> None:
        self.refused.append((reason, detail))

    async def begin(self) -> None:
        for home in (*self.mother.homes.values(), *self.daughter.homes.values()):
            await home.begin()

    async def judged(self) -> "Judged":
        """What everybody's adopted plans cost together, against the central optimum of all homes (Clarabel)."""
        everybody = [*self.mother.homes.values(), *self.daughter.homes.values()]
        homes = [await one.home() for one in everybody]
        own = sum(_own_cost(home, one.plan) for home, one in zip(homes, everybody, strict=True))
        total_kw = np.sum([np.array(one.plan.net_w) / 1000.0 for one in everybody], axis=0)
        tariff = market_tariff()
        best = CentralSchedule(homes, tariff, NO_LIMITS, DT_H).solve().objective
        alone = sum(CentralSchedule([home], tariff, NO_LIMITS, DT_H).solve().objective for home in homes)
        return Judged(own + tariff.cost(total_kw, DT_H), best, alone)


@dataclass(frozen=True)
class Judged:
    reached: float
    best: float
    alone: float

    @property
    def share_lost(self) -> float:
        """Distance to the optimum as a share of what coordination gains."""
        return (self.reached - self.best) / (self.alone - self.best)


def market_tariff() -> MarketTariff:
    return MarketTariff(np.array(TARIFF.buy) / 1e6, np.array(TARIFF.sell) / 1e6)


def _own_cost(home: Home, plan: StoredPlan) -> float:
    battery = np.array(plan.battery_w) / 1000.0
    zero = np.zeros(SLOTS)
    return private_cost(home, Powers(np.maximum(battery, 0.0), np.maximum(-battery, 0.0), zero, zero), DT_H)
