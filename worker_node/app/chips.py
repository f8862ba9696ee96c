"""The metering chip of the settings behind Linux' buses: bus, driver, and how both are closed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from drivers.chips.ade_settings import AdeSettings
from worker_node.settings import WorkerSettings
from worker_node.settings_chips import ChipSection, chip_settings

if TYPE_CHECKING:
    from worker_node.metering.meter import MeterDriver


def open_chip(settings: WorkerSettings) -> "tuple[MeterDriver, Callable[[], None]]":
    """Driver and what closes its bus; nothing is sent yet. Raises DriverError."""
    from drivers.linux.ticks import MonotonicTicks

    meter, chip = settings.meter, settings.chip or ChipSection()
    made, clock = chip_settings(meter, chip), MonotonicTicks()
    if meter.kind == "i2c:ade7878":
        from drivers.chips.ade7878 import Ade7878
        from drivers.chips.ade7878_link import I2cPort
        from drivers.linux.i2c import open_i2c

        assert isinstance(made, AdeSettings)
        i2c = open_i2c(chip.i2c_bus, chip.i2c_address)
        return Ade7878(I2cPort(i2c), clock, made), i2c.close
    from drivers.linux.spi import open_spi

    bus = open_spi(f"/dev/spidev{meter.spi_bus}.{meter.spi_device}", meter.spi_hz)
    if not isinstance(made, AdeSettings):
        from drivers.chips.atm90e32as import Atm90e32as

        return Atm90e32as(bus, clock, made), bus.close
    if meter.kind == "spi:ade9000":
        from drivers.chips.ade9000 import Ade9000

        return Ade9000(bus, clock, made), bus.close
    from drivers.chips.ade7878 import Ade7878
    from drivers.chips.ade7878_link import SpiPort

    return Ade7878(SpiPort(bus), clock, made), bus.close
