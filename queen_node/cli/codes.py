"""`hive help CODE`."""

from typing import Annotated

import typer

from queen_node.cli import output
from queen_node.cli.common import JsonOption
from queen_node.cli.output import emit, print_pairs, reported


def help_code(
    code: Annotated[str, typer.Argument(help="A code such as E-SETTINGS.")], as_json: JsonOption = False
) -> None:
    """Explains an error code."""
    from queen_node.help_codes import explain

    with reported():
        explanation = explain(code)
        if explanation is None:
            raise output.NotFound(f"no error has the code {code}")
        document = {"code": code.upper(), **explanation}
        emit(document, as_json, lambda: print_pairs(document))
