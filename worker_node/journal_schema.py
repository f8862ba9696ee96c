"""Tables of the Worker's journal, and how an older journal becomes a newer one (README Storage)."""

import sqlite3

from honey_edge.model.errors import HiveError
from worker_node import exchange_records, fairplay_records, flex_records

SCHEMA_VERSION = 3

_TABLES = (
    "CREATE TABLE schema (version INTEGER NOT NULL)",
    """CREATE TABLE readings (slot INTEGER PRIMARY KEY, imported INTEGER NOT NULL, exported INTEGER NOT NULL,
        flags INTEGER NOT NULL, configuration BLOB NOT NULL, previous BLOB NOT NULL, signature BLOB NOT NULL,
        hash BLOB NOT NULL)""",
    """CREATE TABLE receipts (one INTEGER PRIMARY KEY CHECK (one = 1), slot INTEGER NOT NULL, message BLOB NOT NULL)""",
    """CREATE TABLE statements (slot INTEGER PRIMARY KEY, digest BLOB NOT NULL, reason INTEGER NOT NULL,
        message BLOB NOT NULL, answer BLOB NOT NULL, detail TEXT NOT NULL, at_unix_s INTEGER NOT NULL)""",
    """CREATE TABLE ledger (one INTEGER PRIMARY KEY CHECK (one = 1), slot INTEGER NOT NULL, imported INTEGER NOT NULL,
        exported INTEGER NOT NULL, net_pico TEXT NOT NULL, spans TEXT NOT NULL, statement_slot INTEGER NOT NULL,
        leaves BLOB NOT NULL)""",
    """CREATE TABLE bookings (slot INTEGER PRIMARY KEY, kind INTEGER NOT NULL, energy_milliwh INTEGER NOT NULL,
        amount_pico TEXT NOT NULL, standalone_pico TEXT NOT NULL, local_milliwh INTEGER NOT NULL,
        price_micro INTEGER NOT NULL, statement_slot INTEGER NOT NULL)""",
    """CREATE TABLE plans (first_slot INTEGER PRIMARY KEY, source TEXT NOT NULL, round INTEGER NOT NULL,
        net_w TEXT NOT NULL, battery_w TEXT NOT NULL, base_w TEXT NOT NULL,
        price_e7 TEXT NOT NULL, salt BLOB NOT NULL)""",
    """CREATE TABLE history (slot INTEGER PRIMARY KEY, base_milliwh INTEGER NOT NULL, signed INTEGER NOT NULL)""",
    """CREATE TABLE slot_states (slot INTEGER PRIMARY KEY, stored_milliwh INTEGER NOT NULL,
        moved_milliwh INTEGER NOT NULL)""",
)
# What a close needs besides the Statements, so that a copy of this file is enough; and the last look at the chain.
_SINCE_2 = (
    """CREATE TABLE home (one INTEGER PRIMARY KEY CHECK (one = 1), hive INTEGER NOT NULL, worker BLOB NOT NULL,
        chain_id INTEGER NOT NULL, contract BLOB NOT NULL, queen BLOB NOT NULL, terms BLOB NOT NULL,
        tariff BLOB NOT NULL)""",
    """CREATE TABLE chain_look (one INTEGER PRIMARY KEY CHECK (one = 1), at_unix_s INTEGER NOT NULL,
        look BLOB NOT NULL)""",
)
# Profiles of heat store, car, sheddable load and curtailment as JSON, and what had to be relaxed.
# What was declared for each slot (NULL: under masks), and the own reckoning of the reputation up to the ledger.
# What the account adds up besides money ('': not kept yet), peak charges and shares of the reserve.
_SINCE_3 = (
    "ALTER TABLE plans ADD COLUMN assets TEXT NOT NULL DEFAULT '{}'",
    "CREATE TABLE declared (slot INTEGER PRIMARY KEY, power_w INTEGER)",
    """CREATE TABLE reputation (one INTEGER PRIMARY KEY CHECK (one = 1), error_mean INTEGER NOT NULL,
        reference_mean INTEGER NOT NULL, size_mean INTEGER NOT NULL, first_day INTEGER NOT NULL, day INTEGER NOT NULL,
        rho INTEGER NOT NULL)""",
    "ALTER TABLE ledger ADD COLUMN tally TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE charges (kind INTEGER NOT NULL, slot INTEGER NOT NULL, quantity_milliwh INTEGER NOT NULL,
        amount_pico TEXT NOT NULL, standalone_pico TEXT NOT NULL, statement_slot INTEGER NOT NULL,
        PRIMARY KEY (kind, slot))""",
    *flex_records.TABLES,
    *exchange_records.TABLES,
    *fairplay_records.TABLES,
)
_MIGRATIONS = {1: _SINCE_2, 2: _SINCE_3}


class JournalError(HiveError):
    """The journal cannot be opened or does not hold what it must."""

    code = "E-JOURNAL"


def prepare(connection: sqlite3.Connection, place: str) -> None:
    """Sets durability, creates the tables of a new journal or adds those an older one lacks.

    JournalError for a version that is not known here.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name = 'schema'").fetchone()
        if found is None:
            _create(connection)
        (version,) = connection.execute("SELECT version FROM schema").fetchone()
        while version in _MIGRATIONS:
            for statement in _MIGRATIONS[version]:
                connection.execute(statement)
            version += 1
            connection.execute("UPDATE schema SET version = ?", (version,))
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"{place} has schema version {version}, this software knows {SCHEMA_VERSION}",
            next_step="install the software that wrote it, or a newer one",
        )


def _create(connection: sqlite3.Connection) -> None:
    for statement in (*_TABLES, *_SINCE_2, *_SINCE_3):
        connection.execute(statement)
    connection.execute("INSERT INTO schema VALUES (?)", (SCHEMA_VERSION,))
