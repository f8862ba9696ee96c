"""From what homes publish of their voltage to the band that a round keeps (market-design section 11).

    slot means of every meter -> series -> sensitivities with intervals and error -> band, only ever tightened

The voltage at the head of the feeder is that of one meter next to the transformer; its own home moves nobody's
voltage. A meter with three phases counts with their mean, and how far single phases lie from it tightens the band, as
do the error of the prediction, the offsets of single meters and the range in which the head's voltage moved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.sensitivities import FIRST_DAYS, MeterSeries, TooFewMeterData, estimate, estimate_along
from honey_edge.market.grid.voltage import VoltageBand
from honey_edge.market.homes.assets import FloatArray
from honey_edge.model.slots import SLOTS_PER_DAY

LEAST_SHARE = 0.8
"""Share of the source's slots that a meter must have told to be part of the estimate at all."""

MOST_METERS = 200
"""Meters in one estimate: the regression grows with their square."""

_EDGE = 0.01
_MV_PER_V = 1000
_W_PER_KW = 1000


@dataclass(frozen=True, slots=True)
class SlotVoltage:
    """One meter's means of one slot: voltages per phase (mV), power and reactive power of all phases (W, var)."""

    worker: str
    slot: int
    voltage_mv: tuple[int, ...]
    power_w: int
    reactive_var: int


@dataclass(frozen=True, slots=True)
class FeederEstimate:
    """What is known of a feeder; voltages per unit, K in per unit squared per kW, rows and columns as in `workers`.

    `error_mean_pu` and `error_p99_pu` judge days that the estimate had not seen. `offset_pu` is the largest constant
    deviation of a meter, `phase_pu` the 99th percentile of a phase's distance to the mean of the three, and the head's
    voltage was between `source_low_pu` and `source_high_pu` in 98 of 100 slots.
    """

    workers: tuple[str, ...]
    k_v2_per_kw: tuple[tuple[float, ...], ...]
    low_v2_per_kw: tuple[tuple[float, ...], ...]
    high_v2_per_kw: tuple[tuple[float, ...], ...]
    error_mean_pu: float
    error_p99_pu: float
    offset_pu: float
    phase_pu: float
    source_pu: float
    source_low_pu: float
    source_high_pu: float
    days: float

    @property
    def margin_pu(self) -> float:
        """By how much the band is tightened on both sides."""
        source = max(self.source_high_pu - self.source_pu, self.source_pu - self.source_low_pu)
        return self.error_p99_pu + self.offset_pu + self.phase_pu + source

    def band(self, low_pu: float, high_pu: float) -> VoltageBand:
        """Return the tightened band, with one more column for homes whose place on the feeder is not known.

        Those are taken as if at the head: what they do to the voltages is in the error. `AssetError` where the margin
        leaves no band.
        """
        matrix = np.array(self.k_v2_per_kw, dtype=np.float64)
        matrix = np.hstack([matrix, np.zeros((len(self.workers), 1))])
        return VoltageBand(self.source_pu, low_pu, high_pu, matrix).tightened(self.margin_pu)

    def document(self) -> str:
        """Return the estimate as JSON."""
        return json.dumps({one.name: getattr(self, one.name) for one in fields(self)})


def read_estimate(text: str) -> FeederEstimate:
    """Return the estimate in a document; `AssetError` for one that is none."""
    try:
        found: dict[str, Any] = json.loads(text)
        count = len(found["workers"])
        for name in ("k_v2_per_kw", "low_v2_per_kw", "high_v2_per_kw"):
            rows = tuple(tuple(float(one) for one in row) for row in found[name])
            if len(rows) != count or any(len(row) != count for row in rows):
                raise ValueError(f"{name} is no matrix of {count} x {count}")
            found[name] = rows
        found["workers"] = tuple(str(one) for one in found["workers"])
        told = FeederEstimate(**found)
        numbers = [getattr(told, one.name) for one in fields(told) if one.name.endswith("_pu") or one.name == "days"]
        if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in numbers):
            raise ValueError("a number is missing or not finite")
    except (ValueError, TypeError, KeyError) as error:
        raise AssetError(f"the stored estimate of the feeder cannot be read: {error}") from error
    return told


