"""A Modbus meter as data: which register holds what. A new meter is a new file, not a new class.

The file (TOML, see docs/hardware/modbus-profiles.md; `drivers.linux.modbus_profiles` reads it) becomes a
MeterProfile here, or a ProfileError that names the file, the key, what was wrong and what to write instead.

    MeterProfile(name, title, function, low_word_first, blocks, energy_blocks, points, identify, baud)
    Point(address, kind, decimals, unit)     value = number in the registers / 10**decimals, in `unit`
    Identity(address, low, high)             a register that must hold low..high, else it is another meter

Portable: CPython and MicroPython.
"""

from collections import namedtuple

from drivers.errors import DriverError

FORMAT = 1
MOST_REGISTERS = 125
KINDS = {"float32": 2, "int32": 2, "uint32": 2, "int16": 1, "uint16": 1, "int64": 4, "uint64": 4}
"""Registers that a value of a kind takes."""
ENERGY_UNITS = {"Wh": 3, "kWh": 6}
"""Power of ten from a unit of energy to milliwatt-hours."""
IMPORT, EXPORT = "import_active_energy", "export_active_energy"
MOST_DECIMALS = 6
LOWEST_BAUD, HIGHEST_BAUD = 1200, 115200

MeterProfile = namedtuple(
    "MeterProfile",
    ("name", "title", "function", "low_word_first", "blocks", "energy_blocks", "points", "identify", "baud"),
)
Point = namedtuple("Point", ("address", "kind", "decimals", "unit"))
Identity = namedtuple("Identity", ("address", "low", "high"))

# Fields of a sample: for each place of the tuple the points that may fill it, the first one present counts.
FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "power_w": (
        ("active_power_total", "active_power"), ("active_power_L1", "active_power"),
        ("active_power_L2",), ("active_power_L3",),
    ),
    "reactive_power_var": (
        ("reactive_power_total", "reactive_power"), ("reactive_power_L1", "reactive_power"),
        ("reactive_power_L2",), ("reactive_power_L3",),
    ),
    "power_factor": (
        ("power_factor_total", "power_factor"), ("power_factor_L1", "power_factor"),
        ("power_factor_L2",), ("power_factor_L3",),
    ),
    "voltage_v": (("voltage_L1", "voltage"), ("voltage_L2",), ("voltage_L3",)),
    "current_a": (("current_L1", "current"), ("current_L2",), ("current_L3",)),
    "phase_import": ((IMPORT + "_L1",), (IMPORT + "_L2",), (IMPORT + "_L3",)),
    "phase_export": ((EXPORT + "_L1",), (EXPORT + "_L2",), (EXPORT + "_L3",)),
}  # fmt: skip

_KEYS = ("format", "title", "function", "word_order", "type", "blocks", "points", "identify", "baud", "verified")
_POINT_KEYS = ("at", "type", "decimals", "unit")
_UNITS = {
    "voltage": ("V",), "current": ("A",), "neutral_current": ("A",), "active_power": ("W",),
    "reactive_power": ("var",), "apparent_power": ("VA",), "power_factor": ("1",), "phase_angle": ("deg",),
    "frequency": ("Hz",), "import_active": ("Wh", "kWh"), "export_active": ("Wh", "kWh"),
}  # fmt: skip


class ProfileError(DriverError):
    """A meter profile that cannot be used; the message names the profile, the key and what to write."""

    code = "DRV-PROFILE"


def profile_from(name: str, table: dict[str, object]) -> MeterProfile:
    """Return the profile that a parsed file describes. Raises ProfileError."""
    for key in table:
        if key not in _KEYS:
            raise _wrong(name, key, "is not a key of a profile", f"use {', '.join(_KEYS)}")
    if table.get("format") != FORMAT:
        raise _wrong(name, "format", f"is {table.get('format')}", f"write format = {FORMAT}")
    title = table.get("title")
    if not isinstance(title, str) or not title:
        raise _wrong(name, "title", "is missing", "write the maker's name of the meter")
    function = _whole(name, "function", table.get("function"), 3, 4)
    order = table.get("word_order", "high-first")
    if order not in ("high-first", "low-first"):
        raise _wrong(name, "word_order", f"is {order!r}", 'write "high-first" or "low-first"')
    points = _points(name, table)
    blocks = _blocks(name, table.get("blocks"))
    _check_cover(name, points, blocks)
    return MeterProfile(
        name=name,
        title=title,
        function=function,
        low_word_first=order == "low-first",
        blocks=blocks,
        energy_blocks=_energy_blocks(points, blocks),
        points=points,
        identify=_identities(name, table.get("identify", [])),
        baud=_whole(name, "baud", table.get("baud", 9600), LOWEST_BAUD, HIGHEST_BAUD),
    )


