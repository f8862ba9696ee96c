"""Running means over days and slots, in which gaps have no weight; row d of a result uses only rows before d."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.homes.assets import FloatArray


def trailing_mean(rows: FloatArray, days: int) -> FloatArray:
    """Mean of the measured values among the last `days` rows: one result row more than `rows`, NaN where none."""
    measured = np.isfinite(rows)
    if not measured.all():
        return weighted_trailing_mean(rows, measured.astype(np.float64), days)
    count = np.minimum(np.arange(rows.shape[0] + 1.0), days)[:, None]
    return _divide(_windowed(rows, days), np.broadcast_to(count, (rows.shape[0] + 1, rows.shape[1])))


def weighted_trailing_mean(rows: FloatArray, weight: FloatArray, days: int) -> FloatArray:
    """The same with weights >= 0 per value; the weight of a gap must be 0."""
    return _divide(_windowed(np.where(weight > 0, rows, 0.0) * weight, days), _windowed(weight, days))


def spaced_mean(rows: FloatArray, spacing: int, count: int) -> FloatArray:
    """Mean of the rows `spacing`, 2 x `spacing`, ... `count` x `spacing` days before."""
    days, slots = rows.shape
    measured = np.isfinite(rows)
    total, weight = np.zeros((days + 1, slots)), np.zeros((days + 1, slots))
    for lag in range(spacing, min(spacing * count, days) + 1, spacing):
        total[lag:] += np.where(measured, rows, 0.0)[: days + 1 - lag]
        weight[lag:] += measured[: days + 1 - lag]
    return _divide(total, weight)


def lagged(rows: FloatArray, days: int) -> FloatArray:
    """The rows `days` before, NaN where there was none; one result row more than `rows`."""
    return np.concatenate([np.full((min(days, rows.shape[0] + 1), rows.shape[1]), np.nan), rows])[: rows.shape[0] + 1]


def across(rows: FloatArray, half_width: float, *, around: bool) -> FloatArray:
    """Triangular mean over neighbouring slots, `half_width` slots to each side at which the weight is 0.

    `around` joins the last slot of a row to its first (for profiles of a day); else the row ends there, so that
    nothing of the next day is seen.
    """
    reach = int(np.ceil(half_width)) - 1
    if reach < 1:
        return rows
    measured = np.isfinite(rows)
    if measured.all():
        return _divide(_triangular(rows, half_width, reach, around), _column_weight(rows, half_width, reach, around))
    total = _triangular(np.where(measured, rows, 0.0), half_width, reach, around)
    return _divide(total, _triangular(measured.astype(np.float64), half_width, reach, around))


def shifts_of(half_width: float, most: int) -> list[tuple[int, float]]:
    """At most about `most` shifts within `half_width` slots, each with its triangular weight."""
    reach = max(0, int(np.ceil(half_width)) - 1)
    count = min(most, 2 * reach + 1)
    places = sorted({round(float(place)) for place in np.linspace(-reach, reach, count)})
    return [(place, 1.0 - abs(place) / (reach + 1.0)) for place in places]


def _triangular(rows: FloatArray, half_width: float, reach: int, around: bool) -> FloatArray:
    """Weighted sum over neighbouring slots; no matrix product, whose threads would cost a small machine memory."""
    slots = rows.shape[1]
    wide = np.pad(rows, ((0, 0), (reach, reach)), mode="wrap" if around else "constant")
    total = wide[:, reach : reach + slots].copy()
    for shift in range(1, reach + 1):
        both = wide[:, reach - shift : reach - shift + slots] + wide[:, reach + shift : reach + shift + slots]
        both *= 1.0 - shift / half_width
        total += both
    return total


def _column_weight(rows: FloatArray, half_width: float, reach: int, around: bool) -> FloatArray:
    weight = _triangular(np.ones((1, rows.shape[1])), half_width, reach, around)
    return np.broadcast_to(weight, rows.shape)


def _windowed(values: FloatArray, days: int) -> FloatArray:
    sums = np.zeros((values.shape[0] + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    result = sums.copy()
    result[days:] -= sums[: max(0, sums.shape[0] - days)]
    return result


def _divide(total: FloatArray, weight: FloatArray) -> FloatArray:
    known: NDArray[np.bool_] = weight > 1e-9
    return np.asarray(np.divide(total, weight, out=np.full(total.shape, np.nan), where=known))
