"""A device's chain of SunSpec models: found by scanning, read with its scale factors in the same request.

    base  "SunS"        base+2  model, length L, L registers    next model ...    0xFFFF, 0: the end

The base is 40000, else 0, else 50000 (protocol addresses, function 3). Neither order nor addresses are assumed; the
first model must be 1. value = raw * 10**scale factor. Whatever of a chain does not add up is refused by name. Source:
reference/sunspec.md. Portable: CPython and MicroPython; the tables come from `drivers.linux.modbus_sunspec_tables`.
"""

import struct
from collections import namedtuple

from drivers.bus import ModbusDevice
from drivers.errors import BusFault, RegistersLost, WrongChip
from drivers.modbus.registers import scaled_by_ten, words_of
from drivers.modbus.sunspec_values import WIDTHS, raw_of, scale_of, text_of

BASES = (40000, 0, 50000)
MARKER = [0x5375, 0x6E53]
END = 0xFFFF
HOLDING = 3
MOST_READ = 125
MOST_MODELS = 100
HEADER = 2

Found = namedtuple("Found", ("model", "address", "length"))
"""A model in a chain: its number, the address of its ID register, and how many registers follow the two words."""
Table = namedtuple("Table", ("model", "root"))
Group = namedtuple("Group", ("name", "count", "members"))
TablePoint = namedtuple("TablePoint", ("name", "kind", "registers", "scale", "writable", "symbols"))
Placed = namedtuple("Placed", ("offset", "point", "value"))
"""A point of a model that was read: offset from its ID register, its table entry, raw integer, text or None."""


def scan(device: ModbusDevice) -> list[Found]:
    """Return the chain of models. Raises WrongChip if there is none or it is broken, BusFault from the device."""
    base = _find_base(device)
    address = base + HEADER
    chain: list[Found] = []
    while len(chain) < MOST_MODELS:
        if address > 0xFFFE:
            raise WrongChip(f"SunSpec chain of {len(chain)} models runs over the last register; its lengths are wrong")
        model, length = device.read(HOLDING, address, HEADER)
        if model == END:
            if not chain:
                raise WrongChip(f"SunSpec chain at {base} is empty; the device offers no model")
            return chain
        if not chain and model != 1:
            raise WrongChip(f"SunSpec chain at {base} begins with model {model}, not 1; not a SunSpec device")
        chain.append(Found(model, address, length))
        address += HEADER + length
    raise WrongChip(f"SunSpec chain at {base} has no end within {MOST_MODELS} models; its lengths are wrong")


def _find_base(device: ModbusDevice) -> int:
    """The first base with the marker. A refusal there means another base; a dead bus stays a BusFault."""
    for base in BASES:
        try:
            if device.read(HOLDING, base, 2) == MARKER:
                return base
        except WrongChip:
            continue
    raise WrongChip("no SunSpec marker at 40000, 0 or 50000; check unit number, and whether SunSpec is switched on")


def find(chain: list[Found], *models: int) -> "Found | None":
    """Return the first model of a chain that is one of `models`, in the order given; None if there is none."""
    for model in models:
        for found in chain:
            if found.model == model:
                return found
    return None


