"""The metering task: samples at whole multiples of the period, closes slots, signs readings (architecture 6, 1-5).

The sample at a slot's end closes it. A slot end that was missed is not invented: the next reading spans it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from drivers.clock import Clock
from drivers.errors import DriverError
from drivers.sample import FLAG_GAP
from honey_edge.model.slots import SLOT_S
from honey_edge.model.units import NANOWH_PER_MILLIWH
from honey_edge.wire.signing import Signer
from honey_edge.wire.structs import Reading
from honey_edge.wire.typed_data import Domain, digest_of_hash, struct_hash
from worker_node.journal import Journal, JournalThread, SignedReading, SlotState
from worker_node.metering.checkpoint import Boundary
from worker_node.metering.exchange import ExchangeWatch
from worker_node.metering.meter import BatteryLook, MeterThread, Taken

_LOG = logging.getLogger(__name__)
FLAG_CLOCK_UNTRUSTED = 1 << 3
_LONGEST_PAUSE_S = 30

T = TypeVar("T")


def _nothing_moved(slot: int) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Punctual:
    """How the meter thread is on time although the event loop may be busy: it is woken `lead_s` before the instant and
    waits for it itself by `wait_until` (blocking, Unix seconds). Not for a granted clock."""

    lead_s: float
    wait_until: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class MeteringOptions:
    """Periods in seconds, what a Reading carries as `configuration`, what loads moved in a slot (mWh) by plan."""

    sample_every_s: int
    full_every: int
    close_within_s: int
    configuration: bytes
    beside_milliwh: Callable[[int], int] = _nothing_moved
    punctual: "Punctual | None" = None


@dataclass(frozen=True, slots=True)
class MeteringEvents:
    """What the metering task tells others, at a slot's end in this order: sample, slot_ended, reading."""

    sample: Callable[[Taken], Awaitable[None]]
    slot_ended: Callable[[int, BatteryLook | None], Awaitable[None]]
    reading: Callable[[SignedReading], Awaitable[None]]
    silent: Callable[[float | None, str], None]
    alive: Callable[[], None]


def close_slot(journal: Journal, signer: Signer, domain: Domain, configuration: bytes, end: Boundary) -> SignedReading:
    """The signed Reading for the counters at a slot's end, after the journal's newest."""
    reading = Reading(
        signer.address,
        end.slot,
        end.import_nanowh // NANOWH_PER_MILLIWH,
        end.export_nanowh // NANOWH_PER_MILLIWH,
        end.flags,
        configuration,
        journal.tip_hash(),
    )
    hashed = struct_hash(reading)
    return SignedReading(reading, signer.sign(digest_of_hash(domain, hashed)), hashed)


def base_milliwh(journal: Journal, reading: Reading, moved_milliwh: int | None) -> int | None:
    """Load less sun in the reading's slot (mWh): its net without the battery; None where it is not known."""
    before = journal.reading(reading.slot - 1)
    if before is None:
        return None
    net = reading.imported - before.reading.imported - reading.exported + before.reading.exported
    state = journal.slot_state(reading.slot - 1)
    if moved_milliwh is None:
        # A battery that was seen a slot ago and is silent now may have moved anything.
        return net if state is None else None
    return None if state is None else net - (moved_milliwh - state.moved_milliwh)


