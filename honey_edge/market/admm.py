"""The price-broadcast iteration as a whole: both ends (re-exported) and the loop in one process.

`solve_hive` is what the Queen and her Workers do over the broker, without the broker: the same classes, the
same integers. It serves the command line, the tests and the comparison with the central optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.central import CentralSchedule
from honey_edge.market.errors import AssetError
from honey_edge.market.iteration import (
    MAX_ITERATIONS,
    Progress,
    QueenIteration,
    WorkerAnswer,
    WorkerIteration,
    round_sigma,
    shifted_power_w,
    shifted_price_e7,
    starting_price_e7,
)
from honey_edge.market.plan import Schedule, checked_schedule, feasible_home
from honey_edge.market.queen_step import default_sigma, price_e7, price_per_kwh, queen_step, watts

__all__ = [
    "HiveSolution",
    "Progress",
    "QueenIteration",
    "WarmStart",
    "WorkerAnswer",
    "WorkerIteration",
    "default_sigma",
    "price_e7",
    "price_per_kwh",
    "queen_step",
    "round_sigma",
    "shifted_power_w",
    "shifted_price_e7",
    "solve_direct",
    "solve_hive",
    "solve_single",
    "starting_price_e7",
    "watts",
]


@dataclass(frozen=True, eq=False)
class WarmStart:
    """Where a round begins after an earlier one: prices (10^-7 coin per kWh) and one profile (W) per home."""

    price_e7: tuple[int, ...]
    power_w: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class HiveSolution:
    """Plans of all homes in their order, and the price they agreed on.

    `pcc_kw` the sum of the plans; `objective` private costs plus grid cost (currency); `status` is
    "converged", "iteration_limit" (plans are feasible for every home) or "limits_exceeded" (do not use the
    plans); `mismatch_kw` how far the sum is from what the Queen asked for (0 for a direct solve).
    """

    schedules: tuple[Schedule, ...]
    pcc_kw: FloatArray
    price_per_kwh: FloatArray
    price_e7: tuple[int, ...]
    objective: float
    iterations: int
    status: str
    mismatch_kw: float = 0.0


def solve_direct(
    homes: Sequence[Home],
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    may_repair: bool = True,
) -> HiveSolution:
    """Solve the whole Hive as one program; raises `InfeasibleHome`, `InfeasibleHive` or `PlanRejected`."""
    ready = [feasible_home(home, dt_h, may_repair=may_repair)[0] for home in homes]
    central = CentralSchedule(ready, tariff, limits, dt_h).solve()
    return HiveSolution(
        central.schedules,
        central.pcc_kw,
        central.price_per_kwh,
        price_e7(central.price_per_kwh),
        central.objective,
        central.iterations,
        "converged",
    )


def solve_single(
    home: Home, tariff: Tariff, limits: Limits = NO_LIMITS, dt_h: float = 0.25, *, may_repair: bool = True
) -> HiveSolution:
    """Solve one home against its tariff: a Hive of one."""
    return solve_direct([home], tariff, limits, dt_h, may_repair=may_repair)


def _column_sums(profiles: Sequence[Sequence[int]], slots: int) -> list[int]:
    """Add profiles slot by slot, as integers."""
    return [sum(column) for column in zip(*profiles, strict=True)] if profiles else [0] * slots


def _fixed_plan(home: Home, dt_h: float) -> Schedule:
    """Return the plan of a home with nothing to decide."""
    zeros = np.zeros(home.slots)
    return checked_schedule(home, (zeros, zeros, zeros, zeros), dt_h, 0)


def solve_hive(
    homes: Sequence[Home],
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    sigma_kw2_per_coin: int | None = None,
    warm: WarmStart | None = None,
    eps: float = 1e-4,
    max_iterations: int = MAX_ITERATIONS,
) -> HiveSolution:
    """Run a round in this process until section 6 ends it.

    Homes without flexibility are a constant; `warm` begins at an earlier round's end. Raises `AssetError` for
    forecasts of another length than the tariff and `PlanRejected` when a home's schedule fails its check.
    """
    if not homes or any(home.slots != tariff.slots for home in homes):
        raise AssetError(f"every home needs a forecast of {tariff.slots} slots, as long as the tariff")
    sigma = round_sigma(tariff, dt_h, settled=warm is not None) if sigma_kw2_per_coin is None else sigma_kw2_per_coin
    moving = [index for index, home in enumerate(homes) if home.flexible]
    if not moving:
        return _constant_hive(homes, tariff, limits, dt_h)
    fixed = [watts(home.base_kw) for home in homes if not home.flexible]
    queen = QueenIteration(
        tariff,
        len(moving),
        sigma,
        limits=limits,
        dt_h=dt_h,
        max_iterations=max_iterations,
        constant_w=_column_sums(fixed, tariff.slots),
        price0_e7=None if warm is None else warm.price_e7,
    )
    workers = [WorkerIteration(homes[index], sigma, dt_h, eps) for index in moving]
    opening = [None if warm is None else warm.power_w[index] for index in moving]
    opened = [worker.start(queen.price_e7, p0) for worker, p0 in zip(workers, opening, strict=True)]
    price = queen.start(_column_sums(opened, tariff.slots))
    while True:
        answers = [worker.answer(price) for worker in workers]
        agreed = price
        price = queen.absorb(
            _column_sums([answer.power_w for answer in answers], tariff.slots),
            sum(answer.cost_e9_coin for answer in answers),
        )
        if queen.finished:
            break
    plans = {index: answer.schedule for index, answer in zip(moving, answers, strict=True)}
    schedules = tuple(plans.get(index) or _fixed_plan(home, dt_h) for index, home in enumerate(homes))
    return _collect(schedules, tariff, limits, dt_h, agreed, queen)


def _collect(
    schedules: tuple[Schedule, ...],
    tariff: Tariff,
    limits: Limits,
    dt_h: float,
    agreed: tuple[int, ...],
    queen: QueenIteration,
) -> HiveSolution:
    """Evaluate the plans as they are and name how the round ended."""
    pcc = np.sum([schedule.net_kw for schedule in schedules], axis=0)
    within = limits.excess_kw(pcc) <= 5e-3 * max(1.0, float(np.abs(pcc).max()))
    status = "converged" if queen.converged else "iteration_limit" if within else "limits_exceeded"
    objective = sum(schedule.private_cost for schedule in schedules) + tariff.cost(pcc, dt_h)
    mismatch = 0.0 if queen.progress is None else queen.progress.mismatch_kw
    return HiveSolution(schedules, pcc, price_per_kwh(agreed), agreed, objective, queen.iteration, status, mismatch)


def _constant_hive(homes: Sequence[Home], tariff: Tariff, limits: Limits, dt_h: float) -> HiveSolution:
    """Return the outcome when nobody has anything to decide: the price is what the sum's direction costs."""
    schedules = tuple(_fixed_plan(home, dt_h) for home in homes)
    pcc = np.sum([schedule.net_kw for schedule in schedules], axis=0)
    price = np.where(pcc > 0.0, tariff.buy_per_kwh, tariff.sell_per_kwh)
    status = "converged" if limits.excess_kw(pcc) <= 0.0 else "limits_exceeded"
    return HiveSolution(schedules, pcc, price, price_e7(price), tariff.cost(pcc, dt_h), 0, status)
