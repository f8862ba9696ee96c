"""A boiler whose elements are switched one by one: the largest power that does not exceed the wish.

Each element is a `Switch` with its own least times; an element that may not change yet counts as it is. Of settings
with the same power the one with the fewest changes is taken.
"""

from __future__ import annotations

from itertools import product

from drivers.errors import ValueOutOfRange
from drivers.loads.switch import Switch

MOST_ELEMENTS = 6


class StepBoiler:
    """Elements and their powers (W)."""

    def __init__(self, elements: list[tuple[Switch, int]]) -> None:
        """Take the switches, each with the power behind it. Raises ValueOutOfRange."""
        if not 1 <= len(elements) <= MOST_ELEMENTS or any(power_w <= 0 for _, power_w in elements):
            raise ValueOutOfRange(f"a boiler has 1 to {MOST_ELEMENTS} elements, each with a power above 0 W")
        self._switches = [switch for switch, _ in elements]
        self._powers_w = [power_w for _, power_w in elements]

    @property
    def power_w(self) -> int:
        """What is switched on now (W); a thermostat in the boiler may take less."""
        return sum(power for switch, power in zip(self._switches, self._powers_w, strict=True) if switch.is_on)

    def want_w(self, power_w: int) -> None:
        """Say how much it may take at most (W); carried out by `step`."""
        for switch, on in zip(self._switches, self._choice(power_w), strict=True):
            switch.want(on)

    def step(self) -> bool:
        """Carry out the wish: what goes off before what goes on. Raises BusFault."""
        ordered = sorted(self._switches, key=lambda switch: switch.wanted)
        changed = [switch.step() for switch in ordered]
        return any(changed)

    def let_go(self) -> None:
        """Nobody is in charge from now on: every element in its safe state."""
        for switch in self._switches:
            switch.let_go()

    def _choice(self, power_w: int) -> tuple[bool, ...]:
        now = tuple(switch.is_on for switch in self._switches)
        free = [(False, True) if not switch.locked_s else (switch.is_on,) for switch in self._switches]

        def rank(states: tuple[bool, ...]) -> tuple[int, int, int]:
            total = sum(power for power, on in zip(self._powers_w, states, strict=True) if on)
            changes = sum(a != b for a, b in zip(states, now, strict=True))
            beyond = max(0, total - max(0, power_w))
            return beyond, -total, changes

        return min(product(*free), key=rank)
