"""Samples into ever-growing counters, in exact integers of nano-watt-hours (architecture section 6, step 2).

The residue below a milliwatt-hour is kept, so rounding never piles up and any split of the same energy into samples
gives the same counters.
"""

from dataclasses import dataclass

from drivers.sample import ABSOLUTE, FLAG_QUARANTINED, MeterSample
from honey_edge.model.units import NANOWH_PER_MILLIWH

KEPT_FLAGS = 0x301FF
"""The bits of a Reading's flags that a sample may set (chain-design section 3)."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Energy from and to the grid since ever, in nano-watt-hours."""

    import_nanowh: int = 0
    export_nanowh: int = 0

    @property
    def import_milliwh(self) -> int:
        """The import counter of a Reading."""
        return self.import_nanowh // NANOWH_PER_MILLIWH

    @property
    def export_milliwh(self) -> int:
        """The export counter of a Reading."""
        return self.export_nanowh // NANOWH_PER_MILLIWH

    @property
    def net_nanowh(self) -> int:
        """Import less export."""
        return self.import_nanowh - self.export_nanowh


class Accumulator:
    """The running counters of one meter.

    `raw` is what an absolute meter showed last (nano-watt-hours), None before its first sample. A meter that counts
    absolutely and was never seen sets the counters to its own, so that the home can compare them.
    """

    def __init__(self, totals: Totals | None = None, raw: Totals | None = None) -> None:
        self.totals = totals or Totals()
        self.raw = raw
        self._fresh = totals is None

    def exchanged(self) -> None:
        """Another meter counts from the next sample on; the counters stay where they are."""
        self.raw = None
        self._fresh = False

    def add(self, sample: MeterSample) -> int:
        """Adds one sample; returns its flags. A counter that went back is quarantined: nothing is added."""
        step = sample.counter_step_nanowh
        shown = Totals(sample.import_counts * step, sample.export_counts * step)
        flags = int(sample.flags) & KEPT_FLAGS
        if sample.counter_kind != ABSOLUTE:
            gained = shown
        elif self.raw is None:
            gained, self.raw = (shown if self._fresh else Totals()), shown
        else:
            gained = Totals(shown.import_nanowh - self.raw.import_nanowh, shown.export_nanowh - self.raw.export_nanowh)
            self.raw = shown
        if gained.import_nanowh < 0 or gained.export_nanowh < 0:
            return flags | FLAG_QUARANTINED
        self.totals = Totals(
            self.totals.import_nanowh + gained.import_nanowh, self.totals.export_nanowh + gained.export_nanowh
        )
        return flags
