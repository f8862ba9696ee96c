"""Runs the sensor head - driver, counts, server, block - on a fake chip, and the Worker's reader on the head's frames.

Called with the repository's root on the module path; exit code 0 and a last line "portable ok" mean success.
"""

from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_settings import make_settings
from drivers.errors import BusFault, ChecksumFault, DriverError
from drivers.head.block import LENGTH, hmac_sha256
from drivers.head.reader import HeadMeter
from drivers.head.server import HeadIdentity, HeadServer
from drivers.modbus.slave import rtu_content, rtu_frame
from drivers.sample import FLAG_BROWN_OUT, FLAG_ENERGY_LOST, FLAG_GAP
from fakes.atm90e32as import FakeChip, FakeClock, metered

KEY = bytes(range(32))  # a key for tests


class Wire:
    """Frames from the reader to the head and back."""

    def __init__(self, server):
        self.server = server
        self.noise = b""
        self.requests = 0

    def read(self, function, address, count):
        self.requests += 1
        pdu = bytes((function, address >> 8, address & 0xFF, count >> 8, count & 0xFF))
        received = self.noise + rtu_frame(7, pdu)
        answer = b""
        while received and not answer:
            answer, used = self.server.request(received)
            if not used:
                break
            received = received[used:]
        content = rtu_content(answer)
        if content is None or content[1][0] & 0x80:
            raise BusFault("no answer")
        words = content[1][2:]
        return [words[2 * k] << 8 | words[2 * k + 1] for k in range(count)]

    def write(self, address, words):
        raise BusFault("nothing is written to a head")


def head(chip, clock, boot, board=0xE661):
    driver = Atm90e32as(chip, clock, make_settings(meter_constant=3200))
    return HeadServer(driver, clock, HeadIdentity("atm90e32as", "1", "HEAD-1", 7, 1, boot, board), KEY)


def refuses(error, call):
    try:
        call()
    except error:
        return True
    return False


def second(chip, clock, server, imported=0, exported=0):
    clock.now += 1000
    metered(chip, imported, exported)
    return server.poll()


def main():
    assert hmac_sha256(b"key", b"The quick brown fox jumps over the lazy dog")[:4] == b"\xf7\xbc\x83\xf4"
    chip, clock = FakeChip(), FakeClock()
    server = head(chip, clock, boot=1)
    wire = Wire(server)
    assert server.poll()
    meter = HeadMeter(wire, clock, KEY, 69000)
    sample = meter.start()
    assert sample.flags & FLAG_GAP and sample.import_counts == 0

    for _ in range(5):
        assert second(chip, clock, server, 300, 20)
    before = wire.requests
    sample = meter.read()
    assert wire.requests - before == 1
    assert (sample.import_counts, sample.export_counts, sample.flags) == (1500, 100, 0), sample
    assert sample.counter_step_nanowh == 3125000 and sample.phase_import_counts == (1500, 0, 0)
    assert meter.read().import_counts == 0

    # The Worker is away for a while and comes back with what it kept: nothing is lost, nothing counts twice.
    kept = meter.state
    for _ in range(8):
        second(chip, clock, server, 100, 0)
    again = HeadMeter(wire, clock, KEY, 69000)
    assert again.resume(kept, 8000) and not again.resume((1, 2), 0)
    assert again.start().import_counts == 800 and again.read().import_counts == 0

    # Noise before a request costs nothing; another key is refused; so is an older block.
    wire.noise = b"\xff\x07\x03"
    second(chip, clock, server, 10, 0)
    assert again.read().import_counts == 10
    wire.noise = b""
    assert refuses(ChecksumFault, HeadMeter(wire, clock, bytes(32), 69000).start)
    later = tuple([again.state[0], again.state[1] + 1]) + again.state[2:]
    replayed = HeadMeter(wire, clock, KEY, 69000)
    assert replayed.resume(later, 0) and refuses(ChecksumFault, replayed.start)

    # A chip that is silent: the head answers, the Worker notices.
    chip.gone = True
    assert not second(chip, clock, server) and server.error
    again.read()
    clock.now += 11000
    assert refuses(BusFault, again.read)
    chip.gone = False

    # The head itself starts anew: its counts are booked, the dark time is flagged with a bound.
    chip, clock.now = FakeChip(), clock.now + 30000
    wire.server = head(chip, clock, boot=2)
    assert wire.server.poll()
    second(chip, clock, wire.server, 50, 0)
    sample = again.read()
    assert sample.import_counts == 50, sample
    assert sample.flags & FLAG_GAP and sample.flags & FLAG_BROWN_OUT and sample.flags & FLAG_ENERGY_LOST
    assert sample.lost_bound_counts >= 30 * 69000 * 1000000 // 3600 // 3125000 * 1000
    wire.server = head(chip, clock, boot=1)
    wire.server.poll()
    assert refuses(ChecksumFault, again.read)
    wire.server = head(chip, clock, boot=3, board=0xBAD)
    wire.server.poll()
    assert refuses(DriverError, again.read)
    assert LENGTH <= 125
    print("portable ok")


main()
