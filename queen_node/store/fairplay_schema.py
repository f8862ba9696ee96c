"""Tables of fair play: standings under test C, findings, answers kept for audits, audits, appeals.

A Worker is its address of 40 lower-case hex digits; days are UTC day numbers; profiles are JSON lists of integers.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from queen_node.store.schema import metadata

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

conducts = Table(
    "conducts",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("standing", String(16), nullable=False),
    Column("floor_to_day", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("worker", String(40), nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("why", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Index("findings_of_worker", "worker", "id"),
)

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("round", BigInteger, primary_key=True, autoincrement=False),
    Column("iteration", Integer, nullable=False),
    Column("first_slot", BigInteger, nullable=False),
    Column("sigma", BigInteger, nullable=False),
    Column("prices_e7", Text, nullable=False),
    Column("power_w", Text, nullable=False),
    Column("state_mw", Text, nullable=False),
)

audits = Table(
    "audits",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("worker", String(40), nullable=False),
    Column("round", BigInteger, nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("first_slot", BigInteger, nullable=False),
    Column("sigma", BigInteger, nullable=False),
    Column("prices_e7", Text, nullable=False),
    Column("power_w", Text, nullable=False),
    Column("state_mw", Text, nullable=False),
    Column("why", Integer, nullable=False),
    Column("asked_unix_s", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("worst_w", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("assets", LargeBinary, nullable=False),
    Index("audits_of_worker", "worker", "id"),
)

appeals = Table(
    "appeals",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("at_unix_s", BigInteger, nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("outcome", String(16), nullable=False),
)
