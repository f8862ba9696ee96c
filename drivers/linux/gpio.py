"""Wires on a GPIO chip through libgpiod (gpiod 2): relays that are driven, contacts that are looked at.

    open_outputs("/dev/gpiochip0", {17: OutputForm(start_on=False, safe_on=False)}) -> Outputs
    open_inputs("/dev/gpiochip0", [22], pull="up") -> Inputs

When lines are given back, upstream kernels return them to input and vendor kernels keep driving them (reference/
loads.md). So `close` drives every line to its safe state first: with the safe state wired as "input", both kernels end
in it. gpiod is the extra `gpio`; it is imported when lines are opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from drivers.errors import BusFault, DriverError

_CONSUMER = "hive"


class OutputForm(NamedTuple):
    """How a relay hangs on a line: its states at the start and in the end, and whether low closes it."""

    start_on: bool = False
    safe_on: bool = False
    active_low: bool = False


class _Output:
    """One driven line."""

    def __init__(self, outputs: Outputs, offset: int) -> None:
        self._outputs, self._offset = outputs, offset

    def drive(self, on: bool) -> None:
        """Drive it from now on. Raises BusFault."""
        self._outputs.set(self._offset, on)


class _Input:
    """One line that is looked at."""

    def __init__(self, inputs: Inputs, offset: int) -> None:
        self._inputs, self._offset = inputs, offset

    def closed(self) -> bool:
        """Return whether the contact is closed. Raises BusFault."""
        return self._inputs.get(self._offset)


class Outputs:
    """Driven lines of one chip; `line` gives one of them to a load."""

    def __init__(self, request: Any, forms: Mapping[int, OutputForm], path: str, gpiod: ModuleType) -> None:
        """Take a request of libgpiod."""
        self._request, self._forms, self._path, self._gpiod = request, forms, path, gpiod

    def line(self, offset: int) -> _Output:
        """Return one of the lines. Raises DriverError for one that was not opened."""
        if offset not in self._forms:
            raise DriverError(f"{self._path}: line {offset} was not opened; name it in the settings")
        return _Output(self, offset)

    def set(self, offset: int, on: bool) -> None:
        """Drive a line. Raises BusFault."""
        value = self._gpiod.line.Value.ACTIVE if on else self._gpiod.line.Value.INACTIVE
        try:
            self._request.set_value(offset, value)
        except (OSError, self._gpiod.RequestReleasedError) as error:
            raise BusFault(f"{self._path}: line {offset} cannot be driven: {error}") from error

    def close(self) -> None:
        """Drive every line to its safe state, then give all back."""
        try:
            for offset, form in self._forms.items():
                self.set(offset, form.safe_on)
        finally:
            self._request.release()


class Inputs:
    """Lines of one chip that are looked at."""

    def __init__(self, request: Any, offsets: Sequence[int], path: str, gpiod: ModuleType) -> None:
        """Take a request of libgpiod."""
        self._request, self._offsets, self._path, self._gpiod = request, tuple(offsets), path, gpiod

    def line(self, offset: int) -> _Input:
        """Return one of the lines. Raises DriverError for one that was not opened."""
        if offset not in self._offsets:
            raise DriverError(f"{self._path}: line {offset} was not opened; name it in the settings")
        return _Input(self, offset)

    def get(self, offset: int) -> bool:
        """Return whether the contact on a line is closed. Raises BusFault."""
        try:
            return bool(self._request.get_value(offset) == self._gpiod.line.Value.ACTIVE)
        except (OSError, self._gpiod.RequestReleasedError) as error:
            raise BusFault(f"{self._path}: line {offset} cannot be read: {error}") from error

    def close(self) -> None:
        """Give the lines back."""
        self._request.release()


def open_outputs(path: str, forms: Mapping[int, OutputForm]) -> Outputs:
    """Open lines to drive, each in its start state at once. Raises BusFault, DriverError without gpiod."""
    gpiod = _gpiod()
    value = gpiod.line.Value
    config = {
        offset: gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT,
            output_value=value.ACTIVE if form.start_on else value.INACTIVE,
            active_low=form.active_low,
        )
        for offset, form in forms.items()
    }
    return Outputs(_request(gpiod, path, config), dict(forms), path, gpiod)


def open_inputs(path: str, offsets: Sequence[int], pull: str = "up") -> Inputs:
    """Open lines to look at; a contact to ground with a pull-up is closed when the line is low. Raises BusFault."""
    gpiod = _gpiod()
    bias = {"up": gpiod.line.Bias.PULL_UP, "down": gpiod.line.Bias.PULL_DOWN, "none": gpiod.line.Bias.DISABLED}
    if pull not in bias:
        raise DriverError(f"{path}: pull {pull!r} is not one of up, down, none")
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.INPUT, bias=bias[pull], active_low=pull == "up")
    return Inputs(_request(gpiod, path, dict.fromkeys(offsets, settings)), offsets, path, gpiod)


def _request(gpiod: ModuleType, path: str, config: dict[int, Any]) -> Any:
    try:
        return gpiod.request_lines(path, consumer=_CONSUMER, config=config)
    except (OSError, ValueError) as error:
        raise BusFault(
            f"{path}: lines {sorted(config)} cannot be opened: {error}; is another program using them, "
            "and is the user in the group gpio?"
        ) from error


def _gpiod() -> ModuleType:
    try:
        import gpiod
        import gpiod.line
    except ImportError as error:
        raise DriverError("GPIO lines need gpiod; install Hive with the extra gpio") from error
    return gpiod
