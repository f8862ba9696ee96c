"""What the vector rows of both ADE chips share: the site out of the arguments, register words, frames."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from drivers._vectors_row import Row, SkippedRow
from drivers.chips.ade_site import Site, ct_with_burden, ct_with_voltage, make_site


def site_of(row: Row, most_pga: int) -> Site:
    """The site that the arguments describe; what a quantity does not need may be missing."""
    args = row.args
    pga = int(args.get("pga", "1"))
    ohms = tuple(int(Fraction(args.get(name, default)) * 1000) for name, default in (("r1_ohm", "0"), ("r2_ohm", "1")))
    if "mv_per_a" in args:
        sensor = ct_with_voltage(int(Fraction(args["mv_per_a"]) * 1_000_000))
    else:
        ratio, burden = args.get("ct_ratio", "1"), args.get("burden_ohm", "1")
        sensor = ct_with_burden(int(ratio), int(Fraction(burden) * 1000))
    # One amplification in a row stands for the channel that the row is about; powers are shown at 1.
    current = "RMS" in "".join(row.inputs) and any("I" in name for name in row.inputs)
    voltage = any("VRMS" in name for name in row.inputs)
    return make_site(
        (ohms[0], ohms[1]), sensor, pga if voltage or not current else 1, pga if current or not voltage else 1, most_pga
    )


def word(row: Row, name: str) -> int:
    """A register word of the inputs. Raises ValueError beyond 32 bits, KeyError when missing."""
    value = int(row.inputs[name], 0)
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(f"{name}={value} is no register word")
    return value


def request_bytes(row: Row, read: Callable[[int], bytes], write: Callable[[int, int], bytes]) -> str:
    """A request as it goes over the wire, by the driver's own frames. Raises SkippedRow for other quantities."""
    address = word(row, "address")
    if row.quantity == "write request":
        return write(address, word(row, "value")).hex(" ").upper()
    if row.quantity == "read request":
        return read(address).hex(" ").upper()
    raise SkippedRow(row.quantity)


def answer_bytes(row: Row) -> bytes:
    """The bytes of an answer."""
    return bytes.fromhex(row.inputs["bytes"].replace("-", ""))
