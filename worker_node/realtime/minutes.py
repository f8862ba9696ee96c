"""The mean power of each minute, from the samples of the metering loop."""

from dataclasses import dataclass

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class MeanPower:
    """The mean (W, import positive) of the samples of a minute; `minute` counts from the Unix epoch."""

    minute: int
    power_w: int


class MinuteMean:
    """Adds up samples; a minute is over when a sample of a later one comes. Nothing is made up for one without any."""

    def __init__(self) -> None:
        self._minute, self._sum_w, self._count = -1, 0.0, 0

    def add(self, at_unix_s: int, power_w: float | None) -> MeanPower | None:
        """Takes a sample (None: power was not measured in it); the minute before when that is over."""
        minute, done = at_unix_s // MINUTE_S, None
        if minute != self._minute:
            if self._count:
                done = MeanPower(self._minute, round(self._sum_w / self._count))
            self._minute, self._sum_w, self._count = minute, 0.0, 0
        if power_w is not None:
            self._sum_w, self._count = self._sum_w + power_w, self._count + 1
        return done
