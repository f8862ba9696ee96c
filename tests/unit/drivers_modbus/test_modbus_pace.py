"""On a shared line every living device is asked at its planned time, whatever the dead ones do."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from drivers.bus import ModbusDevice
from drivers.errors import BusFault, WrongChip
from drivers.linux.modbus import SerialLine
from drivers.linux.modbus_pace import LONGEST_PAUSE_S, PacedDevice, PaceError, Pacer, Poll, check_pace, poll_time_s
from drivers.linux.modbus_rtu import RtuPort, RtuUnit, answer_in, silence_s
from drivers.modbus.slave import rtu_frame
from drivers.sim.modbus_line import WIRE_FAULTS, EmulatedLine, EmulatedUnit
from tests.unit.drivers_modbus.test_modbus_line import Counting

PERIOD_S, TIMEOUT_S, BAUD = 5.0, 0.5, 9_600
REGISTERS = (80, 12)


class World:
    """A line in simulated time: an answer takes its time, silence takes the time-out or what is left of the window."""

    def __init__(self) -> None:
        self.now = 100.0
        self.deadline_s = float("inf")
        self.dead: set[str] = set()

    def now_s(self) -> float:
        return self.now

    def wait_until(self, at_s: float, stop: threading.Event) -> None:
        self.now = max(self.now, at_s)

    def device(self, name: str) -> PacedDevice:
        return PacedDevice(name, lambda: self._poll(name), REGISTERS)

    def _poll(self, name: str) -> str:
        if name in self.dead:
            self.now = min(self.now + TIMEOUT_S, max(self.now, self.deadline_s))
            raise BusFault(name)
        self.now += 0.32
        return name


def paced(world: World, report: Callable[[Poll], None]) -> Pacer:
    devices = [world.device(f"m{k}") for k in range(8)]
    return Pacer(world, devices, report, period_s=PERIOD_S, timeout_s=TIMEOUT_S, baud=BAUD, clock=world)


def test_living_devices_keep_their_times_and_dead_ones_are_probed_in_gaps_with_growing_pauses() -> None:
    world, polls = World(), list[Poll]()
    world.dead = {"m2", "m5"}
    paced(world, polls.append).run(until_s=100.0 + 3_600)
    living = [poll for poll in polls if poll.name not in world.dead]
    assert max(poll.begun_s - poll.planned_s for poll in living) < 1e-6
    assert all(poll.error is None for poll in living)
    assert len(living) == 6 * 720
    for name in world.dead:
        begun = [poll.begun_s for poll in polls if poll.name == name]
        pauses = [after - before for before, after in pairwise(begun)]
        assert all(poll.probe for poll in polls if poll.name == name and poll.begun_s > 110)
        assert all(after >= before - PERIOD_S for before, after in pairwise(pauses))
        assert LONGEST_PAUSE_S <= pauses[-1] <= LONGEST_PAUSE_S + 2 * PERIOD_S
        assert len(begun) < 25


def test_a_device_that_comes_back_is_in_its_window_again() -> None:
    world, polls = World(), list[Poll]()
    world.dead = {"m2"}
    pacer = paced(world, polls.append)
    pacer.run(until_s=160.0)
    assert pacer.dead() == ["m2"]
    world.dead = set()
    pacer.run(until_s=260.0)
    assert pacer.dead() == []
    late = [poll for poll in polls if poll.name == "m2" and poll.begun_s > 240]
    assert len(late) >= 3
    assert all(not poll.probe and poll.begun_s == poll.planned_s for poll in late)


def test_all_dead_is_no_endless_loop() -> None:
    world, polls = World(), list[Poll]()
    world.dead = {f"m{k}" for k in range(8)}
    paced(world, polls.append).run(until_s=200.0)
    assert {poll.name for poll in polls} == world.dead


@pytest.mark.parametrize(
    ("count", "period_s", "timeout_s", "baud", "said"),
    [
        (8, 5.0, 0.625, 9_600, "retry window"),
        (8, 1.0, 0.5, 9_600, "retry window"),
        (8, 5.0, 0.5, 2_400, "raise the speed"),
        (0, 5.0, 0.5, 9_600, "needs devices"),
        (1, 0.0, 0.5, 9_600, "above 0"),
    ],
)
def test_a_line_that_cannot_keep_its_times_is_refused(
    count: int, period_s: float, timeout_s: float, baud: int, said: str
) -> None:
    devices = [World().device(f"m{k}") for k in range(count)]
    with pytest.raises(PaceError, match=said):
        check_pace(devices, period_s, timeout_s, baud)


def test_the_times_of_a_line_are_those_of_the_reference() -> None:
    assert poll_time_s((80,), 9_600) - 0.1 == pytest.approx(0.172 + 0.008, abs=0.001)
    assert silence_s(9_600) == pytest.approx(0.0040, abs=0.0001)
    assert silence_s(2_400) == pytest.approx(0.016, abs=0.001)
    assert silence_s(115_200) == 0.00175


def own_unit(line: EmulatedLine, timeout_s: float) -> tuple[RtuPort, ModbusDevice]:
    port = RtuPort(SerialLine(line.serial_port, baud=115_200))
    port.timeout_s = timeout_s
    return port, RtuUnit(port, 1)


@pytest.mark.parametrize("fault", ["", *WIRE_FAULTS])
def test_our_master_takes_nothing_but_the_answer(fault: str) -> None:
    unit = EmulatedUnit(Counting())
    with EmulatedLine({1: unit}, over="pty") as line:
        port, device = own_unit(line, 0.15)
        with port:
            unit.fault = fault
            if fault in ("", "echo", "glued", "twice"):
                assert device.read(3, 5, 3) == [1005, 1006, 1007]
            else:
                with pytest.raises(BusFault):
                    device.read(3, 5, 3)
            if fault != "late":
                unit.fault = ""
                port.timeout_s = 5.0
                assert device.read(4, 9, 2) == [1009, 1010]


def test_refusals_and_a_window_without_time_are_errors() -> None:
    with EmulatedLine({1: EmulatedUnit(Counting())}, over="pty") as line:
        port, device = own_unit(line, 5.0)
        with port:
            with pytest.raises(WrongChip, match="exception 2"):
                device.read(3, 60_000, 1)
            with pytest.raises(WrongChip, match="exception 2"):
                device.write(3, [1])
            port.deadline_s = 0.0
            with pytest.raises(BusFault, match="window"):
                device.read(3, 0, 1)
    with pytest.raises(BusFault, match="no-such-line"):
        RtuPort(SerialLine("/dev/no-such-line"))


def test_an_answer_is_found_behind_noise_and_a_neighbours_frame() -> None:
    answer = bytes((3, 2, 0x12, 0x34))
    assert answer_in(b"\x01\x03\x00" + rtu_frame(2, answer) + rtu_frame(1, answer), 1, 3, 4) == answer
    assert answer_in(rtu_frame(1, answer)[:-1], 1, 3, 4) is None
    assert answer_in(rtu_frame(1, bytes((0x83, 6))), 1, 3, 4) == bytes((0x83, 6))
