"""`hive standing`: whom the Hive relies on, what was found and audited, and the operator's pardon."""

from typing import Annotated, Any

import typer

from queen_node.cli.common import DEFAULT_CONFIG, ConfigOption, JsonOption, group, opened
from queen_node.cli.output import emit, print_pairs, print_table, reported

standings = group("Fair play: standings, findings, audits.")
WorkerArgument = Annotated[str, typer.Argument(help="The Worker's address, 40 lower-case hex digits.")]


@standings.command("show")
def standing_show(
    worker: Annotated[str, typer.Argument(help="A Worker's address; without: all of them.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """How the Workers stand; of one Worker also its findings, audits and appeals."""
    from queen_node.operator import standings as functions

    with reported(), opened(config) as (_, store), store.begin() as tx:
        document = functions.show(tx, worker) if worker else functions.show_all(tx)
    emit(document, as_json, lambda: _print(document))


@standings.command("restore")
def standing_restore(
    worker: WorkerArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the finding.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Gives a Worker its good standing back, from the next UTC day on."""
    from queen_node.operator import standings as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.restore(tx, loaded, worker, reason)
    emit(document, as_json, lambda: _print(document))


def _print(document: dict[str, Any]) -> None:
    tables = {key: value for key, value in document.items() if isinstance(value, list) and key != "alarms"}
    pairs = {key: value for key, value in document.items() if key not in tables}
    if pairs:
        print_pairs({key: ", ".join(value) if isinstance(value, list) else value for key, value in pairs.items()})
    for rows in tables.values():
        if rows:
            print_table(tuple(rows[0]), [list(one.values()) for one in rows])
