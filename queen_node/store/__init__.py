"""The Queen's durable memory: tables, records, and the only queries (README Storage)."""

from queen_node.store import fairplay_schema as fairplay_schema
from queen_node.store import flex_schema as flex_schema
from queen_node.store import island_schema as island_schema
from queen_node.store import mother_schema as mother_schema
from queen_node.store import period_schema as period_schema
from queen_node.store import voltage_schema as voltage_schema
from queen_node.store import watch_schema as watch_schema
from queen_node.store.database import Store, StoreError

__all__ = ["Store", "StoreError"]
