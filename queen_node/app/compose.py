"""Builds the Queen from her settings and runs her tasks until one ends or she is told to stop."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

from drivers.clock import Clock
from drivers.linux.broker import BrokerAddress, BrokerSession
from drivers.linux.clock import SystemClock
from drivers.sim.granted import GrantedClock
from honey_edge.model.slots import slot_end_unix_s
from honey_edge.wire.signing import Signer
from honey_edge.wire.topics import queen_subscriptions
from honey_edge.wire.typed_data import struct_hash
from queen_node import connection, downlink
from queen_node.app.accounts_view import ChainWork, build_chain_work
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.fair_play import build_fair_play
from queen_node.app.feeder import build_feeder, told_by
from queen_node.app.mother import Motherhood, motherhood
from queen_node.app.presence import Presence
from queen_node.app.realtime import real_time_desk
from queen_node.app.timetable import Connection, Timetable
from queen_node.channels.keeper import ChannelRules, Channels
from queen_node.closing.decide import Rules
from queen_node.closing.runner import Closer
from queen_node.coordinator.certify import certificate_message
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.coordinator.guided import GuidedCoordinator
from queen_node.coordinator.masked_desk import MaskDesk, MaskRules
from queen_node.ingest.checks import StepLimit
from queen_node.ingest.receiver import Ingest, IngestRules
from queen_node.mother.booking import due as mother_due
from queen_node.settings import Loaded, QueenSettings, queen_signer
from queen_node.store import Store, books, islands, periods, readings
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
VERSION = "0.1.0"
_GREETING_WALL_S = 60.0


class Queen:
    """One Hive's gateway: everything wired, nothing running yet."""

    def __init__(self, loaded: Loaded, clock: Clock, store: Store, signer: Signer) -> None:
        settings, terms = loaded.settings, loaded.terms
        hive, domain = settings.hive.hive, loaded.domain
        now = clock.now_unix_s
        self._loaded, self._clock, self._store = loaded, clock, store
        self.presence, self.refusals, self.connection = Presence(), Refusals(), Connection()
        self.session = self._session(hive)
        self.downlink = downlink.Downlink(self.session.publish, hive, domain, signer)
        step = StepLimit(terms.max_power_w, settings.limits.step_margin_milliwh)
        self.ingest = Ingest(store, IngestRules(domain, step), self.refusals, now, self.downlink.receipts)
        self.channels = Channels(store, ChannelRules(hive, domain, signer), self.refusals, now)
        times = settings.times
        grid = settings.grid
        rules = RoundRules(
            hive,
            domain,
            loaded.tariff,
            2 * terms.max_power_w,
            times.answer_within_s,
            times.most_iterations,
            import_w=grid.import_w,
            export_w=grid.export_w,
            peak_micro_per_kw=grid.peak_micro_per_kw or loaded.tariff.daily_peak_micro_per_kw,
        )
        down = self.downlink
        masks = self._mask_desk() if settings.masks.on else None
        if masks is not None:
            rules = replace(rules, collector=masks.collector)
        self.feeder = build_feeder(loaded, clock, store, self.refusals, down, self._highest_mv)
        rules = self.feeder.ruled(rules, terms.island_ceiling)
        self.meter = connection.GrantedMeter(store) if settings.meter.kind == "granted" else None
        metered = connection.slot_energy if self.meter else connection.no_meter
        self.fair_play = build_fair_play(loaded, clock, store, signer, self.refusals, down, metered)
        rules = replace(rules, collector=self.fair_play.watching(rules.collector))
        conductor = Coordinator if settings.mother is None else GuidedCoordinator
        self.coordinator = conductor(
            clock,
            store,
            rules,
            self.refusals,
            told_by(self.feeder.desk, down),
            self.fair_play.admitted(self.presence.online),
            down.certificate,
        )
        self.minutes = real_time_desk(loaded, clock, store, signer, self.refusals, down)
        takers = Takers(
            self.ingest,
            self.channels,
            self.coordinator,
            self.presence,
            self.refusals,
            masks,
            self.minutes,
            self.feeder.intake,
            self.fair_play,
        )
        self.dispatcher = Dispatcher(hive, takers, settings.limits, now, self.downlink.statements)
        self.dispatcher.enrol([worker.address for worker in loaded.workers])
        self.mother: Motherhood | None = None
        if isinstance(self.coordinator, GuidedCoordinator):
            self.mother = motherhood(loaded, clock, store, self.coordinator, self.refusals)
        closing_rules = Rules(terms, struct_hash(terms), loaded.tariff)
        self.timetable = Timetable(
            clock,
            settings.times,
            Closer(
                store,
                closing_rules,
                domain,
                signer,
                metered,
                islands.island_throughout,
                settings.fairplay.suspension,
                mother_due,
            ),
            self.channels,
            self.mother.rounds if self.mother is not None else self.coordinator,
            self.downlink,
            self.session.connected,
            self.connection,
            self.presence.online,
            self.fair_play,
        )

    def _highest_mv(self) -> int | None:
        """The highest phase voltage of the connection point's meter (millivolts), as far as it says one."""
        return self.meter.highest_mv if self.meter is not None else None

    def _mask_desk(self) -> MaskDesk:
        settings, loaded = self._loaded.settings, self._loaded
        rules = MaskRules(
            settings.hive.hive, loaded.domain, settings.times.answer_within_s, settings.masks.largest_group
        )
        enrolled = [worker.address for worker in loaded.workers]
        return MaskDesk(self._clock, rules, self.refusals, self.downlink.masks, lambda: enrolled)

    def _session(self, hive: int) -> BrokerSession:
        broker = self._loaded.settings.broker
        address = BrokerAddress(
            broker.host,
            broker.port,
            broker.client_id,
            self._loaded.path(broker.ca_file),
            self._loaded.path(broker.certificate_file),
            self._loaded.path(broker.key_file),
        )
        will = downlink.status(hive, online=False, version=VERSION, at_unix_s=int(self._clock.now_unix_s()))
        subscriptions = [(name, 1) for name in queen_subscriptions(hive)]
        return BrokerSession(address, subscriptions, will, self._on_message, self._on_connected)

    async def _on_message(self, topic: str, payload: bytes) -> None:
        await self.dispatcher.on_message(topic, payload)

    async def _on_connected(self) -> None:
        """Says again all that is retained, her own status last: it makes the Workers resend."""
        self.connection.down()
        hive, now = self._loaded.settings.hive.hive, self._clock.now_unix_s()
        await self.downlink.receipts(self.ingest.newest)
        with self._store.begin() as tx:
            last, certified = books.last_closed(tx), books.last_certified(tx)
            settled = periods.newest_periods(tx)
        if last is not None:
            await self.downlink.slot_totals(last.message)
        for period in settled:
            await self.downlink.period(period)
        if certified is not None:
            await self.downlink.certificate(certificate_message(hive, certified))
        await self.fair_play.again()
        await self.downlink.statements(self.channels.issue_due())
        await self.downlink.statements(self.channels.newest())
        online = downlink.status(hive, online=True, version=VERSION, at_unix_s=int(now))
        if await self.downlink.send(online):
            self.connection.up(now)

    async def farewell(self) -> None:
        """Tells the Workers that she leaves on purpose."""
        hive, now = self._loaded.settings.hive.hive, int(self._clock.now_unix_s())
        await self.downlink.send(downlink.status(hive, online=False, version=VERSION, at_unix_s=now))

    def report(self) -> Mapping[str, Any]:
        """What a granted instant is answered with."""
        with self._store.begin() as tx:
            return {
                "closed_slots": books.closed_counted(tx),
                "rounds": books.broadcasts_counted(tx),
                "unsigned": books.unanswered_counted(tx),
            }

    def on_grant(self, order: Mapping[str, Any]) -> None:
        """Takes what comes with granted time."""
        if self.meter is not None:
            self.meter.on_grant(order)


