"""What a head keeps in its flash: settings, its key, and how often it started. Portable.

    settings = read_settings("head.json")       names, ranges and wiring; HeadSettingsError says what is wrong
    boot = next_boot("boot.txt")                one more than ever before, written before it is used

The boot count is written to a new file that then takes the old one's place, and both are read: a power cut between
the two leaves the higher number, so that (boot, sequence) never falls.
"""

import json
import os

from drivers.errors import DriverError
from drivers.head.block import KEY_BYTES

PARTS = {"atm90e32as": 1, "ade7878": 2, "ade9000": 3}
PORTS = ("usb", "uart")
_FRESH = ".new"
_MOST_BOOTS = 0xFFFFFFFF


class HeadSettingsError(DriverError):
    """The head's files cannot be used."""

    code = "DRV-HEAD"


def read_settings(file: str) -> dict:  # type: ignore[type-arg]
    """Return the settings: part, chip (settings of its driver), bus (pins), port, unit, serial."""
    try:
        with open(file) as stream:
            table = json.load(stream)
    except (OSError, ValueError) as error:
        raise HeadSettingsError("head: " + file + " cannot be read: " + str(error) + "; flash the head again")
    if not isinstance(table, dict):
        raise HeadSettingsError("head: " + file + " is no table")
    for name in ("part", "chip", "bus", "port", "unit", "serial"):
        if name not in table:
            raise HeadSettingsError("head: " + file + ": " + name + " is missing; flash the head again")
    if table["part"] not in PARTS:
        raise HeadSettingsError("head: part " + str(table["part"]) + " is not one of " + ", ".join(sorted(PARTS)))
    port = table["port"]
    if not isinstance(port, dict) or port.get("kind") not in PORTS:
        raise HeadSettingsError("head: port.kind is not one of " + ", ".join(PORTS))
    unit = table["unit"]
    if not isinstance(unit, int) or not 1 <= unit <= 247:
        raise HeadSettingsError("head: unit " + str(unit) + " is outside 1..247")
    return table


def read_key(file: str) -> bytes:
    """Return the head's key: 64 hex digits in a file. Raises HeadSettingsError."""
    try:
        with open(file) as stream:
            text = stream.read().strip()
        key = bytes([int(text[place : place + 2], 16) for place in range(0, len(text), 2)])
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise HeadSettingsError("head: " + file + " holds no key of 64 hex digits; provision the head again")
    return key


def next_boot(file: str) -> int:
    """Return the number of this start, written to flash before it is used. Raises HeadSettingsError."""
    boot = max(_number(file), _number(file + _FRESH)) + 1
    if boot > _MOST_BOOTS:
        raise HeadSettingsError("head: it started more often than it can count; provision it as a new head")
    with open(file + _FRESH, "w") as stream:
        stream.write(str(boot))
        stream.flush()
    os.rename(file + _FRESH, file)
    return boot


def _number(file: str) -> int:
    """The number in a file; 0 where there is none or a torn one."""
    try:
        with open(file) as stream:
            text = stream.read()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
