"""Runs the portable Eastron driver against registers in a dictionary; plain asserts, for every interpreter.

Called with the repository's root on the module path; exit code 0 and a last line "portable ok" mean success.
"""

import struct

from drivers.errors import BusFault, ValueOutOfRange
from drivers.modbus.meter import ModbusMeter
from drivers.modbus.profile import ProfileError, profile_from
from drivers.modbus.registers import crc16, decode_float32_big, float32_kwh_to_milliwh
from drivers.sample import ABSOLUTE, FLAG_QUARANTINED

PROFILE = {
    "format": 1,
    "title": "fake",
    "function": 4,
    "type": "float32",
    "blocks": [[0, 80]],
    "points": {
        "voltage_L1": {"at": 0, "unit": "V"},
        "current_L1": {"at": 6, "unit": "A"},
        "active_power_L1": {"at": 12, "unit": "W"},
        "active_power_total": {"at": 52, "unit": "W"},
        "frequency": {"at": 70, "unit": "Hz"},
        "import_active_energy": {"at": 72, "unit": "kWh"},
        "export_active_energy": {"at": 74, "unit": "kWh"},
    },
}


class FakeClock:
    def __init__(self):
        self.now = 0

    def sleep_ms(self, n):
        self.now += n

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b


class FakeMeter:
    def __init__(self):
        self.values = {}
        self.dead = False

    def read(self, function, address, count):
        assert function == 4
        if self.dead:
            raise BusFault("planned")
        words = []
        for offset in range(0, count, 2):
            raw = struct.pack(">f", self.values.get(address + offset, 0.0))
            words += list(struct.unpack(">HH", raw))
        return words

    def write(self, address, words):
        raise BusFault("read only")


def refuses(error, call, *arguments):
    try:
        call(*arguments)
    except error:
        return True
    return False


def main():
    meter, clock = FakeMeter(), FakeClock()
    meter.values = {0: 230.5, 6: 5.0, 12: -1150.0, 52: -1150.0, 70: 49.98, 72: 12.5, 74: 3.25}
    driver = ModbusMeter(meter, clock, profile_from("fake", PROFILE), 43000)
    sample = driver.start()
    assert sample.counter_kind == ABSOLUTE and sample.flags == 0
    assert (sample.import_counts, sample.export_counts) == (12500000, 3250000)
    assert abs(sample.power_w[0] + 1150) < 0.01 and abs(sample.voltage_v[0] - 230.5) < 0.001
    assert abs(sample.frequency_hz - 49.98) < 0.001

    clock.now += 1000
    meter.values[72] = 11.0
    sample = driver.read_energy()
    assert sample.import_counts == 12500000 and sample.flags == FLAG_QUARANTINED
    meter.dead = True
    assert refuses(BusFault, driver.read)

    assert decode_float32_big([0x4558, 0x0C00]) == 3456.75
    assert refuses(ValueOutOfRange, decode_float32_big, [0x7FC0, 0])
    assert float32_kwh_to_milliwh([0x4640, 0xE400]) == 12345000000
    assert crc16(b"\x01\x04\x00\x00\x00\x02") == 0xCB71
    assert refuses(ProfileError, profile_from, "fake", {"format": 2})
    print("portable ok")


main()
