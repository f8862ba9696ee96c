"""A GPIO chip that answers for libgpiod, with what kernels differ in: what becomes of a line that is given back.

    EmulatedChip(keeps_driving=False)      upstream kernel: a released line is an input, its pull decides
    EmulatedChip(keeps_driving=True)       vendor kernel: a released line goes on as it was driven

It stands in for the `gpiod` module (`request_lines`), so the real adapter `drivers.linux.gpio` runs on it. `history`
keeps every level that a wire had, for the test that no contact ever passes a state that nobody meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EmulatedLineFault(OSError):
    """The kernel's EIO from a line that a test broke."""


class EmulatedChip:
    """Levels of wires; True is the electric high level."""

    def __init__(self, keeps_driving: bool = False, pulls: Mapping[int, bool] | None = None) -> None:
        """Set what happens on release, and the level that each wire's own resistor pulls it to (default low)."""
        self._keeps_driving = keeps_driving
        self._pulls = dict(pulls or {})
        self.driven: dict[int, bool] = {}
        self.contacts: dict[int, bool] = {}
        self.history: list[tuple[int, bool]] = []
        self.broken: set[int] = set()
        self.taken: set[int] = set()

    def level(self, offset: int) -> bool:
        """Return the level of a wire: driven, held by a contact, or pulled."""
        if offset in self.driven:
            return self.driven[offset]
        return self.contacts.get(offset, self._pulls.get(offset, False))

    def drive(self, offset: int, level: bool) -> None:
        """Drive a wire. Raises EmulatedLineFault where a test broke it."""
        if offset in self.broken:
            raise EmulatedLineFault(5, "Input/output error")
        self.driven[offset] = level
        self.history.append((offset, level))

    def sense(self, offset: int) -> bool:
        """Look at a wire. Raises EmulatedLineFault where a test broke it."""
        if offset in self.broken:
            raise EmulatedLineFault(5, "Input/output error")
        return self.level(offset)

    def release(self, offsets: Mapping[int, Any]) -> None:
        """Give wires back, as this kernel does it."""
        self.taken -= set(offsets)
        if not self._keeps_driving:
            for offset in offsets:
                self.driven.pop(offset, None)

    def request_lines(self, path: str, consumer: str, config: Mapping[int, Any]) -> EmulatedRequest:
        """Open wires as `gpiod.request_lines` does; OSError when somebody has them."""
        if self.taken & set(config):
            raise OSError(16, f"Device or resource busy: {path} ({consumer})")
        self.taken |= set(config)
        return EmulatedRequest(self, dict(config))


class EmulatedRequest:
    """What `gpiod.request_lines` returns."""

    def __init__(self, chip: EmulatedChip, config: dict[int, Any]) -> None:
        """Drive the outputs as their settings say."""
        import gpiod.line

        self._chip, self._config, self._line = chip, config, gpiod.line
        for offset, settings in config.items():
            if settings.direction == gpiod.line.Direction.OUTPUT:
                self.set_value(offset, settings.output_value)

    def set_value(self, offset: int, value: Any) -> None:
        """Drive a line by its active state."""
        active = value == self._line.Value.ACTIVE
        self._chip.drive(offset, active != self._config[offset].active_low)

    def get_value(self, offset: int) -> Any:
        """Look at a line; its active state."""
        active = self._chip.sense(offset) != self._config[offset].active_low
        return self._line.Value.ACTIVE if active else self._line.Value.INACTIVE

    def release(self) -> None:
        """Give the lines back."""
        self._chip.release(self._config)
