"""A sensor head under the unix MicroPython: the real server on the real USB port class, a fake chip behind it.

Time comes with every look: each poll is one second of the chip's life with 300 counts in and 20 out.
"""

from fakes.atm90e32as import FakeChip, FakeClock, metered

from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_settings import make_settings
from drivers.head.keeping import next_boot, read_key, read_settings
from drivers.head.server import HeadIdentity, HeadServer
from drivers.micropython.usb import UsbPort


def serve():
    settings = read_settings("head.json")
    chip, clock = FakeChip(), FakeClock()
    driver = Atm90e32as(chip, clock, make_settings(**settings["chip"]))
    identity = HeadIdentity("atm90e32as", "1", settings["serial"], settings["unit"], 1, next_boot("boot.txt"), 0xE661)
    server = HeadServer(driver, clock, identity, read_key("head.key"))
    server.poll()
    port, received = UsbPort(), b""
    while True:
        came = port.read()
        if not came:
            continue
        received += came
        answer, used = server.request(received)
        received = received[used:]
        if answer:
            port.write(answer)
            clock.now += 1000
            metered(chip, 300, 20)
            server.poll()


serve()
