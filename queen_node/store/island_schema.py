"""Table of the times without a connection to the grid; it hangs on the Queen's one `metadata`."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from queen_node.store.schema import metadata

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

islands = Table(
    "islands",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("since_unix_s", BigInteger, nullable=False),
    Column("until_unix_s", BigInteger, nullable=True),
    Column("source", String(16), nullable=False),
)
