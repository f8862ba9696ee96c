"""The Worker's own look at the chain: two addresses, one block, what it means, contests (architecture section 7)."""
