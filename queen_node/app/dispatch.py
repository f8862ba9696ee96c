"""Every message from the broker, to the part that takes it: topic, enrolment and rate are checked here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from honey_edge.wire.topics import (
    ACCEPT,
    APPEAL,
    COUNTERSIGN,
    DECLARE,
    DISCLOSE,
    GRID,
    MASK_KEY,
    MASK_OPEN,
    OFFER,
    POWER,
    READING,
    WORKER_STATUS,
    TopicError,
    parse,
)
from queen_node.app.fair_play import FairPlay
from queen_node.app.presence import Presence
from queen_node.channels.keeper import Channels
from queen_node.coordinator.conductor import Coordinator
from queen_node.coordinator.masked_desk import MaskDesk
from queen_node.ingest.limits import TokenBucket
from queen_node.ingest.receiver import Ingest
from queen_node.ingest.voltages import VoltageIntake
from queen_node.realtime.desk import RealTimeDesk
from queen_node.settings import LimitsSection
from queen_node.store.records import RejectedRow, StatementRow
from queen_node.store.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Takers:
    """Who takes what."""

    ingest: Ingest
    channels: Channels
    coordinator: Coordinator
    presence: Presence
    refusals: Refusals
    masks: MaskDesk | None = None
    minutes: RealTimeDesk | None = None
    voltages: VoltageIntake | None = None
    fair_play: FairPlay | None = None


_ROUNDS = {DECLARE.name, MASK_KEY.name, MASK_OPEN.name}
"""What a suspended home has no part in."""

_MINUTES: dict[str, Callable[[RealTimeDesk, str, bytes], None]] = {
    POWER.name: RealTimeDesk.receive_power,
    OFFER.name: RealTimeDesk.receive_offer,
    ACCEPT.name: RealTimeDesk.receive_accept,
}


class Dispatcher:
    """The broker session's message handler."""

    def __init__(
        self,
        hive: int,
        takers: Takers,
        limits: LimitsSection,
        now_unix_s: Callable[[], float],
        send_statements: Callable[[list[StatementRow]], Awaitable[None]],
    ) -> None:
        self._hive, self._takers, self._limits = hive, takers, limits
        self._now_unix_s, self._send_statements = now_unix_s, send_statements
        self._buckets: dict[str, TokenBucket] = {}

    def enrol(self, workers: list[str]) -> None:
        """Whose messages are taken."""
        self._takers.ingest.enrol(workers)
        now = self._now_unix_s()
        per_minute, burst = self._limits.messages_per_minute, self._limits.burst_messages
        known = self._buckets
        self._buckets = {w: known.get(w) or TokenBucket(per_minute, burst, now) for w in workers}

    async def on_message(self, topic: str, payload: bytes) -> None:
        """Takes one message; a refused one is noted and changes nothing else."""
        try:
            kind, hive, worker = parse(topic)
        except TopicError as error:
            self._refuse("", "topic", "topic", str(error), payload)
            return
        if hive != self._hive or kind.from_queen or worker not in self._buckets:
            self._refuse("", kind.name, "foreign", f"{worker} is not a Worker of Hive {self._hive}", payload)
            return
        if not self._buckets[worker].take(self._now_unix_s()):
            self._refuse(worker, kind.name, "flood", "", b"", keep=False)
            return
        await self._hand_over(kind.name, worker, payload)
        if self._takers.refusals.waiting:
            self._takers.ingest.wake()

    async def _hand_over(self, kind: str, worker: str, payload: bytes) -> None:
        takers = self._takers
        if kind == READING.name:
            takers.ingest.offer(worker, payload)
        elif kind in _ROUNDS and takers.fair_play is not None and worker in takers.fair_play.suspended:
            self._refuse(worker, kind, "suspended", "", b"", keep=False)
        elif kind == DECLARE.name:
            takers.coordinator.receive(worker, payload)
        elif kind in (DISCLOSE.name, APPEAL.name) and takers.fair_play is not None:
            takers.fair_play.receive(kind, worker, payload)
        elif kind == MASK_KEY.name and takers.masks is not None:
            takers.masks.receive_key(worker, payload)
        elif kind == MASK_OPEN.name and takers.masks is not None:
            takers.masks.receive_reveal(worker, payload)
        elif kind in _MINUTES and takers.minutes is not None:
            _MINUTES[kind](takers.minutes, worker, payload)
        elif kind == GRID.name and takers.voltages is not None:
            takers.voltages.receive(worker, payload)
        elif kind == COUNTERSIGN.name:
            following = takers.channels.receive(worker, payload)
            if following is not None:
                await self._send_statements([following])
        elif kind == WORKER_STATUS.name:
            problem = takers.presence.receive(worker, payload)
            if problem:
                self._refuse(worker, kind, "malformed", problem, payload)

    def _refuse(self, worker: str, kind: str, reason: str, detail: str, payload: bytes, *, keep: bool = True) -> None:
        now = int(self._now_unix_s())
        self._takers.refusals.note(RejectedRow(worker, now, kind[:16], reason, detail, payload), keep=keep)
        self._takers.ingest.wake()
