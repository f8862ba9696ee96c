"""Drivers of ADE7878 and ADE9000 on emulated chips in simulated time, with the books that a Worker would keep.

The bench keeps a mirror: what the chip's counters moved between two samples that booked, split by sign as the driver
must. `check` compares books and mirror outside flagged samples, and the flagged ones with their bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from drivers.chips.ade7878 import Ade7878
from drivers.chips.ade7878_link import I2cPort, SpiPort
from drivers.chips.ade7878_settings import make_settings as settings_7878
from drivers.chips.ade9000 import Ade9000
from drivers.chips.ade9000_settings import make_settings as settings_9000
from drivers.errors import DriverError
from drivers.sample import FLAG_ENERGY_LOST, FLAG_TAMPER
from drivers.sim.ade7878 import Ade7878Emulator
from drivers.sim.ade9000 import Ade9000Emulator
from drivers.sim.ade_bus import Fault
from drivers.sim.ticks import SimClock

KINDS = ("ade7878-i2c", "ade7878-spi", "ade9000-add", "ade9000-overwrite")
UJ_PER_STEP = 3600


class AdeBench:
    """Steps an emulated chip through time and books every sample of its driver exactly once."""

    def __init__(
        self,
        kind: str,
        faults: Iterable[Fault] = (),
        start: bool = True,
        chip_options: dict[str, Any] | None = None,
        record: bool = False,
        **settings: Any,
    ) -> None:
        self.kind, self.now_ms = kind, 0
        self.clock = SimClock(lambda: self.now_ms)
        options = {"faults": faults, "record": record, **(chip_options or {})}
        self.chip: Any
        if kind.startswith("ade7878"):
            self.settings = settings_7878(**settings)
            self.chip = Ade7878Emulator(self.clock, site=self.settings.site, **options)
        else:
            self.settings = settings_9000(energy_mode=kind.partition("-")[2], **settings)
            self.chip = Ade9000Emulator(self.clock, site=self.settings.site, **options)
        self.imported = self.exported = self.lost_bound = self.flags = self.errors = self.samples = 0
        self.flowed_uj = 0
        self.last: Any = None
        self.kept: tuple[tuple[int, ...], int] = ((), 0)
        self._mirror = self.moved()
        self._expected = [0, 0]
        self._unflagged = [0, 0]
        self._history: deque[tuple[list[int], list[int]]] = deque(maxlen=2 * len(self.settings.configuration) + 90)
        self.driver = self._new_driver(None)
        if start:
            self.book(self.driver.start())

    def _new_driver(self, resume: tuple[tuple[int, ...], int] | None) -> Any:
        if self.kind == "ade7878-i2c":
            return Ade7878(I2cPort(self.chip.i2c), self.clock, self.settings, resume)
        if self.kind == "ade7878-spi":
            return Ade7878(SpiPort(self.chip.spi), self.clock, self.settings, resume)
        return Ade9000(self.chip, self.clock, self.settings, resume)

    def moved(self) -> list[int]:
        """Signed counts that have reached the chip's energy registers since it was made, by phase."""
        if isinstance(self.chip, Ade9000Emulator):
            return self.chip.renewed_counts[:3]
        return list(self.chip.truth_counts)

    def book(self, sample: Any) -> None:
        """What a Worker does with a sample: counters and state go into one record."""
        self.last = sample
        self.samples += 1
        assert sample.import_counts >= 0
        assert sample.export_counts >= 0
        assert min(sample.phase_import_counts + sample.phase_export_counts) >= 0
        self.imported += sample.import_counts
        self.exported += sample.export_counts
        self.lost_bound += sample.lost_bound_counts
        self.flags |= sample.flags
        self.kept = (self.driver.state, self.clock.ticks_ms())
        self._history.append((list(self._expected), list(self._unflagged)))
        if sample.flags & FLAG_TAMPER:
            # A disturbed register is found in turn: the flag and its bound cover the samples of a whole turn.
            self._expected, self._unflagged = (list(one) for one in self._history[0])
        if sample.flags & FLAG_ENERGY_LOST:
            self._mirror = self.moved()
        elif any(sample.phase_import_counts + sample.phase_export_counts):
            # A sample that booked nothing (quarantine, no news from the chip) leaves its energy to the next one.
            now = self.moved()
            net = sum(now) - sum(self._mirror)
            self._expected[net < 0] += abs(net)
            self._unflagged[0] += sample.import_counts
            self._unflagged[1] += sample.export_counts
            self._mirror = now

    def advance(self, power_w: Sequence[float], milliseconds: int, **inputs: Any) -> None:
        """Let the house live on without a look at the chip."""
        self.now_ms += milliseconds
        self.flowed_uj += round(sum(power_w) * 1000) * milliseconds
        self.chip.advance(self.now_ms, power_w, **inputs)

    def step(self, power_w: Sequence[float], milliseconds: int = 1000, full: bool = False, **inputs: Any) -> Any:
        """Advance, read, book; None if the driver raised a transient error."""
        self.advance(power_w, milliseconds, **inputs)
        return self.look(full)

    def look(self, full: bool = False) -> Any:
        """Read and book."""
        try:
            self.book(self.driver.read() if full else self.driver.read_energy())
        except DriverError as error:
            if not error.transient:
                raise
            self.errors += 1
            return None
        return self.last

    def restart(self) -> bool:
        """The daemon was killed: a new driver goes on from the record; False if the chip could not be started."""
        state, at_ticks = self.kept
        resume = (state, self.clock.ticks_ms() - at_ticks) if state else None
        self.driver = self._new_driver(resume)
        for _ in range(20):
            try:
                self.book(self.driver.start())
            except DriverError as error:
                if not error.transient:
                    raise
                self.errors += 1
                continue
            return True
        return False

    def steps_of(self, counts: int) -> int:
        """Output steps of so many raw counts, rounded down."""
        numerator, denominator = self.settings.scale
        return int(counts * numerator // denominator)

    def unflagged_errors(self) -> tuple[int, int]:
        """Output steps (import, export) by which unflagged samples differ from what the counters moved."""
        return (
            abs(self._unflagged[0] - self.steps_of(self._expected[0])),
            abs(self._unflagged[1] - self.steps_of(self._expected[1])),
        )

    def missing_net(self) -> int:
        """Output steps between the booked net and what flowed in the wires, flagged samples included."""
        return abs(self.imported - self.exported - self.flowed_uj // UJ_PER_STEP)

    def pending(self) -> int:
        """Output steps that a chip may still hold: a count by phase, a period at full load, and rounding."""
        period = self.settings.fuse_limit_w * self.settings.energy_period_ms * 10 // 36
        return 3 * (self.steps_of(1) + 1) + period + 8
