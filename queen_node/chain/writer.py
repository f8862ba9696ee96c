"""One writer for one account: a lease in the database with a fence that grows whenever it changes hands.

Two processes on one database take turns; one that was paused past its lease cannot store anything any more, and what
is not stored is never sent. A dead process's lease on the same machine is taken over at once.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from queen_node.chain.errors import WriterBusy
from queen_node.chain.intents import IntentStore, Lease

_TOKEN = secrets.token_hex(8)
_TURNS: dict[str, threading.RLock] = {}
_TURNS_LOCK = threading.Lock()


def this_process() -> str:
    """Host, process and a random part: two starts never have the same name."""
    return f"{socket.gethostname()}:{os.getpid()}:{_TOKEN}"


class Writer:
    """Takes and gives back the lease of one sender."""

    def __init__(
        self, intents: IntentStore, sender: str, lease_s: int, now: Callable[[], float], holder: str = ""
    ) -> None:
        """`holder` (for tests) takes the place of this process's name."""
        self._intents, self._sender, self._lease_s, self._now = intents, sender, lease_s, now
        self._holder = holder or this_process()

    @contextmanager
    def hold(self) -> Iterator[Lease]:
        """The lease for a block of code; WriterBusy when another process has it. Threads of one process wait."""
        with _turn(self._sender):
            lease = self._taken()
            try:
                yield lease
            finally:
                self._given_back(lease)

    def _taken(self) -> Lease:
        now, old = int(self._now()), self._intents.lease(self._sender)
        if old is not None and old.holder != self._holder and old.until_unix_s > now and not dead(old.holder):
            raise WriterBusy(self._sender, old.holder, old.until_unix_s)
        same = old is not None and old.holder == self._holder
        fence = 1 if old is None else old.fence + (not same)
        new = Lease(self._sender, self._holder, now + self._lease_s, fence)
        if not self._intents.take(old, new):
            raise WriterBusy(self._sender, "of unknown name", now + self._lease_s)
        return new

    def _given_back(self, lease: Lease) -> None:
        """Ends the lease early; when somebody else has taken it meanwhile there is nothing to give."""
        self._intents.take(lease, Lease(lease.sender, lease.holder, 0, lease.fence))


def dead(holder: str) -> bool:
    """Whether a holder was a process of this machine that has ended, or an earlier one with this very number."""
    parts = holder.rsplit(":", 2)
    if len(parts) != 3 or parts[0] != socket.gethostname() or not parts[1].isdecimal():
        return False
    if int(parts[1]) == os.getpid():
        return parts[2] != _TOKEN
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _turn(sender: str) -> threading.RLock:
    with _TURNS_LOCK:
        return _TURNS.setdefault(sender, threading.RLock())
