"""An emulated ADE7878 or ADE9000 in the simulated home, with its real driver, its bus and its memory.

    open_ade(meter, settings, memory, clock, living, ...) -> AdeOnBench      .driver, .chip, .advance()

Every access lets the house live up to the granted instant first; every write and every stretch of time goes into the
memory, so that a daemon that is killed finds the chip as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from drivers.bus import Clock, I2cDevice, SpiDevice
from drivers.chips.ade7878 import Ade7878
from drivers.chips.ade7878_link import I2cPort, SpiPort
from drivers.chips.ade7878_settings import make_settings as settings_7878
from drivers.chips.ade9000 import Ade9000
from drivers.chips.ade9000_settings import make_settings as settings_9000
from drivers.chips.ade_settings import AdeSettings
from drivers.sim.ade7878 import Ade7878Emulator
from drivers.sim.ade9000 import Ade9000Emulator
from drivers.sim.ade_bus import Fault
from drivers.sim.ade_memory import AdeMemory

ADE_METERS = ("i2c:ade7878", "spi:ade7878", "spi:ade9000")
SPI_READ = 0x08
SPI_7878_READ = 0x01

Living = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class AdeOnBench:
    """The chip, the driver on it, and where it keeps what it remembers."""

    chip: Ade7878Emulator | Ade9000Emulator
    driver: Ade7878 | Ade9000
    memory: AdeMemory

    def advance(self, to_ms: int, phase_power_w: list[float]) -> None:
        """Let the chip meter a stretch of constant power; what it has metered already is not repeated."""
        if to_ms > self.chip.now_ms:
            self.chip.advance(to_ms, phase_power_w)
            self.memory.save()


def default_settings(meter: str, fuse_limit_w: int, max_gap_ms: int) -> AdeSettings:
    """Settings of a chip of this kind with the usual transformers."""
    make = settings_9000 if meter == "spi:ade9000" else settings_7878
    return make(fuse_limit_w=fuse_limit_w, max_gap_ms=max_gap_ms)


def open_ade(
    meter: str,
    settings: AdeSettings,
    memory: memoryview,
    clock: Clock,
    living: Living,
    faults: tuple[tuple[str, int], ...],
    seed: int,
) -> AdeOnBench:
    """Make chip and driver; `faults` are (kind, unix ms). Raises HouseStateError for a memory of something else."""
    chip: Ade7878Emulator | Ade9000Emulator
    chip = (Ade9000Emulator if meter == "spi:ade9000" else Ade7878Emulator)(clock, site=settings.site, seed=seed)
    kept = AdeMemory(memory, chip)
    kept.load()
    # A fault that began before belongs to what was remembered.
    chip.add_faults([Fault(kind, at_ms=at_ms) for kind, at_ms in faults if at_ms > chip.now_ms])
    driver: Ade7878 | Ade9000
    if isinstance(chip, Ade9000Emulator):
        driver = Ade9000(_Spi(chip, living, kept, 1, SPI_READ), clock, settings)
    elif meter == "i2c:ade7878":
        driver = Ade7878(I2cPort(_I2c(chip.i2c, living, kept)), clock, settings)
    else:
        driver = Ade7878(SpiPort(_Spi(chip.spi, living, kept, 0, SPI_7878_READ)), clock, settings)
    return AdeOnBench(chip, driver, kept)


class _Spi(SpiDevice):
    """The chip's SPI; `place` and `mask` tell where a request says that it reads."""

    def __init__(self, bus: SpiDevice, living: Living, kept: AdeMemory, place: int, mask: int) -> None:
        self._bus, self._living, self._kept = bus, living, kept
        self._place, self._mask = place, mask

    def transfer(self, tx: bytes) -> bytes:
        """One chip-select period."""
        with self._living():
            try:
                return self._bus.transfer(tx)
            finally:
                if not tx[self._place] & self._mask:
                    self._kept.save()


class _I2c(I2cDevice):
    def __init__(self, bus: I2cDevice, living: Living, kept: AdeMemory) -> None:
        self._bus, self._living, self._kept = bus, living, kept

    def write(self, data: bytes) -> None:
        """One message."""
        with self._living():
            try:
                self._bus.write(data)
            finally:
                self._kept.save()

    def write_read(self, data: bytes, n: int) -> bytes:
        """Two messages with a repeated start between them."""
        with self._living():
            return self._bus.write_read(data, n)
