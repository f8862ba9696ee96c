"""Vector rows of Modbus meters, SunSpec values and RTU checksums, by the drivers' own portable code.

A row comes as its part, quantity and the two lists as dictionaries of text; the answer has the notation of the
column `expected`, or is "skipped". Runs on MicroPython too, where the same rows must give the same text.
"""

from drivers.errors import ValueOutOfRange
from drivers.modbus.registers import crc16_bytes, decimal_text, decode_float32_big, signed_of
from drivers.modbus.sunspec_values import WIDTHS, raw_of, scale_of, words_for

SKIPPED = "skipped"
CARLO_GAVAZZI_DECIMALS = (
    ("voltage", 1), ("current", 3), ("active_power", 1), ("import", 1), ("export", 1), ("power_factor", 3),
    ("frequency", 1),
)  # fmt: skip
"""Decimals of a quantity whose name begins so (reference/modbus-meters.csv, multiplier)."""


def compute(part: str, quantity: str, inputs: dict[str, str], args: dict[str, str]) -> str:
    """The value of a row. Raises ValueOutOfRange, KeyError or ValueError for a row that makes no sense."""
    if part == "RTU":
        return _checksum(quantity, inputs)
    encoding = args.get("encoding", "")
    if "words" not in inputs or part[:2] not in ("SD", "EM", "ET", "Su"):
        return SKIPPED
    if part == "SunSpec":
        return _sunspec(inputs["words"], encoding)
    words = [int(word, 16) for word in inputs["words"].split("-")]
    if encoding == "float32_high_word_first":
        try:
            return repr(float(decode_float32_big(words)))
        except ValueOutOfRange:
            return "NaN: reject"
    if encoding in ("int32_low_word_first", "int16"):
        for name, decimals in CARLO_GAVAZZI_DECIMALS:
            if quantity.startswith(name):
                return decimal_text(signed_of(words, low_word_first=True), -decimals)
    return SKIPPED


def _checksum(quantity: str, inputs: dict[str, str]) -> str:
    """The two checksum bytes of a frame, low byte first."""
    if "bytes" not in inputs or "CRC" not in quantity:
        return SKIPPED
    frame = bytes([int(byte, 16) for byte in inputs["bytes"].split("-")])
    return " ".join([f"{byte:02X}" for byte in crc16_bytes(frame)])


def _sunspec(text: str, encoding: str) -> str:
    """A SunSpec point: `encoding` is its type and scale factor, the value one raw number or its words."""
    kind, _, scale = encoding.partition("_sf=")
    if kind not in WIDTHS or not scale:
        return SKIPPED
    if text.startswith("-"):
        words = words_for(int(text), kind)
    else:
        parts = [int(part, 0) for part in text.split("-")]
        words = parts if len(parts) > 1 else words_for(parts[0], kind)
    raw = raw_of(words, kind)
    return "not implemented" if raw is None else decimal_text(raw, scale_of(int(scale)))
