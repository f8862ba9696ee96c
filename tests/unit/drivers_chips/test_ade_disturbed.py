"""A disturbed configuration is found before it is booked from, or what was booked with it is flagged: one test a cause.

Each began as a month of glitches (test_month_of_glitches) in which energy was wrong without a flag.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ade_bench import KINDS, AdeBench

from drivers.chips import ade7878_registers as ade7878
from drivers.chips import ade9000_registers as ade9000
from drivers.chips.ade9000_registers import read_frame, write_frame
from drivers.sample import FLAG_ENERGY_LOST, FLAG_TAMPER, SUM_RULE_SHIFT

HOUSE = (3000.0, -700.0, 1500.0)
SIGNED = 1 << SUM_RULE_SHIFT
MODES = ("ade9000-add", "ade9000-overwrite")
LOCKS = write_frame(ade9000.WR_LOCK, ade9000.LOCK_KEY)


def garble(bench: AdeBench, change: Callable[[bytes], bytes | None]) -> None:
    """Requests pass through `change` once it answers with another one, and only that once."""
    honest = bench.chip.transfer

    def transfer(tx: bytes) -> bytes:
        other = change(tx)
        if other is not None:
            bench.chip.transfer = honest
        return bytes(honest(other or tx))

    bench.chip.transfer = transfer
    bench.driver._link.transfer = lambda tx: bench.chip.transfer(tx)


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize(
    ("register", "word"),
    [(ade9000.EP_CFG, 0x3060), (ade9000.EGY_TIME, 0x0C00), (ade9000.ACCMODE, 0x0003)],
    ids=["read-with-reset", "another-period", "negative-only"],
)
def test_a_lock_key_that_lands_elsewhere_is_found_before_anything_is_booked(
    kind: str, register: int, word: int
) -> None:
    bench = AdeBench(kind)
    for _ in range(40):
        bench.step(HOUSE)
    garble(bench, lambda tx: write_frame(register, word) if tx == LOCKS else None)
    imported = bench.imported
    sample = bench.step(HOUSE)
    assert sample.flags & FLAG_TAMPER
    assert bench.imported == imported
    for _ in range(5):
        bench.step(HOUSE)
    assert bench.chip.words[register] == dict(bench.settings.configuration)[register]
    assert bench.missing_net() <= bench.lost_bound + bench.pending()
    assert max(bench.unflagged_errors()) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_on_a_garbled_bus_makes_doubtful_what_was_booked_since_the_last_turn(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(100):
        bench.step(HOUSE)
    before = bench.lost_bound
    bench.driver._link.faults += 1
    bench.step(HOUSE)
    bench.chip.set_fault("brown-out")
    sample = bench.step(HOUSE)
    assert sample.flags & FLAG_TAMPER
    turn_s = len(bench.driver._swept)
    assert bench.lost_bound - before >= turn_s * bench.settings.fuse_limit_w * 1_000_000 // 3_600_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_on_a_sound_bus_costs_only_what_was_not_booked(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(100):
        bench.step(HOUSE)
    bench.chip.set_fault("brown-out")
    sample = bench.step(HOUSE)
    assert sample.flags & FLAG_ENERGY_LOST
    assert not sample.flags & FLAG_TAMPER


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibration_disturbed_before_a_restart_is_flagged_by_the_start_that_repairs_it(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(100):
        bench.step(HOUSE)
    bench.chip.set_fault("poke", bit=18)
    bench.step(HOUSE)
    before = bench.lost_bound
    assert bench.restart()
    assert bench.last.flags & FLAG_TAMPER
    assert bench.lost_bound > before + 60 * bench.settings.fuse_limit_w * 1_000_000 // 3_600_000
    assert bench.missing_net() <= bench.lost_bound + bench.pending()
    bench.step(HOUSE)
    assert bench.step(HOUSE).flags & ~SIGNED in (0, FLAG_ENERGY_LOST)


@pytest.mark.parametrize("kind", KINDS)
def test_what_energy_depends_on_disturbed_before_a_restart_is_not_booked_from(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(5):
        bench.step(HOUSE)
    register, word = (
        (ade7878.ACCMODE, 0x01) if kind.startswith("ade7878") else (ade9000.EP_CFG, ade9000.EP_ENABLE | 0x20)
    )
    bench.chip.words[register] = word
    imported = bench.imported
    bench.advance(HOUSE, 700)
    assert bench.restart()
    assert bench.imported == imported
    assert bench.last.flags & FLAG_TAMPER
    assert bench.chip.words[register] == dict(bench.settings.configuration)[register]


def test_a_high_word_that_two_looks_see_wrong_alike_is_not_believed() -> None:
    bench = AdeBench("ade9000-overwrite")
    for _ in range(3):
        bench.step(HOUSE)
    honest, seen = bench.chip.transfer, []

    def flipped(tx: bytes) -> bytes:
        rx = bytearray(honest(tx))
        if tx == read_frame(ade9000.WATT_HR_HI[1]):
            seen.append(tx)
            if len(seen) < 3:
                rx[3] ^= 0x01
        return bytes(rx)

    bench.driver._link.transfer = flipped
    bench.step(HOUSE)
    assert len(seen) > 2
    assert bench.unflagged_errors() == (0, 0)


def test_a_period_whose_clearing_and_the_look_at_it_are_garbled_is_booked_once() -> None:
    bench = AdeBench("ade9000-overwrite")
    for _ in range(3):
        bench.step(HOUSE)
    clears, looks = write_frame(ade9000.STATUS0, ade9000.EGYRDY), read_frame(ade9000.STATUS0)
    honest, cleared = bench.chip.transfer, []

    def garbled(tx: bytes) -> bytes:
        if tx == clears and not cleared:
            cleared.append(tx)
            return bytes(honest(write_frame(ade9000.I_PEAK, 0)))
        rx = bytes(honest(tx))
        if tx == read_frame(ade9000.WATT_HR_LO[1]) and len(cleared) == 1:
            cleared.append(tx)
            return bytes(len(rx))
        if tx == looks and len(cleared) == 2:
            cleared.append(tx)
            return bytes(len(rx))
        return rx

    bench.driver._link.transfer = garbled
    # The second look comes before the chip has another period: what is still announced is the old one.
    for milliseconds in (1000, 50, 100, 1000, 1000):
        bench.step(HOUSE, milliseconds)
    assert len(cleared) == 3
    assert max(bench.unflagged_errors()) <= 1
