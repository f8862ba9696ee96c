"""`hive pool`: a Hive's money in the contract."""

from typing import Annotated

import typer

from queen_node.cli.common import (
    BookOption,
    ConfirmOption,
    DryRunOption,
    JsonOption,
    KeyOption,
    NoInputOption,
    RpcOption,
    group,
)
from queen_node.cli.output import emit
from queen_node.cli.sender import Manner, desk_for, perform, print_document

pools = group("A Hive's pool and bond.")
HiveArgument = Annotated[int, typer.Argument(help="Number of the Hive.")]
AmountArgument = Annotated[str, typer.Argument(help="Coins, such as 250.00.")]


@pools.command("fund")
def fund(
    hive: HiveArgument,
    amount: AmountArgument,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Puts coins of the sender into the pool; what the Hive owes is paid from it first."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import inputs
        from queen_node.operator import pools as functions

        made = functions.fund(desk, inputs.hive_number(hive), inputs.micro_coins(amount))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@pools.command("bond")
def bond(
    hive: HiveArgument,
    amount: AmountArgument,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Posts the owner's coins as the bond from which a lying Queen's penalties are paid."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import inputs
        from queen_node.operator import pools as functions

        made = functions.bond(desk, inputs.hive_number(hive), inputs.micro_coins(amount))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@pools.command("withdraw")
def withdraw(
    hive: HiveArgument,
    amount: Annotated[str, typer.Argument(help="Coins to announce; without, the announced ones are paid.")] = "",
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Announces a withdrawal (AMOUNT given); 24 hours later, without AMOUNT, pays it to the owner."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import inputs
        from queen_node.operator import pools as functions

        micro = inputs.micro_coins(amount) if amount else None
        made = functions.withdraw(desk, inputs.hive_number(hive), micro)
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@pools.command("show")
def show(hive: HiveArgument, book: BookOption = None, rpc: RpcOption = None, as_json: JsonOption = False) -> None:
    """What the pool holds, what is asked of it, claims and bond."""
    with desk_for(rpc, book, None) as desk:
        from queen_node.operator import inputs
        from queen_node.operator import pools as functions

        document = functions.show(desk, inputs.hive_number(hive))
        emit(document, as_json, lambda: print_document(document))
