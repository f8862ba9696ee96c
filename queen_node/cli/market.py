"""`hive market`: cases of the market's reference form."""

from pathlib import Path
from typing import Annotated, Any

import typer

from queen_node.cli import output
from queen_node.cli.common import JsonOption, group
from queen_node.cli.output import emit, print_pairs, print_table, reported

market = group("Cases of the market's reference form.")


@market.command("solve")
def market_solve(
    file: Annotated[Path, typer.Argument(help="A case document (JSON).")], as_json: JsonOption = False
) -> None:
    """Solves a case of the market's reference form."""
    from honey_edge.market.cases import solve_case
    from queen_node.cli.markets import read_case_file

    with reported():
        document = solve_case(read_case_file(file))
        emit(document, as_json, lambda: _print_case(document))
        if document.get("status") == "refused":
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


def _print_case(document: dict[str, Any]) -> None:
    for number, case in enumerate(document.get("cases", [document])):
        output.console().print(f"case {number}")
        print_pairs({key: value for key, value in case.items() if not isinstance(value, (list, dict))})
        rows = [(key, value) for key, value in case.items() if isinstance(value, list)]
        if rows:
            print_table(("", ""), rows)