async def run(loaded: Loaded) -> None:
    """Runs the Queen until SIGTERM or SIGINT; a task that ends otherwise ends her."""
    settings = loaded.settings
    store = Store(loaded.store_url())
    try:
        granted = GrantedClock(_start_unix_s(settings, store)) if settings.clock.kind == "granted" else None
        clock: Clock = granted or SystemClock()
        work = build_chain_work(loaded, store, clock)
        await work.view.refresh()
        queen = Queen(loaded, clock, store, queen_signer(loaded))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        _LOG.info("queen_starts hive=%d workers=%d version=%s", settings.hive.hive, len(loaded.workers), VERSION)
        await _tasks(queen, clock, granted, work, stop, settings.clock.grant_socket)
        _LOG.info("queen_stopped hive=%d", settings.hive.hive)
    finally:
        store.close()


def _start_unix_s(settings: QueenSettings, store: Store) -> float:
    """Where granted time starts: never before what was already stored, so that a restart does not live it again."""
    with store.begin() as tx:
        stored = [row.reading.slot for row in readings.newest_readings(tx).values()]
    return max([settings.clock.start_unix_s, *(slot_end_unix_s(slot) for slot in stored)])


async def _tasks(
    queen: Queen,
    clock: Clock,
    granted: GrantedClock | None,
    work: ChainWork,
    stop: asyncio.Event,
    grant_socket: str,
) -> None:
    """The task group; `stop` ends it."""
    async with asyncio.TaskGroup() as group:
        start_up = contextlib.ExitStack()
        start_up.enter_context(clock.hold("start-up"))
        tasks = [
            group.create_task(queen.session.run(), name="broker"),
            group.create_task(queen.ingest.run(), name="ingest"),
            group.create_task(queen.timetable.close_slots(), name="closing"),
            group.create_task(queen.timetable.coordinate(), name="coordination"),
            group.create_task(work.view.run(), name="accounts"),
        ]
        if queen.minutes is not None:
            tasks.append(group.create_task(queen.minutes.run(), name="minutes"))
        if work.settlement is not None:
            tasks.append(group.create_task(work.settlement.run(), name="settlement"))
        tasks += [group.create_task(_lasting(work), name=name) for name, work in queen.feeder.tasks()]
        if queen.mother is not None:
            tasks.append(group.create_task(queen.mother.session.run(), name="mother-broker"))
            tasks.append(group.create_task(queen.mother.answering.run(), name="mother-rounds"))
        if granted is not None:
            serving = granted.serve("queen", grant_socket, queen.report, queen.on_grant)
            tasks.append(group.create_task(_until_closed(serving, stop), name="granted-time"))
        tasks.append(group.create_task(_release(queen, start_up), name="start-up"))
        await stop.wait()
        work.stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await queen.farewell()
        for task in tasks:
            task.cancel()


async def _lasting(work: Awaitable[None]) -> None:
    await work


async def _until_closed(serving: Any, stop: asyncio.Event) -> None:
    """Granted time ends the daemon when its source closes."""
    await serving
    stop.set()


async def _release(queen: Queen, start_up: contextlib.ExitStack) -> None:
    """Lets granted time move once the Queen has been heard, or after a wall-clock limit without a broker."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GREETING_WALL_S):
            await queen.connection.connected.wait()
    start_up.close()
