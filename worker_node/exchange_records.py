"""What the journal keeps of exchanges of the meter: each was confirmed by a person, and begins a new register epoch.

A counter that falls or jumps is quarantined and stays so; only a confirmed exchange makes the books go on from the new
meter's register. The books themselves are never re-based: they grow from where they stood.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

TABLES = (
    """CREATE TABLE meter_exchanges (number INTEGER PRIMARY KEY, confirmed_unix_s INTEGER NOT NULL,
        taken_unix_s INTEGER, import_milliwh INTEGER, export_milliwh INTEGER)""",
)
GOOD_FOR_S = 86_400
"""A confirmation that no new register followed within a day is void."""


@dataclass(frozen=True, slots=True)
class MeterExchange:
    """One exchange; the new register's first totals (mWh) and when they were taken, None until then."""

    number: int
    confirmed_unix_s: int
    taken_unix_s: int | None
    import_milliwh: int | None
    export_milliwh: int | None


class ExchangeRecords:
    """Exchanges in an open journal; every write is one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def confirm(self, at_unix_s: int) -> int:
        """A person confirms an exchange; its number. One that still waits is confirmed anew."""
        with self._db:
            self._db.execute("DELETE FROM meter_exchanges WHERE taken_unix_s IS NULL")
            row = self._db.execute("INSERT INTO meter_exchanges (confirmed_unix_s) VALUES (?)", (at_unix_s,))
        return int(row.lastrowid or 0)

    def pending(self, at_unix_s: int) -> int | None:
        """The number of a confirmed exchange whose register was not taken yet; None if there is none."""
        since = (at_unix_s - GOOD_FOR_S, at_unix_s)
        text = "SELECT max(number) FROM meter_exchanges WHERE taken_unix_s IS NULL AND confirmed_unix_s BETWEEN ? AND ?"
        number = self._rows(text, *since)[0][0]
        return None if number is None else int(number)

    def taken(self, number: int, at_unix_s: int, import_milliwh: int, export_milliwh: int) -> None:
        """The new register's first totals."""
        with self._db:
            self._db.execute(
                "UPDATE meter_exchanges SET taken_unix_s = ?, import_milliwh = ?, export_milliwh = ? WHERE number = ?",
                (at_unix_s, import_milliwh, export_milliwh, number),
            )

    def all(self) -> list[MeterExchange]:
        """Every exchange, the oldest first."""
        return [MeterExchange(*row) for row in self._rows("SELECT * FROM meter_exchanges ORDER BY number")]

    def _rows(self, text: str, *values: Any) -> list[Any]:
        with closing(self._db.execute(text, values)) as rows:
            return rows.fetchall()
