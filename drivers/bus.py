"""What a bus can do for a driver. Interfaces only: adapters (drivers.linux) and emulators (drivers.sim) satisfy them.

A driver sees nothing but these classes, so the same file runs on CPython and MicroPython. The adapters
inherit them for the type checker's sake; at run time it is enough to have the methods. Source:
reference/bus.md, section "Interfaces".

    SpiDevice.transfer(tx: bytes) -> bytes
    I2cDevice.write(data: bytes) -> None; I2cDevice.write_read(data: bytes, n: int) -> bytes
    ModbusDevice.read(function: int, address: int, count: int) -> list[int]
    ModbusDevice.write(address: int, words: list[int]) -> None
    Clock.sleep_ms(n: int) -> None; Clock.ticks_ms() -> int; Clock.ticks_diff(a: int, b: int) -> int
"""


class SpiDevice:
    """One chip on a full-duplex serial bus; a call is one chip-select period."""

    def transfer(self, tx: bytes) -> bytes:
        """Select the chip, clock `len(tx)` bytes out and in, deselect; `len(tx)` bytes. Raises BusFault."""
        raise NotImplementedError


class I2cDevice:
    """One chip (address) on a two-wire bus."""

    def write(self, data: bytes) -> None:
        """Start, address for writing, `data`, stop. Raises BusFault when a byte was not acknowledged."""
        raise NotImplementedError

    def write_read(self, data: bytes, n: int) -> bytes:
        """Start, `data`, repeated start, `n` bytes, stop; the `n` bytes. Raises BusFault."""
        raise NotImplementedError


class ModbusDevice:
    """One unit (slave) on a Modbus line or connection; registers are unsigned 16-bit words."""

    def read(self, function: int, address: int, count: int) -> list[int]:
        """`count` registers from `address` by function 3 (holding) or 4 (input). Raises BusFault."""
        raise NotImplementedError

    def write(self, address: int, words: list[int]) -> None:
        """Write holding registers from `address` on (function 16). Raises BusFault."""
        raise NotImplementedError


class Clock:
    """Time as a driver may know it: waiting, and differences of a millisecond counter of unknown epoch."""

    def sleep_ms(self, n: int) -> None:
        """Return after `n` milliseconds."""
        raise NotImplementedError

    def ticks_ms(self) -> int:
        """The millisecond counter; only differences by `ticks_diff` mean anything."""
        raise NotImplementedError

    def ticks_diff(self, a: int, b: int) -> int:
        """Milliseconds from `b` to `a`, right across a wrap of the counter."""
        raise NotImplementedError
