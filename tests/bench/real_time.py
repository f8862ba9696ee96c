"""Bench: what orders inside the slot are worth on measured minutes. Prints JSON lines.

Six homes are six stretches of one measured home's minutes, so their surprises are independent. Each declares for a slot
what its meter counted two slots before, the last that is known when the Declaration is due. Three have a battery, half
full and at rest in the plan. The same minutes are lived through with and without orders, by the Queen's own decision.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from dataclasses import dataclass

import numpy as np

from honey_edge.market.fairplay.standing import LAG_SLOTS
from honey_edge.market.grid.flexibility import Change, Store, headroom_w, watt_seconds
from honey_edge.market.grid.realtime import Offer
from queen_node.realtime.decide import MINUTE_S, Band, Known, decide
from tests.bench.measured import DATA

SERIES = DATA / "meter" / "uci_home_1min_2009-06.csv.gz"
HOMES, BATTERIES, MINUTES = 6, 3, 15
BATTERY = Store(3_200_000, 0, 6_400_000, 3_000, 3_000, 950, 950, 0, 0, 40_000)
PRICE_MICRO = 150_000
AFTER_S = 10
"""From the end of a minute to the begin of what is ordered, as the settings have it."""


@dataclass
class Sums:
    """What is added up over all slots: squared minutes (W^2), slots' deviations (Wh), orders, micro-coins."""

    minute_w2: float = 0.0
    slot_wh: float = 0.0
    orders: int = 0
    paid_micro: int = 0


def homes_w() -> np.ndarray:
    """Power (W) of each home in each minute, whole slots, homes x slots x 15; a gap holds the minute before it."""
    with gzip.open(SERIES, "rt", encoding="utf-8", newline="") as text:
        found = [float(row["p_w"]) if row["p_w"] else np.nan for row in csv.DictReader(text)]
    series = np.array(found)
    known = np.maximum.accumulate(np.where(np.isnan(series), 0, np.arange(series.size)))
    filled = np.nan_to_num(series[known])
    slots = filled.size // (HOMES * MINUTES)
    return np.rint(filled[: HOMES * slots * MINUTES].reshape(HOMES, slots, MINUTES)).astype(int)


def live(minutes_w: np.ndarray, declared_w: list[int], band: Band | None) -> Sums:
    """One slot, minute by minute; without a band nothing is ordered."""
    up, down = headroom_w(BATTERY, 1_000)
    names = [f"home{k}" for k in range(HOMES)]
    declared = dict(zip(names, declared_w, strict=True))
    offers = {name: Offer(name, up, down, PRICE_MICRO, MINUTES) for name in names[:BATTERIES]}
    orders: dict[str, tuple[Change, ...]] = {}
    sums, agreed, moved = Sums(), sum(declared_w), 0.0
    for minute in range(MINUTES):
        begin = minute * MINUTE_S
        measured = {
            name: round(
                int(minutes_w[k, minute]) + watt_seconds(orders.get(name, ()), begin, begin + MINUTE_S) / MINUTE_S
            )
            for k, name in enumerate(names)
        }
        away = sum(measured.values()) - agreed
        sums.minute_w2 += away**2
        moved += away / MINUTE_S
        if band is not None and minute < MINUTES - 2:
            known = Known(minute, begin + MINUTE_S + AFTER_S, declared, measured, offers, orders, 10**12)
            for made in decide(band, known):
                orders[made.worker] = (*orders.get(made.worker, ()), made.change)
                sums.orders, sums.paid_micro = sums.orders + 1, sums.paid_micro + made.price_micro
    sums.slot_wh = abs(moved)
    return sums


def total(power_w: np.ndarray, band: Band | None) -> dict[str, float]:
    """All slots with one band."""
    means = np.rint(power_w.mean(axis=2)).astype(int)
    count, all_sums = 0, Sums()
    for slot in range(LAG_SLOTS, power_w.shape[1]):
        one = live(power_w[:, slot], [int(w) for w in means[:, slot - LAG_SLOTS]], band)
        count += 1
        all_sums.minute_w2 += one.minute_w2
        all_sums.slot_wh += one.slot_wh
        all_sums.orders += one.orders
        all_sums.paid_micro += one.paid_micro
    return {
        "slots": count,
        "minute_rms_w": round((all_sums.minute_w2 / (count * MINUTES)) ** 0.5),
        "slot_mean_wh": round(all_sums.slot_wh / count, 1),
        "orders_per_battery_and_slot": round(all_sums.orders / (count * BATTERIES), 2),
        "paid_per_day": round(all_sums.paid_micro / count * 96 / 10**6, 2),
    }


def main() -> int:
    """Prints the figures; 1 when orders do not take away two thirds of what slots miss."""
    power_w = homes_w()
    without = total(power_w, None)
    print(json.dumps({"name": "real_time", "band_w": None, **without}))
    worst = 0
    for band_w in (100, 300, 1_000):
        found = total(power_w, Band(band_w, PRICE_MICRO))
        left = round(found["slot_mean_wh"] / without["slot_mean_wh"], 3)
        is_met = band_w != 300 or left <= 1 / 3
        print(json.dumps({"name": "real_time", "band_w": band_w, **found, "left": left, "bar_met": is_met}))
        worst = max(worst, int(not is_met))
    return worst


if __name__ == "__main__":
    sys.exit(main())
