"""Hives made from a seed: battery, PV, curtailment, under a flat, a time-of-use or a peak tariff."""

from __future__ import annotations

import numpy as np

from honey_edge.market.homes.assets import Battery, Home, Tariff

HOUR = np.arange(96) / 4.0


def seeded_home(seed: int, number: int, share_with_battery: float = 0.7) -> Home:
    """Morning and evening load, a midday sun for 60 % of homes, batteries of 4 to 14 kWh."""
    chance = np.random.default_rng([seed, number])
    morning = chance.uniform(0.2, 0.8) * np.exp(-(((HOUR - chance.uniform(6.5, 8.5)) / 1.2) ** 2))
    evening = chance.uniform(0.5, 2.2) * np.exp(-(((HOUR - chance.uniform(17, 21)) / 2.0) ** 2))
    load = 0.15 + 0.1 * chance.random(96) + morning + evening
    size = chance.uniform(2, 8) if chance.random() < 0.6 else 0.0
    sun = np.maximum(0.0, np.sin((HOUR - 6.0) * np.pi / 12.0)) ** 1.3 * ((HOUR >= 6.0) & (HOUR <= 18.0))
    pv = size * sun * chance.uniform(0.75, 1.0, 96)
    battery = None
    if chance.random() < share_with_battery:
        cap = chance.uniform(4.0, 14.0)
        power, wear = cap * chance.uniform(0.25, 0.5), chance.uniform(0.005, 0.02)
        battery = Battery(cap, 0.05 * cap, 0.95 * cap, 0.5 * cap, 0.5 * cap, power, power, 0.95, 0.95, wear, 5e-4)
    return Home(load, pv, battery, bool(chance.random() < 0.5))


def seeded_hive(seed: int, count: int) -> list[Home]:
    return [seeded_home(seed, number) for number in range(count)]


def tariff_of(kind: str) -> Tariff:
    if kind == "flat":
        return Tariff(np.full(96, 0.2), np.full(96, 0.05))
    if kind == "time_of_use":
        evening = (HOUR >= 17.0) & (HOUR < 21.0)
        return Tariff(np.where(evening, 0.35, np.where(HOUR < 6.0, 0.12, 0.2)), np.full(96, 0.06))
    return Tariff(np.full(96, 0.2), np.full(96, 0.05), 0.3)
