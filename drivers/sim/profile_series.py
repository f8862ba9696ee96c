"""A measured series as piecewise constant power: integer milliwatts over equal steps of time.

The values stay in a machine array (4 bytes a step), so that a month of minutes costs a Worker 170 kB.
Not for: files and homes (``profile``), or what a house does with the power (``house``).
"""

from array import array
from dataclasses import dataclass

MILLIWATT_SECONDS_PER_MILLIWH = 3600


@dataclass(frozen=True)
class Series:
    """Power in milliwatts, constant over each step; beyond either end the series repeats itself.

    `start_unix_ms` is the beginning of the first value, `step_ms` the length of each.
    """

    start_unix_ms: int
    step_ms: int
    milliwatts: "array[int]"

    def __post_init__(self) -> None:
        """Refuse an empty series or a step that is not positive (ValueError)."""
        if not self.milliwatts or self.step_ms <= 0:
            raise ValueError("a series needs at least one value and a step above 0 ms; check the profile's file")

    @property
    def end_unix_ms(self) -> int:
        """End of the last value, in milliseconds since the epoch."""
        return self.start_unix_ms + self.step_ms * len(self.milliwatts)

    def at(self, unix_ms: int) -> tuple[int, int]:
        """Return the power (mW) at a time and the time (unix ms) until which it holds, both exact."""
        step = (unix_ms - self.start_unix_ms) // self.step_ms
        return self.milliwatts[step % len(self.milliwatts)], self.start_unix_ms + (step + 1) * self.step_ms

    def last(self, count: int) -> "Series":
        """Return the last `count` steps as a series of their own, at the times they have here."""
        skipped = len(self.milliwatts) - count
        return Series(self.start_unix_ms + skipped * self.step_ms, self.step_ms, self.milliwatts[skipped:])

    def first(self, count: int) -> "Series":
        """Return the first `count` steps as a series of their own."""
        return Series(self.start_unix_ms, self.step_ms, self.milliwatts[:count])

    def energies_milliwh(self, slot_s: int = 900) -> list[int]:
        """Return the energy of every slot from the start (mWh); rounding never piles up along the series.

        The start must be a slot boundary and the series a whole number of slots (ValueError otherwise).
        """
        span_ms = self.end_unix_ms - self.start_unix_ms
        slot_ms = slot_s * 1000
        if self.start_unix_ms % slot_ms or span_ms % slot_ms or (self.step_ms % slot_ms and slot_ms % self.step_ms):
            raise ValueError(f"steps of {self.step_ms} ms do not fill slots of {slot_s} s; cut the series on slots")
        piece_ms = min(self.step_ms, slot_ms)
        pieces_per_slot, pieces_per_step = slot_ms // piece_ms, self.step_ms // piece_ms
        energies, total, counted = [], 0, 0
        for piece in range(span_ms // piece_ms):
            total += self.milliwatts[piece // pieces_per_step] * piece_ms
            if (piece + 1) % pieces_per_slot == 0:
                reached = total // (MILLIWATT_SECONDS_PER_MILLIWH * 1000)
                energies.append(reached - counted)
                counted = reached
        return energies
