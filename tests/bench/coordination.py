"""Bench: how many broadcasts an agreement takes, and what they cost, against the direct solve of the same run.

Prints JSON lines. Hives are made from seeds (`tests/bench/hives.py`). "Iterations to 1e-3" is the first broadcast whose
answers are within that share of the coordination gain; optimum and gain (homes alone less optimum) come from the direct
solve. Bars are those of the issue's figures, held against the median of the seeds; the worst is printed beside it.
The last lines hold the convergence curves, to draw from (`tests/bench/pictures.py`).
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from honey_edge.market.homes.assets import NO_LIMITS, Home, Limits, Tariff
from honey_edge.market.rounds.admm import WarmStart, solve_direct, solve_hive, solve_single
from honey_edge.market.rounds.iteration import (
    MAX_ITERATIONS,
    QueenIteration,
    round_sigma,
    shifted_power_w,
    shifted_price_e7,
)
from honey_edge.market.rounds.queen_step import queen_step, watts
from honey_edge.market.rounds.round_loop import Network, column_sums, run_round
from tests.bench.hives import seeded_hive, tariff_of

SEEDS = (1, 2, 3)
LARGE = 1000
DT_H = 0.25
CURVES: dict[str, list[float]] = {}


@dataclass(frozen=True)
class Reference:
    """The direct solve: optimum, gain, its CPU seconds."""

    optimum: float
    gain: float
    seconds: float


def compared(homes: list[Home], tariff: Tariff, limits: Limits = NO_LIMITS) -> Reference:
    start = time.process_time()
    optimum = solve_direct(homes, tariff, limits).objective
    seconds = time.process_time() - start
    alone = sum(solve_single(home, tariff).objective for home in homes)
    return Reference(optimum, alone - optimum, seconds)


@functools.cache
def reference(kind: str, count: int, seed: int) -> Reference:
    return compared(seeded_hive(seed, count), tariff_of(kind))


class Open(QueenIteration):
    """A Queen that never ends before the last iteration, to see the whole curve."""

    @property
    def finished(self) -> bool:
        return self.iteration >= self.max_iterations


def curve(
    homes: list[Home],
    tariff: Tariff,
    ref: Reference,
    iterations: int,
    network: Network = Network(),  # noqa: B008 - frozen
    warm: WarmStart | None = None,
) -> list[float]:
    """Distance to the optimum after every iteration, as a share of the gain."""
    sigma = round_sigma(tariff, DT_H, settled=warm is not None, blend=True)
    moving = [place for place, home in enumerate(homes) if home.flexible]
    fixed = [watts(home.base_kw) for home in homes if not home.flexible]
    queen = Open(
        tariff,
        len(moving),
        sigma,
        constant_w=column_sums(fixed, tariff.slots),
        price0_e7=None if warm is None else warm.price_e7,
        max_iterations=iterations,
        blend=True,
    )
    opening = [None if warm is None else warm.power_w[place] for place in moving]
    end = run_round(queen, [homes[place] for place in moving], sigma, opening=opening, eps=1e-4, network=network)
    return [(objective - ref.optimum) / ref.gain for objective in end.objectives]


def reached(shares: list[float], share: float) -> float:
    """First iteration within the share; infinite if none."""
    return next((number for number, away in enumerate(shares, 1) if abs(away) <= share), math.inf)


def line(name: str, values: list[float], bar: float | None, unit: str = "iterations", **more: Any) -> dict[str, Any]:
    """One result; the median is held against the bar."""
    middle, worst = statistics.median(values), max(values)
    shown = [None if math.isinf(value) else round(value, 5) for value in (middle, worst)]
    result = {"name": name, "unit": unit, "value": shown[0], "worst": shown[1], "bar": bar, "samples": len(values)}
    if bar is not None:
        result["met"] = middle <= bar
    return {**result, **more}


def bench_cold(kind: str, bar: int) -> list[dict[str, Any]]:
    """Cold rounds of 30 homes, to 1e-3 and 1e-4."""
    curves = {seed: curve(seeded_hive(seed, 30), tariff_of(kind), reference(kind, 30, seed), 100) for seed in SEEDS}
    CURVES.update({f"{kind}, 30 homes, seed {seed}": shares for seed, shares in curves.items()})
    rough = [reached(shares, 1e-3) for shares in curves.values()]
    fine = [reached(shares, 1e-4) for shares in curves.values()]
    return [line(f"coordination_{kind}_1e-3", rough, bar), line(f"coordination_{kind}_1e-4", fine, 75)]


def bench_plain() -> dict[str, Any]:
    """The same rounds without acceleration, for comparison."""
    needed: list[float] = []
    for seed in SEEDS:
        ref, homes, tariff = reference("flat", 30, seed), seeded_hive(seed, 30), tariff_of("flat")
        done = solve_hive(homes, tariff, accelerate=False, max_iterations=MAX_ITERATIONS)
        needed.append((done.objective - ref.optimum) / ref.gain)
    return line("coordination_flat_plain_at_60", needed, None, "share of the gain")


def bench_warm() -> dict[str, Any]:
    """Four slots later in turn, with forecasts that move by some per cent."""
    chance, tariff = np.random.default_rng(5), tariff_of("flat")
    homes = seeded_hive(1, 12)
    before, needed = solve_hive(homes, tariff), []
    for _ in range(4):
        plans = before.schedules
        later = [_later(home, float(plan.soc_kwh[0]), chance) for home, plan in zip(homes, plans, strict=True)]
        pairs = zip(plans, homes, later, strict=True)
        powers = tuple(
            shifted_power_w(watts(p.net_kw), watts(old.base_kw), watts(new.base_kw)) for p, old, new in pairs
        )
        warm = WarmStart(shifted_price_e7(before.price_e7, tariff), powers)
        shares = curve(later, tariff, compared(later, tariff), 40, warm=warm)
        needed.append(reached(shares, 1e-3))
        homes, before = later, solve_hive(later, tariff, warm=warm)
    return line("coordination_warm_1e-3", needed, 8)


def _later(home: Home, stored_kwh: float, chance: np.random.Generator) -> Home:
    load = np.maximum(0.0, np.roll(home.load_kw, -1) * (1.0 + 0.07 * chance.standard_normal(home.slots)))
    sun = np.roll(home.pv_kw, -1) * (1.0 + 0.05 * chance.standard_normal())
    if home.battery is None:
        return replace(home, load_kw=load, pv_kw=sun)
    stored = min(max(stored_kwh, home.battery.e_min_kwh), home.battery.e_max_kwh)
    return replace(home, load_kw=load, pv_kw=sun, battery=replace(home.battery, e0_kwh=stored))


def bench_loss() -> list[dict[str, Any]]:
    """30 % of the answers missing, with and without knowing single answers, over the same rounds without loss."""
    kind, results = "flat", []
    tariff = tariff_of(kind)
    for sums_only in (False, True):
        ratios = []
        for seed in SEEDS:
            homes, ref = seeded_hive(seed, 30), reference(kind, 30, seed)
            network = Network(0.3, seed, sums_only)
            none = reached(CURVES[f"{kind}, 30 homes, seed {seed}"], 1e-3)
            shares = curve(homes, tariff, ref, 100, network)
            CURVES[f"{kind}, 30 % lost{', sums only' if sums_only else ''}, seed {seed}"] = shares
            ratios.append(reached(shares, 1e-3) / none)
        results.append(line(f"coordination_loss30{'_sums' if sums_only else ''}", ratios, 1.3, "ratio"))
    return results


def bench_certificate() -> list[dict[str, Any]]:
    """The certificate after 20 iterations, and how far its lower bound lies below the optimum.

    Both are shares of the coordination gain, as every distance of a round is (oracles/README.md); the share of the
    optimum's own cost stands beside it, which says little where sold sun pays for most of what is bought.
    """
    gaps, below, of_cost = [], [], []
    for kind in ("flat", "time_of_use", "peak"):
        for seed in SEEDS:
            homes, ref = seeded_hive(seed, 30), reference(kind, 30, seed)
            done = solve_hive(homes, tariff_of(kind), max_iterations=20, certify=True).certificate
            assert done is not None
            gaps.append(math.inf if done.gap is None else done.gap)
            lower = -math.inf if done.lower_e9_coin is None else done.lower_e9_coin / 1e9
            below.append((ref.optimum - lower) / ref.gain)
            of_cost.append((ref.optimum - lower) / max(1.0, abs(ref.optimum)))
    shares = {"least": round(min(below), 6), "of_the_optimum": round(statistics.median(of_cost), 6)}
    return [
        line("certificate_at_20", gaps, 1.5e-3, "share of the gain"),
        line("certificate_lower_bound", below, 1e-4, "share of the gain", **shares),
    ]


def bench_queen_step() -> dict[str, Any]:
    """The Queen's arithmetic for one iteration at N = 1000: closed form and weights; median CPU milliseconds."""
    queen = QueenIteration(tariff_of("peak"), LARGE, 35)
    chance = np.random.default_rng(1)
    queen.start([int(power) for power in chance.normal(0.0, 1e6, 96)])
    spent = []
    for _ in range(40):
        sums, width = [int(power) for power in chance.normal(0.0, 1e6, 96)], min(queen.iteration, 10)
        inner = [int(number) for number in chance.integers(1, 10**9, width - 1)] + [10**10] if width else []
        start = time.process_time_ns()
        queen.absorb(sums, 10**9, None, 10**10, inner)
        spent.append((time.process_time_ns() - start) / 1e6)
    alone = []
    for _ in range(40):
        start = time.process_time_ns()
        queen_step(chance.normal(0.0, 1e3, 96), 35_000.0, tariff_of("peak"))
        alone.append((time.process_time_ns() - start) / 1e6)
    return line("queen_step_ms", spent, 2.0, "ms", closed_form_ms=round(statistics.median(alone), 4))


