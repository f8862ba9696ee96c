"""`hive channel`: payment channels, from the Queen's side."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from queen_node.cli import output
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
    confirmed,
    group,
    opened,
)
from queen_node.cli.output import emit, reported
from queen_node.cli.sender import Manner, desk_for, perform, print_document, print_rows

channels = group("Payment channels.")
NameArgument = Annotated[str, typer.Argument(help="Serial or address of the Worker.")]
_COLUMNS = ("serial", "worker", "state", "spendable_micro", "settled_slot", "both_signed_slot", "claim_micro")


@channels.command("list")
def channel_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """All channels: what the chain has and what both have signed since."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.operator import channels as functions
        from queen_node.operator.opening import queen_desk

        with queen_desk(loaded, store) as queen:
            rows = functions.list_all(queen.desk, queen.counter)
        emit(rows, as_json, lambda: print_rows([{name: row[name] for name in _COLUMNS} for row in rows]))


@channels.command("show")
def channel_show(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """One channel: account, running close, claims, newest Statement under both signatures."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.operator import channels as functions
        from queen_node.operator.opening import queen_desk

        with queen_desk(loaded, store) as queen:
            document = functions.show(queen.desk, queen.counter, name)
        emit(document, as_json, lambda: print_document(document))


@channels.command("close")
def channel_close(
    name: NameArgument,
    agreement: Annotated[
        Path | None, typer.Option("--agreement", help="CloseAgreement both have signed (JSON).")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Closes at once by agreement, or starts a close on the newest Statement; run again it finishes it."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.operator import agreements
        from queen_node.operator import channels as functions
        from queen_node.operator.opening import queen_desk

        with queen_desk(loaded, store) as queen:
            manner = Manner(dry_run, as_json, no_input, confirm)
            if agreement is not None:
                perform(queen.desk, agreements.close_agreed(queen.desk, queen.counter, name, agreement), manner)
                return
            with nullcontext() if dry_run else functions.silenced(queen.counter, name):
                perform(queen.desk, functions.close(queen.desk, queen.counter, name), manner)


@channels.command("contest")
def channel_contest(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Brings the newest Statement both have signed against a close that shows an older one."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.operator import channels as functions
        from queen_node.operator.opening import queen_desk

        with queen_desk(loaded, store) as queen:
            made = functions.contest(queen.desk, queen.counter, name)
            perform(queen.desk, made, Manner(dry_run, as_json, no_input, confirm))


@channels.command("permit")
def channel_permit(
    name: NameArgument,
    amount: Annotated[str, typer.Argument(help="Coins, such as 20.00.")],
    out: Annotated[Path, typer.Option("--out", help="Permit to write (JSON).")],
    hours: Annotated[int, typer.Option("--hours", help="How long it is good, 1 to 6.", min=1, max=6)] = 6,
    config: ConfigOption = DEFAULT_CONFIG,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Signs a permit: the home takes money out while its account stays open. Sends nothing."""
    with reported(), opened(config) as (loaded, store):
        from queen_node.operator import channels as functions
        from queen_node.operator import inputs
        from queen_node.operator.files import check_writable, write_object
        from queen_node.operator.opening import queen_desk

        check_writable(out)
        micro = inputs.micro_coins(amount)
        with queen_desk(loaded, store) as queen:
            confirmed(f"the amount {inputs.coin_text(micro)}", inputs.coin_text(micro), no_input, confirm)
            document = functions.permit(queen.desk, queen.counter, name, micro, hours * 3_600)
        write_object(out, document)
        output.say(f"permit for {inputs.coin_text(micro)} coins written to {out}")


@channels.command("deposit")
def channel_deposit(
    hive: Annotated[int, typer.Argument(help="Number of the Hive.")],
    worker: Annotated[str, typer.Argument(help="Address of the Worker.")],
    amount: Annotated[str, typer.Argument(help="Coins, such as 50.00.")],
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Pays in for a Worker with the sender's coins; the first payment opens its account."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import inputs, pools

        place = inputs.address(worker, "WORKER")
        made = pools.deposit(desk, inputs.hive_number(hive), place, inputs.micro_coins(amount))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@channels.command("resume")
def channel_resume(
    name: str, config: ConfigOption = DEFAULT_CONFIG, no_input: NoInputOption = False, confirm: ConfirmOption = ""
) -> None:
    """Frees an account that an Objection froze; its lines go into the next Statement."""
    from queen_node.store import accounts

    with reported(), opened(config) as (_, store):
        with store.begin() as tx:
            row = accounts.worker_named(tx, name)
        if row is None:
            raise output.NotFound(f"no Worker {name} in this Hive", next_step="hive worker list")
        if not row.frozen:
            output.say(f"{row.serial} is not frozen; nothing to do")
            return
        confirmed(f"the serial {row.serial}", row.serial, no_input, confirm)
        with store.begin() as tx:
            accounts.freeze(tx, row.worker, False)
        output.say(f"{row.serial} is free again")
