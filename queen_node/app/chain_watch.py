"""Watches the chain for the Queen: events into the store, accounts and pool fresh, closes guarded, rows followed.

One round every `poll_every_s`, and a full look at all accounts every hour. A chain that is away is one log line;
slots close and Statements go on with what was last seen.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from drivers.clock import Clock
from queen_node.app.chain_accounts import ChainAway, ChainRefused, translated
from queen_node.app.chain_follow import ChainFollower, Step
from queen_node.app.dispute_guard import DisputeGuard
from queen_node.store.chain_events import EventRow

_LOG = logging.getLogger(__name__)
FULL_LOOK_S = 3_600
STEPS_AT_ONCE = 50
MOVES_AT_ONCE = 5
#: What an operator should look at, and what is only worth knowing.
ALARMS = frozenset(
    {
        "AccountClosed", "BondSlashed", "BondWithdrawn", "ClaimPaid", "ClaimRecorded", "CloseContested", "CloseStarted",
        "HiveFellShort", "HiveFrozen", "MeterBanned", "MotherLinked", "MovedToMother", "PayoutSet", "Penalised",
        "PoolWithdrawalRequested", "PoolWithdrawn", "QueenSet", "TermsSet", "Withdrawn",
    }
)  # fmt: skip
NOTES = frozenset(
    {
        "AccountOpened", "BatchSettled", "BondPosted", "Deposited", "HiveCovered", "ObjectionShown", "PoolFunded",
        "Skipped", "StatementApplied",
    }
)  # fmt: skip


class Followed(Protocol):
    """The transactions whose rows are looked at again after every round."""

    def follow(self) -> Any:
        """Looks at all unfinished rows: final, gone with their block, or to be sent again."""


class ChainWatch:
    """An `AccountsView` that follows the chain. `turn` keeps it apart from others that send: one at a time."""

    def __init__(
        self,
        clock: Clock,
        follower: ChainFollower,
        guard: DisputeGuard,
        transactions: Followed,
        poll_every_s: int,
        turn: asyncio.Lock,
        check: Callable[[], None],
        settled: Callable[[int], None] = lambda slot: None,
    ) -> None:
        """`check` refuses a wrong chain or contract; it is asked before anything is read.

        `settled` is told the period of every batch that comes onto the chain, by whoever.
        """
        self._clock, self._follower, self._guard, self._transactions = clock, follower, guard, transactions
        self._poll_every_s, self._turn, self._check, self._settled = poll_every_s, turn, check, settled
        self._problem = ""
        self._looked_unix_s = 0.0
        self._behind = False
        self._periods: set[int] = set()

    async def refresh(self) -> None:
        """Reads all accounts again and everything new; a chain that is away is only logged."""
        self._follower.touch_all()
        self._looked_unix_s = self._clock.now_unix_s()
        await self._round()

    async def run(self) -> None:
        """One round after the other, at once while there is much to catch up with."""
        while True:
            if not self._behind:
                await self._clock.sleep_until(self._clock.now_unix_s() + self._poll_every_s)
            if self._clock.now_unix_s() - self._looked_unix_s >= FULL_LOOK_S:
                await self.refresh()
            else:
                await self._round()

    async def _round(self) -> None:
        async with self._turn:
            now, self._behind = int(self._clock.now_unix_s()), False
            try:
                self._behind = not await asyncio.to_thread(self.look, now)
            except (ChainAway, ChainRefused) as error:
                self._tell_problem(error)
                return
        if self._problem:
            _LOG.info("chain_back")
        self._problem = ""

    def _tell_problem(self, error: ChainAway | ChainRefused) -> None:
        """One line when the chain goes away, or when what is wrong with it changes."""
        kind = type(error).__name__
        if kind != self._problem:
            level = logging.WARNING if isinstance(error, ChainAway) else logging.ERROR
            _LOG.log(level, "chain_away reason=%r", str(error))
        self._problem = kind

    def look(self, now_unix_s: int) -> bool:
        """Reads on to the head, then acts on closes and on rows that are not final; false while there is much to
        catch up with. Blocks on the network.
        """
        with translated():
            self._check()
            steps, at_head = self.catch_up(now_unix_s)
            if at_head:
                self._guard.act(now_unix_s)
            self._transactions.follow()
            for slot in sorted(self._periods):
                self._settled(slot)
                self._periods.discard(slot)
        return at_head or steps < STEPS_AT_ONCE

    def look_at_all(self, now_unix_s: int) -> None:
        """Reads every account again, now, before money moves; ChainAway unless that succeeds."""
        with translated():
            self._check()
            self._follower.touch_all()
            if not self.catch_up(now_unix_s)[1]:
                raise ChainAway("the chain is still being read", next_step="wait until its events are caught up")

    def catch_up(self, now_unix_s: int) -> tuple[int, bool]:
        """Follows the chain for a bounded number of ranges; how many, and whether it stands at the head."""
        moves = 0
        for number in range(STEPS_AT_ONCE):
            step = self._follower.step(now_unix_s)
            tell_step(step)
            self._periods |= {int(one.arguments["slot"]) for one in step.events if one.name == "BatchSettled"}
            moves += step.moved
            if step.at_head or moves > MOVES_AT_ONCE:
                return number + 1, step.at_head
        return STEPS_AT_ONCE, False


def tell_step(step: Step) -> None:
    """Log lines of what a step brought."""
    if step.rewound_to is not None:
        gone = sorted({event.worker for event in step.removed if event.worker})
        _LOG.warning(
            "chain_reorganised back_to=%d events=%d workers=%s", step.rewound_to, len(step.removed), ",".join(gone)
        )
    tell_events(step.events)


def tell_events(events: Iterable[EventRow]) -> None:
    """One line per event an operator may care about."""
    for event in events:
        if event.name in ALARMS or event.name in NOTES:
            level = logging.WARNING if event.name in ALARMS else logging.INFO
            told = " ".join(f"{_key(name)}={value}" for name, value in event.arguments.items())
            worker = f" worker={event.worker}" if event.worker else ""
            _LOG.log(level, "chain_event name=%s%s block=%d %s", event.name, worker, event.number, told)


def _key(argument: str) -> str:
    """An argument's name in a log line, where `from` is the logger."""
    return "sender" if argument == "from" else argument