def estimate_feeder(
    rows: Iterable[SlotVoltage],
    source_worker: str,
    nominal_v: int,
    order: Sequence[str] = (),
    first_days: float = FIRST_DAYS,
) -> FeederEstimate:
    """Return the estimate from stored rows; `TooFewMeterData` says what is missing.

    `order` are the meters along one line from the head on; without one nothing is assumed of the feeder's form.
    """
    by_worker: dict[str, dict[int, SlotVoltage]] = {}
    for row in rows:
        by_worker.setdefault(row.worker, {})[row.slot] = row
    source = by_worker.pop(source_worker, {})
    days = len(source) / SLOTS_PER_DAY
    if days < first_days:
        raise TooFewMeterData(
            f"{days:.1f} days of the source meter, {first_days} are needed",
            next_step="keep the Hive's own power limits until there are enough",
        )
    workers = _metered(by_worker, source, order, first_days)
    series = _series([by_worker[one] for one in workers], source, nominal_v)
    found = estimate_along(series, first_days) if order else estimate(series, first_days)
    offset = np.abs(np.sqrt(np.maximum(1.0 + found.offset_v2, 0.0)) - 1.0).max()
    low, middle, high = np.nanquantile(series.source_pu, [_EDGE, 0.5, 1.0 - _EDGE])
    return FeederEstimate(
        workers=workers,
        k_v2_per_kw=_rows(found.k_v2_per_kw),
        low_v2_per_kw=_rows(found.low_v2_per_kw),
        high_v2_per_kw=_rows(found.high_v2_per_kw),
        error_mean_pu=found.error_mean_pu,
        error_p99_pu=found.error_p99_pu,
        offset_pu=float(offset),
        phase_pu=_phase_spread([by_worker[one] for one in workers], nominal_v),
        source_pu=float(middle),
        source_low_pu=float(low),
        source_high_pu=float(high),
        days=found.days,
    )


def _metered(
    by_worker: Mapping[str, Mapping[int, SlotVoltage]],
    source: Mapping[int, SlotVoltage],
    order: Sequence[str],
    first_days: float,
) -> tuple[str, ...]:
    """Return the meters that together told enough slots, along the feeder where its order is known.

    Those with the fewest gaps come first: one with many must not take the slots of all others with it.
    """
    common = {one: told.keys() & source.keys() for one, told in by_worker.items() if not order or one in order}
    enough, left = set[str](), set(source)
    for worker in sorted(common, key=lambda one: (-len(common[one]), one)):
        narrowed = left & common[worker]
        if len(common[worker]) >= LEAST_SHARE * len(source) and len(narrowed) >= first_days * SLOTS_PER_DAY:
            enough.add(worker)
            left = narrowed
    workers = tuple(one for one in order if one in enough) if order else tuple(sorted(enough))
    if not workers or len(workers) > MOST_METERS:
        raise TooFewMeterData(
            f"{len(workers)} meters beside the source told {LEAST_SHARE:.0%} of its slots; 1 to {MOST_METERS} do",
            next_step="switch [grid] publish_voltage on in the homes, and wait",
        )
    return workers


def _series(
    meters: Sequence[Mapping[int, SlotVoltage]], source: Mapping[int, SlotVoltage], nominal_v: int
) -> MeterSeries:
    """Return one row per meter and one column per slot from the source's first to its last; NaN where nothing came."""
    first, last = min(source), max(source)
    shape = (len(meters), last - first + 1)
    voltage, power, reactive = (np.full(shape, np.nan) for _ in range(3))
    head = np.full(shape[1], np.nan)
    for slot, row in source.items():
        head[slot - first] = _mean_pu(row, nominal_v)
    for place, told in enumerate(meters):
        for slot, row in told.items():
            if first <= slot <= last:
                column = slot - first
                voltage[place, column] = _mean_pu(row, nominal_v)
                power[place, column] = row.power_w / _W_PER_KW
                reactive[place, column] = row.reactive_var / _W_PER_KW
    return MeterSeries(voltage, power, reactive, head)


def _rows(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(one) for one in row) for row in matrix)


def _mean_pu(row: SlotVoltage, nominal_v: int) -> float:
    return sum(row.voltage_mv) / (len(row.voltage_mv) * nominal_v * _MV_PER_V)


def _phase_spread(meters: Sequence[Mapping[int, SlotVoltage]], nominal_v: int) -> float:
    """Return the 99th percentile of a slot's largest distance between a phase and the mean (per unit)."""
    away = [
        max(abs(phase / (nominal_v * _MV_PER_V) - _mean_pu(row, nominal_v)) for phase in row.voltage_mv)
        for told in meters
        for row in told.values()
    ]
    spread: FloatArray = np.quantile(np.array(away), 1.0 - _EDGE)
    return float(spread)
