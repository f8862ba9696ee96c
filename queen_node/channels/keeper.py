"""Issues Statements and takes their answers (chain-design section 3, "Order of signing").

The Queen signs first and commits before anything is published; one Statement at most is outstanding per Worker; an
Objection freezes the account until the operator resumes it, and its lines wait for the next slot's Statement. An
account that is closing or closed on the chain gets none until it is open again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from honey_edge.model.slots import SLOTS_PER_DAY, day_of
from honey_edge.wire.codec import MessageError, decode, encode
from honey_edge.wire.messages import MAX_LINES, CountersignMessage
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.statement_message import CoverTold, statement_message
from honey_edge.wire.typed_data import Domain, digest
from queen_node.channels.statement import (
    Evidence,
    SignedPeriod,
    SignedTotals,
    credit_runs_out,
    draft_statement,
    lines_for_one,
)
from queen_node.store import Store, accounts, books, periods, readings
from queen_node.store.records import LineRow, RejectedRow, StatementRow, WorkerRow
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
_TOTALS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """Whose Statements these are: Hive, domain of the signatures, the Queen's signer."""

    hive: int
    domain: Domain
    signer: Signer


class Channels:
    """All payment channels of a Hive."""

    def __init__(self, store: Store, rules: ChannelRules, refusals: Refusals, now_unix_s: Callable[[], float]) -> None:
        self._store, self._rules, self._refusals, self._now_unix_s = store, rules, refusals, now_unix_s
        self._totals: dict[int, SignedTotals] = {}
        self._low_credit: set[str] = set()
        self.answered = asyncio.Event()
        with store.begin() as tx:
            newest = [books.newest_statement(tx, row.worker) for row in accounts.all_workers(tx)]
        self._outstanding = {row.worker for row in newest if row is not None and row.reason is None}

    def outstanding(self, among: Iterable[str]) -> set[str]:
        """Which of these Workers owe an answer; `answered` is set whenever one comes."""
        return self._outstanding & set(among)

    def issue_due(self) -> list[StatementRow]:
        """Signs and commits every Statement that is due, to be published afterwards."""
        with self._store.begin() as tx:
            issued = [self._issue(tx, row) for row in accounts.all_workers(tx)]
        due = [row for row in issued if row is not None]
        self._outstanding |= {row.worker for row in due}
        return due

    def newest(self) -> list[StatementRow]:
        """Every Worker's newest Statement, to be published again."""
        with self._store.begin() as tx:
            found = [books.newest_statement(tx, row.worker) for row in accounts.all_workers(tx)]
        return [row for row in found if row is not None]

    def receive(self, worker: str, payload: bytes) -> StatementRow | None:
        """Takes a countersignature or Objection; the Statement to publish next, if one is due."""
        try:
            message = decode(CountersignMessage, payload)
        except MessageError as error:
            self._refuse(worker, payload, "malformed", str(error))
            return None
        with self._store.begin() as tx:
            problem = self._answer(tx, worker, message)
            if problem:
                self._refuse(worker, payload, *problem)
                return None
            row = accounts.worker_named(tx, worker)
            following = None if row is None else self._issue(tx, row)
        if following is None:
            self._outstanding.discard(worker)
        self.answered.set()
        return following

    def resume(self, worker: str) -> None:
        """Frees a frozen account: its lines go into the next Statement."""
        with self._store.begin() as tx:
            accounts.freeze(tx, worker, False)

    def _answer(self, tx: Connection, worker: str, message: CountersignMessage) -> tuple[str, str] | None:
        """Stores an answer; a reason and detail when it is refused."""
        if message.worker != worker:
            return "foreign", f"the answer is of {message.worker}, the topic of {worker}"
        hashed = bytes.fromhex(message.statement)
        statement = books.statement_by_digest(tx, worker, hashed)
        if statement is None:
            return "unknown-statement", f"no Statement {message.statement} was issued to this Worker"
        signature = bytes.fromhex(message.signature)
        signed = hashed if message.reason == 0 else digest(self._rules.domain, message.objection())
        if not signed_by(bytes.fromhex(worker), signed, signature):
            return "forged", "the answer is not signed by the enrolled key"
        if message.reason == 0 and message.net_micro != statement.net_micro:
            return "net", f"countersigned {statement.net_micro} but tells {message.net_micro}"
        if statement.reason is not None:
            same = statement.reason == message.reason
            return None if same else ("answered", "this Statement was answered otherwise before")
        books.answer_statement(tx, worker, statement.slot, signature, message.reason, message.net_micro)
        if message.reason:
            accounts.freeze(tx, worker, True)
            _LOG.warning(
                "statement_objected worker=%s slot=%d reason=%d net_micro=%d own_net_micro=%d",
                worker, statement.slot, message.reason, statement.net_micro, message.net_micro,
            )  # fmt: skip
        return None

    def _issue(self, tx: Connection, row: WorkerRow) -> StatementRow | None:
        newest = books.newest_statement(tx, row.worker)
        if row.frozen or not row.is_open or (newest is not None and newest.reason is None):
            return None
        waiting = periods.pending_charges(tx, row.worker)
        lines = lines_for_one(books.pending_lines(tx, row.worker, MAX_LINES), waiting)
        if not lines:
            return None
        statement_slot = lines[-1].slot
        charges = [one for one in waiting if one.after_slot <= statement_slot]
        first = day_of(statement_slot) * SLOTS_PER_DAY
        earlier = books.lines_of_statements(tx, row.worker, first, first + SLOTS_PER_DAY - 1)
        before = periods.charges_of_statements(tx, row.worker, first, first + SLOTS_PER_DAY - 1)
        evidence = self._evidence(tx, row.worker, [*earlier, *lines], [*before, *charges])
        rules = self._rules
        worker = bytes.fromhex(row.worker)
        day_leaves = evidence.leaves(earlier, before)
        statement = draft_statement(rules.hive, worker, lines, day_leaves, evidence, charges)
        hashed = digest(rules.domain, statement)
        cover = accounts.read_cover(tx)
        told = CoverTold(lines[-1].funding_micro, cover.pool_micro, cover.pending_micro, cover.block)
        signature = rules.signer.sign(hashed)
        told_lines, told_charges = evidence.statement_lines(lines), evidence.charge_lines(charges)
        message = encode(statement_message(statement, signature, told, told_lines, told_charges))
        issued = StatementRow(row.worker, statement.slot, hashed, statement.net, message)
        books.add_statement(tx, issued, statement_slot)
        self._warn_of_credit(row, [*earlier, *lines])
        return issued

    def _evidence(
        self, tx: Connection, worker: str, lines: list[LineRow], charges: list[periods.ChargeRow]
    ) -> Evidence:
        stored = readings.readings_of(tx, worker, lines[0].slot, lines[-1].slot)
        return Evidence(
            {line.slot: self._signed_totals(tx, line.slot) for line in lines},
            {row.reading.slot: row.hash for row in stored},
            {(one.kind, one.slot): self._signed_period(tx, one.kind, one.slot) for one in charges},
        )

    def _signed_period(self, tx: Connection, kind: int, slot: int) -> SignedPeriod:
        row = periods.period(tx, kind, slot)
        assert row is not None, f"a charge of slot {slot} was booked but its period never signed"
        return SignedPeriod(*row.signed)

    def _signed_totals(self, tx: Connection, slot: int) -> SignedTotals:
        known = self._totals.get(slot)
        if known is None:
            closed = books.closed_slot(tx, slot)
            assert closed is not None, f"slot {slot} was booked but never closed"
            if len(self._totals) >= _TOTALS_KEPT:
                del self._totals[min(self._totals)]
            known = self._totals[slot] = SignedTotals(closed.totals, closed.signature)
        return known

    def _warn_of_credit(self, row: WorkerRow, recent: list[LineRow]) -> None:
        low = credit_runs_out(row.funding_micro, recent)
        if low and row.worker not in self._low_credit:
            self._low_credit.add(row.worker)
            _LOG.warning("credit_low worker=%s serial=%s funding_micro=%d", row.worker, row.serial, row.funding_micro)
        elif not low:
            self._low_credit.discard(row.worker)

    def _refuse(self, worker: str, payload: bytes, reason: str, detail: str) -> None:
        row = RejectedRow(worker, int(self._now_unix_s()), "countersign", reason, detail, payload)
        self._refusals.note(row)
        _LOG.info("answer_refused worker=%s reason=%s detail=%r", worker, reason, detail)
