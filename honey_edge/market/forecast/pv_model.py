"""PV: ridge on envelope and clearness around common coefficients; quantiles from errors on days of like clearness."""

from __future__ import annotations

import numpy as np

from honey_edge.market.forecast.coefficients import SUN
from honey_edge.market.forecast.defaults import OWN_SPREAD_DAYS
from honey_edge.market.forecast.ensemble import LEVELS, shifted_samples, weighted_quantiles
from honey_edge.market.forecast.load_features import BASE_DAYS
from honey_edge.market.forecast.load_model import whole_days
from honey_edge.market.forecast.pv_features import LOOK_BACK_DAYS, SunFeatures, sun_features
from honey_edge.market.forecast.ridge import FULL_ROWS, combined, fitted
from honey_edge.market.forecast.rows import Rows
from honey_edge.market.homes.assets import FloatArray

STRENGTH = 2.0
_ERROR_DAYS = 60
_PLAIN_SHARE = 0.2
_LIKE_CLEARNESS = 0.1
"""Width of what counts as like clearness."""
_ANY_DAY = 0.05
"""Weight of a day of any other clearness."""
_ABOVE_ENVELOPE = 1.1
_DARK = 0.02
"""Slots whose envelope is below this share of the day's best are scaled as if it were at it."""
_TRUST_DAYS = 7
_DEAD_SHARE, _FAIR_SHARE = 0.1, 0.25


class SunModel:
    """PV energy >= 0 and at most a little above the envelope."""

    def __init__(self, rows: Rows) -> None:
        energy = rows.energy
        features = sun_features(energy)
        columns, target = features.columns[:-1][-FULL_ROWS:], (energy - features.base[:-1])[-FULL_ROWS:]
        usable = np.isfinite(target) & np.isfinite(columns).all(axis=2)
        self._coefficients = fitted(columns, target, usable, SUN, STRENGTH)
        expected = _expected(features, self._coefficients)[:-1]
        scale = _scale(features.envelope)[:-1]
        self.errors = (energy - expected)[-_ERROR_DAYS:]
        """Measured less expected of the newest days (days, slots), in energy."""
        # A roof that wakes after weeks in the dark must not lend its leap to later days.
        self._errors = np.clip((energy - expected) / scale, -_ABOVE_ENVELOPE, _ABOVE_ENVELOPE)[-_ERROR_DAYS:]
        self._clearness = _clearness(expected, scale)[-_ERROR_DAYS:]

    def day(self, rows: Rows, *, quantiles: bool = True) -> tuple[FloatArray, FloatArray]:
        """Expected energy (slots) and quantiles (9, slots) of the day after the rows; none (0, slots) if not asked."""
        near = rows.energy[-LOOK_BACK_DAYS:]
        features = sun_features(near)
        days = whole_days(near)
        trust = min(1.0, max(0.0, (days - 1) / (_TRUST_DAYS - 1)))
        sound = _soundness(near, features.envelope[-1])
        point = _mirrored(_expected(features, self._coefficients * trust * sound)[-1], rows)
        if not quantiles:
            return point, np.zeros((0, point.size))
        scale = _scale(features.envelope)[-1]
        most = _ABOVE_ENVELOPE * np.maximum(features.envelope[-1], point)
        own = np.clip(point + scale * self._own_quantiles(point, scale), 0.0, most)
        default = np.clip(2.0 * LEVELS[:, None] * point, 0.0, most)
        month = near[-BASE_DAYS:]
        plain = weighted_quantiles(month, np.ones(month.shape))
        part = sound * (1.0 - _PLAIN_SHARE)
        own = np.where(np.isfinite(plain), part * own + (1.0 - part) * plain, own)
        share = min(1.0, days / OWN_SPREAD_DAYS)
        return point, np.where(np.isfinite(own), share * own + (1.0 - share) * default, default)

    def _own_quantiles(self, point: FloatArray, scale: FloatArray) -> FloatArray:
        if self._errors.shape[0] == 0:
            return np.full((LEVELS.size, point.size), np.nan)
        distance = (self._clearness - _clearness(point[None, :], scale[None, :])) / _LIKE_CLEARNESS
        like = np.exp(-0.5 * np.square(distance)) + _ANY_DAY
        weights = np.repeat(like[:, None], point.size, axis=1)
        near = max(1, round(point.size / 24.0))
        samples, weights = shifted_samples(self._errors, weights, [(-near, 0.5), (0, 1.0), (near, 0.5)])
        return weighted_quantiles(samples, weights)


def _expected(features: SunFeatures, coefficients: FloatArray) -> FloatArray:
    most = _ABOVE_ENVELOPE * np.maximum(features.envelope, features.base)
    return np.asarray(np.clip(features.base + combined(features.columns, coefficients), 0.0, most))


def _soundness(energy: FloatArray, envelope: FloatArray) -> float:
    """1 for a roof whose middle day gives a fair share of the envelope, 0 for one whose middle day gives nothing.

    Of the second kind the days before tell little; the plain figures of 28 days are then the better ones.
    """
    totals = np.where(np.isfinite(energy), energy, 0.0).sum(axis=1)[np.isfinite(energy).any(axis=1)][-BASE_DAYS:]
    best = float(envelope.sum())
    share = float(np.median(totals)) / best if totals.size and best > 0.0 else 0.0
    return min(1.0, max(0.0, (share - _DEAD_SHARE) / (_FAIR_SHARE - _DEAD_SHARE)))


def _scale(envelope: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(envelope, _DARK * envelope.max(axis=1, keepdims=True) + 1e-9))


def _clearness(energy: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(np.nansum(energy, axis=1) / scale.sum(axis=1))


def _mirrored(point: FloatArray, rows: Rows) -> FloatArray:
    """Slots never measured give what the slot as far on the other side of noon gives, or nothing."""
    unknown = ~np.isfinite(point)
    if not unknown.any():
        return point
    of_day = (rows.origin_index + np.arange(point.size)) % point.size
    by_clock = np.empty(point.size)
    by_clock[of_day] = point
    other = by_clock[point.size - 1 - of_day]
    return np.where(unknown, np.where(np.isfinite(other), other, 0.0), point)
