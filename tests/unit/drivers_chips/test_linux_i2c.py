"""The Linux I2C adapter sends raw messages with a repeated start and turns the kernel's errors into BusFault."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest

from drivers.chips.ade7878_link import I2cPort
from drivers.errors import BusFault, DriverError
from drivers.linux.i2c import LinuxI2c, open_i2c


class Message:
    def __init__(self, address: int, data: Iterable[int], reads: bool) -> None:
        self.address, self.data, self.reads = address, bytearray(data), reads

    def __iter__(self) -> Iterable[int]:
        return iter(self.data)


class FakeMessages:
    def write(self, address: int, data: Iterable[int]) -> Message:
        return Message(address, data, False)

    def read(self, address: int, length: int) -> Message:
        return Message(address, bytes(length), True)


class FakeBus:
    def __init__(self, answer: bytes = b"", fails: bool = False) -> None:
        self.answer, self.fails, self.calls, self.closed = answer, fails, [], False

    def i2c_rdwr(self, *messages: Message) -> None:
        if self.fails:
            raise OSError(121, "Remote I/O error")
        self.calls.append([(one.address, bytes(one.data), one.reads) for one in messages])
        for one in messages:
            if one.reads:
                one.data[:] = self.answer

    def close(self) -> None:
        self.closed = True


def adapter(bus: FakeBus) -> LinuxI2c:
    return LinuxI2c(bus, FakeMessages(), 0x38, "test")


def test_a_read_is_a_write_and_a_read_in_one_call() -> None:
    bus = FakeBus(b"\x13\xff")
    device = adapter(bus)
    assert I2cPort(device).read(0xE607) == 0x13FF
    I2cPort(device).write(0xE702, 0x38)
    assert bus.calls == [[(0x38, b"\xe6\x07", False), (0x38, b"\0\0", True)], [(0x38, b"\xe7\x02\x38", False)]]
    device.close()
    assert bus.closed


def test_errors_of_the_kernel_and_short_answers_are_bus_faults() -> None:
    with pytest.raises(BusFault, match="Remote I/O"):
        adapter(FakeBus(fails=True)).write(b"\xe7\x02\x38")
    with pytest.raises(BusFault, match="1 bytes"):
        adapter(FakeBus(b"\x01")).write_read(b"\xe6\x07", 2)


def test_opening_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DriverError, match="0x78"):
        open_i2c(1, 0x78)
    monkeypatch.setitem(sys.modules, "smbus2", None)
    with pytest.raises(DriverError, match="smbus2"):
        open_i2c()
