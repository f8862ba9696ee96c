"""`hive period`: settlement of UTC days on the chain, and what came of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from queen_node.cli import output
from queen_node.cli.common import (
    DEFAULT_CONFIG,
    ConfigOption,
    ConfirmOption,
    JsonOption,
    NoInputOption,
    confirmed,
    group,
    opened,
)
from queen_node.cli.output import emit, print_pairs, print_table, reported
from queen_node.cli.sender import print_document
from queen_node.settings import Loaded
from queen_node.store import Store

if TYPE_CHECKING:
    from queen_node.app.settle_day import Settlement

periods = group("Settlement of UTC days on the chain.")


@periods.command("settle")
def period_settle(
    day: Annotated[str, typer.Argument(help="UTC day: its number since 1970 or YYYY-MM-DD.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, send nothing.")] = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Settles a day: the newest Statement under both signatures of every Worker, payers first."""
    from queen_node.app import settle_day as settle

    with reported(), opened(config) as (loaded, store):
        number = settle.day_number(day)
        if not dry_run:
            settle.refresh(loaded, store)
        plan = settle.plan_of(loaded, store, number)
        if dry_run:
            told = plan.document() | _cost_of(loaded, store, plan)
            emit(told, as_json, lambda: _print_plan(told))
            return
        output.say(plan.remark())
        confirmed(f"the day {number}", str(number), no_input, confirm)
        document = settle.send(loaded, store, plan)
        emit(document, as_json, lambda: _print_plan(document))
        if settle.partly_done(document):
            raise typer.Exit(output.EXIT_PARTLY)


def _cost_of(loaded: Loaded, store: Store, plan: "Settlement") -> dict[str, Any]:
    """Gas and cost of a plan, simulated, where there is a chain and something to settle."""
    if not loaded.settings.chain.rpc_urls or not plan.leaves:
        return {}
    from queen_node.operator.opening import queen_desk
    from queen_node.operator.periods import cost

    with queen_desk(loaded, store) as queen:
        return cost(queen.desk, plan)


def _print_plan(document: dict[str, Any]) -> None:
    print_pairs({key: value for key, value in document.items() if not isinstance(value, (list, dict))})
    for name in ("leaves", "transactions"):
        rows = document.get(name, [])
        if rows:
            print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


@periods.command("show")
def period_show(
    day: Annotated[str, typer.Argument(help="UTC day: its number since 1970 or YYYY-MM-DD.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What became of a day's settlement: every change of its transactions' rows, and what the chain did."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.app import settle_day
        from queen_node.operator.periods import show

        document = show(store, loaded.settings.hive.hive, settle_day.day_number(day))
        emit(document, as_json, lambda: print_document(document))
