"""What a close is made of, read from a journal that nothing is written to: whose it is, and the last both-signed state.

The journal of a daemon that runs, a copy of it, or a card in a reader: all are opened read-only. A journal of older
software does not say where its signatures count; the settings file does then.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_bytes
from honey_edge.wire.typed_data import Domain
from worker_node.both_signed import BothSigned
from worker_node.settings import WorkerSettings

JOURNAL_NAME = "journal.sqlite"


class NoEvidence(HiveError):
    """The journal named cannot be read, or does not say enough for a close."""

    code = "E-RESCUE-JOURNAL"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hive, Worker and Queen (20 bytes), where signatures count, the newest both-signed Statement if there is one."""

    hive: int
    worker: bytes
    queen: bytes
    domain: Domain
    both: BothSigned | None


def read_evidence(journal: Path, settings: WorkerSettings | None) -> Evidence:
    """The checked contents of a journal. Raises NoEvidence, EvidenceBroken or MessageError."""
    if not journal.exists():
        raise NoEvidence(f"{journal}: there is no such file", next_step="name the journal with --journal")
    try:
        with closing(_open(journal)) as db:
            version, agreed = _version(db), _agreed(db)
            home = _home(db) if version > 1 else None
    except sqlite3.Error as error:
        raise NoEvidence(f"{journal}: {error}", next_step="copy journal.sqlite with its -wal and -shm files") from error
    both = BothSigned.of(*agreed) if agreed is not None else None
    if home is None:
        home = _of_settings(journal, settings, both)
    hive, worker, queen, domain = home
    if both is not None:
        both.checked(domain, queen)
        worker = both.statement.worker
    return Evidence(hive, worker, queen, domain, both)


def _open(journal: Path) -> sqlite3.Connection:
    """Read-only; a copy without its shared-memory file on a read-only disk is opened as one that nobody changes."""
    address = journal.resolve().as_uri()
    db = sqlite3.connect(f"{address}?mode=ro", uri=True)
    try:
        _version(db)
    except sqlite3.OperationalError:
        db.close()
        if Path(f"{journal}-wal").exists():
            raise
        db = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True)
    return db


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("SELECT version FROM schema").fetchone()
    return int(version)


def _agreed(db: sqlite3.Connection) -> tuple[bytes, bytes] | None:
    newest = "SELECT message, answer FROM statements WHERE reason = 0 ORDER BY slot DESC LIMIT 1"
    row = db.execute(newest).fetchone()
    return (bytes(row[0]), bytes(row[1])) if row else None


_Home = tuple[int, bytes, bytes, Domain]


def _home(db: sqlite3.Connection) -> _Home | None:
    row = db.execute("SELECT hive, worker, queen, chain_id, contract FROM home").fetchone()
    return (int(row[0]), row[1], row[2], Domain(int(row[3]), row[4])) if row else None


def _of_settings(journal: Path, settings: WorkerSettings | None, both: BothSigned | None) -> _Home:
    if settings is None:
        raise NoEvidence(
            f"{journal} was written by older software and does not say which contract it is for",
            next_step="name the Worker's settings file with --config",
        )
    if both is None:
        raise NoEvidence(
            f"{journal} holds no Statement that both have signed, so it does not say whose it is",
            next_step="start the newer software once with it",
        )
    own = settings.worker
    domain = Domain(own.chain_id, address_bytes(own.contract))
    return own.hive, both.statement.worker, address_bytes(own.queen_address), domain
