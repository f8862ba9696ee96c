"""How commands speak: data on standard output, all else on standard error, errors as exit codes.

0 done; 1 unexpected; 2 wrong usage; 3 not reachable; 4 not found; 5 refused by a rule; 6 chain transaction failed;
7 partly done; 130 interrupted.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import slot_end_unix_s
from queen_node.operator.errors import NotConfirmed, NotFound

EXIT_USAGE, EXIT_UNREACHABLE, EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_CHAIN, EXIT_PARTLY = 2, 3, 4, 5, 6, 7
EXIT_INTERRUPTED = 130
_BY_CODE = {
    "E-STORE": EXIT_UNREACHABLE,
    "E-NOT-FOUND": EXIT_NOT_FOUND,
    "E-GRID-LIMIT": EXIT_NOT_FOUND,
    "E-PARTLY": EXIT_PARTLY,
    "E-INPUT": EXIT_USAGE,
}
#: Codes of the chain that say: the transaction itself went wrong.
_CHAIN_CODES = ("E-CHAIN-TX", "E-TX-")


def exit_code_of(error: HiveError) -> int:
    """The exit code for an error."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if error.transient:
        return EXIT_UNREACHABLE
    return EXIT_CHAIN if error.code.startswith(_CHAIN_CODES) else EXIT_REFUSED


@contextmanager
def reported() -> Iterator[None]:
    """Turns named errors inside into one line on standard error and their exit code."""
    try:
        yield
    except HiveError as error:
        hint = f"\n  next: {error.next_step}" if error.next_step else ""
        typer.echo(f"{error.code}: {error}{hint}\n  more: hive help {error.code}", err=True)
        raise typer.Exit(exit_code_of(error)) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(EXIT_INTERRUPTED) from error


def console() -> Console:
    """Standard output for tables: no highlighter, no colour unless it is a terminal that wants it."""
    return Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """A remark, on standard error."""
    typer.echo(text, err=True)


def emit(document: Any, as_json: bool, show: Callable[[], None]) -> None:
    """The document as JSON, or what `show` prints of it."""
    if as_json:
        typer.echo(json.dumps(document, indent=1, sort_keys=False))
    else:
        show()


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        console().print(f"{name:<{width}}  {value}")


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table, as wide as its cells: numbers to the right, nothing cut off."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    right = [bool(cells) and all(_is_number(row[k]) for row in cells) for k in range(len(titles))]
    for row in ([str(title) for title in titles], *cells):
        parts = [f"{cell:>{w}}" if r else f"{cell:<{w}}" for cell, w, r in zip(row, widths, right, strict=True)]
        console().print("  ".join(parts).rstrip())


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def slot_end_local(slot: int) -> str:
    """The end of a slot in local time, for a screen."""
    return datetime.fromtimestamp(slot_end_unix_s(slot), UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def slot_end_utc(slot: int) -> str:
    """The end of a slot in UTC, for machines."""
    return datetime.fromtimestamp(slot_end_unix_s(slot), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def coins(pico: int) -> str:
    """Pico-coins as coins with six decimals, rounded towards zero for the eye only."""
    sign, size = "-" if pico < 0 else "", abs(pico) // 10**6
    return f"{sign}{size // 10**6}.{size % 10**6:06d}"


__all__ = [
    "EXIT_CHAIN",
    "EXIT_INTERRUPTED",
    "EXIT_NOT_FOUND",
    "EXIT_PARTLY",
    "EXIT_REFUSED",
    "EXIT_UNREACHABLE",
    "EXIT_USAGE",
    "NotConfirmed",
    "NotFound",
    "coins",
    "console",
    "emit",
    "exit_code_of",
    "print_pairs",
    "print_table",
    "reported",
    "say",
    "slot_end_local",
    "slot_end_utc",
]
