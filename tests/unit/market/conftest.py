"""Homes made from a seed, and Clarabel as the second opinion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import clarabel
import numpy as np
import pytest
from scipy import sparse

from honey_edge.market.homes.assets import Battery, Ev, FloatArray, Home, Shed, Thermal

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


def _any_home(seed: int, *, slots: int = SLOTS, assets: str | None = None, wild: bool = False) -> Home:
    """A home with a free choice of assets: letters of `assets` (b, c, t, e, s; None = drawn by the seed).

    `wild` also draws states outside their windows, cars that cannot be charged and draws that cannot be met.
    """
    rng = np.random.default_rng(seed)
    plain = _home(seed, slots=slots)
    own = "".join(letter for letter in "bctes" if rng.random() < 0.55) if assets is None else assets
    there = (np.arange(slots) % 96 > rng.integers(0, 80)).astype(float)
    draw = 0.4 * rng.random(slots) + 1.5 * (rng.random(slots) < 0.05)
    power, cop, eta = rng.uniform(1.0, 3.0), float(rng.choice([1.0, 3.0])), 0.92
    cap, extra = rng.uniform(4.0, 8.0), 1.0 + 0.8 * wild * rng.random()
    start = cap * (rng.uniform(-0.1, 1.3) if wild else rng.uniform(0.45, 0.95))
    heat = Thermal(cap, max(0.0, start), 0.2 * cap, 0.4 * cap * extra, power, cop, 0.0025, draw * (1 + 3 * wild))
    full = 0.25 * eta * 7.4 * there.sum()
    car = Ev(7.4, eta, min(12.0, 0.9 * full) if not wild else float(rng.uniform(0.0, 60.0)), there)
    battery = plain.battery
    if wild and battery is not None:
        level, end = rng.uniform(0.0, 1.1) * battery.cap_kwh, rng.uniform(0.0, 1.0) * battery.cap_kwh
        battery = replace(battery, e0_kwh=level, e_end_min_kwh=end)
    return Home(
        plain.load_kw,
        plain.pv_kw,
        battery if "b" in own else None,
        "c" in own,
        thermal=heat if "t" in own else None,
        ev=car if "e" in own else None,
        shed=Shed(0.5 * plain.load_kw, 2.0, 0.01) if "s" in own else None,
    )


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
def make_any_home() -> Callable[..., Home]:
    return _any_home


@pytest.fixture(scope="session")
def second_solver() -> type[Clarabel]:
    return Clarabel
