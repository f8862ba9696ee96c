"""What the journal keeps of fair play: the own reckoning of test C, findings, what an audit may ask for, appeals.

Rounds are kept as the solver's thread packed them (`agent.solver.Round.record`): the home that was answered for, and
the private w of every answer. Only the last ones, and only on this device until an audit asks for one answer.
"""

import json
import sqlite3
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from honey_edge.market.fairplay.conduct import Watched, from_document, to_document

TABLES = (
    "CREATE TABLE fair_play (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE standings (serial INTEGER PRIMARY KEY, message BLOB NOT NULL)",
    "CREATE TABLE answered_rounds (round INTEGER PRIMARY KEY, first_slot INTEGER NOT NULL, record BLOB NOT NULL)",
    """CREATE TABLE disclosed (round INTEGER NOT NULL, iteration INTEGER NOT NULL, why INTEGER NOT NULL,
        at_unix_s INTEGER NOT NULL, PRIMARY KEY (round, iteration))""",
)
KEPT_ROUNDS = 10
"""More than the Queen keeps, so that she asks for nothing that is gone."""

KEPT_STANDINGS = 8
_MOST_RECORD_BYTES = 1_000_000
_WATCHED, _APPEAL = "watched", "appeal"


@dataclass(frozen=True, slots=True)
class AnsweredRound:
    """One round as it was answered: the home's numbers by name, w (milliwatts) by iteration."""

    round: int
    first_slot: int
    sigma: int
    home: Mapping[str, Any]
    states_mw: Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class OwnAppeal:
    """An appeal that a person or the daemon wants; `sent_unix_s` 0 until it was sent against the finding `serial`."""

    serial: int
    sent_unix_s: int


class FairPlayRecords:
    """Fair play in an open journal; every `put_` is one transaction, every `write_` part of another one."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def watched(self) -> Watched:
        """The own reckoning of test C up to the ledger's position."""
        rows = self._rows("SELECT value FROM fair_play WHERE name = ?", _WATCHED)
        return from_document(json.loads(rows[0][0])) if rows else Watched()

    def write_watched(self, watched: Watched) -> None:
        """Keeps it, in the transaction that is open."""
        text = json.dumps(to_document(watched), separators=(",", ":"))
        self._db.execute("INSERT OR REPLACE INTO fair_play VALUES (?,?)", (_WATCHED, text))

    def put_watched(self, watched: Watched) -> None:
        """Keeps it, in a transaction of its own."""
        with self._db:
            self.write_watched(watched)

    def put_standing(self, serial: int, message: bytes) -> None:
        """Keeps a finding as it was told; the oldest go."""
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO standings VALUES (?,?)", (serial, message))
            self._db.execute(
                "DELETE FROM standings WHERE serial NOT IN (SELECT serial FROM standings ORDER BY serial DESC LIMIT ?)",
                (KEPT_STANDINGS,),
            )

    def standings(self) -> list[bytes]:
        """The findings as they were told, newest first."""
        return [bytes(row[0]) for row in self._rows("SELECT message FROM standings ORDER BY serial DESC")]

    def write_round(self, number: int, first_slot: int, record: bytes) -> None:
        """Keeps what an audit of this round may ask for, in the transaction that is open; the oldest rounds go."""
        self._db.execute("INSERT OR REPLACE INTO answered_rounds VALUES (?,?,?)", (number, first_slot, record))
        self._db.execute(
            "DELETE FROM answered_rounds WHERE round NOT IN"
            " (SELECT round FROM answered_rounds ORDER BY round DESC LIMIT ?)",
            (KEPT_ROUNDS,),
        )

    def round(self, number: int) -> AnsweredRound | None:
        """A round that was answered and is still kept."""
        rows = self._rows("SELECT first_slot, record FROM answered_rounds WHERE round = ?", number)
        if not rows:
            return None
        found = json.loads(zlib.decompressobj().decompress(rows[0][1], _MOST_RECORD_BYTES))
        states = {int(iteration): tuple(state) for iteration, state in found["states_mw"].items()}
        return AnsweredRound(number, rows[0][0], found["sigma"], found["home"], states)

    def put_disclosed(self, number: int, iteration: int, why: int, at_unix_s: int) -> None:
        """Notes a disclosure before it leaves the house."""
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO disclosed VALUES (?,?,?,?)", (number, iteration, why, at_unix_s))

    def was_disclosed(self, number: int, iteration: int) -> bool:
        """Whether this answer was disclosed before."""
        return bool(self._rows("SELECT 1 FROM disclosed WHERE round = ? AND iteration = ?", number, iteration))

    def disclosed_since(self, at_unix_s: int, *, appealed: bool) -> int:
        """How many answers were disclosed after an instant, in own appeals or for other reasons."""
        where = "why = 2" if appealed else "why < 2"
        return int(self._rows(f"SELECT count(*) FROM disclosed WHERE {where} AND at_unix_s > ?", at_unix_s)[0][0])

    def put_appeal(self, appeal: OwnAppeal) -> None:
        """Keeps what is to be, or was, sent."""
        text = json.dumps([appeal.serial, appeal.sent_unix_s])
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO fair_play VALUES (?,?)", (_APPEAL, text))

    def appeal(self) -> OwnAppeal | None:
        """The newest own appeal."""
        rows = self._rows("SELECT value FROM fair_play WHERE name = ?", _APPEAL)
        return OwnAppeal(*json.loads(rows[0][0])) if rows else None

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchall()
