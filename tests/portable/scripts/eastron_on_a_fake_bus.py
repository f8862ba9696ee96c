"""Runs the portable Eastron driver against registers in a dictionary; plain asserts, for every interpreter.

Called with the repository's root on the module path; exit code 0 and a last line "portable ok" mean success.
"""

import struct

from drivers.errors import BusFault, ValueOutOfRange
from drivers.modbus.eastron import EastronMeter
from drivers.modbus.registers import crc16, decode_float32_big, float32_kwh_to_milliwh
from drivers.sample import ABSOLUTE, FLAG_QUARANTINED


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
    driver = EastronMeter(meter, clock, "SDM630", 43000)
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
    assert refuses(ValueOutOfRange, EastronMeter, meter, clock, "SDM9", 43000)
    print("portable ok")


main()
