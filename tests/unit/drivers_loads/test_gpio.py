"""On either kind of kernel a relay ends in its safe state, and a contact reads as it is."""

from __future__ import annotations

import pytest

pytest.importorskip("gpiod", reason="gpiod is not installed: GPIO lines are NOT tested")

from drivers.errors import BusFault, DriverError
from drivers.linux import gpio
from drivers.sim.gpio import EmulatedChip


@pytest.fixture(params=[False, True], ids=["upstream", "vendor"])
def chip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EmulatedChip:
    import gpiod

    emulated = EmulatedChip(keeps_driving=request.param, pulls={22: True})
    monkeypatch.setattr(gpiod, "request_lines", emulated.request_lines)
    return emulated


def test_a_closed_adapter_leaves_every_relay_safe_on_both_kernels(chip: EmulatedChip) -> None:
    forms = {17: gpio.OutputForm(), 27: gpio.OutputForm(start_on=True, active_low=True)}
    outputs = gpio.open_outputs("/dev/gpiochip0", forms)
    assert (chip.level(17), chip.level(27)) == (False, False)
    outputs.line(17).drive(True)
    assert chip.level(17)
    outputs.close()
    assert chip.level(17) is False
    assert (27, True) in chip.history
    assert chip.history[-1] == (27, True)


def test_a_start_state_is_driven_at_once_without_a_glitch(chip: EmulatedChip) -> None:
    gpio.open_outputs("/dev/gpiochip0", {17: gpio.OutputForm(start_on=True)})
    assert chip.history == [(17, True)]


def test_a_contact_to_ground_is_closed_when_its_line_is_low(chip: EmulatedChip) -> None:
    inputs = gpio.open_inputs("/dev/gpiochip0", [22])
    assert not inputs.line(22).closed()
    chip.contacts[22] = False
    assert inputs.line(22).closed()
    inputs.close()


def test_faults_are_named_by_chip_and_line(chip: EmulatedChip) -> None:
    outputs = gpio.open_outputs("/dev/gpiochip0", {17: gpio.OutputForm()})
    with pytest.raises(BusFault, match="another program"):
        gpio.open_outputs("/dev/gpiochip0", {17: gpio.OutputForm()})
    chip.broken.add(17)
    with pytest.raises(BusFault, match="gpiochip0: line 17 cannot be driven"):
        outputs.line(17).drive(True)
    with pytest.raises(DriverError, match="line 5 was not opened"):
        outputs.line(5)
    with pytest.raises(DriverError, match="pull 'sideways'"):
        gpio.open_inputs("/dev/gpiochip0", [22], pull="sideways")


def test_a_chip_that_is_not_there_is_named() -> None:
    with pytest.raises(BusFault, match="gpiochip99"):
        gpio.open_outputs("/dev/gpiochip99", {17: gpio.OutputForm()})
