"""`hive island`: whether the Hive has a connection to the grid."""

from typing import Any

from queen_node.cli.common import DEFAULT_CONFIG, ConfigOption, JsonOption, group, opened
from queen_node.cli.output import emit, print_pairs, print_table, reported

islands = group("Operation without the grid.")


@islands.command("on")
def island_on(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The connection is away: rounds ask for nothing in and nothing out, whole slots have the island tariff."""
    from queen_node.operator import islands as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.begin(tx, loaded)
    emit(document, as_json, lambda: _print(document))


@islands.command("off")
def island_off(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The connection is back."""
    from queen_node.operator import islands as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.end(tx, loaded)
    emit(document, as_json, lambda: _print(document))


@islands.command("show")
def island_show(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Whether the Hive is an island, what a slot of it costs, and the islands of before."""
    from queen_node.operator import islands as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.show(tx, loaded)
    emit(document, as_json, lambda: _print(document))


def _print(document: dict[str, Any]) -> None:
    named = {key: value for key, value in document.items() if key != "history"}
    print_pairs({key: "none" if value is None else value for key, value in named.items()})
    if document["history"]:
        rows = [["" if value is None else value for value in one.values()] for one in document["history"]]
        print_table(tuple(document["history"][0]), rows)
