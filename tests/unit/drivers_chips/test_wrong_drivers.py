"""Drivers that are wrong in a known way fail on the emulators, and the project's own driver does not."""

from __future__ import annotations

import pytest
import wrong_drivers as wrong
from ade_bench import AdeBench
from chip_bench import ChipBench

from drivers.chips import ade7878_registers as ade7878
from drivers.chips.ade7878_link import I2cPort
from drivers.errors import BusFault
from drivers.sim.ade7878 import Ade7878Emulator
from drivers.sim.ade_bus import Fault

HOUSE = (3000.0, -700.0, 1500.0)


def test_two_registers_under_one_select_give_wrong_words() -> None:
    two = wrong.TwoRegistersUnderOneSelect()
    chip = ChipBench()
    chip.chip.advance(2000, HOUSE)
    high, low = two.atm_power_words(chip.chip)
    assert high << 16 | low != chip.read(0xB1) << 16 | chip.read(0xC1) == 9_375_000
    bench = AdeBench("ade7878-i2c")
    bench.advance((5000.0, 4000.0, 0.0), 3000)
    assert two.ade7878_energies(bench.chip)[1] != bench.chip.words[0xE401] > 0
    assert bench.chip.length_errors == 1
    other = AdeBench("ade9000-add")
    other.advance((5000.0, 4000.0, 0.0), 3000)
    assert two.ade9000_energy(other.chip) != other.chip.renewed_counts[0]
    assert other.chip.length_errors == 1


def test_reading_twice_to_confirm_loses_what_reading_clears() -> None:
    twice = wrong.ReadsTwiceToConfirm()
    chip = ChipBench()
    chip.chip.advance(2000, (5000.0, 0.0, 0.0))
    assert twice.atm_take(chip.chip) != chip.chip.truth_import_counts > 0
    bench = AdeBench("ade7878-i2c")
    bench.advance((5000.0, 0.0, 0.0), 3000)
    assert twice.ade7878_take(bench.chip) != bench.chip.truth_counts[0] > 0


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_sign_magnitude_turns_small_exports_into_large_ones(bits: int) -> None:
    assert wrong.sign_magnitude((1 << bits) - 1, bits) == -(1 << bits - 1) + 1
    bench = AdeBench("ade7878-i2c")
    bench.advance((-0.05, 0.0, 0.0), 1000)
    word = I2cPort(bench.chip.i2c).read(ade7878.WATT[0])
    assert wrong.sign_magnitude(word, 32) != ade7878.signed24(word) == -2


def test_a_reset_without_draining_loses_energy_and_the_driver_does_not() -> None:
    careless = wrong.ResetsWithoutDraining()
    chip = ChipBench()
    chip.chip.advance(2000, (5000.0, 0.0, 0.0))
    careless.atm_start(chip.chip, chip.clock)
    assert chip.chip.lost_import_counts == chip.chip.truth_import_counts > 0
    bench = AdeBench("ade7878-i2c")
    bench.advance((5000.0, 0.0, 0.0), 3000)
    careless.ade7878_start(bench.chip, bench.clock)
    assert bench.chip.lost_counts[0] == bench.chip.truth_counts[0] > 0
    other = AdeBench("ade9000-add")
    other.advance((5000.0, 0.0, 0.0), 3000)
    careless.ade9000_start(other.chip, other.clock)
    assert other.chip._registers[0] == 0 < other.chip.truth_counts[0]
    for kind in ("ade7878-i2c", "ade9000-add"):
        careful = AdeBench(kind)
        careful.advance((5000.0, 0.0, 0.0), 3000)
        careful.restart()
        assert careful.unflagged_errors() == (0, 0)
        assert careful.imported > 4_000_000


def test_all_phases_at_the_address_of_phase_a_are_told_apart() -> None:
    same = wrong.PhaseAForAll()
    bench = AdeBench("ade7878-i2c")
    bench.advance(HOUSE, 3000)
    assert same.ade7878_energies(bench.chip) != list(bench.chip.truth_counts)
    chip = ChipBench()
    chip.chip.advance(2000, (-3000.0, -700.0, -1500.0))
    assert same.atm_reverse(chip.chip) != list(chip.chip.truth_phase_export_counts)


def test_period_without_settling_shows_the_phase_before() -> None:
    bench = AdeBench("ade7878-i2c")
    bench.advance(HOUSE, 1000, voltage_v=(230.0, 0.0, 230.0))
    assert wrong.PeriodWithoutSettling().period_of(bench.chip, 1) == 5119
    bench.clock.sleep_ms(80)
    assert I2cPort(bench.chip.i2c).read(ade7878.PERIOD) == 0xFFFF


def test_one_byte_to_linecyc_is_no_write() -> None:
    bench = AdeBench("ade7878-i2c")
    wrong.OneByteToLinecyc().write(bench.chip, 0xC8)
    assert (bench.chip.length_errors, bench.chip.words[0xE60C]) == (1, 0xFFFF)


def test_read_with_reset_loses_counts() -> None:
    bench = AdeBench("ade9000-add")
    driver, taken = wrong.ReadsWithReset(), 0
    driver.set_up(bench.chip)
    for _ in range(10):
        bench.advance((5000.0, 0.0, 0.0), 950)
        taken += driver.take(bench.chip)
    assert taken < bench.chip.truth_counts[0] * 0.99


def test_high_then_low_tears_where_the_driver_looks_again() -> None:
    bench = AdeBench("ade9000-add")
    bench.advance((5000.0, 0.0, 0.0), 1000)
    torn = wrong.HighThenLow().take(bench.chip, lambda: bench.advance((5000.0, 0.0, 0.0), 100))
    assert torn not in (bench.chip.renewed_counts[0], bench.chip.renewed_counts[0] - bench.chip.truth_counts[0] // 11)


def test_a_single_write_to_the_memory_does_not_arrive() -> None:
    bench = AdeBench("ade7878-i2c")
    wrong.WritesTheMemoryOnce().write_gain(bench.chip, 5)
    assert I2cPort(bench.chip.i2c).read(ade7878.V_GAIN[0]) == 0


def test_an_unlocked_port_is_lost_to_an_edge_on_the_select_line() -> None:
    chip = Ade7878Emulator()
    wrong.NeverLocksThePort().start(chip)
    chip.set_fault("select-glitch")
    with pytest.raises(BusFault):
        I2cPort(chip.i2c).read(ade7878.RUN)


def test_a_driver_that_gives_up_at_the_first_error_fails_where_ours_asks_again() -> None:
    bench = AdeBench("ade7878-i2c")
    bench.step(HOUSE)
    bench.chip.add_faults([Fault("drop", at_transfer=bench.chip.transfers)])
    with pytest.raises(BusFault):
        wrong.GivesUpAtOnce().take(bench.chip)
    bench.chip.add_faults([Fault("drop", at_transfer=bench.chip.transfers)])
    assert bench.step(HOUSE) is not None
    assert bench.unflagged_errors() == (0, 0)
