"""Meaning of Modbus register words: float32 values, float32 counters as exact integers, and the RTU checksum.

Words are unsigned 16 bit, high word first. Rules of the wire: Modbus over Serial Line V1.02, section
2.5.1.2 (frame `address function data crc-low crc-high`); a wrong checksum means the frame is not there.

A float32 is sign, 8 bits exponent e and 23 bits fraction f, and means (2**23 + f) * 2**(e - 150); e = 0 means
f * 2**-149. Counters are taken apart into these integers and never become a float, because microcontrollers
that run this file compute in single precision. Portable: CPython and MicroPython.
"""

import struct

from drivers.errors import ValueOutOfRange

MILLIWH_PER_KWH = 1000000
_EXPONENT_SPECIAL = 255


def float32_parts(words: list[int]) -> tuple[int, int, int]:
    """Return sign (0 or 1), mantissa and power of two of two words: value = mantissa * 2**power.

    Raises ValueOutOfRange for NaN, infinity and all-ones, which no meter means as a value.
    """
    if len(words) != 2 or not (0 <= words[0] <= 0xFFFF and 0 <= words[1] <= 0xFFFF):
        raise ValueOutOfRange(f"float32 needs two words of 16 bits, got {words}")
    exponent = (words[0] >> 7) & 0xFF
    fraction = ((words[0] & 0x7F) << 16) | words[1]
    if exponent == _EXPONENT_SPECIAL:
        raise ValueOutOfRange(f"0x{words[0]:04X} 0x{words[1]:04X} is NaN or infinity; the last value stands")
    if exponent == 0:
        return words[0] >> 15, fraction, -149
    return words[0] >> 15, fraction | 0x800000, exponent - 150


def decode_float32_big(words: list[int]) -> float:
    """Return the value of two words, high word first; NaN, infinity and all-ones raise ValueOutOfRange."""
    float32_parts(words)
    value: float = struct.unpack(">f", struct.pack(">HH", words[0], words[1]))[0]
    return value


def float32_kwh_to_milliwh(words: list[int]) -> int:
    """Return a float32 counter of kWh in mWh, to the nearest integer; below 0: ValueOutOfRange."""
    sign, mantissa, power = float32_parts(words)
    if sign and mantissa:
        raise ValueOutOfRange("an energy counter below zero; the last value stands")
    return _scaled(mantissa, power)


def float32_kwh_step_milliwh(words: list[int]) -> int:
    """Return the step of a float32 counter of kWh at its present value, in mWh, rounded up (at least 1).

    The step is 2 Wh from 16,384 kWh on and 16 Wh from 131,072 kWh on.
    """
    power = float32_parts(words)[2]
    if power >= 0:
        return MILLIWH_PER_KWH << power
    return (MILLIWH_PER_KWH + (1 << -power) - 1) >> -power


def _scaled(mantissa: int, power: int) -> int:
    """Return mantissa * 2**power kWh in mWh, halves rounded up."""
    if power >= 0:
        return (mantissa * MILLIWH_PER_KWH) << power
    return (mantissa * MILLIWH_PER_KWH + (1 << (-power - 1))) >> -power


def crc16(data: bytes) -> int:
    """Return the RTU checksum of a frame without its checksum; the low byte goes onto the wire first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def crc16_bytes(data: bytes) -> bytes:
    """Return the RTU checksum as its two bytes on the wire, low byte first."""
    crc = crc16(data)
    return bytes((crc & 0xFF, crc >> 8))


def unsigned_of(words: list[int], low_word_first: bool = False) -> int:
    """Return words of 16 bits as one unsigned integer. Raises ValueOutOfRange for a word that is none."""
    value = 0
    for word in reversed(words) if low_word_first else words:
        if not 0 <= word <= 0xFFFF:
            raise ValueOutOfRange(f"{word} is no register of 16 bits")
        value = value << 16 | word
    return value


def signed_of(words: list[int], low_word_first: bool = False) -> int:
    """Return words as one integer in two's complement; errors as for `unsigned_of`."""
    value = unsigned_of(words, low_word_first)
    top = 1 << (16 * len(words))
    return value - top if value & (top >> 1) else value


def words_of(value: int, count: int, low_word_first: bool = False) -> list[int]:
    """Return an integer (negative: two's complement) as `count` words. Raises ValueOutOfRange if it does not fit."""
    top = 1 << (16 * count)
    if not -(top >> 1) <= value < top:
        raise ValueOutOfRange(f"{value} does not fit into {count} registers")
    words = [(value >> (16 * place)) & 0xFFFF for place in range(count)]
    return words if low_word_first else words[::-1]


def scaled_by_ten(raw: int, exponent: int) -> int:
    """Return raw * 10**exponent to the nearest integer, halves away from zero, without a float."""
    if exponent >= 0:
        return int(raw * 10**exponent)
    divisor = 10**-exponent
    magnitude = (abs(raw) * 2 + divisor) // (2 * divisor)
    return int(-magnitude if raw < 0 else magnitude)


def decimal_text(raw: int, exponent: int) -> str:
    """Return raw * 10**exponent as exact text: an integer for exponent >= 0, else at least one decimal."""
    if exponent >= 0:
        return str(raw * 10**exponent)
    whole, part = divmod(abs(raw), 10**-exponent)
    text = str(part)
    text = "0" * (-exponent - len(text)) + text
    while len(text) > 1 and text[-1] == "0":
        text = text[:-1]
    return ("-" if raw < 0 else "") + str(whole) + "." + text
