"""One measured day of a whole Hive on one machine: real daemons, broker and chain, simulated wires below."""
