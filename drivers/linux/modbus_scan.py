"""Finds units on a serial line for an installer: `python -m drivers.linux.modbus_scan /dev/ttyUSB0 [--units 1-10]`.

Tries {2400, 4800, 9600, 19200, 38400} baud x {N, E} x {1, 2} stop bits. Any answer with a right checksum is a unit, a
refusal too. Never part of the daemon: a scan disturbs every other master on the line, so the Worker must be stopped.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from drivers.errors import BusFault, DriverError, WrongChip
from drivers.linux.modbus import SerialLine
from drivers.linux.modbus_rtu import RtuPort, RtuUnit
from drivers.modbus.sunspec import BASES, HOLDING, MARKER

BAUDS = (9_600, 2_400, 19_200, 4_800, 38_400)
PARITIES: tuple[Literal["N", "E"], ...] = ("N", "E")
STOP_BITS: tuple[Literal[1, 2], ...] = (1, 2)
TIMEOUT_S = 0.4
_FIRST_INPUT = (4, 0)


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A unit that answered, with the line's settings, and whether it speaks SunSpec."""

    line: SerialLine
    unit: int
    sunspec: bool


def lines_of(port: str) -> Iterator[SerialLine]:
    """Every setting of a line worth trying, the likely ones first."""
    for baud in BAUDS:
        for parity in PARITIES:
            for stop_bits in STOP_BITS:
                yield SerialLine(port, baud, parity, stop_bits)


def answers(device: RtuUnit, function: int, address: int) -> list[int] | None:
    """Two registers; empty when the unit is there and refuses, None when nobody answers."""
    try:
        return device.read(function, address, 2)
    except WrongChip:
        return []
    except BusFault as error:
        return [] if "exception" in str(error) else None


def scan_line(lines: Iterable[SerialLine], units: Iterable[int], timeout_s: float = TIMEOUT_S) -> Iterator[FoundUnit]:
    """Units that answer. Raises BusFault when the line itself cannot be opened."""
    wanted = list(units)
    for line in lines:
        with RtuPort(line) as port:
            port.timeout_s = timeout_s
            for number in wanted:
                device = RtuUnit(port, number)
                if answers(device, *_FIRST_INPUT) is not None:
                    yield FoundUnit(line, number, any(answers(device, HOLDING, base) == MARKER for base in BASES))


def units_of(text: str) -> range:
    """`3` or `1-10`. Raises ValueError."""
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found or found[0] < 1 or found[-1] > 247:
        raise ValueError(f"units {text!r} must lie within 1-247")
    return found


def main(words: list[str] | None = None) -> int:
    """Print every unit found; 1 when there is none, 2 when the line cannot be used."""
    parser = argparse.ArgumentParser(prog="modbus_scan", description="Finds Modbus units; stop the Worker first.")
    parser.add_argument("port")
    parser.add_argument("--units", type=units_of, default=range(1, 2), help="such as 1 (the default) or 1-10")
    given = parser.parse_args(words)
    count = 0
    try:
        for found in scan_line(lines_of(given.port), given.units):
            count += 1
            line, kind = found.line, "SunSpec" if found.sunspec else "Modbus"
            print(
                f"unit {found.unit}: {line.baud} baud, parity {line.parity}, {line.stop_bits} stop, {kind}", flush=True
            )
    except DriverError as error:
        print(f"modbus_scan: {error}", file=sys.stderr)
        return 2
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
