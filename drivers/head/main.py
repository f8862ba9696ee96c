"""The program on the board (RP2040, RP2350): look at the chip every second, answer Modbus in between.

`hive-provision head flash` copies it as main.py beside the portable drivers, with head.json and head.key. The watchdog
resets a board that hangs; a chip that is silent does not, because the counts so far are still right.
"""

import machine

from drivers.bus import I2cDevice, SpiDevice
from drivers.errors import DriverError
from drivers.head.keeping import PARTS, next_boot, read_key, read_settings
from drivers.head.server import HeadIdentity, HeadServer
from drivers.micropython.ticks import MachineTicks
from drivers.micropython.uart import UartPort
from drivers.micropython.usb import UsbPort

VERSION = "1"
_WATCHDOG_MS = 8000
_PERIOD_MS = 1000
_PAUSE_MS = 2


def make_meter(settings: dict, clock: MachineTicks):  # type: ignore[no-untyped-def,type-arg]
    """Return the driver of the settings' chip on its bus."""
    part, chip, bus = settings["part"], settings["chip"], settings["bus"]
    if part == "ade7878":
        from drivers.chips.ade7878 import Ade7878
        from drivers.chips.ade7878_link import I2cPort, SpiPort
        from drivers.chips.ade7878_settings import make_settings as settings_of_ade7878

        port = I2cPort(_i2c(bus)) if "data" in bus else SpiPort(_spi(bus))
        return Ade7878(port, clock, settings_of_ade7878(**chip))
    if part == "ade9000":
        from drivers.chips.ade9000 import Ade9000
        from drivers.chips.ade9000_settings import make_settings as settings_of_ade9000

        return Ade9000(_spi(bus), clock, settings_of_ade9000(**chip))
    from drivers.chips.atm90e32as import Atm90e32as
    from drivers.chips.atm90e32as_settings import make_settings

    return Atm90e32as(_spi(bus), clock, make_settings(**chip))


def _spi(bus: dict) -> SpiDevice:  # type: ignore[type-arg]
    from drivers.micropython.spi import MachineSpi

    return MachineSpi(bus["number"], bus["clock"], bus["out"], bus["in"], bus["select"], bus["hz"])


def _i2c(bus: dict) -> I2cDevice:  # type: ignore[type-arg]
    from drivers.micropython.i2c import MachineI2c

    return MachineI2c(bus["number"], bus["data"], bus["clock"], bus["address"], bus["hz"])


def make_port(port: dict):  # type: ignore[no-untyped-def,type-arg]
    """Return the line that requests come from: `read()` and `write(bytes)`."""
    if port["kind"] == "usb":
        return UsbPort()
    return UartPort(port["number"], port["tx"], port["rx"], port["baud"], port.get("direction", -1))


def run() -> None:
    """Serve for ever."""
    settings, clock = read_settings("head.json"), MachineTicks()
    board = 0
    for byte in machine.unique_id():
        board = board << 8 | byte
    identity = HeadIdentity(
        settings["part"], VERSION, settings["serial"], settings["unit"], PARTS[settings["part"]],
        next_boot("boot.txt"), board & 0xFFFFFFFFFFFFFFFF,
    )  # fmt: skip
    server = HeadServer(make_meter(settings, clock), clock, identity, read_key("head.key"))
    port = make_port(settings["port"])
    watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    due, received = clock.ticks_ms(), b""
    while True:
        watchdog.feed()
        now = clock.ticks_ms()
        if clock.ticks_diff(now, due) >= 0:
            server.poll()
            due = now + _PERIOD_MS
        came = port.read()
        received = (received + came)[-512:]
        answer, used = server.request(received)
        received = received[used:]
        if answer:
            port.write(answer)
        if not came and not used:
            clock.sleep_ms(_PAUSE_MS)


if __name__ == "__main__":
    try:
        run()
    except DriverError as error:
        print("hive head stopped:", error)
