"""The spidev adapter: mode, one xfer2 per chip-select period, kernel errors as BusFault, a named extra."""

from __future__ import annotations

import sys
import types

import pytest

from drivers.chips.atm90e32as import Atm90e32as
from drivers.errors import BusFault, DriverError
from drivers.linux.spi import LinuxSpi, open_spi
from drivers.linux.ticks import MonotonicTicks
from drivers.sim.atm90e32as import Atm90e32asEmulator
from drivers.sim.ticks import SimClock


class FakeSpiDev:
    """spidev.SpiDev with an emulated chip behind it."""

    instances: list[FakeSpiDev] = []  # noqa: RUF012 - reset by the fixture

    def __init__(self) -> None:
        self.mode = self.max_speed_hz = self.bits_per_word = -1
        self.opened: str | None = None
        self.chip = Atm90e32asEmulator()
        self.failure: OSError | None = None
        self.short = False
        FakeSpiDev.instances.append(self)

    def open_path(self, path: str) -> None:
        if "missing" in path:
            raise FileNotFoundError(2, "No such file or directory")
        self.opened = path

    def xfer2(self, values: list[int]) -> list[int]:
        if self.failure:
            raise self.failure
        answer = list(self.chip.transfer(bytes(values)))
        return answer[:-1] if self.short else answer

    def close(self) -> None:
        self.opened = None


@pytest.fixture
def spidev(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("spidev")
    module.SpiDev = FakeSpiDev  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spidev", module)
    FakeSpiDev.instances.clear()


def test_the_device_is_opened_in_mode_3_with_8_bit_words(spidev: None) -> None:
    bus = open_spi("/dev/spidev0.0", 800_000)
    handle = FakeSpiDev.instances[0]
    assert (handle.opened, handle.mode, handle.bits_per_word, handle.max_speed_hz) == ("/dev/spidev0.0", 3, 8, 800_000)
    bus.close()
    assert handle.opened is None


def test_the_real_driver_runs_over_the_adapter(spidev: None) -> None:
    bus = open_spi("/dev/spidev0.0")
    driver = Atm90e32as(bus, SimClock(lambda: 0))
    assert driver.start().flags == 0
    assert not driver.was_configured


def test_kernel_errors_and_short_answers_are_bus_faults(spidev: None) -> None:
    bus = open_spi("/dev/spidev0.0")
    handle = FakeSpiDev.instances[0]
    handle.short = True
    with pytest.raises(BusFault, match="3 bytes answered to 4"):
        bus.transfer(bytes(4))
    handle.failure = OSError(110, "Connection timed out")
    with pytest.raises(BusFault, match=r"spidev0\.0.*timed out") as caught:
        bus.transfer(bytes(4))
    assert caught.value.transient


def test_a_missing_device_names_what_to_check(spidev: None) -> None:
    with pytest.raises(BusFault, match="group spi"):
        open_spi("/dev/missing")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(DriverError, match="extra `spi`") as caught:
        open_spi("/dev/spidev0.0")
    assert not caught.value.transient


@pytest.mark.parametrize("speed_hz", [399, 1_100_001, 16_000_000])
def test_speeds_beyond_the_data_sheet_are_refused(speed_hz: int) -> None:
    with pytest.raises(DriverError, match="speed_hz"):
        open_spi("/dev/spidev0.0", speed_hz)


def test_the_system_clock_counts_forward() -> None:
    clock = MonotonicTicks()
    before = clock.ticks_ms()
    clock.sleep_ms(0)
    assert clock.ticks_diff(clock.ticks_ms(), before) >= 0
    assert clock.ticks_diff(1500, 500) == 1000


def test_a_handle_from_elsewhere_can_be_used() -> None:
    assert LinuxSpi(FakeSpiDev(), "test").transfer(bytes.fromhex("80020000"))[2:] == b"\x06\x54"
