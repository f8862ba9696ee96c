"""Follows the settlement contract block by block into the store, across reorganisations and restarts.

One step reads a range of blocks and commits events, cursor and block hashes in one database transaction. Accounts
that an event touched (a settled batch touches all) are read again at the head, in one round, in the transaction that
brings the cursor there: what is stored is always the state of one block of one chain. When the cursor's block is gone,
everything above the newest block that both chains share is removed and read anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from queen_node.app.account_rows import SeenAccount, put_seen
from queen_node.chain import BlockInfo, PoolState
from queen_node.settings import EnrolledWorker
from queen_node.store import Store, accounts, chain_events, permits
from queen_node.store.chain_events import CursorRow, EventRow
from queen_node.store.records import CoverRow

BLOCKS_REMEMBERED = 512
#: Events about a device whatever its Hive: only those of enrolled ones are kept.
OF_DEVICES = ("MeterBanned", "ObjectionShown")
#: Tells no Worker by name, but any account of the Hive may have changed.
OF_MANY_ACCOUNTS = "BatchSettled"
LARGEST_SPAN = 2_000


class RangeTooWide(Exception):
    """A node refuses so many blocks or logs in one answer; a smaller range may do."""


class WatchSource(Protocol):
    """The chain as the follower asks for it; every method blocks on the network."""

    def head(self) -> BlockInfo:
        """The newest block."""

    def block(self, number: int) -> BlockInfo | None:
        """The block of this number on the present chain; None above its head."""

    def final_unix_s(self, head: BlockInfo) -> int:
        """The time of the newest block that can no longer be reorganised."""

    def events(self, first: int, last: int) -> list[EventRow]:
        """The Hive's events in these blocks, in order; RangeTooWide when they are too many."""

    def accounts(self, workers: Sequence[str], block: BlockInfo) -> Mapping[str, SeenAccount]:
        """Accounts as they stood after the block, in one round."""

    def pool(self, block: BlockInfo) -> PoolState:
        """The Hive's pool as it stood after the block."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step has done: events stored, events removed with their blocks, and whether it stands at the head.

    `moved` is true when the chain, or the cursor by another process, changed while it was read: nothing was stored.
    """

    at_head: bool
    events: tuple[EventRow, ...] = ()
    removed: tuple[EventRow, ...] = ()
    moved: bool = False
    rewound_to: int | None = None


@dataclass(frozen=True, slots=True)
class _Stand:
    """What the store knows before a step."""

    cursor: CursorRow | None
    blocks: tuple[tuple[int, str], ...]
    touched: frozenset[str]


