"""`hive vote`: proposals to all Hive owners, from idea to execution."""

from typing import Annotated

import typer

from queen_node.cli import output
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
from queen_node.cli.sender import Manner, desk_for, perform, print_document, print_rows

votes = group("Votes of the Hive owners on upgrades and rules.")
NumberArgument = Annotated[str, typer.Argument(help="The proposal's number, or its first digits.")]


@votes.command("propose")
def propose(
    why: Annotated[str, typer.Option("--why", help="What the vote is about; part of its number.")],
    upgrade: Annotated[str, typer.Option("--upgrade", help="Address of a new Beekeeper implementation.")] = "",
    call: Annotated[list[str] | None, typer.Option("--call", help="ADDRESS:DATA in hex, may be repeated.")] = None,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Brings a proposal in: an upgrade of the Beekeeper, or any call the timelock may make."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import votes as functions
        from queen_node.operator.inputs import address

        actions = [functions.upgrade(desk, address(upgrade, "--upgrade"))] if upgrade else []
        actions += [functions.raw_call(text) for text in call or []]
        made = functions.propose(desk, actions, why)
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@votes.command("cast")
def cast(
    number: NumberArgument,
    choice: Annotated[str, typer.Argument(help="for, against or abstain.")],
    reason: Annotated[str, typer.Option("--reason", help="Published with the vote.")] = "",
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Votes with the weight the sender had when voting began."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import votes as functions

        made = functions.cast(desk, number, choice, reason)
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@votes.command("queue")
def queue(
    number: NumberArgument,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Hands a proposal that won to the timelock, where it waits two days."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import votes as functions

        made = functions.queue(desk, number)
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@votes.command("execute")
def execute(
    number: NumberArgument,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Carries a queued proposal out once its wait is over; anyone may."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import votes as functions
        from queen_node.operator.checking import adopt_upgrade

        made = functions.execute(desk, number)
        done = perform(desk, made, Manner(dry_run, as_json, no_input, confirm))
        adopted = adopt_upgrade(desk, book) if done and book else ""
        if adopted:
            output.say(f"the address book {book} now names the Beekeeper's implementation {adopted}")


@votes.command("show")
def show(
    number: Annotated[str, typer.Argument(help="The proposal's number, or its first digits; all without.")] = "",
    book: BookOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """How a proposal stands and what it would do; or all proposals."""
    with desk_for(rpc, book, None) as desk:
        from queen_node.operator import votes as functions

        if number:
            document = functions.show(desk, number)
            emit(document, as_json, lambda: print_document(document))
            return
        rows = functions.show_all(desk)
        short = [{key: row[key] for key in ("number", "state", "voting_until", "description")} for row in rows]
        emit(rows, as_json, lambda: print_rows(short))
