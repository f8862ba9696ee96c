"""Whatever a wire does wrong, the adapter answers with a named error or the right registers, never with wrong ones."""

from contextlib import suppress

import pytest

from drivers.errors import BusFault
from drivers.linux.modbus import LinuxModbus, SerialLine, open_serial, open_tcp
from drivers.modbus.slave import ILLEGAL_ADDRESS, Refusal, Registers, answer_pdu, rtu_content, rtu_frame
from drivers.sim.modbus_line import WIRE_FAULTS, EmulatedLine, EmulatedUnit

TIMEOUT_S = 0.2


class Counting(Registers):
    """Register n holds n + 1000."""

    def read(self, function: int, address: int, count: int) -> list[int]:
        """As the class says; nothing from 60000 on."""
        if address + count > 60_000:
            raise Refusal(ILLEGAL_ADDRESS)
        return [place + 1000 for place in range(address, address + count)]


def connect(line: EmulatedLine, unit: int = 1) -> LinuxModbus:
    """The adapter for whichever way the line goes."""
    if line.over == "tcp":
        return open_tcp(line.host, line.port, device_id=unit, timeout_s=TIMEOUT_S)
    return open_serial(SerialLine(line.serial_port, baud=115_200), device_id=unit, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("over", ["tcp", "pty"])
@pytest.mark.parametrize("fault", WIRE_FAULTS)
def test_a_fault_of_the_wire_never_becomes_a_value(fault: str, over: str) -> None:
    unit = EmulatedUnit(Counting())
    with EmulatedLine({1: unit}, over=over) as line, connect(line) as device:
        assert device.read(3, 5, 3) == [1005, 1006, 1007]
        unit.fault = fault
        with suppress(BusFault):
            assert device.read(3, 50, 3) == [1050, 1051, 1052]
        unit.fault = ""
    with EmulatedLine({1: unit}, over=over) as line, connect(line) as device:
        assert device.read(3, 70, 2) == [1070, 1071]


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (bytes((3, 0, 0, 0, 0)), 3),
        (bytes((3, 0, 0, 0, 126)), 3),
        (bytes((3, 0xFF, 0xFF, 0, 2)), 2),
        (bytes((4, 0xEA, 0x60, 0, 1)), 2),
        (bytes((16, 0, 0, 0, 2, 3, 0, 0, 0)), 3),
        (bytes((16, 0, 0, 0, 1, 2, 0, 0)), 2),
        (bytes((6, 0, 0, 0, 1)), 2),
        (bytes((5, 0, 0, 0, 1)), 1),
        (bytes((3, 0, 0)), 1),
        (b"", 1),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_by_its_code(pdu: bytes, code: int) -> None:
    answer = answer_pdu(Counting(), pdu)
    assert (answer[0] & 0x80, answer[1]) == (0x80, code)


def test_a_frame_with_one_flipped_bit_has_no_content() -> None:
    frame = rtu_frame(7, bytes((3, 0, 1, 0, 2)))
    assert rtu_content(frame) == (7, bytes((3, 0, 1, 0, 2)))
    for bit in range(8 * len(frame)):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert rtu_content(bytes(spoilt)) is None
