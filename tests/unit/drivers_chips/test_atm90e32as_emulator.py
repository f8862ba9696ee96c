"""Every point of "Emulator must" (reference/atm90e32as.md) holds; the numbers in the names are its points."""

from __future__ import annotations

import csv
import mmap
from pathlib import Path

import pytest
from chip_bench import ChipBench

from drivers.chips.atm90e32as_registers import read_frame, write_frame
from drivers.errors import BusFault
from drivers.sim.atm90e32as import BUFFER_BYTES, Atm90e32asEmulator, Physics
from drivers.sim.atm90e32as_faults import Fault, FaultPlan, seeded_plan
from drivers.sim.atm90e32as_memory import KINDS, PROTECTED


def unlocked() -> ChipBench:
    bench = ChipBench(start=False)
    bench.write(0x7F, 0x55AA)
    return bench


@pytest.mark.parametrize("clocks", [0, 8, 16, 31, 33, 40])
def test_01_a_write_counts_only_with_exactly_32_clocks(clocks: int) -> None:
    bench = unlocked()
    bench.chip.transfer_clocks(write_frame(0x31, 0x1234), clocks)
    assert bench.read(0x31) == 0x0861
    bench.chip.transfer_clocks(write_frame(0x31, 0x1234), 32)
    assert bench.read(0x31) == 0x1234


def test_02_last_spi_data_follows_every_access_but_its_own() -> None:
    bench = unlocked()
    assert bench.read(0x78) == 0x55AA
    assert bench.read(0x31) == 0x0861
    assert [bench.read(0x78) for _ in range(3)] == [0x0861] * 3
    bench.write(0x32, 0xBEEF)
    assert [bench.read(0x78) for _ in range(3)] == [0xBEEF] * 3


def test_03_reading_energy_clears_it_and_leaves_it_in_last_spi_data() -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (5000.0, 0.0, 0.0))
    assert bench.read(0x80) == 444
    assert bench.read(0x78) == 444
    assert bench.read(0x80) == 0


@pytest.mark.parametrize(("clocks", "left", "last"), [(15, 444, 1), (16, 0, 444), (24, 0, 444), (32, 0, 444)])
def test_03_a_broken_off_energy_read_has_cleared_from_16_clocks_on(clocks: int, left: int, last: int) -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (5000.0, 0.0, 0.0))
    bench.read(0x00)
    bench.chip.transfer_clocks(read_frame(0x80), clocks)
    assert bench.read(0x78) == last
    assert bench.read(0x80) == left


@pytest.mark.parametrize("address", [*range(0x80, 0x94), *range(0xA0, 0xB0)])
def test_03_all_energy_registers_are_cleared_by_reading(address: int) -> None:
    bench = ChipBench()
    bench.chip.poke(address, 7)
    assert (bench.read(address), bench.read(address)) == (7, 0)


def test_03_reading_on_does_not_give_the_next_register() -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (5000.0, 0.0, 0.0))
    answer = bench.chip.transfer(read_frame(0x80) + bytes(4))
    assert answer[:4] == b"\xa5\xa5\x01\xbc"
    assert not any(answer[4:])
    assert bench.read(0x81) == 444


def test_04_configuration_is_refused_unless_unlocked() -> None:
    bench = ChipBench(start=False)
    bench.write(0x31, 0x1234)
    assert bench.read(0x31) == 0x0861
    bench.write(0x7F, 0x55AA)
    bench.write(0x31, 0x1234)
    bench.write(0x7F, 0x0000)
    bench.write(0x31, 0x4321)
    assert bench.read(0x31) == 0x1234


def test_04_a_configuration_change_after_the_lock_sets_the_crc_error() -> None:
    bench = unlocked()
    before = bench.read(0x7A)
    bench.write(0x61, 0x9000)
    bench.write(0x7F, 0)
    assert bench.read(0x7A) != before
    assert bench.read(0x79) == 0
    bench.chip.set_fault("poke")
    assert bench.read(0x79) == 1
    bench.write(0x7F, 0)
    assert bench.read(0x79) == 0


