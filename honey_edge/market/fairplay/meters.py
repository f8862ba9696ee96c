"""Test D: a meter that counts wrongly, found at the connection point (market-design section 10).

Over seven days the difference E_pcc - sum E is regressed on every home's E, on a constant and on sum |E| (losses). A
home whose meter is right has no share in the difference: its coefficient is 0. A reversed clamp gives -2, a meter that
counts 10 % too little +0.11. A coefficient beyond MEANINGFUL and SIGNIFICANT standard errors names the meter for
inspection, never for a penalty: neighbours with the same profile can stand for each other.

It needs the Queen's own meter at the connection point. Without one, fraud at a meter is invisible. It does not see
energy taken before the meter, unless it varies with what the meter shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.assets import FloatArray

DAYS = 7
MEANINGFUL = 0.05
SIGNIFICANT = 5.0
_COLLINEAR = 1e-9


@dataclass(frozen=True, slots=True)
class MeterFinding:
    """One home's share in the difference at the connection point, and its standard error; `named` for inspection."""

    home: int
    coefficient: float
    standard_error: float
    named: bool


def examine_meters(energy_kwh: FloatArray, connection_kwh: FloatArray) -> tuple[MeterFinding, ...]:
    """Return a finding for every home whose energy varied.

    `energy_kwh` has one row per slot and one column per home (import positive), `connection_kwh` the connection meter
    over the same slots. Rows with an empty (NaN) number are left out: a missing reading is not evidence. Raises
    `AssetError` when fewer slots than unknowns are left.
    """
    energy, connection = np.asarray(energy_kwh, dtype=np.float64), np.asarray(connection_kwh, dtype=np.float64)
    if energy.ndim != 2 or energy.shape[0] != connection.size:
        raise AssetError(f"energies of shape {energy.shape} do not fit {connection.size} slots of the connection meter")
    whole = np.isfinite(energy).all(axis=1) & np.isfinite(connection)
    energy, connection = energy[whole], connection[whole]
    varied = np.flatnonzero(np.ptp(energy, axis=0) > 0.0) if len(energy) else np.zeros(0, dtype=np.int64)
    if len(energy) < varied.size + 3:
        raise AssetError(f"{len(energy)} whole slots are too few to examine {varied.size} meters")
    columns = [energy[:, varied], np.ones((len(energy), 1)), np.abs(energy).sum(axis=1, keepdims=True)]
    coefficients, errors = _least_squares(np.hstack(columns), connection - energy.sum(axis=1))
    return tuple(
        MeterFinding(int(home), value, error, abs(value) > MEANINGFUL and abs(value) > SIGNIFICANT * error)
        for home, value, error in zip(varied, coefficients, errors, strict=False)
    )


def _least_squares(matrix: FloatArray, seen: FloatArray) -> tuple[list[float], list[float]]:
    """Return coefficients and standard errors; what the data cannot tell apart gets an infinite error."""
    size = np.sqrt((matrix * matrix).sum(axis=0))
    size[size == 0.0] = 1.0
    left, singular, right = np.linalg.svd(matrix / size, full_matrices=False)
    known = singular > _COLLINEAR * singular[0]
    inverse = np.where(known, 1.0 / np.where(known, singular, 1.0), 0.0)
    coefficients = right.T @ (inverse * (left.T @ seen))
    residual = seen - (matrix / size) @ coefficients
    freedom = max(1, matrix.shape[0] - int(known.sum()))
    spread = (right.T * inverse) ** 2
    errors = np.sqrt(spread.sum(axis=1) * float(residual @ residual) / freedom)
    unknown = (right[~known] ** 2).sum(axis=0) > 1e-6
    errors[unknown] = np.inf
    return (coefficients / size).tolist(), (errors / size).tolist()
