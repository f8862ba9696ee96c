"""Tables of what is booked once per period: peak charges and shares of the reserve (market-design section 8).

`kind` is 3 for peak charges, 4 for shares of the reserve (honey_edge.billing.tally). Money (`*_pico`) is decimal text.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint
from sqlalchemy.types import TypeEngine

from queen_node.store.schema import metadata

_NUMBER: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")

periods = Table(
    "periods",
    metadata,
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("message", LargeBinary, nullable=False),
    Column("hive_cost_pico", Text, nullable=False),
    Column("metered_cost_pico", Text, nullable=False),
    Column("fee_pico", Text, nullable=False),
    Column("paid_pico", Text, nullable=False),
)

charges = Table(
    "charges",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("worker", String(40), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("after_slot", BigInteger, nullable=False),
    Column("quantity_milliwh", BigInteger, nullable=False),
    Column("amount_pico", Text, nullable=False),
    Column("net_pico", Text, nullable=False),
    Column("statement_slot", BigInteger, nullable=True),
    UniqueConstraint("worker", "kind", "slot"),
    Index("charges_of_worker", "worker", "statement_slot", "id"),
)
