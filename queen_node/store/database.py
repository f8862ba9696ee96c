"""The engine under the Queen's tables: SQLite with WAL and `synchronous=FULL`, or any database SQLAlchemy speaks.

Calls are synchronous and short; one transaction at a time, begun as a writer, so that two processes (daemon and
command line) wait for each other instead of failing half-way. Threads of one process take turns: SQLite's one
connection is shared by all of them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from honey_edge.model.errors import HiveError
from queen_node.store.migrations import migrated
from queen_node.store.schema import SCHEMA_VERSION, metadata, schema

_BUSY_MS = 10_000


class StoreError(HiveError):
    """The database cannot be opened, or holds another schema."""

    code = "E-STORE"


class Store:
    """An open database; `begin` gives a transaction to the functions of the sibling modules."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._engine, self._turn = _engine(url), threading.RLock()
        try:
            self._prepare(url, create)
        except OperationalError as error:
            self._engine.dispose()
            raise StoreError(f"{url}: {error.orig}", next_step="check the path and its permissions") from error

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self._turn, self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Gives the database back."""
        self._engine.dispose()

    def _prepare(self, url: str, create: bool) -> None:
        if not inspect(self._engine).has_table("schema"):
            if not create:
                raise StoreError(f"{url} holds no Queen's database", next_step="start hive-queen once, or name another")
            with self.begin() as tx:
                metadata.create_all(tx)
                tx.execute(insert(schema).values(version=SCHEMA_VERSION))
        with self.begin() as tx:
            found = migrated(tx, tx.execute(select(schema.c.version)).scalar_one())
        if found != SCHEMA_VERSION:
            raise StoreError(
                f"{url} has schema {found}, this program speaks {SCHEMA_VERSION}",
                next_step="run the release that matches the database",
            )


def _engine(url: str) -> Engine:
    try:
        if not url.startswith("sqlite"):
            return create_engine(url, pool_pre_ping=True)
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 10.0})
    except SQLAlchemyError as error:
        raise StoreError(f"{url}: {error}") from error
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:
    """Durable before anyone is told: WAL with a sync at each commit. The driver's own BEGIN is turned off."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
