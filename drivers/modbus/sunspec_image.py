"""Models as registers: what a SunSpec server or emulator holds. Portable.

`encode_model` lays raw values out by a model's table; whatever is not given reads as not implemented. `encode_chain`
puts the marker before and the end after. Repeating groups are given by `Prt[0].DCW` and so on.
"""

from drivers.errors import ValueOutOfRange
from drivers.modbus.registers import words_of
from drivers.modbus.sunspec import END, HEADER, MARKER, Group, Table, TablePoint
from drivers.modbus.sunspec_values import WIDTHS, not_implemented_raw, words_of_text


def encode_model(table: Table, values: "dict[str, int | str]") -> tuple[list[int], dict[str, int]]:
    """Return a model's registers with ID and length, and each point's offset from the ID register.

    Raises ValueOutOfRange for a name that the model lacks or a value that does not fit.
    """
    words: list[int] = []
    offsets: dict[str, int] = {}
    _encode(table.root, values, "", words, offsets)
    for name in values:
        if name not in offsets:
            raise ValueOutOfRange(f"SunSpec model {table.model} has no point {name}")
    words[0], words[1] = table.model, len(words) - HEADER
    return words, offsets


def encode_chain(
    base: int, models: "list[tuple[Table, dict[str, int | str]]]"
) -> "tuple[dict[int, int], list[dict[str, int]]]":
    """Return address -> word of a whole chain, and for each model the address of each point."""
    words = list(MARKER)
    places = []
    for table, values in models:
        start = base + len(words)
        encoded, offsets = encode_model(table, values)
        places.append({name: start + offset for name, offset in offsets.items()})
        words += encoded
    words += [END, 0]
    return {base + k: word for k, word in enumerate(words)}, places


def _encode(
    group: Group, values: "dict[str, int | str]", prefix: str, words: list[int], offsets: dict[str, int]
) -> None:
    """Append a group's registers."""
    for member in group.members:
        if isinstance(member, TablePoint):
            offsets[prefix + member.name] = len(words)
            words += _point_words(member, values.get(prefix + member.name))
            continue
        number = 0
        while any(name.startswith(f"{prefix}{member.name}[{number}].") for name in values):
            _encode(member, values, f"{prefix}{member.name}[{number}].", words, offsets)
            number += 1


def _point_words(point: TablePoint, value: "int | str | None") -> list[int]:
    """One point's registers."""
    if point.kind == "string" or isinstance(value, str):
        return words_of_text(str(value or ""), point.registers)
    if value is not None:
        return words_of(value, point.registers)
    if point.scale == "" and point.kind == "pad":
        return words_of(0x8000, 1)
    raw = not_implemented_raw(point.kind) if point.kind in WIDTHS else 0
    return words_of(raw, point.registers)
