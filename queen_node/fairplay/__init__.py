"""Who delivers what he declares: the tests of market-design section 10 on what the Queen sees (docs/fair-play.md)."""
