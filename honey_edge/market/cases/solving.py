"""A Hive's case solved: as one program, or by the round that its Queens and Workers would run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.cases.reading import HiveCase
from honey_edge.market.errors import InfeasibleHome, PlanRejected
from honey_edge.market.grid.island import is_island, solve_island
from honey_edge.market.grid.network_bound import network_lower_bound
from honey_edge.market.grid.network_round import OVERSHOOT, NetworkAgreement, solve_network
from honey_edge.market.grid.network_solve import NetworkSchedule
from honey_edge.market.grid.tree_round import TreeQueens
from honey_edge.market.grid.voltage_round import MISMATCH_SHARE, network_step
from honey_edge.market.homes.asset_program import home_program
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home
from honey_edge.market.homes.plan import Schedule, feasible_home
from honey_edge.market.homes.solver import AUTO, least_violation
from honey_edge.market.rounds.admm import solve_hive
from honey_edge.market.rounds.central import CentralSchedule
from honey_edge.market.rounds.queen_step import price_per_kwh

Clock = Callable[[], float]

_GAP = 1e-3
_BROKEN = 1e-6


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a case came out: plans in the order of the homes, powers (kW), price per kWh at the connection point.

    `overshoot` the worst share by which a limit is broken; `gap_of_gain` = (objective - direct optimum) / (cost of all
    homes alone - direct optimum), `certificate_gap` the published bound of it, both None where nothing was compared or
    nobody gains by being together; `wall_s` the time of the solve alone.
    """

    status: str
    reason: str
    objective: float
    schedules: tuple[Schedule, ...]
    pcc_kw: FloatArray
    price_per_kwh: FloatArray
    overshoot: float
    iterations: int
    gap_of_gain: float | None
    certificate_gap: float | None
    messages_bytes: int
    wall_s: float


def solve_alone(case: HiveCase, solver: str, clock: Clock) -> Outcome:
    """Solve the case as one program; raises `InfeasibleHome`, `InfeasibleHive` or `PlanRejected`."""
    _check_homes(case)
    homes, dt_h, network = list(case.homes.values()), case.frame.dt_h, case.network()
    start = clock()
    if case.tree is None and case.band is None:
        flat = CentralSchedule(homes, case.tariff, case.limits, dt_h, solver=solver).solve()
        wall, over = clock() - start, network.overshoot(flat.pcc_kw[None, :])
        parts = (flat.objective, flat.schedules, flat.pcc_kw, flat.price_per_kwh, over, flat.iterations)
    else:
        inner = NetworkSchedule(homes, case.tariff, network, dt_h, solver=solver).solve()
        wall, over = clock() - start, network.overshoot(inner.group_kw)
        parts = (inner.objective, inner.schedules, inner.pcc_kw, inner.price_per_kwh, over, inner.iterations)
    return Outcome("optimal", "", *parts, None, None, 0, wall)


def solve_together(case: HiveCase, solver: str, clock: Clock) -> Outcome:
    """Run the round of the case's Queens and Workers, and compare it with the direct solve."""
    direct = solve_alone(case, solver, clock)
    start = clock()
    found = _network(case, solver) if _needs_network(case) else _flat(case)
    wall = clock() - start
    alone = _standalone(case)
    gain = alone - direct.objective
    worth = gain > 1e-6 * max(1.0, abs(direct.objective))
    gap = (found.objective - direct.objective) / gain if worth else None
    certificate = None
    if worth and alone > found.objective and math.isfinite(found.lower):
        certificate = max(0.0, found.objective - found.lower) / (alone - found.objective)
    away = (found.objective - direct.objective) / (gain if worth else max(1.0, abs(direct.objective)))
    status, reason = _judged(found, away)
    return Outcome(
        status, reason, found.objective, found.schedules, found.pcc_kw, found.price_per_kwh, found.overshoot,
        found.iterations, gap, certificate, found.message_bytes, wall,
    )  # fmt: skip


def _needs_network(case: HiveCase) -> bool:
    """Whether the case has inner limits or is an island."""
    return case.tree is not None or case.band is not None or is_island(case.limits)


@dataclass(frozen=True, eq=False)
class _Round:
    """What a round of either kind leaves to be reported; `lower` bounds the optimum from below."""

    status: str
    objective: float
    schedules: tuple[Schedule, ...]
    pcc_kw: FloatArray
    price_per_kwh: FloatArray
    overshoot: float
    iterations: int
    message_bytes: int
    lower: float


