"""`hive chain`: deploy the contracts, check a deployment, look at the chain and at what is not finished."""

from pathlib import Path
from typing import Annotated

import typer

from queen_node.cli import output
from queen_node.cli.common import (
    DEFAULT_CONFIG,
    BookOption,
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
from queen_node.cli.output import emit, print_table, reported
from queen_node.cli.sender import desk_for, print_document

chains = group("The contracts on the chain: deploy, check, status.")


@chains.command("deploy")
def deploy(
    out: Annotated[Path, typer.Option("--out", help="Address book to write (JSON).")],
    key: KeyOption = None,
    rpc: RpcOption = None,
    treasury: Annotated[str, typer.Option("--treasury", help="Gets platform fees; the timelock without.")] = "",
    holder: Annotated[str, typer.Option("--holder", help="Gets all HVT; the deployer without.")] = "",
    certifier: Annotated[list[str] | None, typer.Option("--certifier", help="Signs meters' certificates.")] = None,
    coin: Annotated[list[str] | None, typer.Option("--coin", help="ADDRESS:CODE:MINPENALTY, may be repeated.")] = None,
    coin_keeper: Annotated[str, typer.Option("--coin-keeper", help="Lists and freezes coins; nobody without.")] = "",
    price_keeper: Annotated[str, typer.Option("--price-keeper", help="Moves prices within bounds.")] = "",
    guardian: Annotated[str, typer.Option("--guardian", help="May stop new entries.")] = "",
    hive_price: Annotated[str, typer.Option("--hive-price", help="First price of a Hive, HVT.")] = "1000",
    meter_price: Annotated[str, typer.Option("--meter-price", help="First price of a meter, HVT.")] = "10",
    fee_bps: Annotated[int, typer.Option("--fee-bps", help="Platform's fee, basis points.")] = 20,
    test_coin: Annotated[
        bool, typer.Option("--test-coin", help="Make and list a worthless coin (local chains).")
    ] = False,
    another: Annotated[
        bool, typer.Option("--another", help="Deploy although this key has deployed here before.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Deploys all contracts and writes the address book; goes on where an earlier run stopped."""
    with reported():
        from queen_node.operator import deploying, inputs
        from queen_node.operator.deployment import Wishes, parse_coin
        from queen_node.operator.errors import InputError
        from queen_node.operator.opening import deployer_chain

        if key is None:
            raise InputError("--key: is missing", next_step="give the deployer's key file with --key or HIVE_KEY")
        if certifier and len(certifier) > 1:
            raise InputError("--certifier: one from the beginning; further ones are named by a vote")
        named = {
            "treasury": treasury,
            "holder": holder,
            "certifier": (certifier or [""])[0],
            "coin_keeper": coin_keeper,
            "price_keeper": price_keeper,
            "guardian": guardian,
        }
        with deployer_chain(rpc or [], out, key) as chain:
            wishes = Wishes(
                deployer=chain.sender,
                **{k: inputs.address(v, f"--{k.replace('_', '-')}") if v else "" for k, v in named.items()},
                coins=tuple(parse_coin(text) for text in coin or []),
                hive_price_wei=inputs.decimal_units(hive_price, 18, "--hive-price"),
                meter_price_wei=inputs.decimal_units(meter_price, 18, "--meter-price"),
                fee_bps=fee_bps,
                test_coin=test_coin,
            )
            plan = deploying.prepare(chain, out, wishes, another)
            if dry_run:
                document = plan.document() | {"sent": False}
                emit(document, as_json, lambda: print_document(document))
                return
            output.say(plan.remark())
            confirmed(f"the chain's number {plan.chain_id}", str(plan.chain_id), no_input, confirm)
            document = deploying.carry_out(chain, plan, output.say)
            emit(document, as_json, lambda: print_document({k: v for k, v in document.items() if k != "transactions"}))


@chains.command("check")
def check(book: BookOption = None, rpc: RpcOption = None, as_json: JsonOption = False) -> None:
    """Compares code, wiring and rights of a deployment with this release; exit code 5 when anything differs."""
    with desk_for(rpc, book, None) as desk:
        from queen_node.operator.checking import check as checked
        from queen_node.operator.errors import CodeDiffers

        findings = checked(desk)
        wrong = [one for one in findings if not one.ok]
        rows = [one.document() for one in findings]
        titles = ("contract", "what", "", "found", "expected")
        shown = [(f.place, f.what, "ok" if f.ok else "DIFFERS", f.found, f.expected) for f in findings]
        emit(
            {"chain_id": desk.book.chain_id, "ok": not wrong, "findings": rows},
            as_json,
            lambda: print_table(titles, shown),
        )
        if wrong:
            raise CodeDiffers(
                f"{len(wrong)} of {len(findings)} differ, first {wrong[0].place}: {wrong[0].what} is {wrong[0].found}",
                next_step="send no money there; compare the address book with the deployer's",
            )


@chains.command("status")
def status(
    config: Annotated[
        Path | None, typer.Option("--config", envvar="HIVE_CONFIG", help="The Queen's settings (TOML).")
    ] = None,
    book: BookOption = None,
    rpc: RpcOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """RPC addresses, head, the sender's money, fees today, unfinished transactions.

    Of the Queen with --config, else of the owner with --book and --key.
    """
    if config is None and book is not None:
        with desk_for(rpc, book, key) as desk:
            from queen_node.operator.engine import EngineChain
            from queen_node.operator.status import status as told

            assert isinstance(desk.chain, EngineChain)
            document = told(desk.chain, None)
            emit(document, as_json, lambda: print_document(document))
        return
    with reported(), opened(config or DEFAULT_CONFIG) as (loaded, store):
        from queen_node.operator.opening import queen_desk
        from queen_node.operator.status import status as told
        from queen_node.store import chain_events

        with queen_desk(loaded, store) as queen:
            with store.begin() as tx:
                row = chain_events.read_cursor(tx)
            document = told(queen.chain, None if row is None else (row.number, row.at_unix_s))
            emit(document, as_json, lambda: print_document(document))
