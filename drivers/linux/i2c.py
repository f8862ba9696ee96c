"""A chip on Linux' I2C user interface as drivers.bus.I2cDevice.

    open_i2c(bus: int = 1, address: int = 0x38) -> LinuxI2c

Raw messages only (`i2c_rdwr`): block helpers of SMBus know 8-bit register numbers. OSError of the kernel (EIO,
EREMOTEIO, ETIMEDOUT) becomes BusFault. smbus2 must be installed beside this distribution.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Protocol

from drivers.bus import I2cDevice
from drivers.errors import BusFault, DriverError


class I2cHandle(Protocol):
    """The part of smbus2.SMBus that is used."""

    def i2c_rdwr(self, *messages: object) -> None:
        """Carry messages out with a repeated start between them."""

    def close(self) -> None:
        """Close the device file."""


class Messages(Protocol):
    """The part of smbus2.i2c_msg that is used."""

    def write(self, address: int, data: Iterable[int]) -> object:
        """A message that writes."""

    def read(self, address: int, length: int) -> Iterable[int]:
        """A message that reads; its bytes afterwards."""


class LinuxI2c(I2cDevice):
    """One address on an open bus."""

    def __init__(self, handle: I2cHandle, messages: Messages, address: int, place: str) -> None:
        """Use an opened bus; `place` is for messages of errors only."""
        self._handle, self._messages = handle, messages
        self._address, self._place = address, place

    def write(self, data: bytes) -> None:
        """One message. Raises BusFault when the kernel reports an error."""
        self._carry(self._messages.write(self._address, data))

    def write_read(self, data: bytes, n: int) -> bytes:
        """Two messages with a repeated start between them; the bytes of the second. Raises BusFault."""
        answer = self._messages.read(self._address, n)
        self._carry(self._messages.write(self._address, data), answer)
        rx = bytes(answer)
        if len(rx) != n:
            raise BusFault(f"{self._place}: {len(rx)} bytes answered instead of {n}")
        return rx

    def _carry(self, *messages: object) -> None:
        try:
            self._handle.i2c_rdwr(*messages)
        except OSError as error:
            raise BusFault(f"{self._place}: transfer failed: {error}; check wiring, address and clock") from error

    def close(self) -> None:
        """Give the device back."""
        self._handle.close()


def open_i2c(bus: int = 1, address: int = 0x38) -> LinuxI2c:
    """Open `/dev/i2c-BUS`. Raises BusFault, DriverError without smbus2."""
    if not 0x08 <= address <= 0x77:
        raise DriverError(f"i2c address 0x{address:02X} is outside 0x08..0x77")
    try:
        smbus2 = importlib.import_module("smbus2")
    except ImportError as error:
        raise DriverError("the Python package smbus2 is missing: install it beside this distribution") from error
    place = f"/dev/i2c-{bus}, address 0x{address:02X}"
    try:
        handle: I2cHandle = smbus2.SMBus(bus)
    except OSError as error:
        raise BusFault(f"{place}: cannot be opened: {error}; is I2C enabled, is the user in the group i2c?") from error
    return LinuxI2c(handle, smbus2.i2c_msg, address, place)
