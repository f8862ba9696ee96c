"""A microcontroller's millisecond ticks as drivers.bus.Clock; the counter wraps, differences do not."""

import time

from drivers.bus import Clock


class MachineTicks(Clock):
    """Satisfies drivers.bus.Clock with `time.ticks_ms`."""

    def sleep_ms(self, n: int) -> None:
        """Block for `n` milliseconds."""
        time.sleep_ms(n)

    def ticks_ms(self) -> int:
        """The wrapping counter."""
        return time.ticks_ms()  # type: ignore[return-value]

    def ticks_diff(self, a: int, b: int) -> int:
        """Milliseconds from `b` to `a`."""
        return int(time.ticks_diff(a, b))