def test_05_soft_reset_restores_every_reset_value_of_the_table(shared_dir: Path) -> None:
    bench = unlocked()
    for address in PROTECTED:
        bench.write(address, 0x5A5A)
    bench.write(0x70, 0x789A)
    bench.clock.sleep_ms(50)
    with (shared_dir / "reference" / "atm90e32as.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["reset"]]
    assert len(rows) > 100
    for row in rows:
        assert bench.read(int(row["addr"], 16)) == int(row["reset"], 16), row["name"]


def test_05_writable_and_clearing_registers_are_those_of_the_table(shared_dir: Path) -> None:
    with (shared_dir / "reference" / "atm90e32as.csv").open(newline="") as file:
        rows = {int(row["addr"], 16): row for row in csv.DictReader(file)}
    writable = {address for address, row in rows.items() if row["access"] == "RW" and address < 0x70}
    assert writable == set(PROTECTED)
    assert {address for address, row in rows.items() if row["access"] == "R/C"} == {
        address for address, kind in enumerate(KINDS) if kind == 1
    }


def test_05_the_chip_answers_only_after_the_reset_time() -> None:
    bench = unlocked()
    bench.write(0x70, 0x789A)
    assert bench.read(0x02) == 0xFFFF
    bench.write(0x7F, 0x55AA)
    bench.clock.sleep_ms(16)
    assert (bench.read(0x02), bench.read(0x7F), bench.read(0x70)) == (0x0654, 0, 0)


def test_05_another_key_resets_nothing() -> None:
    bench = ChipBench()
    bench.write(0x70, 0x789B)
    assert bench.read(0x00) == 1


def test_06_latched_events_are_cleared_by_writing_ones_not_by_reading() -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (-500.0, 300.0, -10.0), voltage_v=(230.0, 230.0, 0.0))
    assert bench.read(0x72) & 0x000F == 0b1101
    bench.chip.advance(2000, (500.0, 300.0, 10.0))
    assert bench.read(0x72) & 0x000F == 0
    latched = bench.read(0x74)
    assert latched & 0x010F == 0x010D
    assert bench.read(0x74) == latched
    bench.write(0x74, 0x0008)
    assert bench.read(0x74) == latched & ~0x0008
    assert bench.driver.read_events()[1] == latched & ~0x0008
    assert bench.driver.read_events() == (0, 0)


def test_07_directions_are_kept_apart_by_phase_and_for_the_total() -> None:
    bench = ChipBench()
    bench.chip.advance(3_600_000 // 100, (1000.0, -400.0, -100.0))
    step = 0.003125
    assert bench.read(0x80) == int(5 / step)
    assert bench.read(0x84) == 0
    assert [bench.read(address) for address in (0x81, 0x82, 0x83)] == [3200, 0, 0]
    assert [bench.read(address) for address in (0x85, 0x86, 0x87)] == [0, 1280, 320]


def test_07_opposite_directions_cancel_within_one_count() -> None:
    bench = ChipBench()
    for second in range(1, 101):
        bench.chip.advance(second * 1000, (10.0 if second % 2 else -10.0, 0.0, 0.0))
    assert (bench.read(0x80), bench.read(0x84)) == (0, 0)
    assert bench.chip.truth_import_counts == bench.chip.truth_export_counts == 0


def test_07_reactive_and_apparent_energy_are_counted_too() -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (4000.0, 0.0, 0.0), (3000.0, 0.0, -500.0))
    assert (bench.read(0x88), bench.read(0x89), bench.read(0x8F)) == (222, 266, 44)
    assert (bench.read(0x90), bench.read(0x91), bench.read(0x93)) == (488, 444, 44)


@pytest.mark.parametrize(("meter_constant", "counts"), [(1000, 1000), (3200, 3200), (6400, 6400)])
def test_07_one_count_is_ten_watt_hours_by_meter_constant(meter_constant: int, counts: int) -> None:
    bench = ChipBench(meter_constant=meter_constant)
    bench.chip.advance(36_000, (1000.0, 0.0, 0.0))
    assert bench.read(0x80) == counts


def test_08_without_meter_en_there_is_power_but_no_energy() -> None:
    bench = ChipBench(start=False)
    bench.chip.advance(1000, (5000.0, 0.0, 0.0))
    assert bench.read(0x80) == 0
    assert bench.chip.truth_import_counts == 0
    assert bench.read(0xB0) << 16 | bench.read(0xC0) == 15_625_000
    assert bench.read(0xD9) == 23000
    assert bench.chip.physical_import_uj == 5_000_000_000


