"""Lets a battery go when the daemon is gone: `python -m drivers.linux.modbus_letgo --feed SOCKET --profile NAME ...`.

For inverters that keep a command for ever (profiles with `lets_go = "host"`). A process of its own, started by the
service manager before the daemon. The daemon connects to the socket and sends any byte at least every `--patience`
seconds while it commands. When the connection ends (also by SIGKILL) or stays silent, this process writes automatic
and repeats until the device kept it; then it waits for the next connection. Exit code 2: unusable settings.
"""

import argparse
import logging
import socket
import sys
import time
from pathlib import Path

from drivers.errors import DriverError
from drivers.linux.modbus import LinuxModbus, SerialLine, open_serial, open_tcp
from drivers.linux.modbus_profiles import load_control_profile
from drivers.linux.modbus_sunspec_tables import tables
from drivers.linux.ticks import MonotonicTicks
from drivers.modbus.sunspec import scan
from drivers.modbus.sunspec_control import BatteryControl, Limits
from drivers.modbus.sunspec_inverter import SunSpecInverter
from drivers.modbus.sunspec_profile import ControlProfile

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 15.0
_AGAIN_S = 2.0
_NOBODY_COMMANDS = Limits(0, 0.0, 100.0)


def wait_until_gone(listener: socket.socket, patience_s: float) -> None:
    """Return when a feeder that had connected is gone or silent for too long."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(patience_s)
        try:
            while connection.recv(64):
                pass
            _LOG.warning("daemon_gone")
        except TimeoutError:
            _LOG.warning("daemon_silent seconds=%g", patience_s)
        except ConnectionError as error:
            _LOG.warning("daemon_gone reason=%r", str(error))


def let_go(device: LinuxModbus, profile: ControlProfile) -> None:
    """Write automatic where the device does not hold it, and read it back. Raises DriverError."""
    clock = MonotonicTicks()
    inverter = SunSpecInverter(device, clock, scan(device), tables())
    control = BatteryControl(device, clock, inverter, profile, _NOBODY_COMMANDS, None)
    if not control.is_automatic():
        control.release()


def let_go_surely(device: LinuxModbus, profile: ControlProfile) -> None:
    """Write automatic until the device kept it."""
    said = False
    while True:
        try:
            let_go(device, profile)
        except DriverError as error:
            if not said:
                _LOG.warning("letting_go_failed reason=%r", str(error))
            said = True
            time.sleep(_AGAIN_S)
        else:
            _LOG.warning("let_go profile=%s", profile.name)
            return


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="modbus_letgo", description="Lets a battery go when the daemon is gone.")
    parser.add_argument("--feed", type=Path, required=True, help="path of the socket that the daemon feeds")
    parser.add_argument("--profile", required=True, help="control profile, a name or a .toml file")
    parser.add_argument("--host", default="", help="Modbus TCP host")
    parser.add_argument("--port", type=int, default=502)
    parser.add_argument("--serial", default="", help="serial line instead of TCP")
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N")
    parser.add_argument("--unit", type=int, default=1)
    parser.add_argument("--patience", type=float, default=_PATIENCE_S, help="seconds of silence that mean gone")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Serve until ended by a signal."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    given = arguments(sys.argv[1:] if words is None else words)
    try:
        profile = load_control_profile(given.profile)
        if given.serial:
            device = open_serial(SerialLine(given.serial, given.baud, given.parity), device_id=given.unit)
        else:
            device = open_tcp(given.host, given.port, device_id=given.unit)
    except DriverError as error:
        print(f"modbus_letgo: {error}", file=sys.stderr)
        return 2
    given.feed.unlink(missing_ok=True)
    with device, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(given.feed))
        given.feed.chmod(0o660)
        listener.listen(1)
        print("ready", flush=True)
        while True:
            wait_until_gone(listener, given.patience)
            let_go_surely(device, profile)
            device.close()


if __name__ == "__main__":
    sys.exit(main())
