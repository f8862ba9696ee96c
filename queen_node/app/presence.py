"""Which Workers are there, from their retained status messages and last wills."""

import logging

from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.messages import StatusMessage

_LOG = logging.getLogger(__name__)


class Presence:
    """Online Workers; one log line when one comes or goes."""

    def __init__(self) -> None:
        self._online: set[str] = set()

    def online(self) -> set[str]:
        """The addresses of Workers that are there."""
        return set(self._online)

    def receive(self, worker: str, payload: bytes) -> str:
        """Takes a status; why it is refused, or ""."""
        try:
            message = decode(StatusMessage, payload)
        except MessageError as error:
            return str(error)
        if message.online != (worker in self._online):
            event = "worker_online" if message.online else "worker_offline"
            _LOG.info("%s worker=%s version=%s", event, worker, message.version)
        (self._online.add if message.online else self._online.discard)(worker)
        return ""
