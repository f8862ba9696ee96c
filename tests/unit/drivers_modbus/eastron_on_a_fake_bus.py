"""Runs the portable Modbus files on any interpreter; prints ok. Argument: the folder that holds `drivers`.

Started by test_eastron_on_micropython; plain asserts, no test framework, so that MicroPython can run it.
"""

import struct
import sys

sys.path.insert(0, sys.argv[1])

from drivers.errors import ValueOutOfRange
from drivers.modbus.meter import ModbusMeter
from drivers.modbus.profile import profile_from
from drivers.modbus.registers import (
    crc16_bytes,
    decode_float32_big,
    float32_kwh_step_milliwh,
    float32_kwh_to_milliwh,
)
from drivers.sample import FLAG_QUARANTINED


class Bench:
    """A meter and a clock."""

    now_ms = 0
    import_kwh = 123.5

    def ticks_ms(self) -> int:
        """Milliseconds."""
        return self.now_ms

    def ticks_diff(self, a: int, b: int) -> int:
        """From b to a."""
        return a - b

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers: the counters, 230.5 elsewhere."""
        values = {72: self.import_kwh, 74: 0.25}
        words: list[int] = []
        for place in range(address, address + count, 2):
            words += struct.unpack(">HH", struct.pack(">f", values.get(place, 230.5)))
        return words


assert decode_float32_big([0x4366, 0x8000]) == 230.5
assert crc16_bytes(bytes((1, 4, 0, 0, 0, 2))) == bytes((0x71, 0xCB))
assert float32_kwh_to_milliwh([0x4D3E, 0xBC20]) == 200000000000000
assert float32_kwh_step_milliwh([0x4800, 0]) == 15625
refused = 0
for words in ([0x7FC0, 0], [0x7F80, 0], [0xFFFF, 0xFFFF]):
    try:
        decode_float32_big(words)
    except ValueOutOfRange:
        refused += 1
assert refused == 3
for blocks in ([[0, 80]], [[70, 6], [12, 2]]):
    bench = Bench()
    table: dict[str, object] = {
        "format": 1,
        "title": "any",
        "function": 4,
        "type": "float32",
        "blocks": blocks,
        "points": {
            "active_power": {"at": 12, "unit": "W"},
            "import_active_energy": {"at": 72, "unit": "kWh"},
            "export_active_energy": {"at": 74, "unit": "kWh"},
        },
    }
    meter = ModbusMeter(bench, bench, profile_from("any", table), 69000)  # type: ignore[arg-type]
    sample = meter.start()
    assert (sample.import_counts, sample.export_counts, sample.flags) == (123500000, 250000, 0)
    bench.import_kwh = 0.0
    assert meter.read().flags & FLAG_QUARANTINED
    assert meter.read_energy().import_counts == 123500000
print("ok")
