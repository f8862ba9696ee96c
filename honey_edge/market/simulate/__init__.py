"""A whole Hive in one process and virtual time, with its attackers (market-design section 10)."""