def _wrong(name: str, key: str, what: str, instead: str) -> ProfileError:
    return ProfileError(f"meter profile {name}: {key} {what}; {instead}")


def _whole(name: str, key: str, value: object, low: int, high: int) -> int:
    """An integer within limits."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(name, key, f"is {value!r}", f"write a whole number from {low} to {high}")
    return value


def _points(name: str, table: dict[str, object]) -> dict[str, Point]:
    """All points; both energy totals and the total power must be among them."""
    given = table.get("points")
    if not isinstance(given, dict):
        raise _wrong(name, "points", "is missing", "write a table [points]")
    points = {}
    for key in given:
        points[key] = _point(name, key, given[key], table.get("type"))
    for needed in (IMPORT, EXPORT):
        if needed not in points:
            raise _wrong(name, "points." + needed, "is missing", "both totals are settled, a profile needs them")
    if "active_power_total" not in points and "active_power" not in points:
        raise _wrong(name, "points.active_power_total", "is missing", "add it (one phase: active_power)")
    return points


def _point(name: str, key: str, given: object, default_kind: object) -> Point:
    """One point of the table."""
    place = "points." + key
    if not isinstance(given, dict):
        raise _wrong(name, place, f"is {given!r}", 'write { at = 72, unit = "kWh" }')
    for word in given:
        if word not in _POINT_KEYS:
            raise _wrong(name, place, f"has the key {word!r}", f"use {', '.join(_POINT_KEYS)}")
    kind = given.get("type", default_kind)
    if kind not in KINDS:
        raise _wrong(name, place + ".type", f"is {kind!r}", f"use one of {', '.join(sorted(KINDS))}")
    decimals = _whole(name, place + ".decimals", given.get("decimals", 0), 0, MOST_DECIMALS)
    if kind == "float32" and decimals:
        raise _wrong(name, place + ".decimals", "does not go with float32", "leave it out")
    address = _whole(name, place + ".at", given.get("at"), 0, 0x10000 - KINDS[kind])
    unit = given.get("unit", "")
    for start in _UNITS:
        if key.startswith(start) and unit not in _UNITS[start]:
            raise _wrong(name, place + ".unit", f"is {unit!r}", f"use {' or '.join(_UNITS[start])}")
    return Point(address, kind, decimals, unit)


def _blocks(name: str, given: object) -> tuple[tuple[int, int], ...]:
    """Requests of a read: first register and number of registers."""
    if not isinstance(given, list) or not given:
        raise _wrong(name, "blocks", "is missing", "write blocks = [[first register, number], ...]")
    blocks = []
    for block in given:
        if not isinstance(block, list) or len(block) != 2:
            raise _wrong(name, "blocks", f"holds {block!r}", "write [first register, number]")
        first = _whole(name, "blocks", block[0], 0, 0xFFFF)
        blocks.append((first, _whole(name, "blocks", block[1], 1, min(MOST_REGISTERS, 0x10000 - first))))
    return tuple(blocks)


def _inside(point: Point, blocks: tuple[tuple[int, int], ...]) -> bool:
    end = point.address + KINDS[point.kind]
    return any(first <= point.address and end <= first + count for first, count in blocks)


def _check_cover(name: str, points: dict[str, Point], blocks: tuple[tuple[int, int], ...]) -> None:
    """Every point that a sample is made of must be asked for, whole, by one of the blocks."""
    wanted = [IMPORT, EXPORT, "frequency"]
    for places in FIELDS.values():
        for names in places:
            wanted += list(names)
    for key in wanted:
        if key in points and not _inside(points[key], blocks):
            raise _wrong(name, "blocks", f"do not hold points.{key} whole", "widen a block or take the point out")


def _energy_blocks(points: dict[str, Point], blocks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The least that tells both totals: one request if a block holds both, else one for each."""
    first, last = sorted((points[IMPORT], points[EXPORT]), key=lambda point: point.address)
    count = last.address + KINDS[last.kind] - first.address
    for start, length in blocks:
        if start <= first.address and first.address + count <= start + length:
            return ((first.address, count),)
    return ((first.address, KINDS[first.kind]), (last.address, KINDS[last.kind]))


def _identities(name: str, given: object) -> tuple[Identity, ...]:
    """Registers that tell this meter from its relatives."""
    if not isinstance(given, list):
        raise _wrong(name, "identify", f"is {given!r}", "write [[identify]] with at, low and high")
    found = []
    for entry in given:
        if not isinstance(entry, dict) or sorted(entry) != ["at", "high", "low"]:
            raise _wrong(name, "identify", f"holds {entry!r}", "write at, low and high")
        address = _whole(name, "identify.at", entry["at"], 0, 0xFFFF)
        low = _whole(name, "identify.low", entry["low"], 0, 0xFFFF)
        found.append(Identity(address, low, _whole(name, "identify.high", entry["high"], low, 0xFFFF)))
    return tuple(found)
