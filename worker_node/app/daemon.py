"""The running daemon: wires the parts by callables, runs named tasks in one group, ends in order on SIGTERM.

Every task's end is the end of the process; what must not be lost is in the journal or the checkpoint at any moment.
"""

import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from drivers.errors import DriverError
from drivers.linux.broker import BrokerAddress, BrokerSession, Outgoing
from drivers.linux.clock import block_until
from honey_edge.wire.messages import DeclareMessage, Message, RoundMessage
from honey_edge.wire.topics import APPEAL, GRID, TopicKind, worker_subscriptions
from worker_node.account import Account
from worker_node.agent.service import SAFE_RULE, Agent, AgentTools
from worker_node.app import checks as named
from worker_node.app import presenter
from worker_node.app.checks import Checks
from worker_node.app.hardware import HomeHardware, open_hardware
from worker_node.app.live import LiveServer, live_document
from worker_node.app.notify import ServiceManager
from worker_node.app.parts import (
    JOURNAL_FILE,
    Identity,
    configuration_of,
    first_state,
    home_assets,
    home_fair_play,
    home_masks,
    make_clock,
    open_checkpoint,
    read_identity,
    software_version,
)
from worker_node.app.realtime import real_time
from worker_node.journal import HomeRecord, Journal, JournalThread, SignedReading
from worker_node.metering.accumulator import Totals
from worker_node.metering.meter import BatteryLook, MeterThread, Taken
from worker_node.metering.service import Metering, MeteringEvents, MeteringOptions, Punctual
from worker_node.metering.voltage_mean import VoltageMean
from worker_node.settings import WebSection, WorkerSettings
from worker_node.settings_loads import SIM
from worker_node.state import Board, State
from worker_node.uplink import Inbox, Peer, Publication, Uplink

if TYPE_CHECKING:
    from worker_node.app.loads import HomeLoads
    from worker_node.app.serving import Serving
    from worker_node.chain_eye.watch import ChainWatch

_LOG = logging.getLogger(__name__)
LEAD_S = 0.2
"""How long before a sample the meter thread is woken: longer than the page keeps the event loop."""
_START_LIMIT_S = 2.0
_WATCH_EVERY_S = 0.25
_FAREWELL_LIMIT_S = 0.4


class TaskEnded(RuntimeError):
    """A task that lasts as long as the daemon has ended."""


class _Stopped(Exception):
    """The end was asked for; ends the task group."""


