"""Two ATM90E32AS on one SPI bus, each with a select line of its own, or with one that floats."""

from __future__ import annotations

from drivers.bus import SpiDevice
from drivers.sim.atm90e32as import Atm90e32asEmulator


class SharedBus:
    """`floating`: the other chip is selected too, so both take the request and drive the answer line (wired AND)."""

    def __init__(self, first: Atm90e32asEmulator, second: Atm90e32asEmulator) -> None:
        self._chips = (first, second)
        self.floating = False

    def select(self, which: int) -> SpiDevice:
        """The bus as the driver of one chip sees it."""
        return _Selected(self, which)

    def transfer(self, which: int, tx: bytes) -> bytes:
        """One select period of chip `which`."""
        rx = self._chips[which].transfer(tx)
        if not self.floating:
            return rx
        other = self._chips[1 - which].transfer(tx)
        return bytes(a & b for a, b in zip(rx, other, strict=True))


class _Selected(SpiDevice):
    def __init__(self, shared: SharedBus, which: int) -> None:
        self._shared, self._which = shared, which

    def transfer(self, tx: bytes) -> bytes:
        return self._shared.transfer(self._which, tx)
