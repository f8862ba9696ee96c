"""Tables of a feeder's voltages as homes publish them, and what was estimated from them.

They hang on the Queen's one `metadata`. Voltages in millivolts, powers in W and var, errors in millionths per unit.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from queen_node.store.schema import metadata

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

voltages = Table(
    "voltages",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("phase_a_mv", BigInteger, nullable=False),
    Column("phase_b_mv", BigInteger, nullable=True),
    Column("phase_c_mv", BigInteger, nullable=True),
    Column("power_w", BigInteger, nullable=False),
    Column("reactive_var", BigInteger, nullable=False),
    Index("voltages_of_slot", "slot"),
)

voltage_estimates = Table(
    "voltage_estimates",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("at_unix_s", BigInteger, nullable=False),
    Column("refused", Text, nullable=False),
    Column("document", Text, nullable=False),
)
