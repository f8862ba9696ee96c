"""A relay or contactor with least times on and off, a start state and a safe state (reference/loads.md).

    Switch(line, SwitchRule(min_on_s=600, min_off_s=600, start_on=False, safe_on=False), clock)

`want` says what should be; `step`, called at least every few seconds, carries it out as soon as the device endures it.
What was before the start is unknown, so the least time begins anew with it: a daemon that restarts in a loop cannot
make a compressor start in a loop.
"""

from __future__ import annotations

from typing import NamedTuple

from drivers.bus import Clock
from drivers.errors import ValueOutOfRange
from drivers.loads.line import OutputLine

LONGEST_S = 86_400
COMPRESSOR_START_S = 600
"""Between two starts of a compressor, unless its data sheet says less (reference/loads.md, general practice)."""


class SwitchRule(NamedTuple):
    """What the device behind a relay endures: seconds, and its state at the start and when nobody is in charge."""

    min_on_s: int = 60
    min_off_s: int = 60
    start_on: bool = False
    safe_on: bool = False
    start_to_start_s: int = 0

    def check(self, name: str) -> None:
        """Refuse what no device means. Raises ValueOutOfRange naming the load."""
        for what, value in (
            ("min_on_s", self.min_on_s),
            ("min_off_s", self.min_off_s),
            ("start_to_start_s", self.start_to_start_s),
        ):
            if not 0 <= value <= LONGEST_S:
                raise ValueOutOfRange(f"{name}: {what} = {value} is outside 0..{LONGEST_S}; write seconds")


class Switch:
    """One relay; remembers only what is needed to keep its rule."""

    def __init__(self, name: str, line: OutputLine, rule: SwitchRule, clock: Clock) -> None:
        """Drive the start state. Raises BusFault, ValueOutOfRange."""
        rule.check(name)
        self.name, self._line, self._rule, self._clock = name, line, rule, clock
        self.is_on = self.wanted = rule.start_on
        self._since = clock.ticks_ms()
        self._started = self._since
        line.drive(rule.start_on)

    def want(self, on: bool) -> None:
        """Say what should be; carried out by `step`."""
        self.wanted = on

    @property
    def locked_s(self) -> int:
        """Seconds until it may change, rounded up; 0 when it may."""
        now, rule = self._clock.ticks_ms(), self._rule
        held = self._clock.ticks_diff(now, self._since)
        left = (rule.min_on_s if self.is_on else rule.min_off_s) * 1000 - held
        if not self.is_on:
            left = max(left, rule.start_to_start_s * 1000 - self._clock.ticks_diff(now, self._started))
        return max(0, -(-left // 1000))

    def step(self) -> bool:
        """Carry out the wish if the device endures it now; whether it changed. Raises BusFault."""
        if self.wanted == self.is_on or self.locked_s:
            return False
        self._drive(self.wanted)
        return True

    def let_go(self) -> None:
        """Nobody is in charge from now on: the safe state. Off is always endured, on only after the time off."""
        self.wanted = self._rule.safe_on
        if not self._rule.safe_on and self.is_on:
            self._drive(False)
        else:
            self.step()

    def _drive(self, on: bool) -> None:
        self._line.drive(on)
        self.is_on = on
        self._since = self._clock.ticks_ms()
        if on:
            self._started = self._since
