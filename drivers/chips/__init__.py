"""Energy metering chips, one driver each; portable to MicroPython (architecture section 10)."""
