"""A meter and a battery on one serial line: nobody ever waits for a dead neighbour."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.errors import BusFault, DriverError, ValueOutOfRange
from drivers.linux.modbus import SerialLine
from drivers.linux.modbus_shared import SharedLine
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.serve import make_unit

METER, BATTERY = 1, 2
PERIOD_S = 1.5
FAR_S = 30.0


@contextmanager
def shared(units: dict[int, EmulatedUnit]) -> Iterator[SharedLine]:
    with EmulatedLine(units, over="pty") as served:
        line = SharedLine(SerialLine(served.serial_port), PERIOD_S, 2)
        try:
            yield line
        finally:
            line.close()


def at_a_whole_period() -> None:
    threading.Event().wait(PERIOD_S - time.time() % PERIOD_S)


def test_a_dead_battery_never_delays_the_meter_and_is_asked_in_its_own_window_only() -> None:
    units = {METER: make_unit("sdm630"), BATTERY: make_unit("sunspec-124", "silent")}
    phases, stop = list[float](), threading.Event()
    with shared(units) as line:
        battery, meter = line.unit(1, BATTERY), line.unit(0, METER)

        def hammer() -> None:
            while not stop.is_set():
                with pytest.raises(DriverError):
                    battery.read(3, 40_000, 2)
                phases.append(time.time() % PERIOD_S)

        beside = threading.Thread(target=hammer)
        beside.start()
        took_s = []
        for _ in range(4):
            at_a_whole_period()
            begun_s = time.monotonic()
            assert len(meter.read(4, 0, 10)) == 10
            took_s.append(time.monotonic() - begun_s)
        stop.set()
        line.close()
        beside.join(FAR_S)
    assert max(took_s) < 0.5, "a meter that waited for the battery's time-out"
    assert units[BATTERY].asked >= 3
    assert all(phase > PERIOD_S / 2 for phase in phases[:-1]), "the battery was asked in the meter's window"


def test_a_dead_meter_leaves_the_battery_its_window() -> None:
    units = {METER: make_unit("sdm630", "silent"), BATTERY: make_unit("sunspec-124")}
    with shared(units) as line:
        stop = threading.Event()

        def hammer() -> None:
            while not stop.is_set():
                at_a_whole_period()
                with pytest.raises(BusFault):
                    line.unit(0, METER).read(4, 0, 2)

        beside = threading.Thread(target=hammer)
        beside.start()
        answers = [line.unit(1, BATTERY).read(3, 40_000, 2) for _ in range(20)]
        stop.set()
        beside.join(FAR_S)
    assert answers == [[0x5375, 0x6E53]] * 20


def test_the_meter_is_asked_again_while_its_window_lasts() -> None:
    unit = make_unit("sdm630", "busy")
    with shared({METER: unit, BATTERY: make_unit("sunspec-124")}) as line:
        at_a_whole_period()
        with pytest.raises(BusFault):
            line.unit(0, METER).read(4, 0, 2)
    assert unit.asked == 2


def test_once_the_meter_is_no_longer_read_nobody_waits_and_a_closed_line_says_so() -> None:
    with shared({METER: make_unit("sdm630"), BATTERY: make_unit("sunspec-124")}) as line:
        battery = line.unit(1, BATTERY)
        line.free()
        begun_s = time.monotonic()
        for _ in range(10):
            battery.read(3, 40_000, 2)
        assert time.monotonic() - begun_s < PERIOD_S
        line.close()
        with pytest.raises(BusFault, match="closed"):
            battery.read(3, 40_000, 2)
        with pytest.raises(BusFault, match="closed"):
            line.unit(0, METER).read(4, 0, 2)


def test_a_line_that_is_not_there_is_tried_again_and_impossible_units_are_refused() -> None:
    line = SharedLine(SerialLine("/dev/no-such-line"), PERIOD_S, 2)
    for _ in range(2):
        with pytest.raises(BusFault, match="no-such-line"):
            line.unit(0, METER).read(4, 0, 2)
    with pytest.raises(ValueOutOfRange):
        line.unit(1, 248)
