"""What an emulated ATM90E32AS is made of: a fixed layout in a buffer that the caller keeps.

    offset 0     128 native signed 64-bit slots: magic, version, time, counters, accumulators, fault state
    offset 1024  1024 native 16-bit words: the register file, one word per 10-bit address

Put the buffer on memory-backed storage (mmap) and a process that is killed leaves the "hardware" as it was for
the next one. Energy unit of the accumulators: 1/25 microjoule (milliwatt x millisecond x 25), in which one
0.01 pulse is exactly 2 x PL constant (36e9/MC uJ x 25, PL = 450e9/MC).
Reset values: data sheet, register tables (reference/atm90e32as.csv).
"""

from __future__ import annotations

from collections.abc import Sequence

SLOTS = 128
WORDS = 1024
SLOT_BYTES = SLOTS * 8
BUFFER_BYTES = SLOT_BYTES + WORDS * 2
MAGIC = 0x4154_4D39_3045_3332
VERSION = 1

# Slot numbers.
(
    I_MAGIC,
    I_VERSION,
    I_NOW_MS,
    I_TRANSFERS,
    I_LAST_SPI,
    I_GOLDEN_CRC,
    I_READY_AT_TICKS,
    I_MISO_MODE,
    I_ENERGY_MODE,
    I_RANDOM,
    I_FLIP_ONE_IN,
    I_OVERFLOWS,
    I_RESETS,
    I_FREQUENCY,
    I_TEMPERATURE,
    I_BOUNDARY_MS,
    I_STALE,
    I_LOST_IMPORT,
    I_LOST_EXPORT,
    I_PHYSICAL_IMPORT,
    I_PHYSICAL_EXPORT,
    I_OVERFLOW_MASK,
    I_BUSY,
    I_HARMONIC_PERMILLE,
) = range(24)
I_FRACTION = 24  # 12: active T, A, B, C; reactive T, A, B, C; apparent T, A, B, C
I_METERED = 36  # 20: counts booked into 0x80 .. 0x93 since creation
I_WINDOW = 56  # 9 sums over the running window: P, Q in mW, mvar x ms; U in mV x ms
I_HARMONIC_REST = 74  # 8: thousandths of a count of harmonic energy, in the order of 0x80 .. 0x87
I_PUBLISHED = 65  # 9 means of the last whole window: mW, mvar, mV

NOT_LATCHED = -1  # golden CRC before the configuration was first locked
MISO_NORMAL, MISO_ONES, MISO_ZEROS = 0, 1, 2
ENERGY_NORMAL, ENERGY_STUCK, ENERGY_FROZEN = 0, 1, 2

RESET_WORDS = {
    0x01: 0x0210, 0x02: 0x0654, 0x05: 0x143F, 0x06: 0xC000, 0x07: 0x0001, 0x08: 0x1000, 0x09: 0x0400,
    0x0A: 0xFFFF, 0x0B: 0xC000, 0x0C: 0x1324, 0x0D: 0x13EC, 0x0E: 0x010F, 0x31: 0x0861, 0x32: 0xC468,
    0x33: 0x0087, 0x61: 0x8000, 0x62: 0x8000, 0x65: 0x8000, 0x66: 0x8000, 0x69: 0x8000, 0x6A: 0x8000,
}  # fmt: skip


def _span(*bounds: tuple[int, int]) -> frozenset[int]:
    return frozenset(address for first, last in bounds for address in range(first, last + 1))


PROTECTED = _span(
    (0x00, 0x02), (0x05, 0x0F), (0x14, 0x1C), (0x20, 0x2F), (0x31, 0x3A), (0x41, 0x4C), (0x51, 0x56), (0x61, 0x6C)
)
SENSOR_SETUP = frozenset((0x216, 0x219, 0x2FF))
INTERRUPT_ENABLE = frozenset((0x75, 0x76))
CLEARED_BY_READING = _span((0x80, 0x93), (0xA0, 0xAF))
AVERAGED = _span((0xB0, 0xCB), (0xD0, 0xF7), (0xF9, 0xFB), (0xFD, 0xFF))

# How a read is served, by address.
PLAIN, CLEARING, AVERAGE, LAST_DATA, CHECK = range(5)
KINDS = bytes(
    CLEARING
    if address in CLEARED_BY_READING
    else AVERAGE
    if address in AVERAGED
    else LAST_DATA
    if address == 0x78
    else CHECK
    if address in (0x79, 0x7A)
    else PLAIN
    for address in range(WORDS)
)


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
        table.append(value)
    return tuple(table)


CRC_TABLE = _crc_table()


def configuration_crc(words: Sequence[int]) -> int:
    """CRC-16, polynomial 0x1021, over registers 0x00..0x6F (start value not documented; 0 here)."""
    value = 0
    for address in range(0x70):
        word = words[address]
        value = (value << 8 & 0xFFFF) ^ CRC_TABLE[value >> 8 ^ word >> 8]
        value = (value << 8 & 0xFFFF) ^ CRC_TABLE[value >> 8 ^ word & 0xFF]
    return value
