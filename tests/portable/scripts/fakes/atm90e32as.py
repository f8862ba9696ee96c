"""A small ATM90E32AS on a bus, for scripts that run under MicroPython and CPython alike."""

from drivers.errors import BusFault

RESET = {0x02: 0x0654, 0x31: 0x0861, 0x32: 0xC468, 0x33: 0x0087, 0x61: 0x8000, 0x7A: 0x1234}


class FakeClock:
    def __init__(self):
        self.now = 0

    def sleep_ms(self, n):
        self.now += n

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b


class FakeChip:
    """Registers in a dictionary, LastSPIData, energy cleared by reading; `spoil` garbles one answer's data word, `gone` answers nothing."""

    def __init__(self):
        self.words = dict(RESET)
        self.last = 0
        self.spoil = {}
        self.count = 0
        self.gone = False

    def transfer(self, tx):
        self.count += 1
        if self.gone:
            raise BusFault("nothing answers")
        address = (tx[0] & 3) << 8 | tx[1]
        word = tx[2] << 8 | tx[3]
        if tx[0] & 0x80:
            if address == 0x78:
                word = self.last
            else:
                word = self.words.get(address, 0)
                if 0x80 <= address <= 0x93:
                    self.words[address] = 0
        elif address == 0x70:
            self.words = dict(RESET)
        else:
            self.words[address] = word
        self.last = word
        if (address, self.count) in self.spoil or address in self.spoil:
            mask = self.spoil.pop(address)
            if mask is None:
                raise BusFault("planned")
            word ^= mask
        return bytes((0xA5, 0xA5, word >> 8, word & 0xFF))


def metered(chip, imported, exported):
    chip.words[0x80] = chip.words[0x81] = imported
    chip.words[0x84] = chip.words[0x85] = exported