class Metering:
    """Runs the meter thread by the clock."""

    def __init__(
        self,
        clock: Clock,
        meter: MeterThread,
        journal: JournalThread,
        signer: Signer,
        domain: Domain,
        options: MeteringOptions,
        events: MeteringEvents,
    ) -> None:
        self._clock = clock
        self._meter = meter
        self._journal = journal
        self._signer = signer
        self._domain = domain
        self._options = options
        self._events = events
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="meter")
        self._last_slot = self._passed_slot = -1
        self._began_unix_s = 0
        self._silent_since: float | None = None
        self._pause_s = 0
        self._exchange = ExchangeWatch(journal, meter, self.in_thread)
        self.running = asyncio.Event()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Runs something in the meter thread, after what is running there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def recover(self) -> None:
        """Before `run`: takes up the counters and signs a slot end that was sampled but not written down."""
        last = await self._journal.call(lambda journal: journal.last_reading())
        self._last_slot = last.reading.slot if last else -1
        boundary = await self.in_thread(self._meter.recover)
        if boundary is not None and boundary.slot > self._last_slot:
            await self._sign(boundary)

    async def run(self) -> None:
        """Samples until cancelled; `running` is set before the first wait for the clock."""
        self._began_unix_s = int(self._clock.now_unix_s())
        every = self._options.sample_every_s
        at = -(-self._began_unix_s // every) * every
        self.running.set()
        await self._clock.sleep_until(at)
        await self._started()
        count = 0
        lead_s = self._options.punctual.lead_s if self._options.punctual is not None else 0.0
        while True:
            await self._clock.sleep_until(at - lead_s)
            self._events.alive()
            now = int(self._clock.now_unix_s())
            at = max(at, now // every * every)
            if await self._sample(at, full=count % self._options.full_every == 0):
                count += 1
            at = self._next(at)

    def _next(self, at: int) -> int:
        """The instant of the next sample: a period on, later while the meter is silent, never past a slot's end."""
        every = self._options.sample_every_s
        later = -(-self._pause_s // every) * every
        return min(at + max(every, later), (at // SLOT_S + 1) * SLOT_S)

    async def _started(self) -> None:
        """Brings the meter into service, trying with a growing pause."""
        while True:
            self._events.alive()
            try:
                await self.in_thread(partial(self._meter.start, self._clock.now_unix_s()))
            except DriverError as error:
                self._lost(error)
                await self._clock.sleep_until(self._clock.now_unix_s() + max(1, self._pause_s))
                continue
            self._back()
            return

    async def _sample(self, at: int, *, full: bool) -> bool:
        """One sample and what follows from it; whether the meter answered."""
        slot = at // SLOT_S - 1
        trusted = self._clock.trusted()
        closes = trusted and self._may_close(slot, at)
        late = FLAG_GAP if closes and at % SLOT_S else 0
        flags = late | (0 if trusted else FLAG_CLOCK_UNTRUSTED)
        try:
            taken = await self.in_thread(
                partial(self._take, at, full=full, close_slot=slot if closes else None, extra_flags=flags)
            )
        except DriverError as error:
            await self.in_thread(self._meter.missed)
            self._lost(error)
            await self._passed(slot, None)
            return False
        self._back()
        await self._exchange.after(taken)
        await self._events.sample(taken)
        signed = await self._sign(taken.boundary) if taken.boundary is not None else None
        await self._passed(slot, taken.battery)
        if signed is not None:
            await self._events.reading(signed)
        return True

    def _take(self, at: int, *, full: bool, close_slot: int | None, extra_flags: int) -> Taken:
        """In the meter thread: the sample, on time."""
        if self._options.punctual is not None:
            self._options.punctual.wait_until(at)
        return self._meter.take(at, full=full, close_slot=close_slot, extra_flags=extra_flags)

    async def _passed(self, slot: int, look: BatteryLook | None) -> None:
        """Tells once that a slot has ended, whether it could be closed or not."""
        if slot > self._passed_slot:
            self._passed_slot = slot
            await self._events.slot_ended(slot, look)

    def _may_close(self, slot: int, at: int) -> bool:
        """Whether a sample at the instant stands for the end of the slot."""
        if slot <= self._last_slot or at % SLOT_S > self._options.close_within_s:
            return False
        began_before = self._began_unix_s <= (slot + 1) * SLOT_S
        return at % SLOT_S == 0 or began_before

    async def _sign(self, boundary: Boundary) -> SignedReading:
        def work(journal: Journal) -> SignedReading:
            signed = close_slot(journal, self._signer, self._domain, self._options.configuration, boundary)
            stored, moved = boundary.stored_milliwh, boundary.moved_milliwh
            state = None if stored is None or moved is None else SlotState(boundary.slot, stored, moved)
            base = base_milliwh(journal, signed.reading, moved)
            beside = self._options.beside_milliwh(boundary.slot)
            journal.add_reading(signed, state, base if base is None else base - beside)
            return signed

        signed = await self._journal.call(work)
        self._last_slot = boundary.slot
        one = signed.reading
        _LOG.info(
            "reading_signed slot=%d import_milliwh=%d export_milliwh=%d flags=%d",
            one.slot,
            one.imported,
            one.exported,
            one.flags,
        )
        return signed

    def _lost(self, error: DriverError) -> None:
        self._pause_s = min(max(1, 2 * self._pause_s), _LONGEST_PAUSE_S)
        if self._silent_since is None:
            self._silent_since = self._clock.now_unix_s()
            _LOG.warning("meter_lost code=%s reason=%r", error.code, str(error))
        self._events.silent(self._silent_since, str(error))

    def _back(self) -> None:
        self._pause_s = 0
        if self._silent_since is not None:
            _LOG.info("meter_back silent_s=%.0f", self._clock.now_unix_s() - self._silent_since)
            self._silent_since = None
            self._events.silent(None, "")

    async def finish(self) -> None:
        """The end in order: counters to the card, thread ended."""
        await self.in_thread(self._meter.finish)
        self._thread.shutdown(wait=False)
