"""`hive limit`: what the grid operator lets through the connection point, with an expiry and a fail-safe value."""

from typing import Annotated, Any

import typer

from queen_node.cli.common import DEFAULT_CONFIG, ConfigOption, JsonOption, group, opened
from queen_node.cli.output import emit, print_pairs, print_table, reported

limits = group("Power limits from the grid operator.")


@limits.command("set")
def limit_set(
    until: Annotated[str, typer.Option("--until", help="Holds until then: 2027-06-30T18:00 in UTC, or unix seconds.")],
    import_kw: Annotated[str, typer.Option("--import-kw", help="Most the Hive may take, kW; without: no limit.")] = "",
    export_kw: Annotated[str, typer.Option("--export-kw", help="Most the Hive may give, kW; without: no limit.")] = "",
    failsafe_import_kw: Annotated[
        str, typer.Option("--failsafe-import-kw", help="Import limit from then on, until another is given; kW.")
    ] = "",
    failsafe_export_kw: Annotated[
        str, typer.Option("--failsafe-export-kw", help="Export limit from then on, until another is given; kW.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Sets the limit in place of the one before; the next round keeps it, with [grid] of the settings."""
    from queen_node.operator import limits as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        failsafe = failsafe_import_kw, failsafe_export_kw
        row = functions.limit_of(functions.now_unix_s(tx, loaded), import_kw, export_kw, until, failsafe)
        document = functions.give(tx, loaded, row)
    emit(document, as_json, lambda: _print(document))


@limits.command("show")
def limit_show(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """What holds at the connection point now and why, and the limits given before."""
    from queen_node.operator import limits as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.show(tx, loaded)
    emit(document, as_json, lambda: _print(document))


@limits.command("clear")
def limit_clear(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Takes the limit back, its fail-safe value too; [grid] of the settings holds alone."""
    from queen_node.operator import limits as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.clear(tx, loaded)
    emit(document, as_json, lambda: _print(document))


def _print(document: dict[str, Any]) -> None:
    named = {key: value for key, value in document.items() if key not in ("limit", "history")}
    print_pairs({key: "none" if value is None else value for key, value in named.items()})
    if document["history"]:
        rows = [["" if value is None else value for value in one.values()] for one in document["history"]]
        print_table(tuple(document["history"][0]), rows)
