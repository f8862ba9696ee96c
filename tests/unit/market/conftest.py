"""Homes made from a seed, and Clarabel as the second opinion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import clarabel
import numpy as np
import pytest
from scipy import sparse

from honey_edge.market.assets import Battery, FloatArray, Home

SLOTS = 96


def _home(seed: int, *, battery: bool = True, curtailable: bool = True, slots: int = SLOTS) -> Home:
    """A plausible home: an evening load, a midday sun, a battery whose sizes depend on the seed."""
    rng = np.random.default_rng(seed)
    hour = np.arange(slots) * 24.0 / slots
    load = 0.15 + rng.uniform(0.5, 2.0) * np.exp(-(((hour - rng.uniform(17, 20)) / 2.0) ** 2)) + 0.1 * rng.random(slots)
    sun = rng.uniform(0.0, 6.0) * (rng.random() < 0.7)
    pv = sun * np.maximum(0.0, np.sin((hour - 6.0) * np.pi / 12.0)) * rng.uniform(0.8, 1.0, slots)
    pv[(hour < 6.0) | (hour > 18.0)] = 0.0
    cap = rng.uniform(3.0, 12.0)
    start = cap * rng.uniform(0.15, 0.9)
    power = cap * rng.uniform(0.25, 0.6)
    own = Battery(cap, 0.1 * cap, 0.95 * cap, start, start, power, power, 0.95, 0.95, 0.01, 5e-4)
    return Home(load, pv, own if battery else None, curtailable)


class Clarabel:
    """Minimise x'Px/2 + q'x within lower <= Ax <= upper (P: upper triangle); x and the optimal value."""

    @staticmethod
    def solve(
        hessian: Any, linear: FloatArray, rows: Any, lower: FloatArray, upper: FloatArray
    ) -> tuple[FloatArray, float]:
        above, below = np.isfinite(upper), np.isfinite(lower)
        matrix = sparse.vstack([rows[above], -rows[below]], format="csc")
        bounds = np.concatenate([upper[above], -lower[below]])
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        cones = [clarabel.NonnegativeConeT(bounds.size)]
        answer = clarabel.DefaultSolver(hessian, linear, matrix, bounds, cones, settings).solve()
        assert str(answer.status) in ("Solved", "AlmostSolved")
        return np.array(answer.x), float(answer.obj_val)


@pytest.fixture(scope="session")
def make_home() -> Callable[..., Home]:
    return _home


@pytest.fixture(scope="session")
def second_solver() -> type[Clarabel]:
    return Clarabel
