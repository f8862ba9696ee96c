"""Table of what a mother Hive charges a daughter: one row for each of her Statements (honey_edge.wire.mother_bill).

Money (`*_pico`) is decimal text. `closed_slot` and `own_pico` are null until a closing has booked the difference.
"""

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from queen_node.store.schema import metadata

mother_bills = Table(
    "mother_bills",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("charged_pico", Text, nullable=False),
    Column("net_pico", Text, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("own_pico", Text, nullable=True),
    Column("closed_slot", BigInteger, nullable=True),
)
