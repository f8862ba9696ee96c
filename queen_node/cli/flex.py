"""`hive flex`: orders inside a slot, and how they are paid."""

from typing import Annotated

import typer

from queen_node.cli.common import (
    DEFAULT_CONFIG,
    BookOption,
    ConfigOption,
    ConfirmOption,
    DryRunOption,
    JsonOption,
    KeyOption,
    NoInputOption,
    RpcOption,
    group,
    opened,
)
from queen_node.cli.output import emit, reported
from queen_node.cli.sender import Manner, desk_for, perform, print_rows

flexes = group("Orders inside a slot.")


@flexes.command("list")
def flex_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Every order that Queen and Worker both have signed."""
    with reported(), opened(config) as (_, store):
        from queen_node.operator import flex as functions
        from queen_node.store import flex_orders

        with store.begin() as tx:
            rows = functions.listed(flex_orders.all_accepted(tx))
        emit(rows, as_json, lambda: print_rows(rows))


@flexes.command("charge")
def flex_charge(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Has the FlexibilityPool pay the orders that are signed by both and not paid yet."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.operator import flex as functions
        from queen_node.operator.opening import queen_desk
        from queen_node.store import flex_orders

        own = loaded.settings
        with store.begin() as tx:
            accepted = flex_orders.all_accepted(tx)
        with queen_desk(loaded, store) as queen:
            made = functions.charge(queen.desk, own.hive.hive, own.realtime.pool, accepted)
            perform(queen.desk, made, Manner(dry_run, as_json, no_input, confirm))


@flexes.command("stake")
def flex_stake(
    hive: Annotated[int, typer.Argument(help="Number of the Hive.")],
    amount: Annotated[str, typer.Argument(help="Coins, such as 25.00.")],
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Adds coins of the sender to the Hive's stake, from which orders are paid."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import flex as functions
        from queen_node.operator import inputs

        made = functions.stake(desk, inputs.hive_number(hive), inputs.micro_coins(amount))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))
