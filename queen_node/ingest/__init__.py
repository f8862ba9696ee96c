"""Readings: checked one by one in `checks`, kept in groups by `receiver`."""