def bench_large() -> list[dict[str, Any]]:
    """N = 1000: iterations over those of N = 30, and CPU of all Workers' solves to 1e-3 over one direct solve."""
    tariff, homes = tariff_of("flat"), seeded_hive(1, LARGE)
    start = time.process_time()
    optimum = solve_direct(homes, tariff).objective
    direct_s = time.process_time() - start
    alone = sum(solve_single(home, tariff).objective for home in homes)
    ref = Reference(optimum, alone - optimum, direct_s)
    start = time.process_time()
    shares = curve(homes, tariff, ref, MAX_ITERATIONS)
    spent_s = (time.process_time() - start) / len(shares)
    CURVES[f"flat, {LARGE} homes"] = shares
    needed = reached(shares, 1e-3)
    small = statistics.median(reached(CURVES[f"flat, 30 homes, seed {seed}"], 1e-3) for seed in SEEDS)
    ratio = spent_s * needed / direct_s
    return [
        line("coordination_1000_over_30", [needed / small], 2.0, "ratio", iterations=needed if needed < 1e9 else None),
        line("workers_over_direct_1000", [ratio], 0.7, "ratio", direct_s=round(direct_s, 2), step_s=round(spent_s, 3)),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print one line per figure; 1 when a bar is missed, 0 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="leave out N = 1000")
    options = parser.parse_args([] if arguments is None else arguments)
    results: list[dict[str, Any]] = []

    def show(lines: list[dict[str, Any]]) -> None:
        results.extend(lines)
        for one in lines:
            print(json.dumps(one), flush=True)

    for kind, bar in (("flat", 25), ("time_of_use", 30), ("peak", 30)):
        show(bench_cold(kind, bar))
    show([bench_plain(), bench_warm(), bench_queen_step()])
    show(bench_loss())
    show(bench_certificate())
    sizes = {"12": reached(curve(seeded_hive(1, 12), tariff_of("flat"), reference("flat", 12, 1), 60), 1e-3)}
    sizes["30"] = reached(CURVES["flat, 30 homes, seed 1"], 1e-3)
    sizes["100"] = reached(curve(seeded_hive(1, 100), tariff_of("flat"), reference("flat", 100, 1), 60), 1e-3)
    if not options.small:
        show(bench_large())
        sizes[str(LARGE)] = reached(CURVES[f"flat, {LARGE} homes"], 1e-3)
    show([{"name": "coordination_scaling", "iterations_by_homes": sizes}])
    shown = {
        name: [round(one, 7) for one in shares] for name, shares in CURVES.items() if name.endswith(("seed 1", "homes"))
    }
    show([{"name": "coordination_curves", "unit": "share of the gain", "curves": shown}])
    return 0 if all(result.get("met", True) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
