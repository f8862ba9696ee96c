"""The price-broadcast iteration as a whole: both ends (re-exported) and the loop in one process.

`solve_hive` is what the Queen and her Workers do over the broker, without the broker: the same classes, the
same integers. It serves the command line, the tests and the comparison with the central optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.battery import StandaloneSchedule
from honey_edge.market.homes.plan import Schedule, checked_schedule, feasible_home
from honey_edge.market.homes.worker_step import COST_STEPS
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.certificate import Certificate, certify_round
from honey_edge.market.rounds.iteration import (
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
from honey_edge.market.rounds.queen_step import default_sigma, price_e7, price_per_kwh, queen_step, watts
from honey_edge.market.rounds.round_loop import Network, column_sums, run_round

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
    plans); `mismatch_kw` how far the sum is from what the Queen asked for (0 for a direct solve);
    `certificate` how far from the optimum at most, where it was asked for; `message_bytes` in the binary form of 4.4;
    `proof_e7` a second price for the lower bound, () where there is none.
    """

    schedules: tuple[Schedule, ...]
    pcc_kw: FloatArray
    price_per_kwh: FloatArray
    price_e7: tuple[int, ...]
    objective: float
    iterations: int
    status: str
    mismatch_kw: float = 0.0
    certificate: Certificate | None = None
    message_bytes: int = 0
    proof_e7: tuple[int, ...] = ()


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
    accelerate: bool = True,
    loss: float = 0.0,
    seed: int = 0,
    sums_only: bool = False,
    certify: bool = False,
) -> HiveSolution:
    """Run a round in this process until section 6 ends it.

    Homes without flexibility are a constant; `warm` begins at an earlier round's end. Raises `AssetError` for
    forecasts of another length than the tariff and `PlanRejected` when a home's schedule fails its check.
    `loss` is the share of answers that miss their iteration, by a chance from `seed`; `sums_only` runs the form for
    masked rounds; `certify` adds the certificate, which costs every home two more solves.
    """
    if not homes or any(home.slots != tariff.slots for home in homes):
        raise AssetError(f"every home needs a forecast of {tariff.slots} slots, as long as the tariff")
    blend = accelerate
    sigma = (
        round_sigma(tariff, dt_h, settled=warm is not None, accelerate=accelerate, blend=blend)
        if sigma_kw2_per_coin is None
        else sigma_kw2_per_coin
    )
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
        accelerate=accelerate,
        blend=blend,
        alone_e9_coin=_alone_e9_coin(homes, tariff, dt_h) if blend else None,
        constant_w=column_sums(fixed, tariff.slots),
        price0_e7=None if warm is None else warm.price_e7,
    )
    opening = [None if warm is None else warm.power_w[index] for index in moving]
    network = Network(loss, seed, sums_only)
    end = run_round(queen, [homes[i] for i in moving], sigma, opening=opening, eps=eps, network=network)
    plans = dict(zip(moving, end.schedules, strict=True))
    schedules = tuple(plans.get(index) or _fixed_plan(home, dt_h) for index, home in enumerate(homes))
    solution = _collect(schedules, tariff, limits, dt_h, queen.agreed_e7, queen)
    certificate = certify_round(queen, homes, sigma) if certify else None
    return replace(solution, message_bytes=end.message_bytes, certificate=certificate, proof_e7=queen.proof_e7)


def _alone_e9_coin(homes: Sequence[Home], tariff: Tariff, dt_h: float) -> int:
    """Return what the homes would pay alone, each with its best plan (10^-9 coin): what the gain is measured from."""
    alone = [
        StandaloneSchedule(home, tariff, dt_h).solve().objective if home.flexible else tariff.cost(home.base_kw, dt_h)
        for home in homes
    ]
    return round(sum(alone) * COST_STEPS)


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
