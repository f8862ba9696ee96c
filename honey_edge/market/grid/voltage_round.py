"""A feeder with voltage limits solved: directly, and by the Queen with one price per electrical node (section 11)."""

from __future__ import annotations

from collections.abc import Sequence

from honey_edge.market.grid.network import Network
from honey_edge.market.grid.network_round import NetworkAgreement, Step, solve_network
from honey_edge.market.grid.network_solve import NetworkSchedule, NetworkSolution
from honey_edge.market.grid.voltage import VoltageBand, queen_step_voltage
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.solver import AUTO
from honey_edge.market.rounds.iteration import MAX_ITERATIONS

MISMATCH_SHARE = 2e-3
"""Worth of the mismatch, as a share of the running gain, at which a feeder's round may end."""


def solve_voltage_direct(
    homes: Sequence[Home],
    band: VoltageBand,
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    solver: str = AUTO,
) -> NetworkSolution:
    """Solve the feeder as one program; raises `InfeasibleNetwork` with node and slot, or `PlanRejected`."""
    return NetworkSchedule(homes, tariff, band.network(tariff.slots, limits), dt_h, solver=solver).solve()


def network_step(tariff: Tariff, network: Network, limits: Limits, dt_h: float, solver: str = AUTO) -> Step:
    """Return the Queen's step for any network."""

    def step(aggregate_kw: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        return queen_step_voltage(aggregate_kw, scale, tariff, network, limits, dt_h, solver=solver)

    return step


def solve_voltage_distributed(
    homes: Sequence[Home],
    band: VoltageBand,
    tariff: Tariff,
    limits: Limits = NO_LIMITS,
    dt_h: float = 0.25,
    *,
    solver: str = AUTO,
    max_iterations: int = MAX_ITERATIONS,
) -> NetworkAgreement:
    """Run the round of the feeder's Queen and Workers in this process."""
    network = band.network(tariff.slots, limits)
    step = network_step(tariff, network, limits, dt_h, solver)
    return solve_network(
        homes, tariff, network, step, dt_h, max_iterations=max_iterations, mismatch_share=MISMATCH_SHARE
    )
