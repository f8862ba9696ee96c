"""Runs the integer arithmetic of the ADE drivers and their vectors; plain asserts, for MicroPython and CPython alike.

Called with the repository's root on the module path; exit code 0 and a last line "portable ok" mean success. The rows
are the integer and word rows of reference/vectors-ade7878.csv and vectors-ade9000.csv; a unit test holds them to it.
"""

from drivers.chips import ade7878_registers as a78
from drivers.chips import ade7878_scaling as s78
from drivers.chips import ade9000_registers as a90
from drivers.chips import ade9000_scaling as s90
from drivers.chips.ade7878 import Ade7878
from drivers.chips.ade7878_link import I2cPort
from drivers.chips.ade7878_settings import make_settings as settings_7878
from drivers.chips.ade9000 import Ade9000
from drivers.chips.ade9000_settings import make_settings as settings_9000
from drivers.chips.signed_counts import SignedCounts

ROWS = {
    "B13": (a78.signed24(0x00FFFFFF), -1),
    "B14": (a78.signed24(0x00800000), -8388608),
    "B15": (a78.signed24(0x00000001), 1),
    "B17": (a78.zpse(-8388608), 0x0F800000),
    "B18": (a78.zpse(8388607), 0x007FFFFF),
    "B19": (a78.zpse(-254782), 0x0FFC1CC2),
    "B20": (a78.zpse(-275872), 0x0FFBCA60),
    "B27": (s78.apparent_code(0x003FF6A6, 0x003FF6A6), 2094758),
    "B28": (s78.apparent_code(0x001E8480, 0x000F4240), 238418),
    "B29": (s78.apparent_code(0x00177E4C, 0x0000002C), 8),
    "B53": (s78.modular_difference(0x7FFFFFFF, 0x80000000, 32), 1),
    "B54": (s78.modular_difference(0xFFFFFFFF, 0x00000000, 32), 1),
    "B55": (s78.modular_difference(0x80000000, 0x7FFFFFFF, 32), -1),
    "B60": (s78.gain_word(1.0, 1.0), 0),
    "B61": (s78.gain_word(1.02, 1.0), -164483),
    "B62": (s78.gain_word(0.98, 1.0), 171196),
    "C35": (a90.energy_counts(0, 0), 0),
    "C37": (a90.energy_counts(0, 1), 1),
    "C39": (a90.energy_counts(1, 0), 8192),
    "C43": (a90.energy_counts(0xFFFFFFFF, 0x1FFF), -1),
    "C45": (a90.energy_counts(0xFFFFFFFF, 0), -8192),
    "C47": (a90.energy_counts(0x01345D99, 0), 165552529408),
    "C53": (s90.vlevel(1), 1144084),
    "C54": (s90.vlevel(2), 2288168),
    "C55": (s90.vlevel(4), 4576336),
    "C56": (s90.gain_word(1.02, 1.0), 4292335576),
    "C57": (s90.gain_word(0.98, 1.0), 2739137),
    "C58": (s90.gain_word(1.0, 1.0), 0),
    "C59": (s90.phase_word(0.5, 50), 16780570),
    "C60": (s90.phase_word(-0.5, 50), 4281541306),
    "C62": (s90.phase_word(0.0, 50), 0),
}
# Exact fractions of 1000 nano-watt-hours per count, worked out of the default sites.
SCALE_7878, SCALE_9000 = (125125, 72), (123875, 496657584)


class FakeClock:
    """Ticks that only sleeping moves."""

    def __init__(self):
        self.now = 0

    def sleep_ms(self, n):
        self.now += n

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b


def check_books(settings, bits, moved, expected):
    """Samples over a wrap of the registers sum up exactly."""
    clock, mask = FakeClock(), (1 << bits) - 1
    books = SignedCounts(settings, clock)
    raw = (1 << bits - 1) - moved // 2
    books.book([raw & mask, 0, 0], [0, 0, 0], clock.now)
    total = 0
    for _ in range(10):
        clock.now += 1000
        raw += moved
        books.book([raw & mask, 0, 0], [0, 0, 0], clock.now)
        total += books.take().forward[0]
    assert total == expected, (total, expected)
    again = SignedCounts(settings, clock)
    assert again.resume(books.state(), 0) and again.state() == books.state()


class FakeI2c:
    """An ADE7878 as a dictionary: enough for start and one sample."""

    def __init__(self):
        self.words = {a78.CHECKSUM: a78.CHECKSUM_ADE7878, a78.STATUS1: a78.RSTDONE, a78.PERIOD: 5119, 0xE610: 0x0E88}

    def write(self, data):
        address = data[0] << 8 | data[1]
        word = int.from_bytes(data[2:], "big")
        if address != a78.STATUS1 and not (address == a78.CONFIG and word & a78.SWRST):
            self.words[address] = word

    def write_read(self, data, n):
        return self.words.get(data[0] << 8 | data[1], 0).to_bytes(n, "big")


class FakeSpi:
    """An ADE9000 likewise."""

    def __init__(self):
        self.words = {a90.VERSION: 0xFE, a90.PART_ID: a90.PART_ID_ADE9000, a90.STATUS1: a90.RSTDONE, 0x418: 0xA00000}
        self.words[a90.STATUS0] = a90.EGYRDY
        self.last = 0

    def transfer(self, tx):
        header = tx[0] << 8 | tx[1]
        address = header >> 4
        if header & 8:
            if address not in (a90.LAST_DATA_16, a90.LAST_DATA_32):
                self.last = self.words.get(address, 0)
            return bytes(2) + self.last.to_bytes(len(tx) - 2, "big")
        word = int.from_bytes(tx[2:], "big")
        if address == a90.STATUS1:
            self.words[address] &= ~word
        elif address == a90.WR_LOCK:
            self.words[address] = int(word == a90.LOCK_KEY)
        elif address not in (a90.CONFIG1, a90.STATUS0):
            self.words[address] = word
        return bytes(len(tx))


def check_drivers():
    """Both drivers start and book one second on fakes."""
    clock, bus = FakeClock(), FakeI2c()
    driver = Ade7878(I2cPort(bus), clock, settings_7878())
    assert driver.start().import_counts == 0 and not driver.was_configured
    clock.now += 1000
    bus.words[a78.WATT_HR[0]] = 1000
    bus.words[a78.WATT_HR[1]] = 0x100000000 - 400
    sample = driver.read()
    assert sample.import_counts == 600 * 125125 // 72 and sample.phase_export_counts[1] == 400 * 125125 // 72, sample
    assert abs(sample.frequency_hz - 50) < 0.001
    clock, spi = FakeClock(), FakeSpi()
    other = Ade9000(spi, clock, settings_9000())
    assert other.start().import_counts == 0
    clock.now += 1000
    spi.words[a90.WATT_HR_HI[0]] = 1 << 20
    sample = other.read()
    assert sample.import_counts == (1 << 33) * 123875 // 496657584, sample


def main():
    for name, pair in ROWS.items():
        assert pair[0] == pair[1], (name, pair)
    assert settings_7878().scale == SCALE_7878
    assert settings_9000().scale == SCALE_9000
    check_books(settings_7878(), 32, 3777, 37770 * 125125 // 72)
    check_books(settings_9000(), 45, 9876543210, 98765432100 * 123875 // 496657584)
    check_drivers()
    print("portable ok")


if __name__ == "__main__":
    main()
