"""Load: ridge on the home's own past around coefficients that hold for many homes; quantiles from its own errors.

The expected value is fitted in energy, the quantiles in its square root: there the errors of a small and of a large
load are about equally wide, and the long upper tail is kept when they are squared again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.forecast.coefficients import LOAD, LOAD_ROOT
from honey_edge.market.forecast.defaults import OWN_SPREAD_DAYS, SPREAD, typical_load_kwh
from honey_edge.market.forecast.ensemble import shifted_samples, weighted_quantiles
from honey_edge.market.forecast.load_features import BASE_DAYS, LOOK_BACK_DAYS, load_features
from honey_edge.market.forecast.ridge import FULL_ROWS, combined, fitted
from honey_edge.market.forecast.rows import Rows
from honey_edge.market.forecast.smooth import shifts_of
from honey_edge.market.homes.assets import FloatArray

STRENGTH = 0.4
_ERROR_DAYS = 45
_PLAIN_SHARE = 0.25
"""Weight of the plain quantiles of the last 28 days beside those of the model's errors."""
_TRUST_DAYS = 7
"""Days after which deviations from the plain mean count in full."""


@dataclass(frozen=True, slots=True)
class Regression:
    """Coefficients, and the errors (days, slots) that they leave in the newest days."""

    coefficients: FloatArray
    errors: FloatArray


def regress(energy: FloatArray, weekend: NDArray[np.bool_], prior: FloatArray) -> Regression:
    """Fit to all rows; the errors of the newest are those of the fit itself."""
    features = load_features(energy, weekend)
    columns, target = features.columns[:-1][-FULL_ROWS:], (energy - features.base[:-1])[-FULL_ROWS:]
    usable = np.isfinite(target) & np.isfinite(columns).all(axis=2)
    coefficients = fitted(columns, target, usable, prior, STRENGTH)
    expected = np.where(usable, combined(columns, coefficients), np.nan)
    return Regression(coefficients, (target - expected)[-_ERROR_DAYS:])


def applied(energy: FloatArray, weekend: NDArray[np.bool_], coefficients: FloatArray) -> FloatArray:
    """The expected value of the day after the rows; NaN where nothing was ever measured."""
    features = load_features(energy, weekend)
    trust = min(1.0, max(0.0, (whole_days(energy) - 1) / (_TRUST_DAYS - 1)))
    return np.asarray(features.base[-1] + trust * combined(features.columns[-1], coefficients))


def whole_days(energy: FloatArray) -> int:
    """Days of which at least half was measured."""
    return int((np.isfinite(energy).mean(axis=1) >= 0.5).sum()) if energy.size else 0


class LoadModel:
    """Load >= 0, or with `signed` load less sun, which has no lower bound and whose quantiles add up plainly."""

    def __init__(self, rows: Rows, *, signed: bool = False) -> None:
        self._signed = signed
        weekend = rows.weekend(-rows.days, 1)
        self._mean = regress(rows.energy, weekend, LOAD)
        self.errors = self._mean.errors
        """Measured less expected of the newest days (days, slots), in energy."""
        self._root = self._mean if signed else regress(np.sqrt(np.maximum(rows.energy, 0.0)), weekend, LOAD_ROOT)

    def day(self, rows: Rows, *, quantiles: bool = True) -> tuple[FloatArray, FloatArray]:
        """Expected energy (slots) and quantiles (9, slots) of the day after the rows; none (0, slots) if not asked."""
        near = rows.energy[-LOOK_BACK_DAYS:]
        weekend = rows.weekend(-near.shape[0], 1)
        point = self._completed(applied(near, weekend, self._mean.coefficients), rows)
        if not quantiles:
            return point if self._signed else np.maximum(point, 0.0), np.zeros((0, point.size))
        centre = point if self._signed else np.sqrt(np.maximum(point, 0.0))
        if not self._signed:
            root = applied(np.sqrt(np.maximum(near, 0.0)), weekend, self._root.coefficients)
            centre = np.where(np.isfinite(root), np.maximum(root, 0.0), centre)
        own = self._own_quantiles(centre, near)
        default = self._default_quantiles(point)
        trust = min(1.0, whole_days(near) / OWN_SPREAD_DAYS)
        mixed = np.where(np.isfinite(own), trust * own + (1.0 - trust) * default, default)
        return (point, mixed) if self._signed else (np.maximum(point, 0.0), np.maximum(mixed, 0.0))

    def _own_quantiles(self, centre: FloatArray, near: FloatArray) -> FloatArray:
        """From the errors of the last weeks, mixed with the plain quantiles of 28 days; NaN where there are none."""
        errors, slots = self._root.errors, near.shape[1]
        if errors.shape[0] == 0:
            return np.full((SPREAD.size, slots), np.nan)
        shifts = shifts_of(1.5 * slots / 24.0 + 1.0, 5)
        samples, weights = shifted_samples(errors, np.ones(errors.shape), shifts)
        own = centre + weighted_quantiles(samples, weights)
        if not self._signed:
            own = np.square(np.maximum(own, 0.0))
        month = near[-BASE_DAYS:]
        plain = weighted_quantiles(month, np.ones(month.shape))
        return np.where(np.isfinite(plain), (1.0 - _PLAIN_SHARE) * own + _PLAIN_SHARE * plain, own)

    def _default_quantiles(self, point: FloatArray) -> FloatArray:
        if self._signed:
            width = np.abs(point).mean() + 1e-9
            return np.asarray(point + (SPREAD[:, None] - 1.0) * width)
        return np.asarray(SPREAD[:, None] * np.maximum(point, 0.0))

    def _completed(self, point: FloatArray, rows: Rows) -> FloatArray:
        """Slots never measured get the typical home's load, at the level of what was measured."""
        unknown = ~np.isfinite(point)
        if not unknown.any():
            return point
        index = rows.origin_index + np.arange(-rows.days * rows.slots_per_day, rows.slots_per_day)
        typical = typical_load_kwh(index.astype(np.float64), rows.slots_per_day)
        measured = np.isfinite(rows.energy).ravel()
        known = typical[: measured.size][measured]
        level = float(rows.energy.ravel()[measured].sum() / known.sum()) if known.size else 1.0
        return np.where(unknown, level * typical[-rows.slots_per_day :], point)
