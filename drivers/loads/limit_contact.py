"""The contact by which the grid operator asks for less (reference/loads.md; in Germany section 14a EnWG).

Bounces and spikes do not count: a state counts when it was seen without interruption for `steady_s`. Whether closed
or open means "limited" is a setting; with `open_limits` a broken wire limits, which is the safe side. A contact that
cannot be read counts as limited after `steady_s`.
"""

from __future__ import annotations

from typing import NamedTuple

from drivers.bus import Clock
from drivers.errors import BusFault
from drivers.loads.line import InputLine


class ContactRule(NamedTuple):
    """How the contact is meant: which state limits, how long it must be steady, how long a limit holds at least (s)."""

    open_limits: bool = False
    steady_s: int = 2
    hold_s: int = 60


class LimitContact:
    """One contact; `step` is called at least once a second."""

    def __init__(self, line: InputLine, rule: ContactRule, clock: Clock) -> None:
        """Begin without a limit; the first steady state counts."""
        self._line, self._rule, self._clock = line, rule, clock
        self.limited = False
        self._seen: bool | None = None
        self._seen_since = self._changed = clock.ticks_ms()

    def step(self) -> bool:
        """Look at the contact; whether `limited` changed."""
        now, rule = self._clock.ticks_ms(), self._rule
        seen = self._look()
        if seen != self._seen:
            self._seen, self._seen_since = seen, now
        steady = self._clock.ticks_diff(now, self._seen_since) >= rule.steady_s * 1000
        held = not self.limited or self._clock.ticks_diff(now, self._changed) >= rule.hold_s * 1000
        if seen == self.limited or not steady or not held:
            return False
        self.limited, self._changed = seen, now
        return True

    def _look(self) -> bool:
        try:
            return self._line.closed() != self._rule.open_limits
        except BusFault:
            return True
