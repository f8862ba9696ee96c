"""`hive-provision commission`: opens the meter of the Worker's settings, and leads through the steps.

It looks through the very drivers and settings that the daemon will use, so it opens the meter as the daemon does; the
daemon itself must be stopped meanwhile, because a bus has one master.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from drivers.linux.ticks import MonotonicTicks
from honey_edge.model.errors import HiveError
from provisioning.commission.means import Meter
from provisioning.commission.session import Session, Site
from provisioning.commission.talk import Console, JsonLines, Talk
from worker_node.app.hardware import open_hardware
from worker_node.app.live import NotRunning, ask_daemon
from worker_node.app.parts import read_identity
from worker_node.app.sign_test import sign_test
from worker_node.settings import WorkerSettings, load_settings


class DaemonInTheWay(HiveError):
    """The daemon reads the meter now."""

    code = "E-COMMISSION-BUSY"


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds it to the installer's command line."""
    text = "find wrong wires, calibrate, and sign what was found; goes on where it stopped"
    one = commands.add_parser("commission", help=text, description=text)
    one.add_argument("--config", default="/etc/hive/worker.toml", help="settings file of the Worker (TOML)")
    one.add_argument("--json", action="store_true", help="questions and findings as JSON lines, answers from input")
    one.set_defaults(command=lambda options: commission(options, sys.stdin, sys.stdout))


def commission(options: argparse.Namespace, source: TextIO, sink: TextIO) -> int:
    """Runs the steps that are not done yet; 0 when the record is signed. Raises HiveError, DriverError."""
    talk: Talk = JsonLines(source, sink) if options.json else Console(source, sink)
    file = Path(options.config)
    settings = load_settings(file)
    _require_alone(settings)
    who = read_identity(settings)
    site = Site(
        file=file,
        open_meter=open_meter,
        clock=MonotonicTicks(),
        talk=talk,
        signer=who.signer,
        now_unix_s=lambda: int(time.time()),
        sign_test=lambda file: _tested(file, talk),
    )
    Session(site, settings).run()
    return 0


def open_meter(settings: WorkerSettings) -> tuple[Meter, Callable[[], None]]:
    """The meter's driver as the daemon would open it, and what gives its bus back. Raises DriverError."""
    hardware = open_hardware(settings, time.time, None)
    return hardware.meter, hardware.close


def _tested(file: Path, talk: Talk) -> bool:
    record = sign_test(load_settings(file), household_agrees=True, say=lambda text: talk.tell("battery", f"  {text}"))
    return record.passed


def _require_alone(settings: WorkerSettings) -> None:
    """Raises DaemonInTheWay."""
    try:
        ask_daemon(settings)
    except NotRunning:
        return
    raise DaemonInTheWay(
        "the Worker's daemon reads this meter now",
        next_step="stop it (systemctl stop hive-worker), then run this again",
    )
