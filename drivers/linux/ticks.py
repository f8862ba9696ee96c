"""The machine's monotonic ticks behind the drivers' `Clock`: pauses and spans, never the time of day.

The time of day, which the daemons ask for, is `drivers.linux.clock`.
"""

import time

from drivers.bus import Clock


class MonotonicTicks(Clock):
    """Satisfies drivers.bus.Clock with the monotonic clock of the system."""

    def sleep_ms(self, n: int) -> None:
        """Block for `n` milliseconds."""
        time.sleep(n / 1000)

    def ticks_ms(self) -> int:
        """Milliseconds of the monotonic clock."""
        return time.monotonic_ns() // 1_000_000

    def ticks_diff(self, a: int, b: int) -> int:
        """Milliseconds from `b` to `a`; the counter does not wrap."""
        return a - b
