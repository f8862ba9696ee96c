"""The Queen's durable memory: tables, records, and the only queries (README Storage)."""

from queen_node.store import watch_schema as watch_schema
from queen_node.store.database import Store, StoreError

__all__ = ["Store", "StoreError"]
