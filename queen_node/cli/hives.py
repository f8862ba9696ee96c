"""`hive create`, `add`, `drop`, `split`, `merge`, `freeze`, `show`: Hives and their meters."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from queen_node.cli.common import (
    BookOption,
    ConfirmOption,
    DryRunOption,
    JsonOption,
    KeyOption,
    NoInputOption,
    RpcOption,
)
from queen_node.cli.output import emit
from queen_node.cli.sender import Manner, desk_for, perform, print_document, print_rows

if TYPE_CHECKING:
    from queen_node.operator.hives import NewMeter
    from queen_node.operator.meters import Certificate

HiveArgument = Annotated[int, typer.Argument(help="Number of the Hive.")]
QueenOption = Annotated[str, typer.Option("--queen", help="Address of the Queen's signing key.")]
TermsOption = Annotated[
    Path | None, typer.Option("--terms", help="Terms (JSON), signed or a draft; for the number the Hive gets.")
]
WindowOption = Annotated[int, typer.Option("--window", help="Seconds a close runs, 21600 to 604800.")]
CertificateOption = Annotated[
    list[Path] | None, typer.Option("--certificate", help="Certificate of a meter that is not listed yet.")
]
DEFAULT_WINDOW_S = 259_200


def _certificates(files: list[Path] | None) -> "dict[str, Certificate]":
    from queen_node.operator.meters import read_certificate

    found = [read_certificate(file) for file in files or []]
    return {one.meter: one for one in found}


def _meters(texts: list[str] | None, files: list[Path] | None) -> "list[NewMeter]":
    from queen_node.operator.errors import InputError
    from queen_node.operator.hives import NewMeter
    from queen_node.operator.inputs import address

    certificates, found = _certificates(files), []
    for text in texts or []:
        meter, equals, point = text.partition("=")
        if not equals or not point.strip():
            raise InputError(f"--meter: {text[:60]!r} is not ADDRESS=POINT, e.g. 0x...=CH-1001-4711")
        plain = address(meter, "--meter")
        found.append(NewMeter(plain, point, certificates.get(plain)))
    return found


def create(
    coin: Annotated[str, typer.Option("--coin", help="Address of a listed coin.")],
    queen: QueenOption,
    terms: TermsOption,
    meter: Annotated[list[str] | None, typer.Option("--meter", help="ADDRESS=POINT, may be repeated.")] = None,
    certificate: CertificateOption = None,
    owner: Annotated[str, typer.Option("--owner", help="Who owns the Hive; the sender without.")] = "",
    window: WindowOption = DEFAULT_WINDOW_S,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Makes a Hive with its first meters and pays its price in HVT: half is burnt, half staked."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import hives
        from queen_node.operator.errors import InputError
        from queen_node.operator.inputs import address

        if terms is None:
            raise InputError("--terms: is missing")
        new = hives.NewHive(
            owner=address(owner, "--owner") if owner else desk.chain.sender,
            coin=address(coin, "--coin"),
            queen=address(queen, "--queen"),
            window_s=window,
            terms=hives.read_terms(terms, hives.next_hive(desk)),
        )
        made = hives.create(desk, new, _meters(meter, certificate))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


def add(
    meter: Annotated[str, typer.Argument(help="Address of the meter.")],
    hive: Annotated[int, typer.Option("--hive", help="Number of the Hive.")],
    point: Annotated[str, typer.Option("--point", help="Text that names the connection; only its hash is published.")],
    certificate: Annotated[Path | None, typer.Option("--certificate", help="If it is not listed yet.")] = None,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """A meter joins a Hive; its price is paid in HVT."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import hives
        from queen_node.operator.inputs import address, hive_number

        plain = address(meter, "METER")
        listed = _certificates([certificate] if certificate else None)
        new = hives.NewMeter(plain, point, listed.get(plain))
        made = hives.add(desk, hive_number(hive, "--hive"), new)
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


def drop(
    meter: Annotated[str, typer.Argument(help="Address of the meter.")],
    hive: Annotated[int, typer.Option("--hive", help="Number of the Hive.")],
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """A meter leaves a Hive and its stake comes back; its account must be closed."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import hives
        from queen_node.operator.inputs import address, hive_number

        made = hives.drop(desk, hive_number(hive, "--hive"), address(meter, "METER"))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


def split(
    hive: HiveArgument,
    meter: Annotated[list[str] | None, typer.Option("--meter", help="Meter that moves, may be repeated.")] = None,
    queen: Annotated[str, typer.Option("--queen", help="Queen's key of the new Hive; not to go on.")] = "",
    terms: Annotated[Path | None, typer.Option("--terms", help="Terms of the new Hive; not to go on.")] = None,
    window: WindowOption = DEFAULT_WINDOW_S,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Makes a new Hive of some meters; run again after an interruption it goes on where it stopped."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import hives, regroup
        from queen_node.operator.inputs import address, hive_number

        new = regroup.Splitting(
            queen=address(queen, "--queen") if queen else "",
            window_s=window,
            terms=hives.read_terms(terms, hives.next_hive(desk)) if terms else None,
        )
        meters = [address(one, "--meter") for one in meter or []]
        made = regroup.split(desk, hive_number(hive), meters, new)
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


def merge(
    hive: HiveArgument,
    into: Annotated[int, typer.Argument(help="Number of the Hive that stays.")],
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Moves all meters of a Hive into another and ends it; goes on after an interruption."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import regroup
        from queen_node.operator.inputs import hive_number

        made = regroup.merge(desk, hive_number(hive), hive_number(into, "INTO"))
        perform(desk, made, Manner(dry_run, as_json, no_input, confirm))


def freeze(
    hive: HiveArgument,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Ends a Hive for ever: no new meters or deposits; closing and withdrawing go on."""
    with desk_for(rpc, book, key) as desk:
        from queen_node.operator import hives
        from queen_node.operator.inputs import hive_number

        perform(desk, hives.freeze(desk, hive_number(hive)), Manner(dry_run, as_json, no_input, confirm))


def show(
    hive: Annotated[int | None, typer.Argument(help="Number of the Hive; all Hives without.")] = None,
    book: BookOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """A Hive as the chain has it: record, terms, stake, pool, meters; or a list of all."""
    with desk_for(rpc, book, None) as desk:
        from queen_node.operator import hive_views
        from queen_node.operator.inputs import hive_number

        if hive is None:
            rows = hive_views.show_all(desk)
            emit(rows, as_json, lambda: print_rows(rows))
            return
        document = hive_views.show(desk, hive_number(hive))
        emit(document, as_json, lambda: print_document(document))
