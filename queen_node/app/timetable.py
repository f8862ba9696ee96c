"""What time drives: closing slots, and coordinating the next ones.

A slot closes `close_after_s` after its end; after an outage of the Queen or the broker, that long after the
connection is back, so that readings kept by the Workers arrive first.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.clock import Clock
from honey_edge.model.slots import SLOT_S, slot_at, slot_end_unix_s, slot_start_unix_s
from queen_node.channels.keeper import Channels
from queen_node.closing.runner import Closer
from queen_node.downlink import Downlink
from queen_node.settings import TimesSection
from queen_node.store.records import ClosedSlot, RoundRow

_LOG = logging.getLogger(__name__)
_HEARD_WITHIN_S = 1.0
"""After a restart the Workers' retained statuses have come by then."""


class Coordinates(Protocol):
    """What runs a slot's round: a Coordinator, or one under a mother."""

    def interrupted(self, first_slot: int) -> bool:
        """Whether a round for these slots was begun and not ended, by a daemon that is no more."""

    async def coordinate(self, first_slot: int, until_unix_s: float) -> RoundRow | None:
        """Runs a round for first_slot .. first_slot + 95."""


class Connection:
    """Whether the broker is there, and since when (Clock time)."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.since_unix_s = 0.0

    def up(self, now_unix_s: float) -> None:
        """The broker is there and has been told everything."""
        self.since_unix_s = now_unix_s
        self.connected.set()

    def down(self) -> None:
        """The broker is away, or not told yet."""
        self.connected.clear()


class AtClosing(Protocol):
    """What else is due when a slot is closed."""

    async def closed(self, closed: ClosedSlot) -> None:
        """Before its Statements are issued."""

    async def stated(self, closed: ClosedSlot) -> None:
        """After that."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The Queen's time-driven tasks."""

    clock: Clock
    times: TimesSection
    closer: Closer
    channels: Channels
    coordinator: Coordinates
    downlink: Downlink
    session_connected: asyncio.Event
    connection: Connection
    online: Callable[[], set[str]]
    fair_play: AtClosing | None = None

    async def close_slots(self) -> None:
        """Closes every slot in order, for ever."""
        while True:
            slot = self.closer.next_slot()
            now = self.clock.now_unix_s()
            if slot is None:
                await self.clock.sleep_until(slot_end_unix_s(slot_at(now)) + self.times.close_after_s)
                continue
            await self.clock.sleep_until(slot_end_unix_s(slot) + self.times.close_after_s)
            await self._until_heard(slot)
            await self._close(slot)

    async def _until_heard(self, slot: int) -> None:
        """Waits for the broker, and after an outage for what the Workers kept meanwhile."""
        while True:
            if not self.session_connected.is_set():
                self.connection.down()
            if not self.connection.connected.is_set():
                _LOG.warning("closing_waits slot=%d reason=broker_away", slot)
                with self.clock.hold("broker"):
                    await self.connection.connected.wait()
            due = self.connection.since_unix_s + self.times.close_after_s
            if self.clock.now_unix_s() >= due:
                return
            await self.clock.sleep_until(due)

    async def _close(self, slot: int) -> None:
        closed = self.closer.close(slot)
        totals, money = closed.totals, closed.money
        _LOG.info(
            "slot_closed slot=%d present=%d missing=%d bought=%d sold=%d pcc=%d price=%d "
            "surplus_pico=%d reserve_pico=%d",
            slot, totals.present, totals.missing, totals.bought, totals.sold, totals.pcc, totals.price,
            money.surplus, totals.reserve,
        )  # fmt: skip
        await self.downlink.slot_totals(closed.message)
        for period in self.closer.periods_of(slot):
            _LOG.info("period_settled kind=%d slot=%d paid_pico=%d", period.kind, slot, period.paid_pico)
            await self.downlink.period(period)
        if self.fair_play is not None:
            await self.fair_play.closed(closed)
        await self.downlink.statements(self.channels.issue_due())
        if self.fair_play is not None:
            await self.fair_play.stated(closed)
        now = self.clock.now_unix_s()
        if slot_end_unix_s(slot + 1) + self.times.close_after_s > now:
            await self._countersigned(now + self.times.countersigned_after_s - self.times.close_after_s)

    async def _countersigned(self, until_unix_s: float) -> None:
        """Waits until no online Worker owes an answer."""
        while self.channels.outstanding(self.online()):
            self.channels.answered.clear()
            if not await self.clock.wait_for(self.channels.answered, until_unix_s):
                late = sorted(self.channels.outstanding(self.online()))
                _LOG.warning("countersignature_missing workers=%s", ",".join(late))
                return

    async def coordinate(self) -> None:
        """A round in every slot, for the 96 slots after it; one that a restart interrupted is begun anew at once."""
        times = self.times
        while True:
            now = self.clock.now_unix_s()
            start = slot_start_unix_s(slot_at(now))
            due = float(start + times.coordinate_after_s)
            if now >= due:
                due = now + _HEARD_WITHIN_S
                late = due >= start + times.coordinate_until_s
                if late or not self.coordinator.interrupted(slot_at(now) + 1):
                    start += SLOT_S
                    due = float(start + times.coordinate_after_s)
            await self.clock.sleep_until(due)
            if self.session_connected.is_set():
                await self.coordinator.coordinate(slot_at(start) + 1, start + times.coordinate_until_s)
