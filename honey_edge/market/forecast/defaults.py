"""What is assumed before a home has a history of its own."""

from __future__ import annotations

import numpy as np

from honey_edge.market.homes.assets import FloatArray

_TYPICAL_LOAD_KW = (
    0.24, 0.21, 0.19, 0.18, 0.18, 0.20, 0.28, 0.36, 0.38, 0.36, 0.35, 0.36,
    0.38, 0.36, 0.34, 0.34, 0.38, 0.47, 0.56, 0.60, 0.56, 0.49, 0.40, 0.31,
)  # fmt: skip
"""Mean power by the hour of a home that uses 3,200 kWh a year: a low night, a small noon, a high evening."""
SPREAD = np.array([0.35, 0.47, 0.58, 0.69, 0.81, 0.95, 1.14, 1.43, 1.95])
"""Quantiles 10 to 90 % of one home's load over its expected value, until its own days say more."""
OWN_SPREAD_DAYS = 14
"""Days of history from which only the home's own spread counts."""


def typical_load_kwh(local_index: FloatArray, slots_per_day: int) -> FloatArray:
    """Energy per slot (kWh) of the typical home at slots counted on the civil clock."""
    hours = (local_index % slots_per_day) * 24.0 / slots_per_day
    power = np.interp(hours, np.arange(25), [*_TYPICAL_LOAD_KW, _TYPICAL_LOAD_KW[0]])
    return np.asarray(power * 24.0 / slots_per_day)
