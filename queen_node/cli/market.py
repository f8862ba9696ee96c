"""`hive market`: cases of the market's reference form."""

from pathlib import Path
from typing import Annotated, Any

import typer

from queen_node.cli import output
from queen_node.cli.common import JsonOption, group
from queen_node.cli.market_simulate import market_simulate
from queen_node.cli.output import emit, print_pairs, print_table, reported

market = group("Cases of the market's reference form.")
market.command("simulate")(market_simulate)


@market.command("solve")
def market_solve(
    file: Annotated[Path, typer.Argument(help="A case document (JSON).")],
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Run the round of Queens and Workers, and compare it.")
    ] = False,
    solver: Annotated[str, typer.Option("--solver", help="Solver of direct solves: auto, clarabel or osqp.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Solves a case of the market's reference form."""
    from honey_edge.market.cases import solve_case
    from queen_node.cli.markets import read_case_file

    with reported():
        document = solve_case(read_case_file(file), distributed=distributed, solver=solver)
        emit(document, as_json, lambda: _print_case(document))
        if any(case.get("status") == "refused" for case in document.get("cases", [document])):
            raise typer.Exit(output.EXIT_REFUSED)


@market.command("settle")
def market_settle(
    file: Annotated[Path, typer.Argument(help="Settlement cases (JSON).")], as_json: JsonOption = False
) -> None:
    """Settles cases of one slot each, in exact integers."""
    from queen_node.cli.markets import read_case_file, settle_document

    with reported():
        document = settle_document(read_case_file(file))
        emit(document, as_json, lambda: _print_case(document))


@market.command("backtest")
def market_backtest(
    file: Annotated[Path, typer.Argument(help="Measured energies per step (CSV or CSV.gz), a column per home.")],
    kind: Annotated[str, typer.Option("--kind", help="load or pv.")],
    step_minutes: Annotated[int, typer.Option("--step-minutes", help="Minutes from one line to the next.")],
    first_origin: Annotated[str, typer.Option("--first-origin", help="First local day to forecast, YYYY-MM-DD.")],
    every_days: Annotated[int, typer.Option("--every-days", help="Days from one forecast to the next.")],
    origins: Annotated[int, typer.Option("--origins", help="How many days to forecast.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the forecasts (CSV).")],
    clock: Annotated[str, typer.Option("--clock", help="Add to the time stamps: local standard time.")] = "+00:00",
    zone: Annotated[str, typer.Option("--zone", help="People's clock, e.g. Australia/Sydney; for stamps in UTC.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Forecasts measured days from what lay before them, and says how good that was beside the 28-day mean."""
    from queen_node.cli.market_backtest import Request, run, write_forecasts

    with reported():
        document, made = run(Request(file, kind, step_minutes, first_origin, every_days, origins, clock, zone))
        document["lines"] = write_forecasts(made, out)
        emit(document, as_json, lambda: _print_scores(document))


def _print_scores(document: dict[str, Any]) -> None:
    print_pairs({key: value for key, value in document.items() if not isinstance(value, (list, dict))})
    names = ("nrmse", "pinball", "nrmse_sum")
    rows = [("forecast", *(document[name] for name in names)), ("28 days", *(document["reference"][n] for n in names))]
    print_table(("", *names), rows)


def _print_case(document: dict[str, Any]) -> None:
    for number, case in enumerate(document.get("cases", [document])):
        output.console().print(f"case {number}")
        print_pairs({key: value for key, value in case.items() if not isinstance(value, (list, dict))})
        rows = [(key, value) for key, value in case.items() if isinstance(value, list)]
        if rows:
            print_table(("", ""), rows)
