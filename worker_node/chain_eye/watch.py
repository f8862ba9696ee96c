"""Looks at the chain at start and every few hours, keeps the newest look, and acts on a close with an old state."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from drivers.clock import Clock
from honey_edge.billing.cover import Cover
from worker_node.both_signed import BothSigned
from worker_node.chain_eye.contest import Contest
from worker_node.chain_eye.findings import Own, counts, cover_of, cover_text, findings, stale_close
from worker_node.chain_eye.look import ChainLook, LookFailed, Subject, look
from worker_node.chain_eye.rpc import Node

_LOG = logging.getLogger(__name__)
RETRY_S = 900
AGAIN_AT_MOST_EVERY_S = 300
WHILE_CLOSING_S = 1_800
AGAIN_LIMIT_S = 8.0


@dataclass(frozen=True, slots=True)
class Home:
    """What the watch asks of the journal: the own account, the last both-signed Statement; where a look is kept."""

    own: Callable[[ChainLook | None], Awaitable[Own]]
    both_signed: Callable[[], Awaitable[BothSigned | None]]
    keep: Callable[[ChainLook], Awaitable[None]]
    changed: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watch knows now: the newest look, why the newest try failed, what follows, who took a contest."""

    look: ChainLook | None
    trouble: str
    findings: tuple[str, ...]
    cover_text: str
    contest_taken: int
    contest_addresses: int


class ChainWatch:
    """Runs the looks; `newest` and `again` serve the account before it signs."""

    def __init__(
        self, nodes: Sequence[Node], subject: Subject, clock: Clock, home: Home, contest: Contest, poll_every_s: int
    ) -> None:
        self._nodes = nodes
        self._subject = subject
        self._clock = clock
        self._home = home
        self._contest = contest
        self._poll_every_s = poll_every_s
        self._look: ChainLook | None = None
        self._trouble = "not looked yet"
        self._tried_unix_s = 0.0
        self._since_unix_s = clock.now_unix_s()
        self._looking = asyncio.Lock()

    def load(self, kept: bytes | None) -> None:
        """Before the first look: the one that the journal keeps."""
        self._look = ChainLook.decoded(kept) if kept else None

    def newest(self) -> Cover | None:
        """The newest look as cover; None while there is none of the last two days or the account is not open."""
        found = self._look
        return cover_of(found) if found is not None and counts(found, self._clock.now_unix_s()) else None

    async def again(self) -> Cover | None:
        """A new look within seconds, unless one was tried in the last minutes; else the newest there is."""
        if self._clock.now_unix_s() - self._tried_unix_s >= AGAIN_AT_MOST_EVERY_S:
            try:
                async with asyncio.timeout(AGAIN_LIMIT_S):
                    await self._try()
            except TimeoutError:
                _LOG.warning("chain_look_late limit_s=%g", AGAIN_LIMIT_S)
        return self.newest()

    async def seen(self) -> Seen:
        """What there is to show."""
        own = await self._home.own(self._look)
        now = self._clock.now_unix_s()
        names = findings(self._look, own, now, self._since_unix_s)
        slot = own.agreed_slot if own.agreed_slot is not None else -1
        short = cover_text(self._look, own) if self._look else ""
        taken = self._contest.taken(slot) if slot >= 0 else 0
        return Seen(self._look, self._trouble, names, short, taken, len(self._contest.addresses))

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            with self._clock.hold("chain"):
                await self._try()
                due = self._next_unix_s()
                resend = await self._answer_close()
            await self._home.changed()
            await self._clock.sleep_until(min(due, resend) if resend is not None else due)

    async def _try(self) -> None:
        async with self._looking:
            now = self._tried_unix_s = self._clock.now_unix_s()
            try:
                found = await look(self._nodes, self._subject, now)
            except LookFailed as error:
                self._trouble = str(error)
                _LOG.warning("chain_unchecked reason=%r", self._trouble)
                return
            self._look, self._trouble = found, ""
            await self._home.keep(found)
            _LOG.info("chain_checked block=%d slot=%d pool_micro=%d", found.block, found.slot, found.pool_micro)

    def _next_unix_s(self) -> float:
        wait_s = self._poll_every_s
        if self._trouble:
            wait_s = min(wait_s, RETRY_S)
        elif self._look is not None and self._look.close_ends_unix_s:
            wait_s = min(wait_s, WHILE_CLOSING_S)
        return self._clock.now_unix_s() + wait_s

    async def _answer_close(self) -> float | None:
        """Sends the newer Statement where the terms say; when to try again, None when there is nothing to send."""
        found, both = self._look, await self._home.both_signed()
        if found is None or both is None or not stale_close(found, both.statement.slot):
            return None
        _LOG.error("stale_close slot=%d own_slot=%d", found.close_slot, both.statement.slot)
        return await self._contest.send(both, self._clock.now_unix_s())
