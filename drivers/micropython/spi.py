"""A chip on a microcontroller's SPI as drivers.bus.SpiDevice: one chip-select period per call, mode 3."""

from machine import SPI, Pin

from drivers.bus import SpiDevice
from drivers.errors import BusFault


class MachineSpi(SpiDevice):
    """One chip select on one SPI peripheral."""

    def __init__(self, number: int, clock_pin: int, out_pin: int, in_pin: int, select_pin: int, hz: int) -> None:
        """Open the peripheral; the select line rests high."""
        self._select = Pin(select_pin, Pin.OUT, value=1)
        self._spi = SPI(
            number, baudrate=hz, polarity=1, phase=1, bits=8, firstbit=SPI.MSB,
            sck=Pin(clock_pin), mosi=Pin(out_pin), miso=Pin(in_pin),
        )  # fmt: skip

    def transfer(self, tx: bytes) -> bytes:
        """Select, exchange, deselect. Raises BusFault when the peripheral fails."""
        rx = bytearray(len(tx))
        self._select(0)
        try:
            self._spi.write_readinto(tx, rx)
        except OSError as error:
            raise BusFault("SPI of the head failed: " + str(error))
        finally:
            self._select(1)
        return bytes(rx)
