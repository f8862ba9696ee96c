"""The Queen's tables, in SQLAlchemy Core, the same for SQLite and PostgreSQL.

A Worker is its address of 40 lower-case hex digits. Counters and energies are milliwatt-hours. Exact money
(`*_pico`) is decimal text, because a cumulative of pico-coins outgrows 64 bits at nine million coins; so are wei.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 3

metadata = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

schema = Table("schema", metadata, Column("version", Integer, nullable=False))

workers = Table(
    "workers",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("serial", String(32), nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("opening_slot", BigInteger, nullable=False),
    Column("funding_micro", BigInteger, nullable=False),
    Column("frozen", Boolean, nullable=False),
    Column("chain_slot", BigInteger, nullable=False),
    Column("chain_net_micro", BigInteger, nullable=False),
)

cover = Table(
    "cover",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pool_micro", BigInteger, nullable=False),
    Column("pending_micro", BigInteger, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("at_unix_s", BigInteger, nullable=False),
)

readings = Table(
    "readings",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("imported", BigInteger, nullable=False),
    Column("exported", BigInteger, nullable=False),
    Column("flags", BigInteger, nullable=False),
    Column("configuration", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
    sqlite_with_rowid=False,
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("worker", String(40), nullable=False),
    Column("at_unix_s", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("rejected_of_worker", "worker", "id"),
)

positions = Table(
    "positions",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("baseline_slot", BigInteger, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("imported", BigInteger, nullable=False),
    Column("exported", BigInteger, nullable=False),
    Column("net_pico", Text, nullable=False),
    Column("spans", Text, nullable=False),
    Column("tally", Text, nullable=False, server_default=""),
)

totals = Table(
    "totals",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("message", LargeBinary, nullable=False),
    Column("metered_pcc", BigInteger, nullable=True),
    Column("surplus_pico", Text, nullable=False),
    Column("deficit_pico", Text, nullable=False),
    Column("fee_pico", Text, nullable=False),
    Column("discounts_pico", Text, nullable=False),
    Column("hive_cost_pico", Text, nullable=False),
    Column("metered_cost_pico", Text, nullable=False),
    Column("pooled_pico", Text, nullable=False),
    Column("alone_pico", Text, nullable=False),
)

lines = Table(
    "lines",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("worker", String(40), nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("closed_slot", BigInteger, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("energy_milliwh", BigInteger, nullable=False),
    Column("reputation", Integer, nullable=False),
    Column("amount_pico", Text, nullable=False),
    Column("net_pico", Text, nullable=False),
    Column("imported", BigInteger, nullable=False),
    Column("exported", BigInteger, nullable=False),
    Column("funding_micro", BigInteger, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("statement_slot", BigInteger, nullable=True),
    UniqueConstraint("worker", "slot"),
    Index("lines_of_statement", "worker", "statement_slot"),
)

statements = Table(
    "statements",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("net_micro", BigInteger, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("worker_signature", LargeBinary(64), nullable=True),
    Column("reason", Integer, nullable=True),
    Column("own_net_micro", BigInteger, nullable=True),
)

rounds = Table(
    "rounds",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("first_slot", BigInteger, nullable=False),
    Column("broadcasts", Integer, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("flexible", Integer, nullable=False),
    Column("ended", String(24), nullable=False),
    Column("mismatch_kw", Float, nullable=False),
    Column("prices_e7", Text, nullable=False),
    Column("sigma", BigInteger, nullable=False, server_default="0"),
    Column("homes", Integer, nullable=False, server_default="0"),
    Column("upper_e9_coin", BigInteger, nullable=True),
    Column("lower_e9_coin", BigInteger, nullable=True),
    Column("gap_ppm", BigInteger, nullable=True),
)

declarations = Table(
    "declarations",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("round", BigInteger, primary_key=True, autoincrement=False),
    Column("first_slot", BigInteger, nullable=False),
    Column("profile", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
    Column("power_w", BigInteger, nullable=True),
    Index("declarations_of_slot", "first_slot"),
)

reputations = Table(
    "reputations",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("error_mean", BigInteger, nullable=False),
    Column("reference_mean", BigInteger, nullable=False),
    Column("size_mean", BigInteger, nullable=False),
    Column("first_day", BigInteger, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("rho", Integer, nullable=False),
    Column("slot", BigInteger, nullable=False),
)

grid_limits = Table(
    "grid_limits",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("import_w", BigInteger, nullable=True),
    Column("export_w", BigInteger, nullable=True),
    Column("until_unix_s", BigInteger, nullable=False),
    Column("failsafe_import_w", BigInteger, nullable=True),
    Column("failsafe_export_w", BigInteger, nullable=True),
    Column("set_unix_s", BigInteger, nullable=False),
    Column("cleared_unix_s", BigInteger, nullable=True),
)

meter = Table(
    "meter",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("imported", BigInteger, nullable=False),
    Column("exported", BigInteger, nullable=False),
)

settlements = Table(
    "settlements",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("document", LargeBinary, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("key", String(160), nullable=False, unique=True),
    Column("target", String(40), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("contract", String(64), nullable=False),
    Column("function", String(256), nullable=False),
    Column("value_wei", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("sender", String(40), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("tx_hash", String(64), nullable=False),
    Column("block_hash", String(64), nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("sent_block", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("cost_wei", Text, nullable=False),
    Column("planned_unix_s", BigInteger, nullable=False),
    Column("updated_unix_s", BigInteger, nullable=False),
    Index("intents_of_sender", "sender", "nonce"),
)

intent_hashes = Table(
    "intent_hashes",
    metadata,
    Column("tx_hash", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("key", String(160), nullable=False),
    Column("sender", String(40), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("max_fee_wei", Text, nullable=False),
    Column("tip_wei", Text, nullable=False),
    Column("cost_wei", Text, nullable=False),
    Column("signed_unix_s", BigInteger, nullable=False),
    Index("hashes_of_intent", "key", "number"),
    Index("hashes_of_sender", "sender", "nonce"),
)

intent_history = Table(
    "intent_history",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("key", String(160), nullable=False),
    Column("at_unix_s", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("tx_hash", String(64), nullable=False),
    Column("block_hash", String(64), nullable=False),
    Column("remark", Text, nullable=False),
    Index("history_of_intent", "key", "id"),
)

writer = Table(
    "writer",
    metadata,
    Column("sender", String(40), primary_key=True),
    Column("holder", String(160), nullable=False),
    Column("until_unix_s", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
)
