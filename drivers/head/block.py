"""The head's own model: identity, sequence, raw counts and a keyed checksum over all of it, in one Modbus request.

    words = encode_block(Block(...), key)        LENGTH registers, first the model's number and its length
    block = decode_block(words, key)             ChecksumFault if one bit differs or the key is another

Model 64500 (SunSpec leaves 64000 to 64999 to vendors). (boot, sequence) only ever rises: `boot` counts the head's
starts and is kept in its flash, `sequence` counts its looks at the chip since then. Counts are those of the chip's
driver, added up since the boot. The last 16 registers are HMAC-SHA256 (RFC 2104) over all registers before them, big
endian. Portable.
"""

import hashlib
from collections import namedtuple

from drivers.errors import ChecksumFault, WrongChip

MODEL = 64500
VERSION = 1
KEY_BYTES = 32
HMAC_WORDS = 16
MEASURED, PHASES = 1, 2
"""Bits of `measured`: the measurements are valid; the chip counts every phase."""
FLAG_BITS = 8
"""Flags of samples that are counted, one counter a bit (drivers.sample)."""

Block = namedtuple(
    "Block",
    (
        "part", "boot", "sequence", "board", "uptime_s", "step_nanowh", "import_counts", "export_counts",
        "phase_import_counts", "phase_export_counts", "lost_bound_counts", "flag_counts", "power_mw", "voltage_mv",
        "current_ma", "frequency_mhz", "measured",
    ),
)  # fmt: skip

# Each field of a Block: how many numbers, how many registers each, whether signed.
_FORM = (
    (1, 1, False), (1, 2, False), (1, 2, False), (1, 4, False), (1, 2, False), (1, 2, False), (1, 4, False),
    (1, 4, False), (3, 4, False), (3, 4, False), (1, 4, False), (FLAG_BITS, 1, False), (4, 2, True), (3, 2, False),
    (3, 2, False), (1, 2, False), (1, 1, False),
)  # fmt: skip
_HEADER = 3
LENGTH = _HEADER + sum([count * words for count, words, _ in _FORM]) + HMAC_WORDS
_SHA_BLOCK = 64


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the keyed checksum (RFC 2104) of a message; 32 bytes."""
    if len(key) > _SHA_BLOCK:
        key = hashlib.sha256(key).digest()
    padded = key + bytes(_SHA_BLOCK - len(key))
    inner = hashlib.sha256(bytes([one ^ 0x36 for one in padded]) + message).digest()
    return hashlib.sha256(bytes([one ^ 0x5C for one in padded]) + inner).digest()


def encode_block(block: Block, key: bytes) -> list[int]:
    """Return the registers of a block; numbers wrap at their width."""
    words = [MODEL, LENGTH - 2, VERSION]
    for value, (count, width, _) in zip(block, _FORM):
        for number in (value,) if count == 1 else value:
            wrapped = int(number) & ((1 << 16 * width) - 1)
            words += [wrapped >> 16 * place & 0xFFFF for place in range(width - 1, -1, -1)]
    return words + _seal(words, key)


def decode_block(words: list[int], key: bytes) -> Block:
    """Return what the registers say. Raises WrongChip for another model, ChecksumFault for a wrong seal."""
    if len(words) != LENGTH or words[0] != MODEL or words[1] != LENGTH - 2:
        raise WrongChip(f"sensor head: {len(words)} registers beginning {list(words[:2])} are not model {MODEL}")
    if words[2] != VERSION:
        raise WrongChip(f"sensor head: speaks version {words[2]}, not {VERSION}; flash it or update this machine")
    different = 0
    for own, told in zip(_seal(words[:-HMAC_WORDS], key), words[-HMAC_WORDS:]):
        different |= own ^ told
    if different:
        raise ChecksumFault("sensor head: the block's seal is wrong; garbled, or the head holds another key")
    values = []
    place = _HEADER
    for count, width, signed in _FORM:
        numbers = []
        for _ in range(count):
            numbers.append(_number(words[place : place + width], signed))
            place += width
        values.append(numbers[0] if count == 1 else tuple(numbers))
    return Block(*values)


def _number(words: list[int], signed: bool) -> int:
    value = 0
    for word in words:
        value = value << 16 | word
    if signed and words[0] & 0x8000:
        value -= 1 << 16 * len(words)
    return value


def _seal(words: list[int], key: bytes) -> list[int]:
    data = bytearray()
    for word in words:
        data.append(word >> 8)
        data.append(word & 0xFF)
    seal = hmac_sha256(key, bytes(data))
    return [seal[2 * place] << 8 | seal[2 * place + 1] for place in range(HMAC_WORDS)]
