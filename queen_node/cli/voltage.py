"""`hive voltage`: the feeder as the homes' meters see it."""

from typing import Any

from queen_node.cli.common import DEFAULT_CONFIG, ConfigOption, JsonOption, group, opened
from queen_node.cli.output import emit, print_pairs, print_table, reported

voltages = group("Voltage limits of the feeder.")


@voltages.command("show")
def voltage_show(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Days of data by meter, the estimated sensitivities with their 95 % intervals, and the margin of the band."""
    from queen_node.operator import voltages as functions

    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = functions.show(tx, loaded)
    emit(document, as_json, lambda: _print(document))


def _print(document: dict[str, Any]) -> None:
    named = {key: value for key, value in document.items() if key not in ("days", "nodes")}
    print_pairs({key: "none" if value is None else value for key, value in named.items()})
    if document["days"]:
        print_table(("worker", "days"), [[worker, days] for worker, days in document["days"].items()])
    if document["nodes"]:
        print_table(tuple(document["nodes"][0]), [list(one.values()) for one in document["nodes"]])
