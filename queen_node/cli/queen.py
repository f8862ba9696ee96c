"""`hive status`, `hive worker`, `hive slot`: what the Queen's database says."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from honey_edge.model.slots import slot_at
from queen_node.cli import output, views
from queen_node.cli.common import DEFAULT_CONFIG, ConfigOption, JsonOption, group, opened
from queen_node.cli.output import emit, print_pairs, print_table, reported

workers = group("Workers of the Hive.")
slots = group("Closed slots.")


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The Hive at a glance."""
    with reported(), opened(config) as (loaded, store), store.begin() as tx:
        document = views.status(tx, loaded)
        emit(document, as_json, lambda: print_pairs(document))


@workers.command("list")
def worker_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """All Workers with their accounts."""
    with reported(), opened(config) as (_, store), store.begin() as tx:
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


@workers.command("show")
def worker_show(name: str, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """One Worker, by address or serial: account, newest lines, refused messages."""
    with reported(), opened(config) as (_, store), store.begin() as tx:
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


@slots.command("show")
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
    with reported(), opened(config) as (_, store), store.begin() as tx:
        document = views.slot_show(tx, number)

        def show() -> None:
            print_pairs({key: value for key, value in document.items() if key != "lines"})
            _print_lines(document["lines"], "worker", "slot")

        emit(document, as_json, show)
