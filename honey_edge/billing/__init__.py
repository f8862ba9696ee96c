"""Exact integer settlement: a slot's rule, late readings, cumulative statements (market-design section 8)."""