def _flat(case: HiveCase) -> _Round:
    """Run the round of a Hive whose only limits are at the connection point."""
    homes, dt_h = list(case.homes.values()), case.frame.dt_h
    done = solve_hive(homes, case.tariff, case.limits, dt_h)
    network = case.network()
    over = network.overshoot(done.pcc_kw[None, :])
    prices = [price for price in (done.price_e7, done.proof_e7) if price]
    lower = max(network_lower_bound(homes, case.tariff, network, (price,), dt_h) for price in prices)
    return _Round(
        done.status, done.objective, done.schedules, done.pcc_kw, done.price_per_kwh, over, done.iterations,
        done.message_bytes, lower,
    )  # fmt: skip


def _network(case: HiveCase, solver: str) -> _Round:
    """Run the round of a tree of Hives, of a feeder with voltage limits, of both, or of an island."""
    homes, dt_h, network = list(case.homes.values()), case.frame.dt_h, case.network()
    done: NetworkAgreement
    if case.tree is not None and case.band is None:
        queens = TreeQueens(case.tree, case.tariff, case.limits, dt_h)
        done = solve_network(homes, case.tariff, network, queens, dt_h)
        done = done.with_bytes(queens.bytes_up)
    elif is_island(case.limits) and case.band is None:
        done = solve_island(homes, case.tariff, dt_h)
    else:
        step = network_step(case.tariff, network, case.limits, dt_h, solver)
        done = solve_network(homes, case.tariff, network, step, dt_h, mismatch_share=MISMATCH_SHARE)
    lower = network_lower_bound(homes, case.tariff, network, done.group_price_e7, dt_h)
    return _Round(
        done.status, done.objective, done.schedules, done.pcc_kw, _connection_price(case, done), done.overshoot,
        done.iterations, done.message_bytes, lower,
    )  # fmt: skip


def _connection_price(case: HiveCase, done: NetworkAgreement) -> FloatArray:
    """Return the root's price of a tree; on a feeder the middle of its nodes' prices, kept within the tariff."""
    prices = np.array([price_per_kwh(prices) for prices in done.group_price_e7])
    if case.band is None:
        return np.asarray(prices[0])
    return np.asarray(np.clip(np.median(prices, axis=0), case.tariff.sell_per_kwh, case.tariff.buy_per_kwh))


def _judged(found: _Round, away: float) -> tuple[str, str]:
    """Return status and reason: "optimal" for a round that ended by its own rule or is as good as one that did.

    `away` is the distance from the direct optimum as a share of the gain, or of the cost where nobody gains.
    """
    if found.status == "converged":
        return "optimal", ""
    if found.overshoot > OVERSHOOT:
        return "limits_exceeded", f"a limit is over by {100.0 * found.overshoot:.2f} %; do not use these plans"
    if abs(away) <= _GAP:
        return "optimal", f"ended at {found.iterations} iterations, within 1e-3 of the direct solve"
    return "iteration_limit", f"ended at {found.iterations} iterations; the plans hold, their cost is not settled"


def _standalone(case: HiveCase) -> float:
    """Return what all homes would pay alone, each with its best plan.

    At the energy tariff, as the reference answers count it: a peak charge belongs to the Hive's connection.
    """
    own, dt_h = replace(case.tariff, peak_per_kw=0.0), case.frame.dt_h
    return sum(CentralSchedule([home], own, NO_LIMITS, dt_h).solve().objective for home in case.homes.values())


def _check_homes(case: HiveCase) -> None:
    """Refuse a home that contradicts itself by its name, once HiGHS agrees that it does."""
    for name, home in case.homes.items():
        try:
            feasible_home(home, case.frame.dt_h, may_repair=False)
        except InfeasibleHome as error:
            if _possible(home, case.frame.dt_h):
                raise PlanRejected(
                    f"worker {name}: {error}, yet a solver finds a plan for it",
                    next_step="check the numbers at the edge of what is possible",
                ) from error
            error.args = (f"worker {name}: {error}",)
            raise


def _possible(home: Home, dt_h: float) -> bool:
    """Whether HiGHS finds a plan that keeps every row of this home."""
    program = home_program(home, dt_h)
    lower, upper = program.bounds()
    found = least_violation(program.rows(), lower, upper, 0, program.row_count)
    return found is not None and float(np.sum(found)) <= _BROKEN


__all__ = ["AUTO", "Clock", "Outcome", "solve_alone", "solve_together"]
