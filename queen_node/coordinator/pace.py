"""How long an iteration waits for its answers: three times what the middle one took lately, within bounds."""

import statistics
from collections import deque
from collections.abc import Callable

LEAST_S = 0.25
"""Shortest wait: below it the broker's own delays decide who is late."""

TIMES_MEDIAN = 3.0
_REMEMBERED = 5


class Pace:
    """The waits of one round; `most_s` is the longest, and what the first two iterations get."""

    def __init__(self, now_unix_s: Callable[[], float], most_s: float) -> None:
        self._now, self._most_s = now_unix_s, most_s
        self._asked_unix_s = 0.0
        self._times_s: list[float] = []
        self._medians_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._asked = 0

    def asked(self) -> float:
        """A broadcast goes out now; how long to wait for its answers, seconds."""
        if self._times_s:
            self._medians_s.append(statistics.median(self._times_s))
        self._times_s = []
        self._asked += 1
        self._asked_unix_s = self._now()
        return self.wait_s()

    def wait_s(self) -> float:
        """The wait of the present broadcast. The first two set solvers up and are no measure."""
        if self._asked <= 2 or not self._medians_s:
            return self._most_s
        return min(self._most_s, max(LEAST_S, TIMES_MEDIAN * max(self._medians_s)))

    def answered(self) -> None:
        """An answer to the present broadcast has come."""
        self._times_s.append(self._now() - self._asked_unix_s)
