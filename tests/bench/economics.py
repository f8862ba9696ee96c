"""Bench: what pooling and coordination are worth in a measured year. Prints JSON lines.

Without flexibility the year's surplus must equal the data set's own figure to the cent (0.20 buy, 0.05 sell, settled
per step by the integer rule). With the homes' batteries three years are compared: each battery planned for its own
home and every home billed alone; the same plans in a Hive; plans coordinated. Each day is planned with that day's
measured energies, so the figures are what perfect forecasts are worth, and batteries end a day as they began it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import numpy as np

from honey_edge.billing.clearing import SlotPool, share_surplus, totals_of
from honey_edge.market.homes.assets import Battery, Home, Tariff
from honey_edge.market.homes.battery import StandaloneSchedule
from honey_edge.market.rounds.admm import solve_direct
from tests.bench.measured import DATA, MeasuredHive, measured_hive

BUY, SELL = 0.20, 0.05
BUY_MICRO, SELL_MICRO = 200_000, 50_000
KNOWN_SURPLUS = {"hive_ca": 1399.29, "hive_nsw": 2723.04}
PICO_PER_COIN = 10**12


@dataclass
class Year:
    """Costs of a year in currency: homes billed alone, the Hive as one, each with wear of the batteries."""

    alone: float = 0.0
    pooled: float = 0.0
    coordinated: float = 0.0


def surplus_without_flexibility(hive: MeasuredHive) -> float:
    """The year's surplus by the integer rule, currency."""
    total = 0
    for energies in np.rint(hive.net_kwh.T * 1e6).astype(int).tolist():
        bought, sold = totals_of(energies)
        pool = SlotPool(bought, sold, sum(energies), BUY_MICRO, SELL_MICRO, BUY_MICRO, 250, 0)
        total += share_surplus(pool).surplus
    return total / PICO_PER_COIN


def home_on(hive: MeasuredHive, index: int, steps: slice) -> Home:
    """A home with its battery, half full at the day's start and end."""
    size, power = float(hive.battery_kwh[index]), float(hive.battery_kw[index])
    battery = Battery(size, 0.05 * size, size, 0.5 * size, 0.5 * size, power, power) if size else None
    return Home(hive.load_kwh[index, steps] / hive.step_h, hive.pv_kwh[index, steps] / hive.step_h, battery)


def add_day(year: Year, hive: MeasuredHive, steps: slice) -> None:
    """Plan one day both ways and add what it costs."""
    slots = steps.stop - steps.start
    tariff = Tariff(np.full(slots, BUY), np.full(slots, SELL))
    homes = [home_on(hive, index, steps) for index in range(len(hive.homes))]
    wear, nets = 0.0, []
    for home in homes:
        if home.battery is None:
            nets.append(home.base_kw)
            continue
        plan = StandaloneSchedule(home, tariff, hive.step_h).solve()
        wear += plan.private_cost
        nets.append(plan.net_kw)
    year.alone += wear + sum(tariff.cost(net, hive.step_h) for net in nets)
    year.pooled += wear + tariff.cost(np.sum(nets, axis=0), hive.step_h)
    year.coordinated += solve_direct(homes, tariff, dt_h=hive.step_h).objective


def year_with_batteries(hive: MeasuredHive) -> Year:
    """All whole days of the series."""
    a_day = round(24 / hive.step_h)
    year = Year()
    for start in range(0, hive.load_kwh.shape[1] - a_day + 1, a_day):
        add_day(year, hive, slice(start, start + a_day))
    return year


def result(name: str) -> dict[str, object]:
    """The line of one Hive."""
    hive = measured_hive(name)
    surplus = surplus_without_flexibility(hive)
    year = year_with_batteries(hive)
    coordination = year.pooled - year.coordinated
    return {
        "name": f"economics_{name}",
        "homes": len(hive.homes),
        "batteries": int((hive.battery_kwh > 0).sum()),
        "surplus_without_flexibility": round(surplus, 2),
        "reference": KNOWN_SURPLUS[name],
        "batteries_alone_each_billed_alone": round(year.alone, 2),
        "batteries_alone_pooled": round(year.pooled, 2),
        "batteries_coordinated": round(year.coordinated, 2),
        "coordination_saves_more": round(coordination, 2),
        "pooling_and_coordination_save": round(year.alone - year.coordinated, 2),
        "met": abs(surplus - KNOWN_SURPLUS[name]) < 0.005 and coordination > 0.0,
    }


def main() -> int:
    """One line per measured Hive; 1 when a surplus differs by a cent."""
    if not DATA.is_dir():
        print(json.dumps({"name": "economics", "skipped": f"{DATA.name} is not there"}))
        return 0
    results = [result(name) for name in KNOWN_SURPLUS]
    for line in results:
        print(json.dumps(line))
    return 0 if all(line["met"] for line in results) else 1


if __name__ == "__main__":
    sys.exit(main())
