"""Bench: whole-day-ahead forecasts of measured homes beside the 28-day figure of the same run. Prints JSON lines.

Bars (issue, Figures), as ratios to the mean and the quantiles of the same slot over 28 days: load of hive_ca at most
0.97 in nRMSE and 1 in pinball, PV of hive_ca at most 0.95 and 1; fit and predict of one home's day under 30 ms. Loads
of hive_nsw and of the French home are reported without a bar. Origins lie 5 days apart, so that every weekday comes.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from honey_edge.market.forecast import HomeForecaster
from honey_edge.market.forecast.backtest import MeasuredHomes, backtest
from queen_node.cli.market_backtest import read_series

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
#: name, file, kind, minutes, hours to local standard time, bars of the ratios of nRMSE and pinball, days apart.
CASES: tuple[tuple[str, str, str, int, int, tuple[float, float] | None, int], ...] = (
    ("forecast_load_ca", "hive_ca/load_kwh_1h.csv.gz", "load", 60, 0, (0.97, 1.0), 5),
    ("forecast_pv_ca", "hive_ca/pv_kwh_1h.csv.gz", "pv", 60, 0, (0.95, 1.0), 5),
    ("forecast_load_nsw", "hive_nsw/load_kwh_30min.csv.gz", "load", 30, 10, None, 19),
    ("forecast_load_uci", "meter/uci_home_15min_2008-11_2009-10.csv.gz", "load", 15, 0, None, 5),
)
FIRST_DAY = 35
TIME_BAR_MS = 30.0
SAMPLES = 15


def accuracy(
    name: str, homes: MeasuredHomes, kind: str, bars: tuple[float, float] | None, every: int
) -> dict[str, Any]:
    """Scores of both, and their ratios."""
    first = homes.first_slot // homes.slots_per_day
    days = range(first + FIRST_DAY, first + homes.slots // homes.slots_per_day, every)
    made = backtest(homes, kind, days)
    own, plain = made.score, made.reference
    ratios = own.nrmse / plain.nrmse, own.pinball / plain.pinball
    result: dict[str, Any] = {
        "name": name,
        "reference": "same slot over 28 days",
        "nrmse": round(own.nrmse, 4),
        "reference_nrmse": round(plain.nrmse, 4),
        "nrmse_ratio": round(ratios[0], 4),
        "pinball": round(own.pinball, 4),
        "reference_pinball": round(plain.pinball, 4),
        "pinball_ratio": round(ratios[1], 4),
        "nrmse_sum": round(own.nrmse_sum, 4),
        "reference_nrmse_sum": round(plain.nrmse_sum, 4),
        "origins": len(days),
        "bar": bars,
    }
    if bars is not None:
        result["met"] = ratios[0] <= bars[0] and ratios[1] <= bars[1]
    return result


def duration(name: str, homes: MeasuredHomes, kind: str) -> dict[str, Any]:
    """CPU time of fit and predict of one home's day near the series' end, where the history is longest."""
    energy = next(iter(homes.energy.values()))
    slots = homes.first_slot + np.arange(energy.size)
    origin = (homes.first_slot + homes.slots) // homes.slots_per_day * homes.slots_per_day - homes.slots_per_day
    spent = []
    for _ in range(SAMPLES):
        forecaster = HomeForecaster(kind, homes.slots_per_day)
        start = time.process_time_ns()
        forecaster.fit_series(slots, energy, origin)
        forecaster.predict(origin, homes.slots_per_day)
        spent.append((time.process_time_ns() - start) / 1e6)
    value = statistics.median(spent)
    return {
        "name": f"{name}_time",
        "value_ms": round(value, 2),
        "slots_per_day": homes.slots_per_day,
        "bar": TIME_BAR_MS,
        "met": value <= TIME_BAR_MS,
    }


def main() -> int:
    """Print one line per figure; 1 when a bar is missed, 0 otherwise."""
    if not DATA.is_dir():
        print(json.dumps({"name": "forecast", "skipped": "the measured data are not there"}))
        return 0
    results = []
    for name, file, kind, minutes, hours, bars, every in CASES:
        homes = read_series(DATA / file, minutes, timedelta(hours=hours))
        results += [accuracy(name, homes, kind, bars, every), duration(name, homes, kind)]
        for result in results[-2:]:
            print(json.dumps(result), flush=True)
    return 0 if all(result.get("met", True) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
