"""Real time inside a slot: what the Queen orders each minute (market-design section 11, docs/real-time.md)."""
