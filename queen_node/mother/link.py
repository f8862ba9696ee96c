"""The daughter's ear and voice at the mother's broker, beside the Worker of the connection point.

She listens to the mother's broadcasts and to what is addressed to that Worker, and publishes on its declare topic: to
the broker she is that Worker, whose certificate she shows, under a client id of her own. She never says whether it is
online; its own daemon does. Nothing is queued: a round that missed an answer goes on without it.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.linux.broker import BrokerAway, Outgoing
from honey_edge.wire.codec import MessageError, decode, encode
from honey_edge.wire.messages import DeclareMessage, StatusMessage
from honey_edge.wire.topics import DECLARE, QUEEN_STATUS, ROUND, STATEMENT, TopicError, parse, topic

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MotherInbox:
    """Where the mother's messages go; `refuse` gets kind, reason and payload of what is not taken."""

    round_: Callable[[bytes], None]
    statement: Callable[[bytes], None]
    refuse: Callable[[str, str, bytes], None]


class MotherLink:
    """One Hive's connection to its mother's broker; `worker` is the connection point there (40 hex digits)."""

    def __init__(
        self,
        hive: int,
        worker: str,
        inbox: MotherInbox,
        publish: Callable[[Outgoing], Awaitable[None]],
        connected: Callable[[], bool],
    ) -> None:
        self._hive, self._worker, self._inbox = hive, worker, inbox
        self._publish, self._connected = publish, connected
        self._online = False

    def subscriptions(self) -> list[tuple[str, int]]:
        """What is listened to, with the quality of service."""
        return mother_subscriptions(self._hive, self._worker)

    def there(self) -> bool:
        """Whether the broker is connected and the mother says that she is online."""
        return self._connected() and self._online

    async def on_message(self, name: str, payload: bytes) -> None:
        """Takes one message; a refused one is noted and changes nothing."""
        try:
            kind, hive, worker = parse(name)
        except TopicError as error:
            self._inbox.refuse("mother-topic", str(error), payload)
            return
        if hive != self._hive or not kind.from_queen or worker not in ("", self._worker):
            self._inbox.refuse("mother-topic", f"{name} is not for {self._worker} of Hive {self._hive}", payload)
        elif kind == ROUND:
            self._inbox.round_(payload)
        elif kind == STATEMENT:
            self._inbox.statement(payload)
        elif kind == QUEEN_STATUS:
            self._status(payload)

    async def on_connected(self) -> None:
        """Says nothing: the Worker of the connection point does."""

    async def declare(self, message: DeclareMessage) -> None:
        """Sends an answer; one that cannot be sent is lost."""
        try:
            name = topic(DECLARE, self._hive, self._worker)
            await self._publish(Outgoing(name, encode(message), DECLARE.qos, DECLARE.retained))
        except BrokerAway as error:
            _LOG.info("mother_answer_unsent round=%d reason=%r", message.round, str(error))

    def _status(self, payload: bytes) -> None:
        try:
            online = decode(StatusMessage, payload).online
        except MessageError as error:
            self._inbox.refuse("mother-status", str(error), payload)
            return
        if online != self._online:
            _LOG.info("mother_%s hive=%d", "online" if online else "away", self._hive)
        self._online = online


def mother_subscriptions(hive: int, worker: str) -> list[tuple[str, int]]:
    """The topics that a daughter listens to at her mother's broker."""
    broadcasts = [(topic(kind, hive), 1) for kind in (ROUND, QUEEN_STATUS)]
    return [*broadcasts, (topic(STATEMENT, hive, worker), 1)]