class Daemon:
    """One Worker, built from settings; `run` lasts until `stop`."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Opens everything but connections. Raises HiveError or DriverError naming file or device."""
        self._settings = settings
        self._who = who = read_identity(settings)
        checkpoint = open_checkpoint(settings)
        found = checkpoint.find()
        self._clock = make_clock(settings, found.record.at_unix_s if found else 0)
        self._journal = JournalThread(settings.path(settings.worker.state_dir) / JOURNAL_FILE, who.signer.address)
        self._hardware: HomeHardware = open_hardware(settings, self._clock.now_unix_s, found, who.address)
        assets = home_assets(settings)
        if self._hardware.battery is None:
            assets = replace(assets, battery=None)
        self._battery = assets.battery
        self.board = Board(first_state(settings, who, self._clock))
        self._checks = Checks()
        self._note_battery(self._clock.now_unix_s())
        self._serving = self._make_serving()
        self._voltage = VoltageMean(who.address) if settings.grid.publish_voltage else None
        self._manager = ServiceManager()
        self._stop = asyncio.Event()
        self._page_url = ""
        self._totals = Totals()
        self._last: SignedReading | None = None
        self._meter = MeterThread(
            self._hardware, checkpoint, settings.meter.cross_check_permille, self._journal.run(_floor)
        )
        self._loads = self._make_loads()
        self._metering = self._make_metering()
        self._journal.run(partial(_keep_home, settings, who))
        self._watch = self._make_watch()
        self._account = Account(
            who.agreement,
            who.signer,
            self._journal,
            self._clock.now_unix_s,
            settings.worker.opening_slot,
            self._watch,
            declares=settings.rounds.answer,
        )
        masks = home_masks(settings, who, self._clock) if assets.movable and settings.rounds.answer else None
        tools = AgentTools(who.signer, who.agreement.domain, who.tariff, self._journal, self._set_power_w, masks=masks)
        if self._loads is not None:
            tools = replace(tools, others=self._loads, limit_w=self._loads.limit_w)
        self._agent = Agent(tools, assets)
        if self._loads is not None:
            self._loads.limit_changed = lambda: self._carefully(self._agent.limit_changed())
        peer = Peer(
            settings.worker.hive, who.address, settings.worker.queen_address, who.agreement.domain, software_version()
        )
        self._fair_play = home_fair_play(settings, who, self._journal, self._clock)
        self._minutes = real_time(settings, who, self._clock, self._journal, self._agent, self._post)
        order = self._minutes.order if self._minutes is not None else None
        inbox = Inbox(
            self._statement,
            self._account.newest_answer,
            self._round,
            self._link_changed,
            masks,
            order,
            self._fair_play,
        )
        self._uplink = Uplink(peer, self._clock, self._journal, self, inbox)
        self._session = self._make_session()

    def _make_metering(self) -> Metering:
        meter = self._settings.meter
        options = MeteringOptions(
            meter.sample_every_s, meter.full_every, meter.close_within_s, configuration_of(self._settings, self._who)
        )
        if self._loads is not None:
            options = replace(options, beside_milliwh=self._loads.moved_milliwh)
        if self._settings.clock.kind == "system":
            options = replace(options, punctual=Punctual(LEAD_S, partial(block_until, longest_s=LEAD_S)))
        events = MeteringEvents(
            self._sampled, self._slot_ended, self._read_signed, self._meter_silent, self._manager.alive
        )
        who = self._who
        return Metering(self._clock, self._meter, self._journal, who.signer, who.agreement.domain, options, events)

    def _make_serving(self) -> "Serving | None":
        if self._settings.serve is None:
            return None
        from worker_node.app.serving import Serving

        return Serving(self._settings.serve, self.board.read().home, self._serve_trouble)

    def _make_loads(self) -> "HomeLoads | None":
        own = self._settings
        real = [one.kind for one in (own.thermal, own.ev, own.shed) if one is not None and one.kind != SIM]
        if not real and own.limit_contact is None:
            return None
        from worker_node.app.loads import open_loads

        return open_loads(own, self._clock)

    def _make_watch(self) -> "ChainWatch | None":
        if self._settings.chain is None:
            return None
        from worker_node.app.chain import ChainTools, build_watch

        who = self._who
        tools = ChainTools(self._clock, self._journal, who.signer.address, who.agreement, self._chain_seen)
        return build_watch(self._settings.chain, tools)

    def _make_session(self) -> BrokerSession:
        own, path = self._settings.broker, self._settings.path
        address = BrokerAddress(
            own.host,
            own.port,
            f"worker-{self._who.address}",
            path(own.ca_file),
            path(own.certificate_file),
            path(own.key_file),
        )
        subscriptions = [(topic, 0) for topic in worker_subscriptions(self._settings.worker.hive, self._who.address)]
        will = _outgoing(self._uplink.will())
        return BrokerSession(address, subscriptions, will, self._uplink.received, self._uplink.connected)

    # -- joints: what one part tells another

    async def publish(self, out: Publication) -> None:
        """Hands a publication of the uplink to the broker. Raises BrokerAway."""
        await self._session.publish(_outgoing(out))

    def _post(self, kind: TopicKind, message: Message) -> None:
        self._uplink.post(kind, message)

    async def _statement(self, payload: bytes) -> bytes | None:
        outcome = await self._account.answer(payload)
        await self._refresh()
        return outcome.payload

    async def _round(self, message: RoundMessage) -> DeclareMessage | None:
        if not self._settings.rounds.answer:
            return None
        if self._fair_play.suspended:
            return None
        answer = await self._agent.answer(message)
        self._show(lambda state: replace(state, plan=presenter.plan_of(self._agent.view())))
        return answer

    async def _set_power_w(self, power_w: int) -> None:
        now = self._clock.now_unix_s()
        await self._metering.in_thread(partial(self._meter.set_battery_w, now, power_w))

    async def _sampled(self, taken: Taken) -> None:
        self._totals = taken.totals
        self._checks.sample(taken)
        self._checks.note(named.CLOCK, self._clock.trusted(), "the system's clock is not disciplined", taken.at_unix_s)
        self._note_battery(taken.at_unix_s)
        if self._serving is not None:
            self._serving.sample(taken.sample, taken.totals)
        if self._voltage is not None:
            self._voltage.add(taken.at_unix_s, taken.sample)
        await self._follow(taken)
        if self._minutes is not None:
            power = taken.sample.power_w
            await self._carefully(self._minutes.sampled(taken.at_unix_s, power[0] if power else None))
        pv_w = self._settings.pv.peak_w
        self._show(
            lambda state: replace(
                state,
                live=presenter.live_of(taken, state.live, self._battery, pv_w),
                today=presenter.running(state.today, taken.totals, self._last),
            )
        )

    async def _follow(self, taken: Taken) -> None:
        """What the battery does between two slots: a real one hears again what holds, a simulated one the safe rule."""
        look, power, kept = taken.battery, taken.sample.power_w, self._hardware.kept
        if kept is not None:
            view = self._agent.view()
            kept.keep(None if view.source == SAFE_RULE else view.set_point_w)
        elif look is not None and power is not None:
            await self._carefully(self._agent.follow(power[0], look.power_w, look.stored_milliwh))

    def _note_battery(self, at_unix_s: float) -> None:
        """A battery of the settings that is not used, or not reached now, is a check that fails."""
        why = self._battery_trouble()
        if self._hardware.kept is not None or why:
            self._checks.note(named.BATTERY, not why, why, at_unix_s)

    def _battery_trouble(self) -> str:
        kept = self._hardware.kept
        return self._hardware.no_battery if kept is None else kept.trouble()

    def _serve_trouble(self, why: str) -> None:
        self._checks.note(named.SERVE, not why, why, self._clock.now_unix_s())

    async def _slot_ended(self, slot: int, look: BatteryLook | None) -> None:
        told = self._voltage.close(slot) if self._voltage is not None else None
        if told is not None:
            self._post(GRID, told)
        await self._carefully(self._agent.start_slot(slot + 1, look.stored_milliwh if look else None))
        if self._minutes is not None:
            await self._minutes.start_slot(slot + 1)
        appeal = await self._fair_play.appeal()
        if appeal is not None:
            self._post(APPEAL, appeal)

    async def _carefully(self, work: Awaitable[None]) -> None:
        """A battery that does not obey must not stop the metering."""
        try:
            await work
        except DriverError as error:
            _LOG.warning("battery_unreached code=%s reason=%r", error.code, str(error))

    async def _read_signed(self, signed: SignedReading) -> None:
        await self._uplink.offer(signed)
        await self._refresh()

    def _meter_silent(self, since_unix_s: float | None, reason: str) -> None:
        self._checks.note(named.METER, since_unix_s is None, reason, self._clock.now_unix_s())
        self._show(lambda state: replace(state, meter_silent_since_unix_s=since_unix_s))

    async def _link_changed(self) -> None:
        told = self._fair_play.view
        if told.told:
            self._checks.note(named.FAIR_PLAY, not told.sentence(), told.sentence(), self._clock.now_unix_s())
        self._show(lambda state: state)

    async def _refresh(self) -> None:
        """Reads again what the journal says about slots and account."""
        tariff = self._who.tariff
        known = await self._journal.call(lambda journal: presenter.read_rows(journal, tariff))
        account = presenter.account_of(await self._account.view())
        await self._chain_seen()
        self._last = known.last
        today = presenter.today_of(known.rows, self._clock.now_unix_s(), known.charges)
        self._show(
            lambda state: replace(
                state,
                slots=known.rows,
                readings_signed=known.readings_signed,
                account=account,
                today=presenter.running(today, self._totals, known.last),
            )
        )

    async def _chain_seen(self) -> None:
        """Shows what the newest look at the chain means."""
        if self._watch is None:
            return
        from worker_node.app.chain import chain_of

        seen = chain_of(await self._watch.seen())
        self._show(lambda state: replace(state, chain=seen))

    def _show(self, change: Callable[[State], State]) -> None:
        self.board.update(
            lambda state: replace(
                change(state),
                now_unix_s=self._clock.now_unix_s(),
                clock_trusted=self._clock.trusted(),
                link=presenter.link_of(self._uplink.status),
                plan=presenter.plan_of(self._agent.view()),
                checks=self._checks.now(),
            )
        )

    # -- running

    def stop(self) -> None:
        """Asks the daemon to end."""
        self._stop.set()

    async def run(self) -> None:
        """Runs until `stop` or until a task ends. Raises TaskEnded or what a task raised."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._end_when_asked(), name="stop")
                with self._clock.hold("start-up"):
                    await self._start(group)
        except* _Stopped:
            _LOG.info("worker_stopping")
        finally:
            self._manager.stopping()
            await self._metering.finish()
            if self._loads is not None:
                self._loads.close()
            self._hardware.close()
            self._journal.close()
            _LOG.info("worker_stopped address=%s", self._who.address)

    async def _end_when_asked(self) -> None:
        await self._stop.wait()
        try:
            async with asyncio.timeout(_FAREWELL_LIMIT_S):
                await self._uplink.farewell()
        except TimeoutError:
            _LOG.info("farewell_unsent")
        raise _Stopped

    async def _start(self, group: asyncio.TaskGroup) -> None:
        """Starts all tasks; returns when time may run."""
        await self._seed_history()
        await self._uplink.load()
        await self._agent.load()
        await self._fair_play.load()
        await self._metering.recover()
        await self._refresh()
        self._task(group, "metering", self._metering.run())
        await self._metering.running.wait()
        self._task(group, "broker", self._session.run())
        self._task(group, "broker-watch", self._watch_broker())
        self._task(group, "resending", self._uplink.run_resending())
        if self._watch is not None:
            self._task(group, "chain", self._watch.run())
        if self._loads is not None:
            self._task(group, "loads", self._loads.run())
        self._task(group, "live", LiveServer(self._settings, self._live).run())
        if self._serving is not None:
            self._task(group, "serve", self._serving.run())
        if self._settings.web is not None:
            await self._start_page(group, self._settings.web)
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await self._session.connected.wait()
        except TimeoutError:
            _LOG.warning("started_without_broker")
        if self._settings.clock.kind == "granted":
            self._task(group, "granted-time", self._granted_time())
        self._manager.ready()
        _LOG.info("worker_started address=%s serial=%s", self._who.address, self._settings.worker.serial)

    async def _start_page(self, group: asyncio.TaskGroup, section: WebSection) -> None:
        from worker_node.app.page import PageServer

        page = PageServer(section, self.board)
        self._task(group, "page", page.run())
        await page.started()
        self._page_url = page.url

    def _task(self, group: asyncio.TaskGroup, name: str, work: Awaitable[None]) -> None:
        async def lasting() -> None:
            await work
            if not self._stop.is_set():
                raise TaskEnded(f"the task {name} has ended")

        group.create_task(lasting(), name=name)

    async def _watch_broker(self) -> None:
        """Notices that the broker is gone; the session itself only tells when it is back."""
        while True:
            await self._session.connected.wait()
            while self._session.connected.is_set():
                await asyncio.sleep(_WATCH_EVERY_S)
            await self._uplink.disconnected()

    async def _granted_time(self) -> None:
        from drivers.sim.granted import GrantedClock

        assert isinstance(self._clock, GrantedClock)
        socket = str(self._settings.path(self._settings.clock.grant_socket))
        await self._clock.serve(f"worker {self._who.address}", socket, self.report, lambda order: None)
        self.stop()

    def _live(self) -> dict[str, Any]:
        return live_document(self.board.read(), self._battery_trouble(), self._hardware.kept is not None)

    def report(self) -> Mapping[str, Any]:
        """What is told with every granted instant: own counters, the simulated truth, failed checks."""
        truth = asdict(self._hardware.truth()) if self._hardware.truth else {}
        state = self.board.read()
        return {
            "import_milliwh": self._totals.import_milliwh,
            "export_milliwh": self._totals.export_milliwh,
            **truth,
            "pending": self._uplink.status.unreceipted,
            "readings": state.readings_signed,
            "both_signed": state.account.statements_both_signed,
            "soc_permille": state.live.soc_permille if state.live else None,
            "page": self._page_url,
            "checks": [{"name": one.name, "detail": one.detail} for one in self._checks.failed()],
        }

    async def _seed_history(self) -> None:
        """Reads the history file into the journal, marked unsigned; own slots are never replaced."""
        name = self._settings.history.file
        if not name:
            return
        rows = await asyncio.to_thread(read_history, self._settings, name)
        await self._journal.call(lambda journal: journal.seed_history(rows))


def read_history(settings: WorkerSettings, name: str) -> list[tuple[int, int]]:
    """(slot, load less sun in mWh) of a history file. Raises StartError."""
    from worker_node.app.parts import StartError

    file = settings.path(name)
    try:
        document = json.loads(file.read_bytes())
        first, load, sun = int(document["first_slot"]), document["load_milliwh"], document["pv_milliwh"]
        return [(first + k, int(a) - int(b)) for k, (a, b) in enumerate(zip(load, sun, strict=True))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartError(f"{file}: not a history file: {error!r}", next_step="write it anew or leave it out") from error


def _keep_home(settings: WorkerSettings, who: Identity, journal: Journal) -> None:
    """Keeps in the journal what a close needs, so that a copy of it works on any machine."""
    own, domain = settings.worker, who.agreement.domain
    terms, tariff = (settings.path(name).read_bytes() for name in (own.terms_file, own.tariff_file))
    address, queen = who.signer.address, who.agreement.queen
    journal.put_home(HomeRecord(own.hive, address, domain.chain_id, domain.contract, queen, terms, tariff))


def _floor(journal: Journal) -> Totals | None:
    last = journal.last_reading()
    return Totals(last.reading.imported * 10**6, last.reading.exported * 10**6) if last else None


def _outgoing(out: Publication) -> Outgoing:
    return Outgoing(out.topic, out.payload, out.qos, out.retained)
