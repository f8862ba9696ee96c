"""Options that several commands share, and the two ways in which a command opens what it works on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from queen_node.cli import output
from queen_node.settings import Loaded, load
from queen_node.store import Store

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="HIVE_CONFIG", help="The Queen's settings (TOML).", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable, on standard output.")]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never ask.")]
ConfirmOption = Annotated[str, typer.Option("--confirm", help="What would be typed to confirm.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Simulate and show gas and cost; send nothing.")]
RpcOption = Annotated[
    list[str] | None, typer.Option("--rpc", envvar="HIVE_RPC", help="JSON-RPC address of the chain; may be repeated.")
]
BookOption = Annotated[
    Path | None, typer.Option("--book", envvar="HIVE_BOOK", help="Address book that hive chain deploy has written.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", envvar="HIVE_KEY", help="Key file of the sender: 64 hex digits, mode 600.")
]
DEFAULT_CONFIG = Path("queen.toml")


def group(text: str) -> typer.Typer:
    """A noun with its verbs."""
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)


@contextmanager
def opened(config: Path) -> Iterator[tuple[Loaded, Store]]:
    """Settings and database, for the length of a command."""
    loaded = load(config)
    store = Store(loaded.store_url(), create=False)
    try:
        yield loaded, store
    finally:
        store.close()


def confirmed(what: str, expected: str, no_input: bool, given: str) -> None:
    """Wants `expected` typed; without a terminal only `--confirm` will do."""
    if not given and not no_input and sys.stdin.isatty():
        given = typer.prompt(f"Type {what} to go on", err=True)
    if given != expected:
        raise output.NotConfirmed(f"not confirmed: {what} was not given", next_step=f"add --confirm {expected}")
