"""One wire that is switched or looked at: what `drivers.linux.gpio` and `drivers.sim.gpio` offer to the loads."""

from __future__ import annotations

from typing import Protocol


class OutputLine(Protocol):
    """A wire that is driven; `on` means that the relay behind it closes."""

    def drive(self, on: bool) -> None:
        """Drive it from now on. Raises BusFault."""


class InputLine(Protocol):
    """A wire that is looked at; `closed` means that the contact behind it is closed."""

    def closed(self) -> bool:
        """Return how it is now. Raises BusFault."""
