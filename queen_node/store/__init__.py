"""The Queen's durable memory: tables, records, and the only queries (README Storage)."""

from queen_node.store.database import Store, StoreError

__all__ = ["Store", "StoreError"]
