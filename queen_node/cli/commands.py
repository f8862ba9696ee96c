"""The commands of `hive`, noun then verb. Each calls one function that is tested without the command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from honey_edge.model.slots import slot_at
from queen_node.cli import output, views
from queen_node.cli.output import emit, print_pairs, print_table, reported
from queen_node.settings import Loaded, load
from queen_node.store import Store

app = typer.Typer(
    help="The operator's command of a Hive.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_NOUNS = {
    "worker": "Workers of the Hive.",
    "slot": "Closed slots.",
    "period": "Settlement of UTC days on the chain.",
    "channel": "Payment channels.",
    "market": "Cases of the market's reference form.",
}
_groups = {noun: typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None) for noun, text in _NOUNS.items()}
for _noun, _group in _groups.items():
    app.add_typer(_group, name=_noun)

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="HIVE_CONFIG", help="The Queen's settings (TOML).", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable, on standard output.")]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never ask.")]
ConfirmOption = Annotated[str, typer.Option("--confirm", help="What would be typed to confirm.")]
DEFAULT_CONFIG = Path("queen.toml")


@contextmanager
def _opened(config: Path) -> Iterator[tuple[Loaded, Store]]:
    """Settings and database, for the length of a command."""
    loaded = load(config)
    store = Store(loaded.store_url(), create=False)
    try:
        yield loaded, store
    finally:
        store.close()


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The Hive at a glance."""
    with reported(), _opened(config) as (loaded, store), store.begin() as tx:
        document = views.status(tx, loaded)
        emit(document, as_json, lambda: print_pairs(document))


@_groups["worker"].command("list")
def worker_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """All Workers with their accounts."""
    with reported(), _opened(config) as (_, store), store.begin() as tx:
        rows = views.worker_list(tx)
        titles = ("serial", "worker", "state", "last slot", "readings", "both signed", "owes", "funding")
        emit(
            rows,
            as_json,
            lambda: print_table(
                titles,
                [
                    (
                        row["serial"],
                        row["worker"],
                        row["state"],
                        row["last_slot"],
                        row["readings"],
                        row["both_signed"],
                        output.coins(row["net_pico"]),
                        output.coins(row["funding_micro"] * 10**6),
                    )
                    for row in rows
                ],
            ),
        )


