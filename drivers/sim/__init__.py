"""Simulated hardware that answers byte for byte, so that the real drivers run against it (architecture section 9)."""
