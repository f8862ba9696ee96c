"""Linear regression drawn towards given coefficients: a home's own history speaks as far as it is long.

minimise |y - X b|^2 + strength |b - prior|^2, with the strength relative to the mean size of the columns, so that
nothing depends on the unit. Sums go without matrix products, so that they are the same however many threads there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.homes.assets import FloatArray

FULL_ROWS = 150
"""Days after which a home's own history has its full weight; older ones than that are not used in the fit."""


def fitted(
    columns: FloatArray, target: FloatArray, measured: NDArray[np.bool_], prior: FloatArray, strength: float
) -> FloatArray:
    """Coefficients from `columns` (days, slots, features) and `target` (days, slots) where measured."""
    size = prior.size
    x = columns[measured]
    if x.shape[0] == 0:
        return prior
    gram = np.einsum("ni,nj->ij", x, x)
    scale = float(np.trace(gram)) / size
    if not np.isfinite(scale) or scale <= 0.0:
        return prior
    pull = strength * FULL_ROWS / min(FULL_ROWS, columns.shape[0]) * scale
    moment = np.einsum("ni,n->i", x, target[measured])
    solved: FloatArray = np.linalg.solve(gram + pull * np.eye(size), moment + pull * prior)
    return solved


def combined(columns: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Sum of features times coefficients; a feature that the past does not give counts as 0."""
    known = np.where(np.isfinite(columns), columns, 0.0)
    return np.asarray(np.einsum("...i,i->...", known, coefficients))