@_groups["worker"].command("show")
def worker_show(name: str, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """One Worker, by address or serial: account, newest lines, refused messages."""
    with reported(), _opened(config) as (_, store), store.begin() as tx:
        document = views.worker_show(tx, name)
        emit(document, as_json, lambda: _print_worker(document))


def _print_worker(document: dict[str, Any]) -> None:
    print_pairs({key: value for key, value in document.items() if key not in ("lines", "refused")})
    _print_lines(document["lines"], "end", "slot")
    if document["refused"]:
        print_table(("refused", "why", "detail"), [(r["kind"], r["reason"], r["detail"]) for r in document["refused"]])


def _print_lines(lines: list[dict[str, Any]], *keys: str) -> None:
    rows = [
        (
            *(output.slot_end_local(line["slot"]) if key == "end" else line[key] for key in keys),
            line["kind"],
            line["energy_milliwh"],
            output.coins(line["amount_pico"]),
            output.coins(line["net_pico"]),
        )
        for line in lines
    ]
    print_table((*keys, "kind", "energy mWh", "amount", "owed in all"), rows)


def _slot_number(text: str) -> int | None:
    """The slot that a number or an instant in UTC names; wrong usage for any other text."""
    if not text or text.isdecimal():
        return int(text) if text else None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither a slot number nor an instant such as 2026-05-06T12:00"
        ) from error
    return slot_at((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


@_groups["slot"].command("show")
def slot_show(
    slot: Annotated[
        str,
        typer.Argument(help="Slot number, or an instant in UTC (2026-05-06T12:00); the newest closed one without."),
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """A closed slot: totals, money, who paid what."""
    number = _slot_number(slot)
    with reported(), _opened(config) as (_, store), store.begin() as tx:
        document = views.slot_show(tx, number)

        def show() -> None:
            print_pairs({key: value for key, value in document.items() if key != "lines"})
            _print_lines(document["lines"], "worker", "slot")

        emit(document, as_json, show)


@_groups["channel"].command("resume")
def channel_resume(
    name: str, config: ConfigOption = DEFAULT_CONFIG, no_input: NoInputOption = False, confirm: ConfirmOption = ""
) -> None:
    """Frees an account that an Objection froze; its lines go into the next Statement."""
    from queen_node.store import accounts

    with reported(), _opened(config) as (_, store):
        with store.begin() as tx:
            row = accounts.worker_named(tx, name)
        if row is None:
            raise output.NotFound(f"no Worker {name} in this Hive", next_step="hive worker list")
        if not row.frozen:
            output.say(f"{row.serial} is not frozen; nothing to do")
            return
        _confirm(f"the serial {row.serial}", row.serial, no_input, confirm)
        with store.begin() as tx:
            accounts.freeze(tx, row.worker, False)
        output.say(f"{row.serial} is free again")


def _confirm(what: str, expected: str, no_input: bool, given: str) -> None:
    """Wants `expected` typed; without a terminal only `--confirm` will do."""
    if not given and not no_input and sys.stdin.isatty():
        given = typer.prompt(f"Type {what} to go on", err=True)
    if given != expected:
        raise output.NotConfirmed(f"not confirmed: {what} was not given", next_step=f"add --confirm {expected}")


@_groups["period"].command("settle")
def period_settle(
    day: Annotated[str, typer.Argument(help="UTC day: its number since 1970 or YYYY-MM-DD.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, send nothing.")] = False,
    no_input: NoInputOption = False,
    confirm: ConfirmOption = "",
) -> None:
    """Settles a day: the newest Statement under both signatures of every Worker, payers first."""
    from queen_node.cli import settle

    with reported(), _opened(config) as (loaded, store):
        number = settle.day_number(day)
        if not dry_run:
            settle.refresh(loaded, store)
        plan = settle.plan_of(loaded, store, number)
        if dry_run:
            emit(plan.document(), as_json, lambda: _print_plan(plan.document()))
            return
        output.say(plan.remark())
        _confirm(f"the day {number}", str(number), no_input, confirm)
        document = settle.send(loaded, store, plan)
        emit(document, as_json, lambda: _print_plan(document))
        if settle.partly_done(document):
            raise typer.Exit(output.EXIT_PARTLY)


def _print_plan(document: dict[str, Any]) -> None:
    print_pairs({key: value for key, value in document.items() if not isinstance(value, (list, dict))})
    for name in ("leaves", "transactions"):
        rows = document.get(name, [])
        if rows:
            print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


@app.command()
def evidence(
    folder: Annotated[Path, typer.Argument(help="Where to write; created.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Writes everything a stranger needs to recompute the bills."""
    from queen_node.evidence import write_evidence
    from queen_node.export import bundle_of
    from queen_node.settings import queen_signer

    with reported(), _opened(config) as (loaded, store):
        with store.begin() as tx:
            bundle = bundle_of(tx, loaded)
        write_evidence(folder, bundle, queen_signer(loaded))
        output.say(f"evidence written to {folder}")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="An evidence folder.")],
    queen: Annotated[str | None, typer.Option("--queen", help="Address of the Queen to trust.")] = None,
    contract: Annotated[str | None, typer.Option("--contract", help="Address of the contract to trust.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Recomputes all bills from an evidence folder alone."""
    from dataclasses import asdict

    from queen_node.verify import verify_evidence

    with reported():
        if not folder.is_dir():
            raise output.NotFound(f"{folder} is not a folder")
        document = asdict(verify_evidence(folder, queen, contract))

        def show() -> None:
            print_pairs({key: value for key, value in document.items() if key != "homes"})
            homes = document["homes"]
            if homes:
                print_table(tuple(homes[0]), [tuple(home.values()) for home in homes])

        emit(document, as_json, show)


@_groups["market"].command("solve")
def market_solve(
    file: Annotated[Path, typer.Argument(help="A case document (JSON).")], as_json: JsonOption = False
) -> None:
    """Solves a case of the market's reference form."""
    from honey_edge.market.cases import solve_case
    from queen_node.cli.markets import read_case_file

    with reported():
        document = solve_case(read_case_file(file))
        emit(document, as_json, lambda: _print_case(document))
        if document.get("status") == "refused":
            raise typer.Exit(output.EXIT_REFUSED)


@_groups["market"].command("settle")
def market_settle(
    file: Annotated[Path, typer.Argument(help="Settlement cases (JSON).")], as_json: JsonOption = False
) -> None:
    """Settles cases of one slot each, in exact integers."""
    from queen_node.cli.markets import read_case_file, settle_document

    with reported():
        document = settle_document(read_case_file(file))
        emit(document, as_json, lambda: _print_case(document))


def _print_case(document: dict[str, Any]) -> None:
    for number, case in enumerate(document.get("cases", [document])):
        output.console().print(f"case {number}")
        print_pairs({key: value for key, value in case.items() if not isinstance(value, (list, dict))})
        rows = [(key, value) for key, value in case.items() if isinstance(value, list)]
        if rows:
            print_table(("", ""), rows)


@app.command("help")
def help_code(
    code: Annotated[str, typer.Argument(help="A code such as E-SETTINGS.")], as_json: JsonOption = False
) -> None:
    """Explains an error code."""
    from queen_node.help_codes import explain

    with reported():
        explanation = explain(code)
        if explanation is None:
            raise output.NotFound(f"no error has the code {code}")
        document = {"code": code.upper(), **explanation}
        emit(document, as_json, lambda: print_pairs(document))


__all__ = ["app"]
