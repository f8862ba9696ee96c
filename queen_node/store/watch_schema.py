"""Tables of what the Queen sees on the chain and does about it: events, closes, permits, planned settlements.

Hashes are 64 lower-case hex digits. Money in micro-coins. The tables hang on the Queen's one `metadata`.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from queen_node.store.schema import metadata

chain_cursor = Table(
    "chain_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at_unix_s", BigInteger, nullable=False),
    Column("final_unix_s", BigInteger, nullable=False),
)

chain_blocks = Table(
    "chain_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
)

chain_events = Table(
    "chain_events",
    metadata,
    Column("block_hash", String(64), primary_key=True),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("tx_hash", String(64), nullable=False),
    Column("name", String(32), nullable=False),
    Column("worker", String(40), nullable=False),
    Column("arguments", Text, nullable=False),
    Index("chain_events_of_block", "number", "log_index"),
    Index("chain_events_of_worker", "worker", "name", "number"),
)

chain_touched = Table("chain_touched", metadata, Column("worker", String(40), primary_key=True))

chain_closes = Table(
    "chain_closes",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("ends_at_unix_s", BigInteger, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("net_micro", BigInteger, nullable=False),
    Column("newest_slot", BigInteger, nullable=False),
    Column("side", Integer, nullable=False),
    Column("starter", String(40), nullable=False),
)

permits = Table(
    "permits",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("amount_micro", BigInteger, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("deadline_unix_s", BigInteger, nullable=False),
    Column("issued_unix_s", BigInteger, nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
    Column("spent", Boolean, nullable=False),
)

settlement_plans = Table(
    "settlement_plans",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("packed", LargeBinary, nullable=False),
)

settlement_days = Table(
    "settlement_days",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("slot", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("at_unix_s", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)
