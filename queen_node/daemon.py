"""`hive-queen run|check --config FILE`: the gateway daemon's command line."""

import argparse
import asyncio
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

from honey_edge.model.errors import HiveError
from queen_node.app import compose
from queen_node.settings import load, queen_signer

EXIT_REFUSED = 5


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; exit codes as in ui/README section 3."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="at=%(asctime)s level=%(levelname)s from=%(name)s event=%(message)s",
        stream=sys.stdout,
    )
    code = 0
    try:
        loaded = load(Path(options.config))
        if options.command == "check":
            queen_signer(loaded)
            _show(asdict(loaded.settings))
        else:
            asyncio.run(compose.run(loaded))
    except* HiveError as errors:
        code = EXIT_REFUSED
        for error in _flat(errors):
            hint = f" Next: {error.next_step}." if error.next_step else ""
            print(f"{error.code}: {error}.{hint} (hive help {error.code})", file=sys.stderr)
    return code


def _flat(errors: BaseExceptionGroup[HiveError]) -> list[HiveError]:
    found: list[HiveError] = []
    for error in errors.exceptions:
        found += _flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def parser() -> argparse.ArgumentParser:
    """The command line of the gateway daemon."""
    parser = argparse.ArgumentParser(prog="hive-queen", description="The gateway of a Hive.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, meaning in (("run", "run the daemon"), ("check", "check settings and keys, print what is in force")):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("--config", default=os.environ.get("HIVE_CONFIG", "queen.toml"), help="settings (TOML)")
    return parser


def _show(settings: dict[str, dict[str, object] | None]) -> None:
    for section, values in settings.items():
        if values is None:
            continue
        print(f"[{section}]")
        for name, value in values.items():
            print(f"{name} = {value!r}")


if __name__ == "__main__":
    sys.exit(main())
