"""Stands guard over running closes: contests old states within the window, finishes closes after it.

It looks at the closes the store holds after every block the Queen follows. Each act is one transaction under its own
key, so that neither a restart nor a second look sends it twice. It is signed here; the watcher's `follow` brings it on.
"""

import logging
from typing import Protocol

from queen_node.chain import ChainError
from queen_node.chain.calls import Call
from queen_node.chain.intents import Intent, IntentState
from queen_node.channels.disputes import (
    Act,
    Verdict,
    contest_key,
    decide_contest,
    finish_key,
    objection_key,
    objections_to_show,
)
from queen_node.store import Store, books, chain_events
from queen_node.store.chain_events import CloseRow
from queen_node.store.records import BothSigned, StatementRow

_LOG = logging.getLogger(__name__)
CONTRACT = "EnergySettlement"
_NEWEST_SLOT = 2**32 - 1


class Sender(Protocol):
    """The part of the Queen's transactions that is needed here."""

    def plan(self, key: str, call: Call, expected: str = "") -> Intent:
        """The row of this key, planned now or before."""

    def step(self, key: str) -> Intent:
        """Brings the row one arrow further."""


class DisputeGuard:
    """The Queen's own acts in disputes; `contest` off leaves them to the operator and only tells of them."""

    def __init__(self, store: Store, sender: Sender, hive: int, contract: str, contest: bool = True) -> None:
        self._store, self._sender, self._hive, self._contract = store, sender, hive, contract
        self._contest = contest
        self._told: set[str] = set()

    def act(self, now_unix_s: int) -> None:
        """Does what every running close asks for; a refusal of one stops none of the others.

        Errors of the network pass through: nothing can be sent then, and the next look tries again.
        """
        for close, verdict in self.verdicts(now_unix_s):
            if verdict.act is not Act.FINISH:
                self._show_objections(close)
            if verdict.act is Act.CONTEST and verdict.statement is not None:
                key = contest_key(self._hive, close.worker, verdict.statement.statement.slot)
                self._tell("close_contested_by_queen", key, close, verdict)
                self._send(key, contest_call(self._contract, verdict.statement), close)
            elif verdict.act is Act.FINISH:
                key = finish_key(self._hive, close.worker, close.slot)
                self._tell("close_ends_on_an_old_state" if verdict.missed else "close_ends", key, close, verdict)
                self._send(key, finish_call(self._contract, self._hive, close.worker), close)

    def _show_objections(self, close: CloseRow) -> None:
        """Before anyone can call her a liar for a Statement that the Worker itself has refused."""
        with self._store.begin() as tx:
            shown = objections_to_show(close, books.statements_of(tx, close.worker))
        for row in shown:
            key = objection_key(self._hive, close.worker, row.slot)
            self._send(key, objection_call(self._contract, row), close)

    def verdicts(self, now_unix_s: int) -> list[tuple[CloseRow, Verdict]]:
        """Every running close and what is to be done about it."""
        with self._store.begin() as tx:
            cursor = chain_events.read_cursor(tx)
            chain_unix_s = 0 if cursor is None else cursor.at_unix_s
            closes = [
                (close, books.both_signed(tx, close.worker, _NEWEST_SLOT)) for close in chain_events.all_closes(tx)
            ]
        return [(close, decide_contest(close, newest, chain_unix_s, now_unix_s)) for close, newest in closes]

    def _send(self, key: str, call: Call, close: CloseRow) -> None:
        if not self._contest:
            return
        try:
            if self._sender.plan(key, call).state is IntentState.PLANNED:
                self._sender.step(key)
        except ChainError as error:
            if error.transient:
                raise
            if f"{key} {error}" not in self._told:
                self._told.add(f"{key} {error}")
                _LOG.error("dispute_refused key=%s worker=%s reason=%r", key, close.worker, str(error))

    def _tell(self, what: str, key: str, close: CloseRow, verdict: Verdict) -> None:
        """One alarm per act."""
        if key in self._told:
            return
        self._told.add(key)
        newer = None if verdict.statement is None else verdict.statement.statement
        _LOG.warning(
            "%s worker=%s shown_slot=%d shown_net_micro=%d newest_slot=%d newest_net_micro=%d ends_at=%d side=%d "
            "sends=%s",
            what, close.worker, close.slot, close.net_micro, close.slot if newer is None else newer.slot,
            close.net_micro if newer is None else newer.net, close.ends_at_unix_s, close.side,
            str(self._contest).lower(),
        )  # fmt: skip


def contest_call(contract: str, signed: BothSigned) -> Call:
    """`contest` with a Statement under both signatures."""
    s = signed.statement
    statement = (s.hive, s.worker.hex(), s.slot, s.net, s.imported, s.exported, s.readings)
    arguments = (statement, signature_words(signed.worker_signature), signature_words(signed.queen_signature))
    return Call(contract, CONTRACT, "contest", arguments)


def objection_call(contract: str, row: StatementRow) -> Call:
    """`showObjection` with what the Worker signed when it refused a Statement."""
    objection = (row.digest, row.own_net_micro or 0, row.reason or 0)
    arguments = (row.worker, objection, signature_words(row.worker_signature or b""))
    return Call(contract, CONTRACT, "showObjection", arguments)


def finish_call(contract: str, hive: int, worker: str) -> Call:
    """`finishClose` of an account."""
    return Call(contract, CONTRACT, "finishClose", (hive, worker))


def signature_words(signature: bytes) -> tuple[bytes, bytes]:
    """A compact signature as the contract takes it: r and vs."""
    return signature[:32], signature[32:]
