"""For whom and when a view is made: language, time zone and the instant against which ages count.

Ages count against the clock's own time when it is granted (a simulated day), otherwise against the real time.
"""

from dataclasses import dataclass
from datetime import tzinfo

from honey_edge.model.slots import slot_end_unix_s, slot_start_unix_s
from worker_node.state import State
from worker_node.web.catalogue import Catalogue
from worker_node.web.numbers import NumberFormat, clock_time, instant

LATE_AFTER_S = 10
OLD_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader at one instant; `zone` None is the system's own zone."""

    catalogue: Catalogue
    zone: tzinfo | None
    now_unix_s: float

    @property
    def numbers(self) -> NumberFormat:
        """How this reader's language writes numbers."""
        return self.catalogue.numbers

    def text(self, key: str, /, **values: str) -> str:
        """A text of the reader's language."""
        return self.catalogue.text(key, **values)

    def counted(self, key: str, count: int) -> str:
        """The text for one or many of something."""
        return self.catalogue.counted(key, count)

    def at(self, unix_s: float) -> str:
        """An instant, with its date when far away."""
        return instant(unix_s, self.now_unix_s, self.zone)

    def clock(self, unix_s: float) -> str:
        """An instant as clock time only, where the day is plain from the place."""
        return clock_time(unix_s, self.zone)

    def precise(self, unix_s: float) -> str:
        """An instant to the second while it is near, for a sample that stays away."""
        near = self.now_unix_s - unix_s < 3600
        return clock_time(unix_s, self.zone, with_seconds=True) if near else self.at(unix_s)

    def slot_start(self, slot: int) -> str:
        """When a slot begins."""
        return self.at(slot_start_unix_s(slot))

    def slot_end(self, slot: int) -> str:
        """When a slot ends."""
        return self.at(slot_end_unix_s(slot))


def sample_age_s(state: State, now_unix_s: float) -> int | None:
    """Whole seconds since the newest sample, never negative; None before the first."""
    return None if state.live is None else max(0, int(now_unix_s - state.live.at_unix_s))


def silent_since_unix_s(state: State, now_unix_s: float) -> float | None:
    """Since when no sample came, once that is longer than `LATE_AFTER_S`; None while the meter answers."""
    age_s = sample_age_s(state, now_unix_s)
    if state.live is None or age_s is None:
        return state.meter_silent_since_unix_s
    return state.live.at_unix_s if age_s > LATE_AFTER_S else None
