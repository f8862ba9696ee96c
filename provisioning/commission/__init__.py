"""Commissioning: an installer finds a wrong wire before he leaves the house, and signs what he found.

means         what a meter shows over some seconds
wiring        which clamp is where, and which way round, from a heater that is switched on (reference/conversions.md)
calibration   gains from a reference meter, by the one-formula rule
settings_file settings changed in place, everything else as the installer wrote it
talk          questions and answers, on a terminal or as JSON lines
session       the guided steps, resumable
"""