def test_09_power_is_a_mean_over_16_line_cycles() -> None:
    bench = ChipBench()
    bench.chip.advance(319, (1000.0, 0.0, 0.0))
    assert bench.read(0xB1) << 16 | bench.read(0xC1) == 0
    bench.chip.advance(480, (1000.0, 0.0, 0.0))
    assert bench.read(0xB1) << 16 | bench.read(0xC1) == 3_125_000
    bench.chip.advance(641, (2000.0, 0.0, 0.0))
    assert bench.read(0xB1) << 16 | bench.read(0xC1) == 4_687_500


def test_09_frequency_and_temperature_do_not_wait_for_the_window() -> None:
    bench = ChipBench()
    bench.chip.advance(20, (0.0, 0.0, 0.0), frequency_hz=49.98, temperature_c=-5)
    assert bench.read(0xF8) == 4998
    assert bench.read(0xFC) == 0xFFFB
    bench.chip.advance(40, (0.0, 0.0, 0.0), voltage_v=(0.0, 0.0, 0.0))
    assert bench.read(0xF8) == 0


def test_10_a_phase_below_its_threshold_counts_as_zero() -> None:
    bench = ChipBench(phase_threshold_mw=5000)
    bench.chip.advance(100_000, (4.9, 5.1, 4.9), (0.0, 0.0, 0.2))
    assert [bench.read(address) for address in (0x81, 0x82, 0x83)] == [0, 45, 43]


def test_10_a_sum_below_the_start_threshold_accumulates_nothing() -> None:
    bench = ChipBench(start_threshold_mw=10_000)
    bench.chip.advance(100_000, (3.0, 3.0, 3.9))
    assert [bench.read(address) for address in range(0x80, 0x84)] == [0, 0, 0, 0]
    bench.chip.advance(200_000, (4.0, 4.0, 4.0))
    assert bench.read(0x80) == 106


@pytest.mark.parametrize(("kind", "word"), [("stuck-high", 0xFFFF), ("stuck-low", 0)])
def test_11_a_stuck_line_answers_the_same_everywhere(kind: str, word: int) -> None:
    bench = ChipBench()
    bench.chip.set_fault(kind)
    assert [bench.read(address) for address in (0x02, 0x78, 0x80, 0x78)] == [word] * 4
    bench.chip.set_fault(kind, on=False)
    assert bench.read(0x02) == 0x0654


def test_11_a_flipped_bit_leaves_the_right_word_in_last_spi_data() -> None:
    bench = ChipBench(start=False, faults=[Fault("flip", at_transfer=1, bit=3)])
    bench.read(0x00)
    assert bench.read(0x31) == 0x0861 ^ 8
    assert bench.read(0x78) == 0x0861


def test_11_a_brown_out_puts_all_registers_back() -> None:
    bench = ChipBench(meter_constant=1000)
    bench.chip.advance(1000, (5000.0, 0.0, 0.0))
    bench.chip.set_fault("brown-out")
    bench.clock.sleep_ms(20)
    assert (bench.read(0x00), bench.read(0x31), bench.read(0x80)) == (0, 0x0861, 0)
    assert bench.chip.lost_import_counts == bench.chip.truth_import_counts > 0


def test_11_stuck_and_frozen_energy_registers_do_not_follow_the_truth() -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (5000.0, 0.0, 0.0))
    bench.chip.set_fault("energy-frozen")
    bench.chip.advance(2000, (5000.0, 0.0, 0.0))
    assert [bench.read(0x80) for _ in range(3)] == [444] * 3
    bench.chip.set_fault("energy-stuck")
    assert bench.read(0x80) == 444
    bench.chip.advance(3000, (5000.0, 0.0, 0.0))
    assert bench.read(0x80) == 0
    assert bench.chip.truth_import_counts == 1333


@pytest.mark.parametrize(("wraps", "expected"), [(False, 0xFFFF), (True, 3456)])
def test_12_a_full_register_saturates_or_wraps_and_says_so(wraps: bool, expected: int) -> None:
    bench = ChipBench(wraps=wraps)
    bench.chip.advance(15_000, (51_744.0, 0.0, 0.0))
    assert bench.chip.overflows > 0
    assert bench.chip.overflow_mask & 0xFF == 0b0011
    bench.chip.advance(15_001, (0.0, 0.0, 0.0))
    assert bench.read(0x80) == expected


