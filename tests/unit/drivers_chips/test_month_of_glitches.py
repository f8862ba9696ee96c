"""Over a month of random glitches, energy is booked as it flowed, except in flagged samples and within their bound.

The short run takes an hour of polls with six seeds, the marker `deep` a month of them. Nothing is booked twice: the
unflagged samples equal what the chip's counters moved, and a counter never falls.
"""

from __future__ import annotations

from typing import Any

import pytest
from ade_bench import KINDS, AdeBench
from chip_bench import ChipBench
from month import Glitches

from drivers.errors import DriverError
from drivers.sample import FLAG_ENERGY_LOST

MONTH_S = 31 * 86_400
UJ_PER_COUNT = 11_250_000
OVERWRITES = "ade9000-overwrite"
"""Read every second: its month is four quarters, each with glitches of its own."""


class AtmMonthBench(ChipBench):
    """The ATM90E32AS' bench with the names that a month uses; physical energy is the chip's own integral."""

    def advance(self, power_w: Any, milliseconds: int) -> None:
        """Let the house live on."""
        self.now_ms += milliseconds
        self.chip.advance(self.now_ms, power_w)

    def look(self) -> Any:
        """Read and book; None if that failed for now."""
        try:
            self.book(self.driver.read_energy())
        except DriverError as error:
            if not error.transient:
                raise
            self.errors += 1
            return None
        assert self.last.import_counts >= 0
        assert self.last.export_counts >= 0
        return self.last

    def restart(self) -> bool:
        """A new driver on the same chip; it persists nothing, so everything booked is in the books already."""
        fresh = type(self.driver)(self.chip, self.clock, self.driver._settings)
        self.driver = fresh
        for _ in range(20):
            try:
                self.book(self.driver.start())
            except DriverError as error:
                if not error.transient:
                    raise
                continue
            return True
        return False


def run_ade(kind: str, seed: int, polls: int, poll_ms: int) -> None:
    bench = AdeBench(kind, max_gap_ms=poll_ms + 4000)
    glitches = Glitches(seed, poll_ms=poll_ms)
    before = (0, 0)
    for _ in range(polls):
        glitches.step(bench)
        assert bench.imported >= before[0]
        assert bench.exported >= before[1]
        before = (bench.imported, bench.exported)
    glitches.calm(bench)
    assert len(glitches.happened) >= 6
    assert max(bench.unflagged_errors()) <= 8 + 4 * glitches.happened.get("busy", 0)
    assert bench.missing_net() <= bench.lost_bound + bench.pending() * (1 + sum(glitches.happened.values()))
    assert bench.flags & FLAG_ENERGY_LOST
    assert bench.imported > 0


def run_atm(seed: int, polls: int, poll_ms: int) -> None:
    bench = AtmMonthBench(max_gap_ms=poll_ms + 4000)
    glitches = Glitches(seed, poll_ms=poll_ms)
    for _ in range(polls):
        glitches.step(bench)
    glitches.calm(bench)
    offered = (bench.chip.physical_import_uj - bench.chip.physical_export_uj) // UJ_PER_COUNT
    happened = sum(glitches.happened.values())
    assert len(glitches.happened) >= 6
    assert bench.missing() <= bench.lost_bound
    assert abs(offered - bench.imported + bench.exported) <= bench.lost_bound + 2 * happened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2, 100, 101, 102, 103])
def test_an_hour_of_glitches_books_what_flowed(kind: str, seed: int) -> None:
    run_ade(kind, seed, 3600, 1000)


@pytest.mark.parametrize("seed", [1, 2, 3, 100, 101, 102])
def test_an_hour_of_glitches_on_the_atm90e32as_books_what_flowed(seed: int) -> None:
    run_atm(seed, 3600, 1000)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != OVERWRITES])
def test_a_month_of_glitches_books_what_flowed(kind: str) -> None:
    run_ade(kind, 7, MONTH_S // 5, 5000)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [7, 8, 9, 10])
def test_a_month_in_quarters_books_what_flowed_where_one_period_is_kept(seed: int) -> None:
    run_ade(OVERWRITES, seed, MONTH_S // 4, 1000)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_a_month_of_glitches_on_the_atm90e32as_books_what_flowed() -> None:
    run_atm(7, MONTH_S // 5, 5000)
