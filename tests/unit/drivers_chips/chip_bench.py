"""A driver on an emulated ATM90E32AS in simulated time, and the books that a Worker would keep."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_registers import read_frame, write_frame
from drivers.chips.atm90e32as_settings import make_settings
from drivers.errors import DriverError
from drivers.sim.atm90e32as import Atm90e32asEmulator
from drivers.sim.atm90e32as_faults import Fault
from drivers.sim.ticks import SimClock


class ChipBench:
    """Steps an emulated chip through time and books every sample of its driver exactly once."""

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        buffer: bytearray | None = None,
        start: bool = True,
        now_ms: int = 0,
        record: bool = False,
        wraps: bool = False,
        ideal_gains: tuple[tuple[int, int], ...] = ((0x8000, 0x8000),) * 3,
        **settings: Any,
    ) -> None:
        self.now_ms = now_ms
        self.clock = SimClock(lambda: self.now_ms)
        self.buffer = bytearray(8192) if buffer is None else buffer
        self.chip = Atm90e32asEmulator(
            self.buffer, self.clock, faults=faults, record=record, wraps=wraps, ideal_gains=ideal_gains
        )
        self.driver = Atm90e32as(self.chip, self.clock, make_settings(**settings))
        self.imported = self.exported = self.lost_bound = self.flags = self.errors = 0
        self.last: Any = None
        if start:
            self.book(self.driver.start())

    def book(self, sample: Any) -> None:
        self.last = sample
        self.imported += sample.import_counts
        self.exported += sample.export_counts
        self.lost_bound += sample.lost_bound_counts
        self.flags |= sample.flags

    def step(self, power_w: Sequence[float], milliseconds: int = 1000, full: bool = False, **inputs: Any) -> Any:
        """Advance, read, book; None if the driver raised a transient error."""
        self.now_ms += milliseconds
        self.chip.advance(self.now_ms, power_w, **inputs)
        try:
            self.book(self.driver.read() if full else self.driver.read_energy())
        except DriverError as error:
            if not error.transient:
                raise
            self.errors += 1
            return None
        return self.last

    def run(self, seconds: int, seed: int = 1) -> None:
        """A random house: load, sun and storage on three phases, one step a second, every third read in full."""
        draw = random.Random(seed)
        for second in range(seconds):
            self.step([draw.uniform(-3000, 9000) for _ in range(3)], full=second % 3 == 0)

    def settle(self) -> None:
        """Two last quiet reads, so that what a cycle left in the chip is booked."""
        for _ in range(2):
            self.step((0.0, 0.0, 0.0))

    def missing(self) -> int:
        """Counts metered by the chip and not booked (or booked and not metered), both directions together."""
        return abs(self.chip.truth_import_counts - self.imported) + abs(self.chip.truth_export_counts - self.exported)

    def read(self, address: int) -> int:
        """A raw read past the driver."""
        answer = self.chip.transfer(read_frame(address))
        return answer[2] << 8 | answer[3]

    def write(self, address: int, word: int) -> None:
        """A raw write past the driver."""
        self.chip.transfer(write_frame(address, word))
