"""`hive meter`: certificates and the Meter List."""

from pathlib import Path
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
from queen_node.cli.output import emit, reported
from queen_node.cli.sender import Manner, desk_for, perform, print_document, print_rows

meters = group("Certificates and the Meter List.")


@meters.command("certify")
def certify(
    meter: Annotated[str, typer.Option("--meter", help="Address of the device's key.")],
    owner: Annotated[str, typer.Option("--owner", help="Whose meter it is; gets its account's money.")],
    serial: Annotated[str, typer.Option("--serial", help="Serial printed on the device.")],
    manufacturer: Annotated[str, typer.Option("--manufacturer", help="Who made it.")],
    model: Annotated[str, typer.Option("--model", help="What it is.")],
    not_after: Annotated[str, typer.Option("--not-after", help="Last day it may be listed, e.g. 2027-06-30.")],
    out: Annotated[Path, typer.Option("--out", help="Certificate to write (JSON).")],
    book: BookOption = None,
    key: KeyOption = None,
) -> None:
    """Signs a meter's certificate with a certifier's key; needs no chain."""
    with reported():
        from queen_node.operator import inputs
        from queen_node.operator import meters as functions
        from queen_node.operator.book import complete_book
        from queen_node.operator.errors import InputError
        from queen_node.operator.files import write_object
        from queen_node.operator.opening import certifier

        if book is None:
            raise InputError("--book: is missing", next_step="give --book FILE or HIVE_BOOK")
        known = complete_book(book)
        certificate = functions.Certificate(
            meter=inputs.address(meter, "--meter"),
            owner=inputs.address(owner, "--owner"),
            serial=serial,
            manufacturer=manufacturer,
            model=model,
            not_after=inputs.unix_s(not_after, "--not-after"),
            beekeeper=known.at("Beekeeper"),
            chain_id=known.chain_id,
        )
        write_object(out, functions.certify(certificate, certifier(key)))
        output.say(f"certificate of {serial} written to {out}")


@meters.command("register")
def register(
    certificate: Annotated[Path, typer.Argument(help="A certificate (JSON).")],
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Lists a certified meter; anyone may."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import meters as functions

        made = functions.register(desk, functions.read_certificate(certificate))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


@meters.command("list")
def list_all(book: BookOption = None, rpc: RpcOption = None, as_json: JsonOption = False) -> None:
    """All meters ever listed, with the Hive each is in."""
    with desk_for(rpc, book, None) as desk:
        from queen_node.operator import meters as functions

        rows = functions.list_all(desk)
        emit(rows, as_json, lambda: print_rows(rows))


@meters.command("show")
def show(
    meter: Annotated[str, typer.Argument(help="Address of the meter.")],
    book: BookOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """One meter: owner, Hive, status, stake."""
    with desk_for(rpc, book, None) as desk:
        from queen_node.operator import meters as functions
        from queen_node.operator.inputs import address

        document = functions.show(desk, address(meter, "METER"))
        emit(document, as_json, lambda: print_document(document))
