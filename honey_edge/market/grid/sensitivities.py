"""Voltage sensitivities of a feeder from its meters (market-design section 11).

    v_l^2 = v0^2 + offset_l - sum_i K[l][i]*p_i - sum_i Q[l][i]*q_i

The 15-min DIFFERENCES of v^2 are regressed on those of P, Q and v0^2: what changes slowly (a tap, a neighbour without
a meter) drops out. Drawing power never raises a voltage, so K and Q are held at 0 or above; a feeder answers the same
from i to l as from l to i, so K is symmetrised. Powers in kW and kvar (import positive), voltages per unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from honey_edge.market.errors import MarketError
from honey_edge.market.grid.voltage import VoltageBand
from honey_edge.market.homes.assets import FloatArray

FIRST_DAYS = 21
"""Days of meter data before an estimate is used."""

_SLOTS_PER_DAY = 96
_Z95 = 1.96
_HELD_BACK = 5
_CURVATURE = 0.02
"""Share of K by which the exact power flow may differ from a straight line: the least half width of an interval."""
_SPREAD = 1e-12


class TooFewMeterData(MarketError, ValueError):
    """Meter data that no sensitivity can be estimated from yet."""

    code = "E-SENSITIVITY"


@dataclass(frozen=True, eq=False)
class MeterSeries:
    """What the meters of a feeder reported, one column per 15 min in order of time, NaN where nothing was measured.

    `voltage_pu`, `power_kw` and `reactive_kvar` have one row per meter, `source_pu` is the voltage at the head.
    """

    voltage_pu: FloatArray
    power_kw: FloatArray
    reactive_kvar: FloatArray
    source_pu: FloatArray

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together."""
        shapes = {part.shape for part in (self.voltage_pu, self.power_kw, self.reactive_kvar)}
        shape = next(iter(shapes))
        if len(shapes) != 1 or len(shape) != 2 or self.source_pu.shape != (shape[1],):
            raise TooFewMeterData(
                f"voltages {self.voltage_pu.shape}, powers {self.power_kw.shape}, reactive {self.reactive_kvar.shape} "
                f"and source {self.source_pu.shape} differ in size",
                next_step="give one row per meter and one column per 15 min, and the source in every column",
            )

    @property
    def complete(self) -> np.ndarray:
        """Columns in which everything was measured."""
        parts = (self.voltage_pu, self.power_kw, self.reactive_kvar, self.source_pu[None, :])
        return np.asarray(np.isfinite(np.concatenate(parts)).all(axis=0))

    def part(self, columns: slice) -> MeterSeries:
        """Return some of the columns."""
        return MeterSeries(
            self.voltage_pu[:, columns],
            self.power_kw[:, columns],
            self.reactive_kvar[:, columns],
            self.source_pu[columns],
        )


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """What the meters tell: K (per unit squared per kW, symmetric, >= 0) with its 95 % interval, and how well it
    predicts days it has not seen (mean and 99th percentile of the error, per unit, the meters' own noise included)."""

    k_v2_per_kw: FloatArray
    low_v2_per_kw: FloatArray
    high_v2_per_kw: FloatArray
    offset_v2: FloatArray
    error_mean_pu: float
    error_p99_pu: float
    days: float

    def voltages_pu(self, power_kw: FloatArray, source_pu: FloatArray) -> FloatArray:
        """Return predicted voltages (meters x columns)."""
        squared = source_pu[None, :] ** 2 + self.offset_v2[:, None] - self.k_v2_per_kw @ power_kw
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)))

    def band(self, v0_pu: float, v_min_pu: float, v_max_pu: float) -> VoltageBand:
        """Return the band for the Queen's step: tightened by the 99th percentile of the prediction error.

        The offsets of single meters only ever tighten it further: the highest one counts against the upper edge and
        the lowest against the lower one. `AssetError` where that leaves no band.
        """
        squared = v0_pu**2
        up = float(np.sqrt(squared + max(0.0, float(self.offset_v2.max())))) - v0_pu
        down = v0_pu - float(np.sqrt(max(0.0, squared + min(0.0, float(self.offset_v2.min())))))
        band = VoltageBand(v0_pu, v_min_pu, v_max_pu, self.k_v2_per_kw)
        return band.tightened(self.error_p99_pu + max(up, down))


Fitted = tuple[FloatArray, FloatArray, FloatArray]
"""Symmetric K, its standard errors, and the offsets that leave no mean error."""


def estimate(series: MeterSeries, first_days: float = FIRST_DAYS) -> Sensitivities:
    """Return the sensitivities; `TooFewMeterData` before `first_days` of complete columns.

    The last fifth of the days judges the estimate of the others; what is returned is estimated from all of them.
    """
    return _estimated(series, first_days, _fitted)


def estimate_along(series: MeterSeries, first_days: float = FIRST_DAYS) -> Sensitivities:
    """Return the same for meters given in their order along one line, from its head on.

    What a home draws lowers a voltage by the resistance of the way that both share, and that only grows along the
    line: K[l][i] = d_0 + ... + d_min(l,i) with every d >= 0. As many unknowns as meters, and not their square.
    """
    return _estimated(series, first_days, _fitted_along)


