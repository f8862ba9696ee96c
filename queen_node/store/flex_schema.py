"""Tables of real time inside a slot: what homes offered, and the orders both sign (market-design section 11).

Powers in W, prices in micro-coins; `digest` is 64 lower-case hex digits. An order without the Worker's signature is
owed to nobody.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from queen_node.store.schema import metadata

flex_offers = Table(
    "flex_offers",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("up_w", BigInteger, nullable=False),
    Column("down_w", BigInteger, nullable=False),
    Column("price_micro_per_kwh", BigInteger, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)

flex_orders = Table(
    "flex_orders",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("watts", BigInteger, nullable=False),
    Column("price_micro", BigInteger, nullable=False),
    Column("from_s", Integer, nullable=False),
    Column("until_s", Integer, nullable=False),
    Column("issued_unix_s", BigInteger, nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
    Column("worker_signature", LargeBinary(64), nullable=True),
    Index("flex_orders_of_slot", "slot"),
    Index("flex_orders_of_worker", "worker", "serial"),
)
