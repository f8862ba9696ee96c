"""Bench: a whole Hive in one process: attacks on the measured year, and one coordination of 5,000 homes. JSON lines.

Bars (issue, Figures): a false declaration moves at most 4 % of the surplus of `hive_nsw`; without flexibility the
surplus is 2,723.04 and 1,399.29 to the cent; 5,000 homes certified to 5e-3 within 900 s on two processes. The full size
runs with HIVE_BENCH_HOMES=5000; by default 500 homes run and their wall time is scaled up by the homes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from honey_edge.market.simulate.attacks import ATTACKS, compare, prepared
from honey_edge.market.simulate.hive import Options, Simulation
from honey_edge.market.simulate.report import attack_document
from honey_edge.market.simulate.rounds import RoundResult
from honey_edge.market.simulate.world import HISTORY_DAYS, World, named_prices, seeded_homes
from queen_node.cli.market_data import measured_world
from queen_node.cli.market_lanes import ProcessLanes

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FULL_SIZE, SLOT_S, GAP = 5_000, 900.0, 5e-3
SURPLUS = {"hive_nsw": 2723.04, "hive_ca": 1399.29}
MOVED = 0.04


def bench_size() -> dict[str, Any]:
    """One cold coordination with its certificate, on two processes."""
    homes = int(os.environ.get("HIVE_BENCH_HOMES", "500"))
    made = seeded_homes(homes, 1, 1)
    world = World(made, named_prices("flat", made[0].load_kwh.size, 96), 15, HISTORY_DAYS * 96)
    noted: list[tuple[float, RoundResult]] = []
    begun = time.monotonic()
    with ProcessLanes(2) as lanes:
        Simulation(
            world,
            Options(slots=1, every=96),
            lanes=lanes,
            noted=lambda result: noted.append((time.monotonic() - begun, result)),
        ).run()
    wall, result = noted[0]
    scaled = wall * FULL_SIZE / homes
    gap = None if result.certificate is None else result.certificate.gap
    return {
        "name": "simulate_one_coordination",
        "homes": homes,
        "flexible": len(result.net_kw),
        "iterations": result.iterations,
        "gap": gap,
        "wall_s": round(wall, 1),
        "scaled_to_5000_s": round(scaled, 1),
        "bar": f"gap <= {GAP}, {SLOT_S:.0f} s for {FULL_SIZE} homes",
        "met": gap is not None and gap <= GAP and scaled <= SLOT_S,
    }


def bench_surplus(hive: str) -> dict[str, Any]:
    """The year without flexibility, to the cent."""
    world = measured_world(DATA / hive, "flat", None, 365, 0, batteries=False)
    run = Simulation(world, Options(slots=world.slots, coordinated=False)).run()
    surplus = run.books.surplus_pico / 1e12
    factors = [account.mean_rho for account in run.books.accounts]
    suspended = sum(account.suspended_days for account in run.books.accounts)
    return {
        "name": f"simulate_year_{hive}",
        "surplus": round(surplus, 2),
        "reference": SURPLUS[hive],
        "payments_checked": run.books.payments,
        "least_mean_reputation": round(min(factors), 1),
        "suspended_days": suspended,
        "bar": "surplus to the cent, reputation >= 900, nobody suspended",
        "met": round(surplus, 2) == SURPLUS[hive] and min(factors) >= 900.0 and suspended == 0,
    }


def bench_declare() -> list[dict[str, Any]]:
    """The false declaration over the year, with and without each defence."""
    world = measured_world(DATA / "hive_nsw", "flat", None, 365, 0, batteries=False)
    attack = prepared(world, "declare")
    bare = Options(slots=world.slots, coordinated=False, choose=False, enforce=False, believable=False)
    lines = []
    for name, options, bar in (
        ("no_defence", bare, None),
        ("choice_of_lambda", replace(bare, choose=True), MOVED),
        ("all_defences", replace(bare, choose=True, enforce=True, believable=True), MOVED),
    ):
        damage = compare(attack, options)
        lines.append(
            {
                "name": f"attack_declare_{name}",
                "moved": round(damage.others_lose, 2),
                "share": round(damage.moved_share, 4),
                "bar": bar,
                "met": bar is None or damage.moved_share <= bar,
            }
        )
    return lines


def bench_attacks() -> list[dict[str, Any]]:
    """Two weeks of the measured Hive with its batteries, under every attack; no bar but for `declare`."""
    world = measured_world(DATA / "hive_nsw", "flat", None, 14, 100, batteries=True)
    lines = []
    for kind in ATTACKS:
        damage = compare(prepared(world, kind), Options(slots=world.slots, every=8, certify=False))
        bar = MOVED if kind == "declare" else None
        lines.append(
            {
                "name": f"attack_{kind}_two_weeks",
                **attack_document(damage),
                "bar": bar,
                "met": bar is None or damage.moved_share <= bar,
            }
        )
    return lines


def main() -> int:
    """Print one line per figure as it is found; 1 when a bar is missed, 0 otherwise."""
    met = True
    for result in _figures():
        print(json.dumps(result), flush=True)
        met = met and result["met"]
    return 0 if met else 1


def _figures() -> Iterator[dict[str, Any]]:
    """One figure after the other; the measured ones only where the data is there."""
    yield bench_size()
    if not DATA.is_dir():
        print(json.dumps({"name": "simulate_measured", "skipped": "the measured data is not there"}))
        return
    yield from (bench_surplus(hive) for hive in SURPLUS)
    yield from bench_declare()
    yield from bench_attacks()


if __name__ == "__main__":
    sys.exit(main())
