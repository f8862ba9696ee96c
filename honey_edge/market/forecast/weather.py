"""An optional weather feed: irradiance moves the sun's forecast, temperature the load's.

The feed must tell what is expected for the days to come and what it said, or what was measured, for the weeks before:
how strongly a home answers the weather is fitted to its own errors. Without a feed, or where it says nothing (NaN),
the forecast from history alone stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from honey_edge.market.forecast.clock import IntArray
from honey_edge.market.forecast.ridge import combined, fitted
from honey_edge.market.forecast.smooth import across, trailing_mean
from honey_edge.market.homes.assets import FloatArray

_HEATING_BELOW_C, _COOLING_ABOVE_C = 15.0, 22.0
_NORMAL_DAYS = 28
_SUN_PRIOR = np.array([0.7])
"""Share of the step from the own forecast to the one from irradiance, until the home's own days say better."""
_STRENGTH = 0.3


class WeatherFeed(Protocol):
    """Weather at the home per slot, NaN where unknown; slots may lie in the past or the future."""

    def irradiance_w_per_m2(self, slots: IntArray) -> FloatArray:
        """Mean global horizontal irradiance of each slot (W/m2, >= 0)."""

    def temperature_c(self, slots: IntArray) -> FloatArray:
        """Mean air temperature of each slot (degrees Celsius)."""


class WeatherStep:
    """What the weather adds to one home's forecast, fitted to the newest days of history.

    `energy` and `errors` (days, slots) end at the slot `origin`: what was measured, and less what was expected.
    """

    def __init__(self, feed: WeatherFeed, *, sun: bool, origin: int, energy: FloatArray, errors: FloatArray) -> None:
        self._feed, self._sun, self._origin, self._energy = feed, sun, origin, energy
        days = errors.shape[0]
        columns = self._columns(energy[-days:] - errors, -days) if days else np.zeros((0, *energy.shape[1:], 1))
        usable = np.isfinite(errors) & np.isfinite(columns).all(axis=2)
        prior = _SUN_PRIOR if sun else np.zeros(columns.shape[2])
        self._coefficients = fitted(columns, errors, usable, prior, _STRENGTH)

    def added(self, ahead: int, expected: FloatArray) -> FloatArray:
        """What to add (energy per slot) to the expected values of the day that begins `ahead` days after the origin."""
        columns = self._columns(expected[None, :], ahead)[0]
        return np.where(np.isfinite(columns).all(axis=1), combined(columns, self._coefficients), 0.0)

    def _columns(self, expected: FloatArray, first_day: int) -> FloatArray:
        """Features (days, slots, n) of as many days as `expected` has."""
        if self._sun:
            return np.asarray((self._from_irradiance(first_day, expected.shape[0]) - expected)[..., None])
        air = self._rows(self._feed.temperature_c, first_day - _NORMAL_DAYS, expected.shape[0] + _NORMAL_DAYS)
        needs = (np.maximum(_HEATING_BELOW_C - air, 0.0), np.maximum(air - _COOLING_ABOVE_C, 0.0))
        return np.stack([(need - trailing_mean(need, _NORMAL_DAYS)[:-1])[_NORMAL_DAYS:] for need in needs], axis=-1)

    def _from_irradiance(self, first_day: int, days: int) -> FloatArray:
        """Energy that the irradiance means on this roof: by slot, as in the four weeks before."""
        start = min(first_day, 0) - _NORMAL_DAYS
        light = self._rows(self._feed.irradiance_w_per_m2, start, first_day + days - start)
        measured = np.full(light.shape, np.nan)
        known = min(-start, self._energy.shape[0])
        measured[-start - known : -start] = self._energy[self._energy.shape[0] - known :]
        both = np.isfinite(light) & np.isfinite(measured)
        width = light.shape[1] / 24.0 + 0.5
        energy = across(trailing_mean(np.where(both, measured, np.nan), _NORMAL_DAYS), width, around=True)[:-1]
        shine = across(trailing_mean(np.where(both, light, np.nan), _NORMAL_DAYS), width, around=True)[:-1]
        yielded = np.divide(energy, shine, out=np.zeros(light.shape), where=shine > 1.0)
        return np.where(np.isfinite(energy), light * yielded, np.nan)[-days:]

    def _rows(self, ask: Callable[[IntArray], FloatArray], first_day: int, days: int) -> FloatArray:
        slots = self._energy.shape[1]
        start = self._origin + first_day * slots
        return np.asarray(ask(np.arange(start, start + days * slots)), dtype=np.float64).reshape(days, slots)
