"""A chip on a microcontroller's I2C as drivers.bus.I2cDevice."""

from machine import I2C, Pin

from drivers.bus import I2cDevice
from drivers.errors import BusFault


class MachineI2c(I2cDevice):
    """One address on one I2C peripheral."""

    def __init__(self, number: int, data_pin: int, clock_pin: int, address: int, hz: int) -> None:
        """Open the peripheral."""
        self._i2c = I2C(number, sda=Pin(data_pin), scl=Pin(clock_pin), freq=hz)
        self._address = address

    def write(self, data: bytes) -> None:
        """Write bytes to the chip. Raises BusFault when it does not acknowledge."""
        try:
            self._i2c.writeto(self._address, data)
        except OSError as error:
            raise BusFault("I2C of the head failed: " + str(error))

    def write_read(self, data: bytes, n: int) -> bytes:
        """Write, repeated start, read `n` bytes. Raises BusFault."""
        try:
            self._i2c.writeto(self._address, data, False)
            return self._i2c.readfrom(self._address, n)
        except OSError as error:
            raise BusFault("I2C of the head failed: " + str(error))
