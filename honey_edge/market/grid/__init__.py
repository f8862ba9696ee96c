"""What the wires ask: limits, trees, voltage, island, real time (market-design sections 5 and 11)."""
