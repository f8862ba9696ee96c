"""The installer's commands of `hive-worker`: `show --live`, `battery sign-test`, `battery letgo` and `scan`.

Loaded only when one of them is asked for; a scan never runs in the daemon, nor beside one on the same line.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from honey_edge.model.errors import HiveError
from honey_edge.model.options import SettingsError
from worker_node.app.live import ask_daemon, daemon_runs, live_lines
from worker_node.app.sign_test import let_go, sign_test
from worker_node.settings import WorkerSettings, load_settings

DONE, FAILED = 0, 1


class ScanRefused(HiveError):
    """The line is in use."""

    code = "E-SCAN"


def show_live(settings: WorkerSettings, options: argparse.Namespace) -> int:
    """What the running daemon reads now. Raises NotRunning."""
    document = ask_daemon(settings)
    print(json.dumps(document) if options.json else "\n".join(live_lines(document)))
    return DONE


def run_sign_test(settings: WorkerSettings, options: argparse.Namespace) -> int:
    """The guided sign test; 1 when the meter did not follow."""

    def say(text: str) -> None:
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    record = sign_test(settings, household_agrees=options.household_agrees, say=say)
    if options.json:
        print(json.dumps(asdict(record)))
    return DONE if record.passed else FAILED


def run_let_go(settings: WorkerSettings, options: argparse.Namespace) -> int:
    """The process that lets go, until a signal."""
    return let_go(settings)


def scan(options: argparse.Namespace) -> int:
    """Units on a serial line; 1 when there is none, 2 when the line cannot be used."""
    from drivers.linux.modbus_scan import main, units_of

    try:
        units_of(options.units or "1")
    except ValueError as error:
        raise SettingsError(f"--units {options.units}: write one such as 3, or a range within 1-247") from error
    file = Path(options.config)
    if file.exists():
        _refuse_beside_a_daemon(load_settings(file), options.port)
    words = [options.port]
    return main([*words, "--units", options.units] if options.units else words)


def _refuse_beside_a_daemon(settings: WorkerSettings, port: str) -> None:
    """A scan disturbs every other master: nothing is sent on a line that a running daemon uses."""
    used = [settings.meter.serial_port] if settings.meter.kind.startswith("modbus-rtu:") else []
    if settings.battery is not None and settings.battery.kind == "sunspec-rtu":
        used.append(settings.battery.serial_port)
    if Path(port).resolve() in [Path(one).resolve() for one in used] and daemon_runs(settings):
        raise ScanRefused(f"{port}: the running daemon uses this line", next_step="stop the daemon, then scan")
