"""What tests of the chain share: Foundry's node, a Hive deployed on it, RPC addresses with faults, rows in memory."""
