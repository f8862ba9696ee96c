"""A driver's clock in simulated time.

    SimClock(now_ms: Callable[[], int])

`now_ms` tells the simulated (granted) time. A driver's `sleep_ms` returns at once and moves this clock's ticks
on, for the driver and for its emulated chip only: the house and everybody else stay at the granted time.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.bus import Clock


class SimClock(Clock):
    """Satisfies drivers.bus.Clock; ticks = simulated milliseconds + everything slept so far."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Take the time from `now_ms`, in milliseconds, never falling."""
        self._now_ms = now_ms
        self._slept_ms = 0

    def sleep_ms(self, n: int) -> None:
        """Return at once, `n` ticks later."""
        self._slept_ms += n

    def ticks_ms(self) -> int:
        """Milliseconds of simulated time and sleep."""
        return self._now_ms() + self._slept_ms

    def ticks_diff(self, a: int, b: int) -> int:
        """Milliseconds from `b` to `a`."""
        return a - b
