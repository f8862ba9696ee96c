"""Buses and clock of a microcontroller's `machine` module behind `drivers.bus`; for MicroPython only."""
