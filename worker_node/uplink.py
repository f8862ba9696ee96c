"""The Worker's side of the broker: outbox from the journal, inbox to the right handler (architecture 5, 6; README).

Nothing is forgotten before the Queen's signed Receipt. After every connection, when the Queen comes online, and while
a Receipt is missing, all unconfirmed readings are sent again in order; so is the newest answer to a Statement.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from drivers.clock import Clock
from drivers.errors import DriverError
from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_bytes
from honey_edge.wire import topics
from honey_edge.wire.codec import MessageError, decode, encode
from honey_edge.wire.fairplay_messages import AppealMessage, DisclosureMessage
from honey_edge.wire.flex_messages import AcceptMessage, OrderMessage
from honey_edge.wire.mask_messages import MaskKeyMessage, MaskRevealMessage
from honey_edge.wire.messages import CursorMessage, DeclareMessage, Message, ReadingMessage, RoundMessage, StatusMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import Domain, digest
from worker_node.journal import JournalThread, SignedReading

_LOG = logging.getLogger(__name__)
RECEIPT_WAIT_S = 5.0
RESEND_EVERY_S = 30.0
MOST_POSTED = 20


@dataclass(frozen=True, slots=True)
class Publication:
    """One message on its way out."""

    topic: str
    payload: bytes
    qos: int
    retained: bool


class Broker(Protocol):
    """What sends; `publish` raises a DriverError while the broker is away."""

    async def publish(self, out: Publication) -> None:
        """Hands one publication to the broker."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who talks to whom: Hive number, own address and the Queen's (hex), where signatures count."""

    hive: int
    worker: str
    queen: str
    domain: Domain
    software: str


class MaskInbox(Protocol):
    """Where the messages of masked rounds go; what comes back is sent. Raises HiveError for what is refused."""

    def roster(self, payload: bytes) -> MaskKeyMessage | None:
        """A call for keys, or a list of keys."""

    def ask(self, payload: bytes) -> MaskRevealMessage | None:
        """What the Queen needs to open a sum."""


class FairPlayInbox(Protocol):
    """Where an audit's questions and findings go. Raises HiveError for what is refused."""

    async def audit(self, payload: bytes) -> DisclosureMessage:
        """What is disclosed."""

    async def standing(self, payload: bytes) -> None:
        """A finding about this home."""

    async def appeal(self) -> AppealMessage | None:
        """What is to be said against it now."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where messages go: `statement` answers with a payload to send or None; `round_` with answers."""

    statement: Callable[[bytes], Awaitable[bytes | None]]
    newest_answer: Callable[[], Awaitable[bytes | None]]
    round_: Callable[[RoundMessage], Awaitable[DeclareMessage | None]]
    changed: Callable[[], Awaitable[None]]
    masks: MaskInbox | None = None
    order: Callable[[OrderMessage], Awaitable[AcceptMessage]] | None = None
    fair_play: FairPlayInbox | None = None


class RefusedReceipt(HiveError, ValueError):
    """A Receipt that is not the Queen's, not for this Worker, or for a reading that it never signed."""

    code = "E-RECEIPT"


@dataclass(slots=True)
class LinkStatus:
    """How the way to the Queen is now; times in Unix seconds."""

    broker_online: bool = False
    broker_since_unix_s: float | None = None
    queen_online: bool = False
    queen_since_unix_s: float | None = None
    unreceipted: int = 0
    last_receipt_slot: int | None = None
    refused_messages: int = 0


