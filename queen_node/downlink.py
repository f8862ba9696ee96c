"""What the Queen publishes: receipts, totals, statements, rounds, her status. Nothing is queued here.

A broker that is away costs nothing: what is retained is published again on the next connection, and rounds are
worth nothing later.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from drivers.linux.broker import BrokerAway, Outgoing
from honey_edge.billing import tally
from honey_edge.wire.codec import encode
from honey_edge.wire.flex_messages import OrderMessage
from honey_edge.wire.mask_messages import MaskAskMessage
from honey_edge.wire.messages import CertificateMessage, CursorMessage, Message, RoundMessage, StatusMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.structs import Receipt
from honey_edge.wire.topics import (
    CERTIFICATE,
    CURSOR,
    MASK_ASK,
    MASK_ROSTER,
    ORDER,
    OWN_ROUND,
    PEAK,
    QUEEN_STATUS,
    RESERVE,
    ROUND,
    SLOT,
    STATEMENT,
    TopicKind,
    topic,
)
from honey_edge.wire.typed_data import Domain, digest
from queen_node.store.periods import PeriodRow
from queen_node.store.records import StatementRow, StoredReading

_LOG = logging.getLogger(__name__)

Publish = Callable[[Outgoing], Awaitable[None]]


def outgoing(kind: TopicKind, hive: int, payload: bytes, worker: str = "") -> Outgoing:
    """A publication with the quality of service and retain flag of its kind."""
    return Outgoing(topic(kind, hive, worker), payload, kind.qos, kind.retained)


def status(hive: int, *, online: bool, version: str, at_unix_s: int) -> Outgoing:
    """The Queen's status; offline is also her last will."""
    message = StatusMessage(online=online, version=version, at_unix_s=at_unix_s)
    return outgoing(QUEEN_STATUS, hive, encode(message))


def receipt_message(hive: int, domain: Domain, signer: Signer, stored: StoredReading) -> CursorMessage:
    """The signed Receipt for a stored reading."""
    r = stored.reading
    receipt = Receipt(hive, r.worker, r.slot, r.imported, r.exported, stored.hash)
    return CursorMessage.of(receipt, signer.sign(digest(domain, receipt)))


class Downlink:
    """Publishes for one Hive."""

    def __init__(self, publish: Publish, hive: int, domain: Domain, signer: Signer) -> None:
        self._publish, self._hive, self._domain, self._signer = publish, hive, domain, signer

    async def send(self, out: Outgoing) -> bool:
        """Hands one publication to the broker; whether it was there to take it."""
        try:
            await self._publish(out)
        except BrokerAway as error:
            _LOG.info("not_published topic=%s reason=%r", out.topic, str(error))
            return False
        return True

    async def receipts(self, newest: Mapping[str, StoredReading]) -> None:
        """The Receipt of each Worker's newest stored reading."""
        for worker, stored in newest.items():
            message = receipt_message(self._hive, self._domain, self._signer, stored)
            if not await self.send(outgoing(CURSOR, self._hive, encode(message), worker)):
                return

    async def addressed(self, kind: TopicKind, message: Message, worker: str) -> None:
        """A message of its kind, to one Worker."""
        await self.send(outgoing(kind, self._hive, encode(message), worker))

    async def masks(self, message: Message) -> None:
        """A call for keys, a list of keys or a request of a masked round."""
        kind = MASK_ASK if isinstance(message, MaskAskMessage) else MASK_ROSTER
        await self.send(outgoing(kind, self._hive, encode(message)))

    async def order(self, message: OrderMessage) -> None:
        """An order inside a slot, to its Worker."""
        await self.send(outgoing(ORDER, self._hive, encode(message), message.worker))

    async def slot_totals(self, message: bytes) -> None:
        """The totals of the slot just closed."""
        await self.send(outgoing(SLOT, self._hive, message))

    async def period(self, row: PeriodRow) -> None:
        """The totals of a period that has ended: of its peak charges, or of the reserve shared out."""
        await self.send(outgoing(PEAK if row.kind == tally.PEAK else RESERVE, self._hive, row.message))

    async def statements(self, rows: Iterable[StatementRow]) -> None:
        """Statements, each to its Worker."""
        for row in rows:
            if not await self.send(outgoing(STATEMENT, self._hive, row.message, row.worker)):
                return

    async def round(self, message: RoundMessage) -> None:
        """One price broadcast."""
        await self.send(outgoing(ROUND, self._hive, encode(message)))

    async def own_round(self, message: RoundMessage, worker: str) -> None:
        """One price for one Worker, in a round with prices by electrical node."""
        await self.send(outgoing(OWN_ROUND, self._hive, encode(message), worker))

    async def certificate(self, message: CertificateMessage) -> None:
        """How good the newest round's agreement is."""
        await self.send(outgoing(CERTIFICATE, self._hive, encode(message)))