class ChainFollower:
    """Brings the store to the head of the chain, step by step; call it from one thread at a time."""

    def __init__(
        self,
        store: Store,
        source: WatchSource,
        workers: Sequence[EnrolledWorker],
        start_block: int = 0,
        largest_span: int = LARGEST_SPAN,
    ) -> None:
        """Reads from `start_block`, where the contract was deployed, at most `largest_span` blocks at a time."""
        self._store, self._source, self._start = store, source, start_block
        self._workers = {worker.address: worker for worker in workers}
        self._span = self._largest_span = largest_span

    def touch_all(self) -> None:
        """Has every enrolled account read again at the next head."""
        with self._store.begin() as tx:
            chain_events.touch(tx, self._workers)

    def step(self, now_unix_s: int) -> Step:
        """Goes on by one range, or back by one reorganisation; the chain's errors pass through."""
        stand, head = self._stand(), self._source.head()
        cursor = stand.cursor
        if cursor is not None:
            gone = self._behind(stand, head) if head.number < cursor.number else not self._holds(cursor)
            if gone:
                return self._rewind(stand, head)
            if head.number < cursor.number or (head.number == cursor.number and not stand.touched):
                return Step(at_head=not stand.touched)
        first = self._start if cursor is None else cursor.number + 1
        if cursor is None and first > head.number:
            return Step(at_head=True)
        return self._read(stand, first, head, now_unix_s)

    def _stand(self) -> _Stand:
        with self._store.begin() as tx:
            blocks = tuple(chain_events.known_blocks(tx))
            return _Stand(chain_events.read_cursor(tx), blocks, frozenset(chain_events.touched(tx)))

    def _holds(self, block: CursorRow | BlockInfo) -> bool:
        found = self._source.block(block.number)
        return found is not None and found.hash == block.hash

    def _behind(self, stand: _Stand, head: BlockInfo) -> bool:
        """Whether a head below the cursor is on another chain; one on the same chain is a node that lags."""
        shared = next(((number, known) for number, known in stand.blocks if number <= head.number), None)
        if shared is None:
            return False
        found = self._source.block(shared[0])
        return found is not None and found.hash != shared[1]

    def _rewind(self, stand: _Stand, head: BlockInfo) -> Step:
        """Back to the newest remembered block that is still on the chain; to the start when none is."""
        ancestor = None
        for number, known in stand.blocks:
            found = self._source.block(number) if number <= head.number else None
            if found is not None and found.hash == known:
                ancestor = found
                break
        with self._store.begin() as tx:
            if chain_events.read_cursor(tx) != stand.cursor:
                return Step(at_head=False, moved=True)
            removed = chain_events.drop_events_above(tx, -1 if ancestor is None else ancestor.number)
            if ancestor is None:
                chain_events.drop_cursor(tx)
                chain_events.touch(tx, self._workers)
            else:
                assert stand.cursor is not None
                back = CursorRow(ancestor.number, ancestor.hash, ancestor.at_unix_s, stand.cursor.final_unix_s)
                chain_events.put_cursor(tx, back, {}, BLOCKS_REMEMBERED)
                chain_events.touch(tx, self._changed(removed))
        return Step(at_head=False, removed=tuple(removed), rewound_to=-1 if ancestor is None else ancestor.number)

    def _read(self, stand: _Stand, first: int, head: BlockInfo, now_unix_s: int) -> Step:
        last = min(head.number, first + self._span - 1)
        target = head if last == head.number else self._source.block(last)
        if target is None:
            return Step(at_head=False, moved=True)
        try:
            found = self._source.events(first, last) if first <= last else []
        except RangeTooWide:
            if self._span == 1:
                raise
            self._span = max(1, min(self._span, last - first + 1) // 2)
            return Step(at_head=False)
        events = [event for event in found if event.name not in OF_DEVICES or event.worker in self._workers]
        names = self._changed(events)
        before = stand.cursor.final_unix_s if stand.cursor is not None else 0
        at_head = last == head.number
        final_unix_s = self._source.final_unix_s(target) if at_head else before
        touched = sorted((stand.touched | names | self._freed(before, final_unix_s)) & set(self._workers))
        seen = self._source.accounts(touched, target) if at_head and touched else {}
        pool = self._source.pool(target) if at_head else None
        if not self._unmoved(stand.cursor, target, events):
            return Step(at_head=False, moved=True)
        with self._store.begin() as tx:
            if chain_events.read_cursor(tx) != stand.cursor:
                return Step(at_head=False, moved=True)
            chain_events.add_events(tx, events)
            kept = {event.number: event.block_hash for event in events}
            cursor = CursorRow(target.number, target.hash, target.at_unix_s, final_unix_s)
            chain_events.put_cursor(tx, cursor, kept, BLOCKS_REMEMBERED)
            if pool is None:
                chain_events.touch(tx, names)
            else:
                put_seen(tx, self._workers, seen, final_unix_s)
                accounts.put_cover(tx, CoverRow(pool.pool_micro, pool.pending_micro, target.number, now_unix_s))
                chain_events.clear_touched(tx)
        self._span = min(self._largest_span, self._span + self._span // 4 + 1)
        return Step(at_head=at_head, events=tuple(events))

    def _changed(self, events: Sequence[EventRow]) -> set[str]:
        """Enrolled accounts that these events may have changed; one batch settled may have changed all."""
        if any(event.name == OF_MANY_ACCOUNTS for event in events):
            return set(self._workers)
        return {event.worker for event in events if event.worker in self._workers}

    def _freed(self, before_unix_s: int, final_unix_s: int) -> set[str]:
        """Accounts with a permit that has run out for good since the last look: its amount is theirs again."""
        with self._store.begin() as tx:
            return permits.run_out(tx, before_unix_s, final_unix_s)

    def _unmoved(self, cursor: CursorRow | None, target: BlockInfo, events: Sequence[EventRow]) -> bool:
        """Whether everything read belongs to one chain: target and cursor still on it, no event beside it."""
        if any(event.number == target.number and event.block_hash != target.hash for event in events):
            return False
        return (cursor is None or self._holds(cursor)) and self._holds(target)
