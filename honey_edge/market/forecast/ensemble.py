"""Quantiles from weighted samples, one set of samples per slot."""

from __future__ import annotations

import numpy as np

from honey_edge.market.homes.assets import FloatArray

LEVELS = np.arange(1, 10) / 10
"""10 % to 90 %."""


def weighted_quantiles(samples: FloatArray, weights: FloatArray) -> FloatArray:
    """(9, slots) from samples and weights (samples, slots); weight 0 for what is not to count.

    Linear between the middles of the weights, so equal samples and rising levels never cross. A slot without any
    weight gets NaN.
    """
    if samples.shape[0] == 0:
        return np.full((LEVELS.size, samples.shape[1]), np.nan)
    counted = np.isfinite(samples) & (weights > 0)
    values = np.where(counted, samples, np.inf)
    order = np.argsort(values, axis=0)
    values = np.take_along_axis(values, order, axis=0)
    share = np.take_along_axis(np.where(counted, weights, 0.0), order, axis=0)
    total = share.sum(axis=0)
    places = (np.cumsum(share, axis=0) - share / 2) / np.where(total > 0, total, 1.0)
    last = np.maximum(counted.sum(axis=0) - 1, 0)
    result = np.stack([_at(level, values, places, last) for level in LEVELS])
    return np.where(total > 0, result, np.nan)


def _at(level: float, values: FloatArray, places: FloatArray, last: FloatArray) -> FloatArray:
    above = np.minimum((places < level).sum(axis=0), last)
    below = np.maximum(above - 1, 0)
    slots = np.arange(values.shape[1])
    low, high = places[below, slots], places[above, slots]
    gap = high - low
    part = np.clip(np.divide(level - low, gap, out=np.ones(gap.shape), where=gap > 0), 0.0, 1.0)
    start, stop = values[below, slots], values[above, slots]
    with np.errstate(invalid="ignore"):
        between: FloatArray = start + part * (stop - start)
    return np.where(np.isfinite(between), between, start)


def shifted_samples(
    rows: FloatArray, weights: FloatArray, shifts: list[tuple[int, float]]
) -> tuple[FloatArray, FloatArray]:
    """The rows and, with less weight, the rows moved by some slots: neighbouring slots lend each other samples."""
    samples = np.concatenate([np.roll(rows, shift, axis=1) for shift, _ in shifts])
    return samples, np.concatenate([part * weights for _, part in shifts])
