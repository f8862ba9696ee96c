"""Readings from the broker into the store: all that arrive together are committed together, then receipted.

A reading whose `previous` is not the last accepted one waits, at most `WAITING_READINGS` per Worker; a conflicting
one is a fork and refused. The Worker resends whatever has no Receipt, so nothing here needs to survive a restart.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from honey_edge.model.slots import slot_at
from honey_edge.wire.typed_data import Domain
from queen_node.ingest.checks import Refusal, StepLimit, follows, read_signed, step_refusal, too_early
from queen_node.store import Store
from queen_node.store.readings import add_readings, hash_known, newest_readings, reading_at
from queen_node.store.records import RejectedRow, StoredReading
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
WAITING_READINGS = 96
LARGEST_GROUP = 500

Receipts = Mapping[str, StoredReading]


@dataclass(frozen=True, slots=True)
class IngestRules:
    """Against what readings are checked: the signature's domain and the largest plausible step."""

    domain: Domain
    step: StepLimit


class Ingest:
    """The only writer of readings.

    `send_receipts` gets the newest stored reading of each Worker that just brought something.
    """

    def __init__(
        self,
        store: Store,
        rules: IngestRules,
        refusals: Refusals,
        now_unix_s: Callable[[], float],
        send_receipts: Callable[[Receipts], Awaitable[None]],
    ) -> None:
        self._store, self._rules, self._refusals = store, rules, refusals
        self._now_unix_s, self._send_receipts = now_unix_s, send_receipts
        self._queue: list[tuple[str, bytes]] = []
        self._wake = asyncio.Event()
        self._workers: dict[str, bytes] = {}
        self._waiting: dict[str, dict[bytes, StoredReading]] = {}
        with store.begin() as tx:
            self._newest = newest_readings(tx)

    def enrol(self, addresses: list[str]) -> None:
        """Whose readings are taken."""
        self._workers = {address: bytes.fromhex(address) for address in addresses}

    @property
    def newest(self) -> Receipts:
        """The newest stored reading of each Worker."""
        return self._newest

    def offer(self, worker: str, payload: bytes) -> None:
        """Takes a message that arrived on a Worker's reading topic; it is kept by the next `commit`."""
        self._queue.append((worker, payload))
        self._wake.set()

    def wake(self) -> None:
        """Makes `run` write refusals that others noted."""
        self._wake.set()

    async def run(self) -> None:
        """Commits what arrives, all that is there at once, and receipts it."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(0)
            self._wake.clear()
            receipts = self.commit()
            if self._queue:
                self._wake.set()
            if receipts:
                await self._send_receipts(receipts)

    def commit(self) -> Receipts:
        """Checks and stores one group in one transaction; the receipts that are due afterwards."""
        group, self._queue = self._queue[:LARGEST_GROUP], self._queue[LARGEST_GROUP:]
        if not group and not self._refusals.waiting:
            return {}
        heads: dict[str, StoredReading] = {}
        accepted: list[StoredReading] = []
        due: set[str] = set()
        with self._store.begin() as tx:
            for worker, payload in group:
                verdict = self._judge(tx, heads, accepted, worker, payload)
                if isinstance(verdict, Refusal):
                    self._refuse(worker, payload, verdict)
                elif verdict:
                    due.add(worker)
            add_readings(tx, accepted)
            self._refusals.flush(tx)
        self._newest |= heads
        return {worker: self._newest[worker] for worker in due if worker in self._newest}

    def _judge(
        self,
        tx: Connection,
        heads: dict[str, StoredReading],
        accepted: list[StoredReading],
        worker: str,
        payload: bytes,
    ) -> Refusal | bool:
        """A refusal, or whether a Receipt is due: yes when stored (now or before), no while the reading waits."""
        address = self._workers.get(worker)
        if address is None:
            return Refusal("foreign", f"{worker} is not a Worker of this Hive")
        new = read_signed(self._rules.domain, worker, address, payload)
        if isinstance(new, Refusal):
            return new
        last = heads.get(worker) or self._newest.get(worker)
        if last is not None and new.reading.slot <= last.reading.slot:
            return self._again(tx, worker, last, accepted, new)
        early = too_early(new.reading, slot_at(self._now_unix_s()))
        if early is not None:
            return early
        if not follows(last, new.reading):
            return self._wait(tx, worker, accepted, new)
        refusal = step_refusal(last, new.reading, self._rules.step)
        if refusal is not None:
            return refusal
        self._accept(worker, heads, accepted, new)
        return True

    def _accept(
        self, worker: str, heads: dict[str, StoredReading], accepted: list[StoredReading], new: StoredReading
    ) -> None:
        """Takes a reading and every waiting one that now follows."""
        waiting = self._waiting.get(worker, {})
        following: StoredReading | None = new
        while following is not None:
            last = heads[worker] = following
            accepted.append(following)
            following = waiting.pop(following.hash, None)
            if following is not None:
                refusal = step_refusal(last, following.reading, self._rules.step)
                if refusal is not None:
                    self._refuse(worker, b"", refusal)
                    following = None
        if waiting:
            reached = heads[worker].reading.slot
            self._waiting[worker] = {k: row for k, row in waiting.items() if row.reading.slot > reached}

    def _again(
        self, tx: Connection, worker: str, last: StoredReading, accepted: list[StoredReading], new: StoredReading
    ) -> Refusal | bool:
        """A reading of a slot already passed: the one stored (receipted again), or a fork."""
        slot = new.reading.slot
        known = {row.reading.slot: row for row in (*accepted, last) if row.reading.worker == new.reading.worker}
        stored = known.get(slot) or reading_at(tx, worker, slot)
        if stored is not None and stored.hash == new.hash:
            return True
        return Refusal("fork", f"another chain of readings was accepted up to slot {last.reading.slot}")

    def _wait(self, tx: Connection, worker: str, accepted: list[StoredReading], new: StoredReading) -> Refusal | bool:
        """A reading whose predecessor is not here yet waits; one that branches off an older reading is a fork."""
        previous = new.reading.previous
        before = any(row.hash == previous for row in accepted) or hash_known(tx, worker, previous)
        if before or (previous == bytes(32) and worker in self._newest):
            return Refusal("fork", f"slot {new.reading.slot} does not follow the newest accepted reading")
        waiting = self._waiting.setdefault(worker, {})
        if previous not in waiting and len(waiting) >= WAITING_READINGS:
            return Refusal("gap", f"{WAITING_READINGS} readings already wait for an earlier one")
        other = waiting.get(previous)
        if other is not None and other.hash != new.hash:
            return Refusal("fork", f"slots {other.reading.slot} and {new.reading.slot} name the same predecessor")
        waiting[previous] = new
        return worker in self._newest

    def _refuse(self, worker: str, payload: bytes, refusal: Refusal) -> None:
        known = worker if worker in self._workers else ""
        now = int(self._now_unix_s())
        self._refusals.note(RejectedRow(known, now, "reading", refusal.reason, refusal.detail, payload))
        _LOG.info("reading_refused worker=%s reason=%s detail=%r", worker, refusal.reason, refusal.detail)