class Values:
    """The points of one model as read. Names of repeating groups carry their number: `Prt[0].DCW`."""

    def __init__(self, found: Found, points: dict[str, Placed]) -> None:
        """Keep what was read."""
        self.found = found
        self.points = points

    def raw(self, name: str) -> "int | None":
        """A raw number; None if the device does not implement the point."""
        placed = self.points.get(name)
        return placed.value if placed is not None and isinstance(placed.value, int) else None

    def text(self, name: str) -> str:
        """A string; empty if it is not implemented."""
        placed = self.points.get(name)
        return placed.value if placed is not None and isinstance(placed.value, str) else ""

    def scale(self, name: str) -> int:
        """The power of ten of a point. Raises ValueOutOfRange for a scale factor that is missing or impossible."""
        scale = self.points[name].point.scale
        if not scale:
            return 0
        if scale[0] == "-" or scale[0] in "0123456789":
            return int(scale)
        return scale_of(self.raw(scale))

    def scaled(self, name: str, power: int) -> "int | None":
        """A value in units of 10**-power (3: thousandths), exact to the nearest; None if it is not implemented."""
        raw = self.raw(name)
        if raw is None:
            return None
        return scaled_by_ten(raw, self.scale(name) + power)

    def number(self, name: str) -> "float | None":
        """A value for people and control; None if it is not implemented."""
        raw = self.raw(name)
        if raw is None:
            return None
        if self.points[name].point.kind == "float32":
            return float32_value(raw)
        scale = self.scale(name)
        return float(raw * 10**scale) if scale >= 0 else raw / 10**-scale

    def symbol(self, name: str) -> str:
        """The word for an enumeration's value, the number as text if it has none, empty if not implemented."""
        raw = self.raw(name)
        if raw is None:
            return ""
        word: str = self.points[name].point.symbols.get(raw, str(raw))
        return word


def float32_value(bits: int) -> float:
    """Return the value of 32 bits of a float."""
    value: float = struct.unpack(">f", struct.pack(">I", bits))[0]
    return value


def read_model(device: ModbusDevice, found: Found, table: Table) -> Values:
    """Read a whole model. Raises RegistersLost if the chain moved.

    Up to 125 registers come in one request; of the tables here only 701's text and the curves and ports of 705 to 714
    reach beyond, and their scale factors lie before them.
    """
    words = _read_words(device, found)
    points: dict[str, Placed] = {}
    _decode(table.root, words, 0, "", points, points)
    return Values(found, points)


def _read_words(device: ModbusDevice, found: Found) -> list[int]:
    total = HEADER + found.length
    words: list[int] = []
    while len(words) < total:
        count = min(MOST_READ, total - len(words))
        answer = device.read(HOLDING, found.address + len(words), count)
        if len(answer) != count:
            raise BusFault(f"model {found.model}: {len(answer)} registers, {count} asked for")
        if not words and answer[:HEADER] != [found.model, found.length]:
            raise RegistersLost(
                f"register {found.address} holds {answer[:HEADER]}, not model {found.model} of {found.length}; "
                "the device's models moved, scan it again"
            )
        words += answer
    return words


def _decode(
    group: Group, words: list[int], offset: int, prefix: str, points: dict[str, Placed], outer: dict[str, Placed]
) -> int:
    """Put a group's points, found from `offset` on, into `points`; returns the offset behind it."""
    for member in group.members:
        if isinstance(member, TablePoint):
            taken = words[offset : offset + member.registers]
            if len(taken) == member.registers:
                value = text_of(taken) if member.kind == "string" else _number(taken, member)
                points[prefix + member.name] = Placed(offset, member, value)
            offset += member.registers
            continue
        for number in range(_repetitions(member, words, offset, outer)):
            offset = _decode(member, words, offset, prefix + member.name + "[" + str(number) + "].", points, outer)
    return offset


def _number(words: list[int], point: TablePoint) -> "int | None":
    return raw_of(words, point.kind) if point.kind in WIDTHS else None


def _repetitions(group: Group, words: list[int], offset: int, points: dict[str, Placed]) -> int:
    """How often a group repeats: a point's value, or what fits; never more than fits."""
    size: int = max(1, sum([member.registers for member in group.members if isinstance(member, TablePoint)]))
    room: int = max(0, (len(words) - offset) // size)
    if group.count in points:
        told = points[group.count].value
        if not isinstance(told, int):
            return 0
        return room if told > room else told
    if group.count == "0":
        return room
    return min(room, int(group.count)) if group.count.isdigit() else 0


def write_raw(device: ModbusDevice, values: Values, name: str, raw: int) -> None:
    """Write one point's raw value. Raises what the device raises, ValueOutOfRange if it does not fit."""
    placed = values.points[name]
    device.write(values.found.address + placed.offset, words_of(raw, placed.point.registers))
