"""How a command that sends talks to its person: what would happen, the question, the report."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queen_node.cli import output
from queen_node.cli.common import confirmed
from queen_node.cli.output import emit, print_pairs, print_table, reported
from queen_node.operator.desk import Desk
from queen_node.operator.inputs import native_text
from queen_node.operator.sending import Offer

_SENT = "transactions"
#: What the screen shows of a transaction, planned or done.
_SHOWN = ("key", "does", "state", "hash", "block", "gas", "gas_used", "cost_wei")


@dataclass(frozen=True, slots=True)
class Manner:
    """How the person wants it: simulated only, as JSON, without questions, confirmed beforehand."""

    dry_run: bool
    as_json: bool
    no_input: bool
    confirm: str


@contextmanager
def desk_for(rpc: list[str] | None, book: Path | None, key: Path | None) -> Iterator[Desk]:
    """The owner's desk, with errors reported: address book, RPC addresses, and the key where something is sent."""
    from queen_node.operator.opening import owner_desk

    with reported(), owner_desk(rpc or [], book, key) as desk:
        yield desk


def perform(desk: Desk, made: Offer, manner: Manner) -> dict[str, Any] | None:
    """Shows the offer, asks, sends and reports; None after a dry run."""
    from queen_node.operator.sending import carry_out

    if manner.dry_run:
        document = made.document() | {"sent": False}
        emit(document, manner.as_json, lambda: print_document(document))
        return None
    output.say(made.remark())
    confirmed(f"{made.confirm_name} {made.confirm}", made.confirm, manner.no_input, manner.confirm)
    document = carry_out(desk.chain, made, output.say)
    emit(document, manner.as_json, lambda: print_pairs(_summary(document)))
    return document


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    """What is left to say after a line for each transaction."""
    told = {name: document[name] for name in ("what", "amount", "gas_used") if document[name] != ""}
    return told | {"cost": native_text(document["cost_wei"]), "transactions": len(document["transactions"])}


def print_document(document: dict[str, Any]) -> None:
    """Names and values, then each list of rows as a table; `--json` has more columns of transactions."""
    pairs = {key: value for key, value in document.items() if not isinstance(value, (list, dict)) and value != ""}
    print_pairs({key: "-" if value is None else value for key, value in pairs.items()})
    for key, value in document.items():
        if isinstance(value, dict) and value:
            output.console().print(f"{key}:")
            print_pairs({f"  {name}": inner for name, inner in value.items()})
        elif isinstance(value, list) and value:
            shown = [{name: row[name] for name in _SHOWN if name in row} for row in value] if key == _SENT else value
            print_rows(shown, key)


def print_rows(rows: list[Any], name: str = "") -> None:
    """Rows of equal keys as a table, anything else one a line."""
    if rows and all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        print_table(tuple(rows[0]), [tuple("-" if cell is None else cell for cell in row.values()) for row in rows])
        return
    for row in rows:
        output.console().print(f"{name}  {row}")
