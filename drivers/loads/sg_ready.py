"""A heat pump with the two contacts of SG-Ready (reference/loads.md).

    contacts 1, 2:  10 blocked   00 normal   01 encouraged   11 ordered

The pump ends a block by itself, commonly after two hours; so the driver ends it before, and gives it the same time of
normal running. Changes go one contact at a time, on ways that never touch `blocked` unless it is meant.
"""

from __future__ import annotations

from typing import NamedTuple

from drivers.bus import Clock
from drivers.errors import ValueOutOfRange
from drivers.loads.line import OutputLine
from drivers.loads.switch import LONGEST_S

BLOCKED, NORMAL, ENCOURAGED, ORDERED = "blocked", "normal", "encouraged", "ordered"
CONTACTS = {BLOCKED: (True, False), NORMAL: (False, False), ENCOURAGED: (False, True), ORDERED: (True, True)}
_WAYS = {
    (BLOCKED, ENCOURAGED): (NORMAL,),
    (ENCOURAGED, BLOCKED): (NORMAL,),
    (NORMAL, ORDERED): (ENCOURAGED,),
    (ORDERED, NORMAL): (ENCOURAGED,),
}
"""Modes passed on the way where both contacts change."""


class SgReadyRule(NamedTuple):
    """Times of a heat pump (s), and the electric power (W) from which it is encouraged and ordered."""

    hold_s: int = 600
    most_blocked_s: int = 7_000
    encourage_from_w: int = 1
    order_from_w: int = 0
    block_at_zero: bool = False

    def check(self) -> None:
        """Refuse what no heat pump means. Raises ValueOutOfRange."""
        for what, value in (("hold_s", self.hold_s), ("most_blocked_s", self.most_blocked_s)):
            if not 1 <= value <= LONGEST_S:
                raise ValueOutOfRange(f"SG-Ready: {what} = {value} is outside 1..{LONGEST_S}; write seconds")
        if self.most_blocked_s < self.hold_s:
            raise ValueOutOfRange(
                f"SG-Ready: most_blocked_s = {self.most_blocked_s} is shorter than hold_s = {self.hold_s}"
            )

    def mode_for(self, power_w: int) -> str:
        """Return the mode that asks for about so much electric power; 0 as `order_from_w` never orders."""
        if power_w <= 0:
            return BLOCKED if self.block_at_zero else NORMAL
        if self.order_from_w and power_w >= self.order_from_w:
            return ORDERED
        return ENCOURAGED if power_w >= self.encourage_from_w else NORMAL


class SgReadyPump:
    """The two contacts of one heat pump."""

    def __init__(self, first: OutputLine, second: OutputLine, rule: SgReadyRule, clock: Clock) -> None:
        """Begin with `normal`, whatever was before. Raises BusFault, ValueOutOfRange."""
        rule.check()
        self._lines, self._rule, self._clock = (first, second), rule, clock
        self.mode = self.wanted = NORMAL
        self._since = clock.ticks_ms()
        self._contacts = [False, False]
        for line in self._lines:
            line.drive(False)

    def want_w(self, power_w: int) -> None:
        """Say about how much electric power (W) the pump should take; carried out by `step`."""
        self.wanted = self._rule.mode_for(power_w)

    @property
    def held_s(self) -> int:
        """Whole seconds since the last change of mode."""
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._since) // 1000

    def step(self) -> bool:
        """Carry out the wish within the times of the pump; whether the mode changed. Raises BusFault."""
        wanted = self.wanted
        if self.mode == BLOCKED and self.held_s >= self._rule.most_blocked_s:
            wanted = NORMAL
        if wanted == self.mode or self.held_s < self._rule.hold_s:
            return False
        self._go(wanted)
        return True

    def let_go(self) -> None:
        """Nobody is in charge from now on: both contacts open, the pump runs by itself."""
        self.wanted = NORMAL
        if self.mode != NORMAL:
            self._go(NORMAL)

    def _go(self, mode: str) -> None:
        for passed in (*_WAYS.get((self.mode, mode), ()), mode):
            for place, on in enumerate(CONTACTS[passed]):
                if self._contacts[place] != on:
                    self._lines[place].drive(on)
                    self._contacts[place] = on
        self.mode, self._since = mode, self._clock.ticks_ms()
