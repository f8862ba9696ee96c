"""An installer finds the units that are there, whatever they answer, and no others."""

import pytest

from drivers.linux.modbus import SerialLine
from drivers.linux.modbus_profiles import load_profile
from drivers.linux.modbus_scan import FoundUnit, lines_of, main, scan_line, units_of
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.modbus_meter import EmulatedMeter
from drivers.sim.serve import SwingingHouse, make_unit

TIMEOUT_S = 0.15


def test_units_are_found_with_what_they_speak_and_a_silent_one_is_not() -> None:
    units = {
        1: EmulatedUnit(EmulatedMeter(load_profile("sdm630"), SwingingHouse())),
        2: make_unit("sunspec-203"),
        4: make_unit("sdm120", "busy"),
        5: make_unit("sdm120", "silent"),
    }
    with EmulatedLine(units, over="pty") as served:
        line = SerialLine(served.serial_port, baud=38_400)
        found = list(scan_line([line], range(1, 7), TIMEOUT_S))
    assert found == [FoundUnit(line, 1, False), FoundUnit(line, 2, True), FoundUnit(line, 4, False)]


def test_every_setting_of_the_reference_is_tried_once() -> None:
    lines = list(lines_of("x"))
    assert len(lines) == len(set(lines)) == 20
    assert {line.baud for line in lines} == {2_400, 4_800, 9_600, 19_200, 38_400}


def test_a_line_that_is_not_there_ends_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/dev/no-such-line"]) == 2
    assert "no-such-line" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "5-4", "1-248", "x"])
def test_impossible_units_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        units_of(text)
    assert list(units_of("2-4")) == [2, 3, 4]
