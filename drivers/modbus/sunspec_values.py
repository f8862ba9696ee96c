"""SunSpec's point types: how many registers, which raw value means "not implemented", and scale factors.

Source: SunSpec Device Information Model specification, data types; reference/sunspec.md, section Encoding. All
values are big-endian, high word first. value = raw * 10**scale_factor; a scale factor is -10..10 or 0x8000 for
"not implemented". Accumulators (acc*) call 0 not implemented, so an unused and a new counter look the same.
Portable: CPython and MicroPython.
"""

from drivers.errors import ValueOutOfRange
from drivers.modbus.registers import signed_of, unsigned_of, words_of

WIDTHS = {
    "int16": 1, "uint16": 1, "acc16": 1, "enum16": 1, "bitfield16": 1, "sunssf": 1, "count": 1, "pad": 1,
    "raw16": 1, "int32": 2, "uint32": 2, "acc32": 2, "enum32": 2, "bitfield32": 2, "float32": 2, "ipaddr": 2,
    "int64": 4, "uint64": 4, "acc64": 4, "bitfield64": 4, "float64": 4, "eui48": 4, "ipv6addr": 8,
}  # fmt: skip
"""Registers of a type; a string's length is its point's."""

_SIGNED = ("int16", "int32", "int64", "sunssf")
_NO_SENTINEL = ("pad", "count", "raw16")
_FLOAT_SPECIAL = 0x7F800000
SMALLEST_SCALE, LARGEST_SCALE = -10, 10


def not_implemented_raw(kind: str) -> int:
    """Return the raw value by which a type says that its point is not there (as `raw_of` returns it)."""
    bits = 16 * WIDTHS[kind]
    if kind in _SIGNED:
        return -(1 << (bits - 1))
    if kind[:3] == "acc" or kind in ("ipaddr", "ipv6addr"):
        return 0
    if kind == "float32":
        return 0x7FC00000
    return (1 << bits) - 1


def raw_of(words: list[int], kind: str) -> "int | None":
    """Return the raw integer of a point, None when it is not implemented; a float32 stays its 32 bits.

    Raises ValueOutOfRange for another number of words than the type has.
    """
    if kind not in WIDTHS or len(words) != WIDTHS[kind]:
        raise ValueOutOfRange(f"SunSpec type {kind!r} with {len(words)} registers; the model's table is wrong")
    raw = signed_of(words) if kind in _SIGNED else unsigned_of(words)
    if kind == "float32" and raw & _FLOAT_SPECIAL == _FLOAT_SPECIAL:
        return None
    if kind not in _NO_SENTINEL and raw == not_implemented_raw(kind):
        return None
    return raw


def text_of(words: list[int]) -> str:
    """Return a string point: two characters a register, ended by the first NUL; empty means not implemented."""
    characters = ""
    for word in words:
        for byte in (word >> 8, word & 0xFF):
            if not byte:
                return characters.strip()
            characters += chr(byte) if 32 <= byte < 127 else "?"
    return characters.strip()


def words_of_text(text: str, count: int) -> list[int]:
    """Return a string as `count` registers, filled up with NUL; what does not fit is cut off."""
    codes = [ord(character) & 0x7F for character in text][: 2 * count]
    codes += [0] * (2 * count - len(codes))
    return [codes[place] << 8 | codes[place + 1] for place in range(0, 2 * count, 2)]


def scale_of(raw: "int | None") -> int:
    """Return a scale factor's power of ten. Raises ValueOutOfRange for one that is missing or outside -10..10."""
    if raw is None or not SMALLEST_SCALE <= raw <= LARGEST_SCALE:
        raise ValueOutOfRange(f"scale factor {raw} is not within -10..10; the device's value is not used")
    return raw


def raw_for(value_micro: int, scale: int, kind: str) -> int:
    """Return the raw value to write for a value in millionths: divided by 10**scale, to the nearest.

    Raises ValueOutOfRange if it does not fit its type or would read as "not implemented".
    """
    divisor = 10 ** (scale + 6) if scale >= -6 else 1
    factor = 1 if scale >= -6 else 10 ** (-6 - scale)
    magnitude = (2 * abs(value_micro) * factor + divisor) // (2 * divisor)
    raw = -magnitude if value_micro < 0 else magnitude
    bits = 16 * WIDTHS[kind]
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind in _SIGNED else (0, (1 << bits) - 1)
    if not low <= raw <= high or raw == not_implemented_raw(kind):
        raise ValueOutOfRange(
            f"{value_micro} millionths are {raw} at scale factor {scale}, {kind} holds {low}..{high}; nothing written"
        )
    return raw


def words_for(raw: int, kind: str) -> list[int]:
    """Return a raw value as the registers of its type. Raises ValueOutOfRange if it does not fit."""
    return words_of(raw, WIDTHS[kind])