def _estimated(series: MeterSeries, first_days: float, fit: Callable[[MeterSeries], Fitted]) -> Sensitivities:
    """Return the sensitivities by one way of fitting them."""
    columns = series.voltage_pu.shape[1]
    days = float(series.complete.sum()) / _SLOTS_PER_DAY
    if days < first_days:
        raise TooFewMeterData(
            f"{days:.1f} days of complete meter data, {first_days} are needed",
            next_step="keep the Hive's own power limits until there are enough",
        )
    split = columns - columns // _HELD_BACK
    mean, worst = _judged(fit(series.part(slice(0, split))), series.part(slice(split, columns)))
    k, errors, offset = fit(series)
    half = np.hypot(_Z95 * errors, _CURVATURE * k)
    low, high = np.maximum(k - half, 0.0), k + half
    return Sensitivities(k, low, high, offset, mean, worst, days)


def _fitted(series: MeterSeries) -> Fitted:
    """Return K by least squares, symmetrised afterwards."""
    squared, source = series.voltage_pu**2, series.source_pu**2
    usable = series.complete[1:] & series.complete[:-1]
    regressors = np.concatenate([-series.power_kw, -series.reactive_kvar, source[None, :]])
    steps, targets = np.diff(regressors, axis=1)[:, usable].T, np.diff(squared, axis=1)[:, usable]
    k, errors = _non_negative(steps, targets, series.power_kw.shape[0])
    errors = 0.5 * np.sqrt(errors**2 + errors.T**2)
    k = 0.5 * (k + k.T)
    return k, errors, _offset(series, k)


def _offset(series: MeterSeries, k: FloatArray) -> FloatArray:
    """Return the offsets that leave no mean error with these sensitivities."""
    left = series.voltage_pu**2 - series.source_pu[None, :] ** 2 + k @ np.nan_to_num(series.power_kw)
    return np.asarray(left[:, series.complete].mean(axis=1))


def _fitted_along(series: MeterSeries) -> Fitted:
    """Return K of a line: the steps d of P and of Q, and one factor of the source, for all voltages at once."""
    meters = series.power_kw.shape[0]
    usable = series.complete[1:] & series.complete[:-1]

    def steps(part: FloatArray) -> FloatArray:
        return np.asarray(np.diff(part, axis=-1)[..., usable])

    beyond = [steps(np.cumsum(part[::-1], axis=0)[::-1]) for part in (series.power_kw, series.reactive_kvar)]
    source, targets = steps(series.source_pu**2), steps(series.voltage_pu**2)
    size, along = 2 * meters + 1, np.arange(meters)
    gram, moment = np.zeros((size, size)), np.zeros(size)
    for place in range(meters):
        row = np.zeros((size, source.size))
        shared = along <= place
        row[:meters][shared], row[meters:-1][shared], row[-1] = -beyond[0][shared], -beyond[1][shared], source
        gram += row @ row.T
        moment += row @ targets[place]
    found, unit_errors = _least_squares(gram, moment)
    freedom = max(1, targets.size - size)
    left = float((targets**2).sum() - 2.0 * moment @ found + found @ gram @ found)
    noise = float(np.sqrt(max(0.0, left) / freedom))
    nearer = np.minimum(along[:, None], along[None, :])
    k = np.cumsum(found[:meters])[nearer]
    errors = noise * np.sqrt(np.cumsum(unit_errors[:meters] ** 2))[nearer]
    return k, errors, _offset(series, k)


def _least_squares(gram: FloatArray, moment: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least squares solution >= 0 from the normal equations, and unit standard errors."""
    spread = np.sqrt(gram.diagonal()) + _SPREAD
    values, vectors = np.linalg.eigh(gram / np.outer(spread, spread))
    root = np.sqrt(np.maximum(values, _SPREAD))
    found, _ = nnls(root[:, None] * vectors.T, (vectors.T @ (moment / spread)) / root)
    return found / spread, np.sqrt(((vectors / root) ** 2).sum(axis=1)) / spread


def _non_negative(steps: FloatArray, targets: FloatArray, meters: int) -> tuple[FloatArray, FloatArray]:
    """Return K (rows: voltages) by least squares with coefficients >= 0, and standard errors of the free ones.

    Columns are scaled to the same spread and the rows replaced by their triangular factor: the same minimum at the
    cost of one small problem per meter.
    """
    spread = np.sqrt((steps**2).mean(axis=0)) + _SPREAD
    orthogonal, triangle = np.linalg.qr(steps / spread)
    inverse = np.linalg.pinv(triangle)
    unit_errors = np.sqrt((inverse**2).sum(axis=1))
    freedom = max(1, steps.shape[0] - steps.shape[1])
    k, errors = np.zeros((targets.shape[0], meters)), np.zeros((targets.shape[0], meters))
    for row, target in enumerate(targets):
        found, _ = nnls(triangle, orthogonal.T @ target)
        left = target - (steps / spread) @ found
        noise = float(np.sqrt(left @ left / freedom))
        k[row] = (found / spread)[:meters]
        errors[row] = (noise * unit_errors / spread)[:meters]
    return k, errors


def _judged(fitted: tuple[FloatArray, FloatArray, FloatArray], later: MeterSeries) -> tuple[float, float]:
    """Return mean and 99th percentile of the error (per unit) on columns that the estimate has not seen."""
    k, _, offset = fitted
    known = later.complete
    squared = later.source_pu[None, :] ** 2 + offset[:, None] - k @ np.nan_to_num(later.power_kw)
    away = np.abs(np.sqrt(np.maximum(squared, 0.0)) - later.voltage_pu)[:, known]
    if not away.size:
        raise TooFewMeterData(
            "the last days hold no complete column to judge the estimate by", next_step="wait for the next days"
        )
    return float(away.mean()), float(np.quantile(away, 0.99))


__all__ = ["FIRST_DAYS", "MeterSeries", "Sensitivities", "TooFewMeterData", "estimate", "estimate_along"]
