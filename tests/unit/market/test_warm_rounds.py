"""Rounds slot after slot: each begins where the last one ended, and must need few broadcasts for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from honey_edge.market.homes.assets import FloatArray, Home, Tariff
from honey_edge.market.rounds.admm import (
    HiveSolution,
    QueenIteration,
    WarmStart,
    round_sigma,
    shifted_power_w,
    shifted_price_e7,
    solve_direct,
    solve_hive,
    solve_single,
    watts,
)
from honey_edge.market.rounds.iteration import is_settled

DT_H = 0.25
FLAT = np.full(96, 0.2)
EVENING = np.array([0.35 if 68 < slot < 84 else 0.15 for slot in range(96)])
SELL = np.full(96, 0.05)
MakeHome = Callable[..., Home]


@dataclass(frozen=True)
class Round:
    """One slot's round: what it was about, and how it ended."""

    homes: list[Home]
    tariff: Tariff
    solution: HiveSolution


def horizon(day: list[Home], stored_kwh: list[float], step: int, chance: np.random.Generator) -> list[Home]:
    """The homes `step` slots later, with forecasts that have moved by some per cent."""
    homes = []
    for home, stored in zip(day, stored_kwh, strict=True):
        load = np.maximum(0.0, np.roll(home.load_kw, -step) * (1.0 + 0.07 * chance.standard_normal(96)))
        sun = np.roll(home.pv_kw, -step) * (1.0 + 0.05 * chance.standard_normal())
        battery = None if home.battery is None else replace(home.battery, e0_kwh=stored)
        homes.append(replace(home, load_kw=load, pv_kw=sun, battery=battery))
    return homes


def stored_after(home: Home, soc_kwh: float) -> float:
    if home.battery is None:
        return 0.0
    return min(max(soc_kwh, home.battery.e_min_kwh), home.battery.e_max_kwh)


def warm_start(last: Round, homes: list[Home], tariff: Tariff) -> WarmStart:
    plans = [
        shifted_power_w(watts(plan.net_kw), watts(before.base_kw), watts(now.base_kw))
        for plan, before, now in zip(last.solution.schedules, last.homes, homes, strict=True)
    ]
    return WarmStart(shifted_price_e7(last.solution.price_e7, tariff), tuple(plans))


def rounds(make_home: MakeHome, count: int, buy: FloatArray, steps: int) -> list[Round]:
    chance = np.random.default_rng(3)
    day = [make_home(300 + index, battery=index != 1) for index in range(count)]
    stored = [home.battery.e0_kwh if home.battery else 0.0 for home in day]
    done: list[Round] = []
    for step in range(steps):
        homes = horizon(day, stored, step, chance)
        tariff = Tariff(np.roll(buy, -step), SELL)
        solution = solve_hive(homes, tariff, warm=warm_start(done[-1], homes, tariff) if done else None)
        done.append(Round(homes, tariff, solution))
        stored = [
            stored_after(home, float(plan.soc_kwh[0])) for home, plan in zip(homes, solution.schedules, strict=True)
        ]
    return done


@pytest.mark.parametrize(("count", "buy"), [(4, FLAT), (6, EVENING), (12, FLAT)])
def test_warm_rounds_need_few_broadcasts_and_lose_nothing(make_home: MakeHome, count: int, buy: FloatArray) -> None:
    _, *warm = rounds(make_home, count, buy, 8)
    assert all(one.solution.status == "converged" for one in warm)
    assert max(one.solution.iterations for one in warm) <= 20
    assert sorted(one.solution.iterations for one in warm)[len(warm) // 2] <= 14
    last = warm[-1]
    direct = solve_direct(last.homes, last.tariff).objective
    gain = sum(solve_single(home, last.tariff).objective for home in last.homes) - direct
    assert abs(last.solution.objective - direct) <= 1e-2 * gain


def test_the_new_last_slot_takes_its_neighbours_price_within_its_own_tariff() -> None:
    level = Tariff.of([0.3] * 3, [0.05] * 3)
    assert shifted_price_e7((1_000_000, 2_000_000, 2_500_000), level) == (2_000_000, 2_500_000, 2_500_000)
    night = Tariff.of([0.3, 0.3, 0.2], [0.05] * 3)
    assert shifted_price_e7((1_000_000, 2_000_000, 2_500_000), night) == (2_000_000, 2_500_000, 2_000_000)
    dear = Tariff.of([0.3] * 3, [0.05, 0.05, 0.28])
    assert shifted_price_e7((1_000_000, 2_000_000, 2_500_000), dear)[-1] == 2_800_000


def test_only_prices_that_are_nearly_right_are_moved_in_small_steps() -> None:
    tariff = Tariff(FLAT, SELL)
    assert round_sigma(tariff, settled=True) == 10 * round_sigma(tariff, settled=False)
    assert is_settled(0.1, 5)
    assert not is_settled(0.11, 5)
    assert not is_settled(0.0, 0)


@pytest.mark.parametrize(
    ("wear_e9_coin", "swing_e9_coin", "converged"),
    [
        (20_000_000_000, 1_000_000, True),
        (20_000_000_000, 3_000_000, False),
        (1_000_000_000, 1_000_000, False),
        (0, 300_000, True),
    ],
)
def test_in_a_hive_that_covers_its_own_load_the_wear_tells_what_is_at_stake(
    wear_e9_coin: int, swing_e9_coin: int, converged: bool
) -> None:
    """Nothing is turned over and the opening is as good as the end; below the rounding of answers nothing counts."""
    queen = QueenIteration(Tariff(FLAT, SELL), 1, 1000)
    queen.start([0] * 96, wear_e9_coin)
    for step in range(4):
        queen.absorb([0] * 96, wear_e9_coin + swing_e9_coin * (step % 2))
    assert queen.converged == converged


def test_watts_beside_the_asked_power_are_not_yet_an_agreement() -> None:
    queen = QueenIteration(Tariff(FLAT, SELL), 5, 1000)
    queen.start([0] * 96, 0)
    for _ in range(5):
        queen.absorb([12] * 96, 0)
    assert not queen.converged