class Uplink:
    """Moves messages; knows nothing of bills or plans."""

    def __init__(self, peer: Peer, clock: Clock, journal: JournalThread, broker: Broker, inbox: Inbox) -> None:
        self._peer = peer
        self._clock = clock
        self._journal = journal
        self._broker = broker
        self._inbox = inbox
        self._receipted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.status = LinkStatus()

    def will(self) -> Publication:
        """What the broker says when this Worker falls silent."""
        return self._status_of(online=False)

    def _status_of(self, *, online: bool) -> Publication:
        message = StatusMessage(online=online, version=self._peer.software, at_unix_s=int(self._clock.now_unix_s()))
        return self._out(topics.WORKER_STATUS, message)

    def _out(self, kind: topics.TopicKind, message: Message | bytes) -> Publication:
        payload = message if isinstance(message, bytes) else encode(message)
        return Publication(topics.topic(kind, self._peer.hive, self._peer.worker), payload, kind.qos, kind.retained)

    async def load(self) -> None:
        """Before anything else: what the journal says about receipts."""
        self.status.last_receipt_slot = await self._journal.call(lambda journal: journal.receipt_slot())
        self.status.unreceipted = len(await self._journal.call(lambda journal: journal.unreceipted()))

    async def connected(self) -> None:
        """After each connection: says online and sends what is open."""
        self.status.broker_online, self.status.broker_since_unix_s = True, self._clock.now_unix_s()
        try:
            await self._broker.publish(self._status_of(online=True))
            await self.resend()
        except DriverError as error:
            _LOG.warning("resend_failed reason=%r", str(error))
        await self._inbox.changed()

    async def disconnected(self) -> None:
        """The broker is gone, and with it all knowledge of the Queen."""
        self.status.broker_online, self.status.broker_since_unix_s = False, self._clock.now_unix_s()
        self._queen_is(False)
        await self._inbox.changed()

    async def farewell(self) -> None:
        """Says offline, as the last thing."""
        try:
            await self._broker.publish(self._status_of(online=False))
        except DriverError:
            _LOG.info("farewell_unsent")

    async def resend(self) -> None:
        """Sends all unconfirmed readings in order and the newest answer. Raises DriverError."""
        for signed in await self._journal.call(lambda journal: journal.unreceipted()):
            await self._publish_reading(signed)
        answer = await self._inbox.newest_answer()
        if answer is not None:
            await self._broker.publish(self._out(topics.COUNTERSIGN, answer))

    async def _publish_reading(self, signed: SignedReading) -> None:
        message = ReadingMessage.of(signed.reading, signed.signature)
        await self._broker.publish(self._out(topics.READING, message))

    async def offer(self, signed: SignedReading) -> None:
        """Sends a new reading and lets time wait for its Receipt; returns at once."""
        self.status.unreceipted += 1
        held = ExitStack()
        held.enter_context(self._clock.hold("receipt"))
        task = asyncio.create_task(self._deliver(signed, held), name=f"receipt-{signed.reading.slot}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def post(self, kind: topics.TopicKind, message: Message) -> None:
        """Sends what is worth nothing later, without waiting; it is dropped while much of it is under way."""
        if len(self._tasks) >= MOST_POSTED:
            _LOG.info("not_posted kind=%s", kind.name)
            return
        held = ExitStack()
        held.enter_context(self._clock.hold("post"))
        task = asyncio.create_task(self._posted(self._out(kind, message), held), name=f"post-{kind.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _posted(self, out: Publication, held: ExitStack) -> None:
        with held:
            try:
                await self._broker.publish(out)
            except DriverError as error:
                _LOG.info("post_unsent topic=%s reason=%r", out.topic, str(error))

    async def _deliver(self, signed: SignedReading, held: ExitStack) -> None:
        with held:
            try:
                await self._publish_reading(signed)
            except DriverError as error:
                _LOG.info("reading_kept slot=%d reason=%r", signed.reading.slot, str(error))
                return
            until = self._clock.now_unix_s() + RECEIPT_WAIT_S
            while self.status.queen_online and not self._confirmed(signed.reading.slot):
                self._receipted.clear()
                if not await self._clock.wait_for(self._receipted, until):
                    _LOG.warning("receipt_missing slot=%d", signed.reading.slot)
                    return

    def _confirmed(self, slot: int) -> bool:
        return self.status.last_receipt_slot is not None and self.status.last_receipt_slot >= slot

    async def run_resending(self) -> None:
        """Sends again what a lost Receipt or reading left open; until cancelled."""
        open_before: int | None = None
        while True:
            await self._clock.sleep_until(self._clock.now_unix_s() + RESEND_EVERY_S)
            waiting = self.status.unreceipted and self.status.broker_online and self.status.queen_online
            if waiting and open_before == self.status.last_receipt_slot:
                try:
                    await self.resend()
                except DriverError as error:
                    _LOG.warning("resend_failed reason=%r", str(error))
            open_before = self.status.last_receipt_slot if waiting else -1

    async def received(self, topic: str, payload: bytes) -> None:
        """Takes one message; what is refused is counted and logged, never more."""
        try:
            kind, _, addressee = topics.parse(topic)
            if addressee not in ("", self._peer.worker):
                raise topics.TopicError(f"{topic} is for another Worker")
            await self._dispatch(kind, payload)
        except HiveError as error:
            self.status.refused_messages += 1
            _LOG.warning("message_refused topic=%s code=%s reason=%r", topic, error.code, str(error))
        except DriverError as error:
            _LOG.warning("answer_unsent topic=%s reason=%r", topic, str(error))

    async def _dispatch(self, kind: topics.TopicKind, payload: bytes) -> None:
        if kind == topics.CURSOR:
            await self._receipt(decode(CursorMessage, payload))
        elif kind == topics.STATEMENT:
            with self._clock.hold("statement"):
                answer = await self._inbox.statement(payload)
                if answer is not None:
                    await self._broker.publish(self._out(topics.COUNTERSIGN, answer))
        elif kind in (topics.ROUND, topics.OWN_ROUND):
            with self._clock.hold("round"):
                declared = await self._inbox.round_(self._own_round(payload))
                if declared is not None:
                    await self._broker.publish(self._out(topics.DECLARE, declared))
        elif kind in (topics.MASK_ROSTER, topics.MASK_ASK) and self._inbox.masks is not None:
            with self._clock.hold("masks"):
                await self._masked(self._inbox.masks, kind, payload)
        elif kind == topics.ORDER and self._inbox.order is not None:
            with self._clock.hold("order"):
                accepted = await self._inbox.order(decode(OrderMessage, payload))
                await self._broker.publish(self._out(topics.ACCEPT, accepted))
        elif kind in (topics.AUDIT, topics.STANDING) and self._inbox.fair_play is not None:
            with self._clock.hold("fair play"):
                await self._fair_play(self._inbox.fair_play, kind, payload)
        elif kind == topics.QUEEN_STATUS:
            await self._queen_status(decode(StatusMessage, payload))
        await self._inbox.changed()

    async def _masked(self, masks: MaskInbox, kind: topics.TopicKind, payload: bytes) -> None:
        out: MaskKeyMessage | MaskRevealMessage | None
        if kind == topics.MASK_ROSTER:
            out, way = masks.roster(payload), topics.MASK_KEY
        else:
            out, way = masks.ask(payload), topics.MASK_OPEN
        if out is not None:
            await self._broker.publish(self._out(way, out))

    async def _fair_play(self, fair_play: FairPlayInbox, kind: topics.TopicKind, payload: bytes) -> None:
        if kind == topics.AUDIT:
            await self._broker.publish(self._out(topics.DISCLOSE, await fair_play.audit(payload)))
            return
        await fair_play.standing(payload)
        appeal = await fair_play.appeal()
        if appeal is not None:
            await self._broker.publish(self._out(topics.APPEAL, appeal))

    def _own_round(self, payload: bytes) -> RoundMessage:
        message = decode(RoundMessage, payload)
        if message.hive != self._peer.hive:
            raise MessageError(f"a round of Hive {message.hive} came to Hive {self._peer.hive}")
        return message

    async def _receipt(self, message: CursorMessage) -> None:
        receipt = message.signed()
        if receipt.hive != self._peer.hive or message.worker != self._peer.worker:
            raise RefusedReceipt(f"a receipt of Hive {receipt.hive} for {message.worker} came here")
        hashed = digest(self._peer.domain, receipt)
        if not signed_by(address_bytes(self._peer.queen), hashed, bytes.fromhex(message.signature)):
            raise RefusedReceipt(f"the receipt for slot {receipt.slot} is not signed by the Queen")
        own = await self._journal.call(lambda journal: journal.reading(receipt.slot))
        if own is None or own.hash != receipt.reading:
            raise RefusedReceipt(f"the receipt for slot {receipt.slot} is for a reading that is not in the journal")
        payload = encode(message)
        await self._journal.call(lambda journal: journal.put_receipt(receipt.slot, payload))
        await self.load()
        self._receipted.set()

    async def _queen_status(self, message: StatusMessage) -> None:
        came = message.online and not self.status.queen_online
        self._queen_is(message.online)
        if came:
            await self.resend()

    def _queen_is(self, online: bool) -> None:
        if online != self.status.queen_online:
            self.status.queen_online, self.status.queen_since_unix_s = online, self._clock.now_unix_s()
            _LOG.info("queen_%s", "online" if online else "away")
        if not online:
            self._receipted.set()