def test_the_hardware_survives_in_its_buffer_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "chip"
    path.write_bytes(bytes(BUFFER_BYTES))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        first = Atm90e32asEmulator(memory)
        first.transfer(write_frame(0x7F, 0x55AA))
        first.transfer(write_frame(0x00, 0x0001))
        first.advance(777, (1234.5, -20.0, 3.0))
        first.set_fault("stuck-low")
        first.close()
        second = Atm90e32asEmulator(memory)
        assert second.now_ms == 777
        assert second.transfers == 2
        assert second.transfer(read_frame(0x80)) == bytes(4)
        second.set_fault("stuck-low", on=False)
        second.advance(1000, (1234.5, -20.0, 3.0))
        assert second.truth_import_counts == 108
        second.close()


def test_a_foreign_or_small_buffer_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        Atm90e32asEmulator(bytearray(10))
    with pytest.raises(ValueError, match="something else"):
        Atm90e32asEmulator(bytearray(b"\x01" * BUFFER_BYTES))


def test_time_does_not_run_backwards_and_a_source_drives_the_physics() -> None:
    chip = Atm90e32asEmulator(source=lambda start, end: Physics((1000.0 * (end - start), 0.0, 0.0)))
    chip.advance_to(5)
    assert chip.physical_import_uj == 25_000_000
    with pytest.raises(ValueError, match="backwards"):
        chip.advance(4, (0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="source"):
        Atm90e32asEmulator().advance_to(5)


def test_integration_is_exact_whatever_the_steps() -> None:
    whole, split = Atm90e32asEmulator(), Atm90e32asEmulator()
    for chip in (whole, split):
        chip.transfer(write_frame(0x7F, 0x55AA))
        chip.transfer(write_frame(0x00, 0x0001))
    whole.advance(100_000, (1234.567, 89.012, -3456.789))
    for end in range(7, 100_001, 7):
        split.advance(min(end, 100_000), (1234.567, 89.012, -3456.789))
    split.advance(100_000, (1234.567, 89.012, -3456.789))
    assert split.physical_export_uj == whole.physical_export_uj == 2_133_210_000 * 100
    assert split.truth_export_counts == whole.truth_export_counts == 213_321_000_000 // 11_250_000


def test_a_plan_is_drawn_from_its_seed_and_unknown_faults_are_refused() -> None:
    assert seeded_plan(4, 1000, 50) == seeded_plan(4, 1000, 50) != seeded_plan(5, 1000, 50)
    for wrong in (Fault("fire", at_ms=1), Fault("flip", at_ms=1), Fault("brown-out", at_transfer=1)):
        with pytest.raises(ValueError, match=r"unknown kind|missing trigger"):
            FaultPlan([wrong])
    with pytest.raises(ValueError, match="unknown fault"):
        Atm90e32asEmulator().set_fault("fire")


def test_faults_planned_in_time_start_and_end_in_time() -> None:
    bench = ChipBench(start=False, faults=[Fault("stuck-high", at_ms=1000, length=500)])
    bench.chip.advance(999, (0.0, 0.0, 0.0))
    assert bench.read(0x02) == 0x0654
    bench.chip.advance(1000, (0.0, 0.0, 0.0))
    assert bench.read(0x02) == 0xFFFF
    bench.chip.advance(1500, (0.0, 0.0, 0.0))
    assert bench.read(0x02) == 0x0654


def test_dropped_transfers_raise_and_only_a_dropped_answer_reached_the_chip() -> None:
    faults = [Fault("drop", at_transfer=0), Fault("drop-answer", at_transfer=1)]
    bench = ChipBench(start=False, faults=faults)
    bench.chip.poke(0x80, 9)
    for left in (9, 0):
        with pytest.raises(BusFault):
            bench.read(0x80)
        assert bench.chip.peek(0x80) == left


def test_a_delayed_transfer_takes_the_driver_s_time_and_nothing_else() -> None:
    bench = ChipBench(start=False, faults=[Fault("delay", at_transfer=0, bit=15)])
    assert bench.read(0x02) == 0x0654
    assert bench.clock.ticks_ms() == 15


def test_the_transcript_holds_what_went_over_the_wire() -> None:
    bench = ChipBench(start=False, record=True)
    bench.read(0x02)
    assert bench.chip.transcript == [(bytes.fromhex("80020000"), bytes.fromhex("a5a50654"))]
