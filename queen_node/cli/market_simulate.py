"""`hive market simulate`: a whole Hive in one command, virtual time, any size; the same seed gives the same bytes.

Standard output holds nothing that depends on the machine; wall times go to standard error.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queen_node.cli.common import JsonOption
from queen_node.cli.output import emit, print_pairs, print_table, reported, say

if TYPE_CHECKING:
    from honey_edge.market.simulate.hive import Options
    from honey_edge.market.simulate.rounds import Lanes, RoundResult
    from honey_edge.market.simulate.world import World

_MANY_HOMES = 500
_DEFAULT_HOMES = 20
_HOME_COLUMNS = ("home", "paid", "own_tariff", "discount", "saved", "reputation_mean", "standing")


def market_simulate(
    homes: Annotated[int | None, typer.Option(min=1, help="Homes; default 20, or all of --data.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days to run.")] = 1,
    loss: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share of lost broadcasts and late readings.")] = 0.0,
    tariff: Annotated[str, typer.Option(help="flat, tou, peak, a tariff file, or a series of prices.")] = "flat",
    seed: Annotated[int, typer.Option(min=0, help="Everything that is chance follows from it.")] = 0,
    attack: Annotated[str, typer.Option(help="declare, late, reverse, split or scale.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder with measured homes instead of made ones.")] = None,
    start_day: Annotated[int | None, typer.Option(min=0, help="First day of --data; default after 28 days.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Slots between coordinations; default by size.")] = None,
    theta: Annotated[int, typer.Option(min=0, max=1000, help="Fairness of the settlement, per mille.")] = 250,
    fee: Annotated[int, typer.Option(min=0, max=1000, help="Fee on the surplus, per mille.")] = 0,
    batteries: Annotated[bool, typer.Option("--batteries/--no-batteries", help="Whether batteries count.")] = True,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes; changes only how long it takes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulates a Hive: forecasts, coordination, execution, settlement, late readings, reputation, attacks."""
    from honey_edge.market.simulate.hive import Options

    with reported():
        world = _world(homes, days, tariff, seed, data, start_day, batteries)
        count = len(world.homes)
        options = Options(
            slots=world.slots - world.first,
            every=_every(count, world.per_day) if every is None else every,
            loss=loss,
            seed=seed,
            theta=theta,
            fee=fee,
        )
        wanted = processes or (min(2, os.cpu_count() or 1) if count >= _MANY_HOMES else 1)
        document = _run(world, options, attack, wanted)
        document = {"tariff": Path(tariff).name, "data": data.name if data else None, **document}
        emit(document, as_json, lambda: _print(document))


def _world(
    homes: int | None,
    days: int,
    tariff: str,
    seed: int,
    data: Path | None,
    start_day: int | None,
    batteries: bool,
) -> World:
    """The Hive to simulate, measured or made from the seed."""
    from honey_edge.market.simulate.world import HISTORY_DAYS, World, seeded_homes
    from queen_node.cli.market_data import measured_world, prices_of

    if data is not None:
        return measured_world(data, tariff, homes, days, start_day, batteries)
    made = seeded_homes(_DEFAULT_HOMES if homes is None else homes, days, seed)
    if not batteries:
        made = tuple(replace(home, battery=None) for home in made)
    slots = made[0].load_kwh.size
    return World(made, prices_of(tariff, slots, 96), 15, HISTORY_DAYS * 96)


def _every(homes: int, per_day: int) -> int:
    """Slots between coordinations: an hour for a hundred homes, a day for thousands."""
    hours = 1 if homes <= 100 else 6 if homes < _MANY_HOMES else 24
    return max(1, hours * per_day // 24)


def _run(world: World, options: Options, attack: str, processes: int) -> dict[str, Any]:
    """The report of the run, or of an attack with the run without it."""
    from honey_edge.market.simulate.attacks import compare, prepared
    from honey_edge.market.simulate.hive import Simulation
    from honey_edge.market.simulate.report import attack_document, run_document
    from queen_node.cli.market_lanes import ProcessLanes

    begun = time.monotonic()
    with ProcessLanes(processes) if processes > 1 else nullcontext() as pool:
        lanes: Lanes | None = pool
        if attack:
            damage = compare(prepared(world, attack), options, lanes)
            document = {
                **attack_document(damage),
                "run": run_document(damage.attack.attacked, options, damage.attacked),
            }
        else:
            outcome = Simulation(world, options, lanes=lanes, noted=_FirstRoundClock()).run()
            document = run_document(world, options, outcome)
    say(f"{time.monotonic() - begun:.1f} s in all, {processes} process{'es' if processes > 1 else ''}")
    return document


class _FirstRoundClock:
    """Says on standard error how long the first coordination took, certificate included."""

    def __init__(self) -> None:
        self._begun: float | None = time.monotonic()

    def __call__(self, result: RoundResult) -> None:
        if self._begun is not None:
            say(f"{time.monotonic() - self._begun:.1f} s to the end of the first coordination")
        self._begun = None


def _print(document: dict[str, Any]) -> None:
    """The sums, then a line per home."""
    run = document.get("run", document)
    plain = {key: value for key, value in document.items() if not isinstance(value, (dict, list))}
    print_pairs({**plain, **run["coordination"], **run["money"]})
    print_table(_HOME_COLUMNS, [[home[name] for name in _HOME_COLUMNS] for home in run["homes_saving"]])
