"""The measured year of a shared Hive as the benchmarks use it: energy per home and step, kWh, gaps as documented."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from honey_edge.market.homes.assets import FloatArray

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
LONGEST_GAP_STEPS = 4


@dataclass(frozen=True)
class MeasuredHive:
    """Load and PV (kWh, homes x steps), battery energy and power by home (0 = none), and the step's length in hours."""

    homes: tuple[str, ...]
    load_kwh: FloatArray
    pv_kwh: FloatArray
    battery_kwh: FloatArray
    battery_kw: FloatArray
    step_h: float

    @property
    def net_kwh(self) -> FloatArray:
        """Load less PV, homes x steps."""
        return self.load_kwh - self.pv_kwh


def read_series(file: Path) -> dict[str, FloatArray]:
    """Columns of a series by home; an empty cell is NaN."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))
    return {
        name: np.array([float(row[column]) if row[column] else np.nan for row in rows[1:]])
        for column, name in enumerate(rows[0])
        if column > 0
    }


def bridged(series: FloatArray) -> FloatArray:
    """The first four steps of a gap interpolated and zero beyond, as the reference figures were made."""
    known = np.flatnonzero(~np.isnan(series))
    steps = np.arange(series.size)
    last = np.searchsorted(known, steps, side="right") - 1
    since = np.where(last >= 0, steps - known[np.maximum(last, 0)], series.size)
    return np.where(since <= LONGEST_GAP_STEPS, np.interp(steps, known, series[known]), 0.0)


def measured_hive(name: str) -> MeasuredHive:
    """`hive_ca` (hourly) or `hive_nsw` (half-hourly), one year."""
    step = {"hive_ca": "1h", "hive_nsw": "30min"}[name]
    folder = DATA / name
    load, pv = (read_series(folder / f"{kind}_kwh_{step}.csv.gz") for kind in ("load", "pv"))
    with (folder / "homes.csv").open(encoding="utf-8", newline="") as text:
        facts = {row["home"]: row for row in csv.DictReader(text)}
    homes = tuple(load)
    zeros = np.zeros(next(iter(load.values())).size)
    return MeasuredHive(
        homes,
        np.array([bridged(load[home]) for home in homes]),
        np.array([bridged(pv[home]) if home in pv else zeros for home in homes]),
        np.array([float(facts[home]["battery_kwh"]) for home in homes]),
        np.array([float(facts[home]["battery_kw"]) for home in homes]),
        1.0 if step == "1h" else 0.5,
    )
