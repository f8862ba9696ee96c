"""Bench: a day of 100 homes settled in exact integers; bar 0.25 s (market-design section 13). Prints a JSON line.

The reference in the same run is the same arithmetic in numpy's floats, which would be wrong: products pass 2^63.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time

import numpy as np

from honey_edge.billing.clearing import SlotPool, payment, share_surplus, totals_of

HOMES, SLOTS, ROUNDS, BAR_S = 100, 96, 7, 0.25


def day(seed: int) -> list[list[int]]:
    """Energies (milliwatt-hours) of a day, slot by slot."""
    draw = random.Random(seed)
    return [[draw.randint(-1_500_000, 1_500_000) for _ in range(HOMES)] for _ in range(SLOTS)]


def settle(energies: list[list[int]]) -> int:
    """Every payment of the day; gives their sum in pico-coins."""
    total = 0
    for slot in energies:
        bought, sold = totals_of(slot)
        pool = SlotPool(bought, sold, sum(slot), 200_000, 50_000, 120_000, 250, 20)
        shares = share_surplus(pool)
        total += sum(payment(pool, shares, energy, 1000).amount for energy in slot)
    return total


def settle_floats(energies: list[list[int]]) -> float:
    """The same tariff and discount in floats, vectorised."""
    total = 0.0
    for slot in np.array(energies, dtype=np.float64):
        bought, sold, pcc = slot[slot > 0].sum(), -slot[slot < 0].sum(), slot.sum()
        shared = 0.98 * (2e5 * bought - 5e4 * sold - pcc * (2e5 if pcc >= 0 else 5e4))
        part = (1500 * 80_000 + 250 * 150_000) / (2000 * 150_000)
        own = np.where(slot > 0, shared * part * slot / bought, -shared * (1 - part) * slot / sold)
        total += float((np.where(slot > 0, 2e5, 5e4) * slot - own).sum())
    return total


def main() -> int:
    """Prints the median time of a day; 1 when the bar is missed."""
    energies, exact_s, float_s = day(1), [], []
    for _ in range(ROUNDS):
        for settled, into in ((settle, exact_s), (settle_floats, float_s)):
            start = time.process_time()
            settled(energies)
            into.append(time.process_time() - start)
    took, reference = statistics.median(exact_s), statistics.median(float_s)
    result = {
        "name": "settlement_day",
        "homes": HOMES,
        "slots": SLOTS,
        "value_s": round(took, 4),
        "reference": "the same day in floats, inexact",
        "reference_s": round(reference, 4),
        "bar_s": BAR_S,
        "met": took <= BAR_S,
    }
    print(json.dumps(result))
    return 0 if took <= BAR_S else 1


if __name__ == "__main__":
    sys.exit(main())
