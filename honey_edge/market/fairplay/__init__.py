"""Who delivers what he declares: reputation, tests A to D, audit (market-design sections 9 and 10)."""
