"""A Hive in memory for the Queen's tests: keys, terms, a store, and Workers that recompute what they are billed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from honey_edge.billing.account import Position
from honey_edge.billing.tariff import Tariff, tariff_document
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import CountersignMessage, ReadingMessage
from honey_edge.wire.recompute import Agreement, Ledger, recompute_statement
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import StatementMessage
from honey_edge.wire.structs import ZERO_HASH, HiveTerms, Objection, Reading
from honey_edge.wire.typed_data import Domain, digest, struct_hash
from queen_node.channels.keeper import ChannelRules, Channels
from queen_node.closing.decide import Rules
from queen_node.closing.runner import Closer
from queen_node.connection import slot_energy
from queen_node.ingest.checks import StepLimit
from queen_node.ingest.receiver import Ingest, IngestRules
from queen_node.store import Store, accounts, readings
from queen_node.store.records import MeterRow, WorkerRow
from queen_node.store.refusals import Refusals

FIRST_SLOT = 1_900_800
HIVE = 7
DOMAIN = Domain(31337, bytes.fromhex("c0" * 20))
QUEEN = KeySigner(b"\x51" * 32)


def make_tariff(steps: int = 4) -> Tariff:
    """A tariff whose prices change through the day."""
    buy = tuple(200_000 + 7_001 * (k % steps) for k in range(96))
    sell = tuple(50_000 - 3_001 * (k % steps) for k in range(96))
    return Tariff("EUR", buy, sell, (), 10_000_000)


@dataclass
class FakeWorker:
    """A home that signs readings and answers statements from its own evidence only."""

    signer: KeySigner
    agreement: Agreement
    journal: list[Reading] = field(default_factory=list)
    ledger: Ledger | None = None
    answers: list[CountersignMessage] = field(default_factory=list)
    lowest_reputation: int = 1000

    @property
    def name(self) -> str:
        return self.signer.address.hex()

    def read(self, slot: int, imported: int, exported: int, **changes: object) -> bytes:
        """Signs the reading of a slot end; returns its message."""
        previous = struct_hash(self.journal[-1]) if self.journal else ZERO_HASH
        reading = Reading(self.signer.address, slot, imported, exported, 0, b"\x01" * 32, previous)
        reading = replace(reading, **changes)
        self.journal.append(reading)
        return self.message(reading)

    def message(self, reading: Reading) -> bytes:
        return encode(ReadingMessage.of(reading, self.signer.sign(digest(DOMAIN, reading))))

    def answer(self, payload: bytes) -> bytes:
        """Recomputes a statement; countersigns it, or objects and raises the disagreement in a test."""
        message = decode(StatementMessage, payload)
        statement = message.signed()
        hashed = digest(DOMAIN, statement)
        if self.ledger is None:
            base = self.journal[0]
            self.ledger = Ledger(Position(base.slot, base.imported, base.exported, 0), base.slot)
        after = [r for r in self.journal if r.slot > self.ledger.position.slot]
        lines = message.lines()
        lowest = [self.lowest_reputation] * len(lines)
        self.ledger, _ = recompute_statement(
            self.agreement, self.ledger, after, lines, statement, message.funding_micro, lowest, message.charges()
        )
        reply = CountersignMessage(
            worker=self.name,
            slot=statement.slot,
            statement=hashed.hex(),
            net_micro=statement.net,
            reason=0,
            signature=self.signer.sign(hashed).hex(),
        )
        self.answers.append(reply)
        return encode(reply)

    def object(self, payload: bytes, reason: int) -> bytes:
        statement = decode(StatementMessage, payload).signed()
        hashed = digest(DOMAIN, statement)
        signature = self.signer.sign(digest(DOMAIN, Objection(hashed, 5, reason)))
        return encode(
            CountersignMessage(
                worker=self.name,
                slot=statement.slot,
                statement=hashed.hex(),
                net_micro=5,
                reason=reason,
                signature=signature.hex(),
            )
        )


class World:
    """A Queen without broker and clock, and her Workers."""

    def __init__(
        self, homes: int = 3, *, funding_micro: int = 100_000_000, metered: bool = True, fee: int = 25, **tariff: Any
    ):
        self.tariff = replace(make_tariff(), **tariff)
        self.terms = HiveTerms(HIVE, 1, 0, keccak(tariff_document(self.tariff)), 250, fee, 20, 500_000, 40_000, 0, 2)
        self.agreement = Agreement(DOMAIN, QUEEN.address, HIVE, self.terms, self.tariff)
        self.store = Store("sqlite://")
        self.now_unix_s = float((FIRST_SLOT + 1) * 900)
        self.metered = metered
        self.funding_micro = funding_micro
        self.workers = [FakeWorker(KeySigner(bytes([k + 1]) * 32), self.agreement) for k in range(homes)]
        with self.store.begin() as tx:
            for k, worker in enumerate(self.workers):
                row = WorkerRow(worker.name, f"HW-{k}", True, FIRST_SLOT, funding_micro)
                accounts.put_worker(tx, row)
        self.restart()

    def restart(self) -> None:
        """The daemon's objects anew from the store, as after a SIGKILL."""
        self.refusals = Refusals()
        rules = IngestRules(DOMAIN, StepLimit(self.terms.max_power_w, 10_000))
        self.ingest = Ingest(self.store, rules, self.refusals, lambda: self.now_unix_s, self._no_receipts)
        self.ingest.enrol([worker.name for worker in self.workers])
        self.channels = Channels(self.store, ChannelRules(HIVE, DOMAIN, QUEEN), self.refusals, lambda: self.now_unix_s)
        self.closer = Closer(
            self.store,
            Rules(self.terms, struct_hash(self.terms), self.tariff),
            DOMAIN,
            QUEEN,
            slot_energy if self.metered else lambda tx, slot: None,
        )

    async def _no_receipts(self, newest: object) -> None:
        return None

    def send(self, worker: FakeWorker, *payloads: bytes) -> dict[str, int]:
        """Brings messages in one group; the slots receipted."""
        for payload in payloads:
            self.ingest.offer(worker.name, payload)
        return {name: row.reading.slot for name, row in self.ingest.commit().items()}

    def reasons(self) -> list[str]:
        """Why the newest messages were refused, newest first."""
        self.ingest.commit()
        with self.store.begin() as tx:
            return [row.reason for row in readings.rejected_of(tx)]

    def meter(self, slot: int, imported: int, exported: int) -> None:
        with self.store.begin() as tx:
            readings.put_meter(tx, MeterRow(slot, imported, exported))

    def fund(self, worker: FakeWorker, funding_micro: int) -> None:
        with self.store.begin() as tx:
            row = accounts.worker_named(tx, worker.name)
            assert row is not None
            accounts.put_worker(tx, replace(row, funding_micro=funding_micro))

    def by_name(self, name: str) -> FakeWorker:
        return next(w for w in self.workers if w.name == name)

    def countersign_all(self, skip: Callable[[FakeWorker], bool] = lambda w: False) -> int:
        """Issues what is due and lets the Workers answer until nothing is left; how many were answered."""
        self.channels.issue_due()
        queue = [row for row in self.channels.newest() if row.reason is None]
        answered = 0
        while queue:
            row = queue.pop(0)
            worker = self.by_name(row.worker)
            if skip(worker):
                continue
            following = self.channels.receive(worker.name, worker.answer(row.message))
            answered += 1
            if following is not None:
                queue.append(following)
        return answered


@pytest.fixture(scope="session")
def make_world() -> type[World]:
    return World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def first_slot() -> int:
    return FIRST_SLOT
