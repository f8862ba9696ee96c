"""Bench: the 96-slot schedule on OSQP against Clarabel on the same matrices, in the same run. Prints JSON lines.

Oracle 12, first case, eps 1e-4. Bars (issue, Figures): warm at most 0.3 of Clarabel, cold (set-up and solve, no
cached pattern) at most 1. Clarabel has no warm start, so its set-up and solve always count both. "Warm" steps through
the targets that the price iteration really asks for. The standalone form is reported without a bar.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import clarabel
import numpy as np
from scipy import sparse

from honey_edge.market.homes import banded
from honey_edge.market.homes.assets import NO_LIMITS, Battery, FloatArray, Home, Tariff
from honey_edge.market.homes.battery import ProximalSchedule, StandaloneSchedule
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.queen_step import RELAXATION, queen_step

ORACLE = Path(__file__).resolve().parents[2].parent / "shared" / "oracles" / "12_worker_prox.json"
EPS = 1e-4
DT_H = 0.25
ROUNDS = 3
TARGETS = 40


def oracle_case() -> tuple[Home, float, FloatArray]:
    """Home, scale and target of the first case."""
    case = json.loads(ORACLE.read_text())["cases"][0]
    worker = case["worker"]
    home = Home(
        np.array(worker["load_kw"]),
        np.array(worker["pv_kw"]),
        Battery(**worker["battery"]),
        worker["pv_curtailable"],
        worker["curt_c_quad"],
    )
    return home, case["scale_kw2_per_currency"], np.array(case["target_kw"])


def iteration_targets(home: Home, scale: float, first: FloatArray) -> list[FloatArray]:
    """The oracle's target, and those that the price iteration asks for after it."""
    tariff = Tariff(np.full(96, 0.2), np.full(96, 0.05))
    solver = ProximalSchedule(home, DT_H, scale, EPS)
    targets = [first]
    _, price = queen_step(first, scale, tariff)
    state = first + 2.0 * scale * DT_H * price
    for _ in range(TARGETS):
        pull = scale * DT_H * price
        targets.append(state - 2.0 * pull)
        state = state + RELAXATION * (solver.solve(targets[-1]).net_kw - (state - pull))
        _, price = queen_step(state, scale, tariff)
    return targets


class ClarabelReference:
    """Clarabel on given matrices: minimise x'Px/2 + q'x within lower <= Ax <= upper."""

    def __init__(self, hessian: Any, rows: Any, lower: FloatArray, upper: FloatArray) -> None:
        below, above = np.isfinite(lower), np.isfinite(upper)
        self._hessian = hessian
        self._rows = sparse.vstack([rows[above], -rows[below]], format="csc")
        self._bounds = np.concatenate([upper[above], -lower[below]])
        self._cones = [clarabel.NonnegativeConeT(self._bounds.size)]
        self._settings = clarabel.DefaultSettings()
        self._settings.verbose = False

    def solve(self, linear: FloatArray) -> FloatArray:
        """Set up and solve."""
        solver = clarabel.DefaultSolver(self._hessian, linear, self._rows, self._bounds, self._cones, self._settings)
        return np.array(solver.solve().x)


def proximal_reference(home: Home, scale: float) -> Callable[[FloatArray], FloatArray]:
    """A function from target to net power, by Clarabel on the matrices that OSQP gets."""
    assert home.battery is not None
    program = banded.BandedHome(home, home.battery, DT_H)
    reference = ClarabelReference(program.hessian(1.0, scale), program.rows(), *program.bounds())
    private = program.private_gradient() * scale

    def solve(target: FloatArray) -> FloatArray:
        x = reference.solve(private + program.pull_back(program.net_at_zero_kw - target))
        charge, discharge, _, curtail = program.split(x)[:4]
        return home.base_kw + charge - discharge + curtail

    return solve


def timed_ms(call: Callable[[], object]) -> float:
    """CPU milliseconds of one call (the machine is shared)."""
    start = time.process_time_ns()
    call()
    return (time.process_time_ns() - start) / 1e6


def line(name: str, own: list[float], reference: list[float], bar: float | None, **more: float) -> dict[str, Any]:
    """One result: medians, ratio and whether the bar is met."""
    value, against = statistics.median(own), statistics.median(reference)
    result: dict[str, Any] = {
        "name": name,
        "value_ms": round(value, 4),
        "reference": "clarabel",
        "reference_ms": round(against, 4),
        "ratio": round(value / against, 3),
        "bar": bar,
        "samples": len(own),
        **more,
    }
    if bar is not None:
        result["met"] = value <= bar * against
    return result


def bench_warm(home: Home, scale: float, targets: list[FloatArray]) -> dict[str, Any]:
    """Warm solves along the iteration's targets, interleaved with Clarabel on each."""
    solver, reference = ProximalSchedule(home, DT_H, scale, EPS), proximal_reference(home, scale)
    own, other, apart = [], [], 0.0
    solver.solve(targets[0])
    for target in targets[1:] * ROUNDS:
        own.append(timed_ms(partial(solver.solve, target)))
        other.append(timed_ms(partial(reference, target)))
        apart = max(apart, float(np.abs(solver.solve(target).net_kw - reference(target)).max()))
    return line("schedule_prox_warm", own, other, 0.3, max_difference_kw=round(apart, 6))


def bench_cold(home: Home, scale: float, targets: list[FloatArray]) -> dict[str, Any]:
    """Set-up and first solve, without any cached pattern, interleaved with Clarabel."""
    reference = proximal_reference(home, scale)
    own, other = [], []

    def cold() -> object:
        banded.forget_patterns()
        return ProximalSchedule(home, DT_H, scale, EPS).solve(targets[0])

    for _ in range(10 * ROUNDS):
        own.append(timed_ms(cold))
        other.append(timed_ms(lambda: reference(targets[0])))
    return line("schedule_prox_cold", own, other, 1.0)


def bench_standalone(home: Home) -> dict[str, Any]:
    """The standalone form, set-up and solve, polished; no bar."""
    tariff = Tariff(np.full(96, 0.2), np.full(96, 0.05))
    hessian, linear, rows, lower, upper = CentralSchedule([home], tariff, NO_LIMITS, DT_H).program()
    reference = ClarabelReference(hessian, rows, lower, upper)
    own, other = [], []
    for _ in range(3 * ROUNDS):
        own.append(timed_ms(lambda: StandaloneSchedule(home, tariff, DT_H).solve()))
        other.append(timed_ms(lambda: reference.solve(linear)))
    return line("schedule_standalone", own, other, None)


def main() -> int:
    """Print one line per figure; 1 when a bar is missed, 0 otherwise."""
    if not ORACLE.is_file():
        print(json.dumps({"name": "schedule", "skipped": f"{ORACLE.name} is not there"}))
        return 0
    home, scale, first = oracle_case()
    targets = iteration_targets(home, scale, first)
    results = [bench_warm(home, scale, targets), bench_cold(home, scale, targets), bench_standalone(home)]
    for result in results:
        print(json.dumps(result))
    return 0 if all(result.get("met", True) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
