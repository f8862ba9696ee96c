"""The energy registers against the power registers: two ways to the same number (conversions.md, Cross-check).

Over the shortest window in which the integral of the mean power's magnitude reaches 50 counter steps and 50 Wh, the
gain of the counters must equal the integral within 2 %, 1 Wh or one counter step, whichever is largest. Between two
samples the power may have been anything between both, so the integral is known as an interval.
"""

from dataclasses import dataclass

from drivers.sample import MeterSample

_WINDOW_STEPS = 50
_WINDOW_NANOWH = 50_000_000_000
_ONE_WH_NANOWH = 1_000_000_000
_LONGEST_PAUSE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one window; energies in milliwatt-hours, import positive."""

    ok: bool
    counted_milliwh: int
    integral_milliwh: int
    tolerance_milliwh: int

    def __str__(self) -> str:
        """The figures compared, for people."""
        return (
            f"counters moved by {self.counted_milliwh / 1e3:.1f} Wh, power says {self.integral_milliwh / 1e3:.1f} Wh, "
            f"allowed difference {self.tolerance_milliwh / 1e3:.1f} Wh"
        )


def _nanowh(microjoule: int) -> int:
    return microjoule * 10 // 36


class CrossCheck:
    """Windows of one meter, one after the other; used by the meter thread only."""

    def __init__(self, tolerance_permille: int) -> None:
        self._permille = tolerance_permille
        self._last: tuple[int, int] | None = None
        self._begin_nanowh = 0
        self._low = self._high = self._size = 0

    def restart(self) -> None:
        """Forgets the running window: something was missed in it."""
        self._last = None

    def add(self, sample: MeterSample, net_nanowh: int) -> Finding | None:
        """Takes a sample that measured power and the counters' net after it; a Finding when a window is full."""
        if sample.power_w is None:
            return None
        now = (sample.at_ticks_ms, round(sample.power_w[0] * 1000))
        before, self._last = self._last, now
        if before is None or not 0 <= now[0] - before[0] <= _LONGEST_PAUSE_MS:
            self._begin(net_nanowh)
            return None
        span_ms = now[0] - before[0]
        self._low += min(before[1], now[1]) * span_ms
        self._high += max(before[1], now[1]) * span_ms
        self._size += (abs(before[1]) + abs(now[1])) * span_ms // 2
        if _nanowh(self._size) < max(_WINDOW_STEPS * sample.counter_step_nanowh, _WINDOW_NANOWH):
            return None
        finding = self._judge(net_nanowh - self._begin_nanowh, sample.counter_step_nanowh)
        self._begin(net_nanowh)
        return finding

    def _begin(self, net_nanowh: int) -> None:
        self._begin_nanowh = net_nanowh
        self._low = self._high = self._size = 0

    def _judge(self, counted: int, step: int) -> Finding:
        tolerance = max(_nanowh(self._size) * self._permille // 1000, _ONE_WH_NANOWH, step)
        low, high = _nanowh(self._low), _nanowh(self._high)
        ok = low - tolerance <= counted <= high + tolerance
        return Finding(ok, counted // 10**6, (low + high) // 2 // 10**6, tolerance // 10**6)
