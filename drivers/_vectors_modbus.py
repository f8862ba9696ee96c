"""Vector rows of Eastron meters and of Modbus RTU frames, by drivers.modbus.registers."""

from __future__ import annotations

from drivers._vectors_row import Row, SkippedRow
from drivers.errors import ValueOutOfRange
from drivers.modbus.registers import crc16, decode_float32_big


def compute_eastron(row: Row) -> str:
    """An SDM register pair as a number, or `NaN: reject`. Raises SkippedRow for other encodings."""
    if row.args.get("encoding") != "float32_high_word_first" or "words" not in row.inputs:
        raise SkippedRow(row.quantity)
    words = [int(word, 16) for word in row.inputs["words"].split("-")]
    try:
        return repr(float(decode_float32_big(words)))
    except ValueOutOfRange:
        return "NaN: reject"


def compute_rtu(row: Row) -> str:
    """The two checksum bytes of a frame, low byte first. Raises SkippedRow for other quantities."""
    if "bytes" not in row.inputs or "CRC" not in row.quantity:
        raise SkippedRow(row.quantity)
    crc = crc16(bytes.fromhex(row.inputs["bytes"].replace("-", "")))
    return crc.to_bytes(2, "little").hex(" ").upper()
