"""Many homes agree by prices: iteration, acceleration, certificate, stopping (market-design sections 3, 4, 6)."""
