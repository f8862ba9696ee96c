"""A chip on Linux' SPI user interface (spidev) as drivers.bus.SpiDevice.

    open_spi(path: str, speed_hz: int = 500_000) -> LinuxSpi      path such as "/dev/spidev0.0", from the settings

Mode 3, 8-bit words, one `xfer2` per chip-select period (`xfer` would release the line between blocks). OSError
of the kernel (EIO, ETIMEDOUT, ENODEV) becomes BusFault. spidev is the extra `spi`: it has no wheel.
"""

from __future__ import annotations

from typing import Protocol

from drivers.bus import SpiDevice
from drivers.errors import BusFault, DriverError

SPI_MODE = 3
LEAST_SPEED_HZ, MOST_SPEED_HZ = 400, 1_100_000


class SpiHandle(Protocol):
    """The part of spidev.SpiDev that is used."""

    mode: int
    max_speed_hz: int
    bits_per_word: int

    def open_path(self, path: str) -> None:
        """Open the device file."""

    def xfer2(self, values: list[int]) -> list[int]:
        """Exchange bytes in one chip-select period."""

    def close(self) -> None:
        """Close the device file."""


class LinuxSpi(SpiDevice):
    """An open SPI device; `transfer` is one chip-select period."""

    def __init__(self, handle: SpiHandle, path: str) -> None:
        """Use an opened and configured handle; `path` is for messages only."""
        self._handle = handle
        self._path = path

    def transfer(self, tx: bytes) -> bytes:
        """Exchange `len(tx)` bytes. Raises BusFault when the kernel reports an error or a short answer."""
        try:
            rx = bytes(self._handle.xfer2(list(tx)))
        except OSError as error:
            raise BusFault(f"{self._path}: transfer of {len(tx)} bytes failed: {error}; check the wiring") from error
        if len(rx) != len(tx):
            raise BusFault(f"{self._path}: {len(rx)} bytes answered to {len(tx)}")
        return rx

    def close(self) -> None:
        """Give the device back."""
        self._handle.close()


def open_spi(path: str, speed_hz: int = 500_000) -> LinuxSpi:
    """Open a device file for an ATM90E32AS-like chip. Raises BusFault, DriverError without spidev."""
    if not LEAST_SPEED_HZ <= speed_hz <= MOST_SPEED_HZ:
        raise DriverError(f"spi speed_hz {speed_hz} is outside {LEAST_SPEED_HZ}..{MOST_SPEED_HZ}; take 500000")
    handle = _new_handle()
    try:
        handle.open_path(path)
        handle.mode = SPI_MODE
        handle.bits_per_word = 8
        handle.max_speed_hz = speed_hz
    except OSError as error:
        raise BusFault(
            f"{path}: cannot be opened: {error}; is SPI enabled, and is the user in the group spi?"
        ) from error
    return LinuxSpi(handle, path)


def _new_handle() -> SpiHandle:
    try:
        import spidev
    except ImportError as error:
        raise DriverError(
            "the Python package spidev is missing: install this distribution with its extra `spi`"
        ) from error
    handle: SpiHandle = spidev.SpiDev()
    return handle
