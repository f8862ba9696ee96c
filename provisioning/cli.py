"""`hive-provision`: what an installer does once: commissioning a home, flashing a sensor head.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from drivers.errors import DriverError
from drivers.linux.modbus import SerialLine
from drivers.linux.ticks import MonotonicTicks
from honey_edge.model.errors import HiveError
from honey_edge.model.options import SettingsError
from provisioning import head
from provisioning.commission.command import add_command

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_PROG = "hive-provision"


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code."""
    options = parser().parse_args(words)
    try:
        code: int = options.command(options)
    except (HiveError, DriverError) as error:
        print(f"{_PROG}: {error.code}: {error}", file=sys.stderr)
        if isinstance(error, HiveError) and error.next_step:
            print(f"  next: {error.next_step}", file=sys.stderr)
        return USAGE if isinstance(error, SettingsError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def parser() -> argparse.ArgumentParser:
    """The installer's command line."""
    parser = argparse.ArgumentParser(prog=_PROG, description="What an installer does once.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_command(commands)
    _add_head(commands)
    return parser


def _add_head(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "sensor heads: the microcontroller at a metering chip"
    verbs = commands.add_parser("head", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    flash = verbs.add_parser("flash", help="put the program on a board", description="Put the program on a board.")
    flash.add_argument("--settings", required=True, metavar="FILE", help="the head's settings (TOML)")
    flash.add_argument("--new-key", action="store_true", help="make a new key even if the file holds one")
    flash.set_defaults(command=_flash)
    check = verbs.add_parser("check", help="see that a head answers", description="See that a head answers.")
    check.add_argument("--unit", type=int, default=1, help="Modbus unit number of the head")
    check.add_argument("--baud", type=int, default=19_200, help="speed of an RS485 line; USB does not care")
    check.add_argument("--fuse-w", type=int, default=69_000, help="what the connection's fuses let through, W")
    check.set_defaults(command=_check)
    for one in (flash, check):
        one.add_argument("--port", required=True, metavar="LINE", help="serial port such as /dev/ttyACM0")
        one.add_argument("--key-file", required=True, metavar="FILE", help="the head's key, kept for the Worker")
        one.add_argument("--json", action="store_true", help="print JSON")


def _flash(options: argparse.Namespace) -> int:
    settings = head.head_settings(Path(options.settings))
    key = head.make_key(Path(options.key_file), anew=options.new_key)
    count = head.flash(options.port, settings, key)
    told = {"port": options.port, "part": settings["part"], "serial": settings["serial"], "files": count}
    print(json.dumps(told) if options.json else f"{count} files are on the board at {options.port}; it starts anew")
    return DONE


def _check(options: argparse.Namespace) -> int:
    line = SerialLine(options.port, options.baud)
    seen = head.look(line, options.unit, head.read_key(Path(options.key_file)), options.fuse_w, MonotonicTicks())
    if options.json:
        print(json.dumps(asdict(seen)))
        return DONE
    print(f"board {seen.board}, start {seen.boot}: looks at its chip ({seen.first_sequence} to {seen.last_sequence})")
    print(f"power {'not measured' if seen.power_w is None else f'{seen.power_w:.0f} W'}, flags {seen.flags:#x}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
