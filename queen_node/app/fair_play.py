"""Fair play at its places in the daemon: rounds, closings, messages from Workers (docs/fair-play.md)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from sqlalchemy import Connection

from drivers.clock import Clock
from honey_edge.wire.signing import Signer
from queen_node.closing.trust import note_standing
from queen_node.coordinator.answers import Collector, Frame
from queen_node.downlink import Downlink
from queen_node.fairplay.desk import FairPlayDesk, FairPlayRules
from queen_node.fairplay.inspection import inspect, is_due
from queen_node.fairplay.ranges import ShownRanges
from queen_node.settings import Loaded
from queen_node.store import Store, books, fairplay
from queen_node.store.records import ClosedSlot
from queen_node.store.refusals import Refusals

_HOUR_S = 3_600
MakeCollector = Callable[[Frame, set[str]], Awaitable[Collector]]
Metered = Callable[[Connection, int], int | None]


class FairPlay:
    """Desk, ranges and inspection of one Hive; `metered` is the Queen's own meter."""

    def __init__(
        self, clock: Clock, store: Store, desk: FairPlayDesk, metered: Metered, workers: Iterable[str]
    ) -> None:
        self._clock, self._store, self._metered, self._workers = clock, store, metered, tuple(workers)
        self.desk, self.ranges = desk, ShownRanges()
        self.suspended: frozenset[str] = frozenset()
        with store.begin() as tx:
            last = books.last_closed(tx)
            if last is not None:
                self.ranges.load(tx, self._workers, last.totals.slot)
            self.suspended = fairplay.suspended(tx)

    def watching(self, inner: MakeCollector) -> MakeCollector:
        """A maker of collectors whose open answers are followed and whose constants are cut."""

        async def collector(frame: Frame, online: set[str]) -> Collector:
            witness = self.desk.begin(frame.number, frame.first_slot, frame.sigma)
            return await inner(replace(frame, witness=witness, believed=self.ranges.believed), online)

        return collector

    def admitted(self, online: Callable[[], set[str]]) -> Callable[[], set[str]]:
        """Who is asked in rounds: those who are there and not suspended."""
        return lambda: online() - self.suspended

    async def closed(self, closed: ClosedSlot) -> None:
        """A slot was closed and its Statements are not issued yet: what its factors follow from is told first."""
        slot = closed.totals.slot
        with self._store.begin() as tx:
            self.ranges.after_close(tx, self._workers, slot)
            self.suspended = fairplay.suspended(tx)
        await self.desk.tell_standings()

    async def stated(self, closed: ClosedSlot) -> None:
        """The Statements of a closed slot are issued: audits, and once a week the meters."""
        self.desk.after_close(closed)
        slot = closed.totals.slot
        if is_due(slot):
            with self._clock.hold("meters"):
                await asyncio.to_thread(inspect, self._store, self._metered, self._workers, slot)

    async def again(self) -> None:
        """After a new connection: all that is retained, and open questions."""
        await self.desk.again()

    def receive(self, kind: str, worker: str, payload: bytes) -> None:
        """Takes a disclosure or an appeal."""
        self.desk.receive(kind, worker, payload)


def build_fair_play(
    loaded: Loaded, clock: Clock, store: Store, signer: Signer, refusals: Refusals, down: Downlink, metered: Metered
) -> FairPlay:
    """Fair play as the settings say."""
    own = loaded.settings.fairplay
    rules = FairPlayRules(
        loaded.settings.hive.hive,
        loaded.domain,
        signer,
        own.audits_permille,
        own.audits_a_day,
        own.answer_within_h * _HOUR_S,
        own.appeal_every_days,
    )
    desk = FairPlayDesk(clock, store, rules, refusals, down.addressed, note_standing)
    return FairPlay(clock, store, desk, metered, [worker.address for worker in loaded.workers])
