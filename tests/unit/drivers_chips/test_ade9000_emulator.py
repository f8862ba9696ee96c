"""Every point of "Emulator must" (reference/ade9000.md) holds, the erratum included."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from ade_bench import AdeBench

from drivers import vectors
from drivers.chips import ade9000_registers as reg
from drivers.chips.ade9000_link import Link
from drivers.sim.ade9000 import Ade9000Emulator
from drivers.sim.ade9000_table import REGISTERS

HOUSE = (3000.0, -700.0, 1500.0)


def running(**options: object) -> AdeBench:
    return AdeBench("ade9000-add", lock=False, chip_options=dict(options))


def test_the_table_is_the_reference(shared_dir: Path) -> None:
    with (shared_dir / "reference" / "ade9000.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(REGISTERS) == 461
    for row in rows:
        register = REGISTERS[int(row["addr"], 16)]
        assert (register.name, register.access) == (row["name"], row["access"].replace("/", ""))
        assert register.wire_bytes * 8 == int(row["wire_bits"]) == reg.width(register.address) * 8
        assert register.reset == (None if "X" in row["reset"][2:] else int(row["reset"], 16))


def test_addresses_that_the_driver_names_are_those_of_the_table() -> None:
    names = {one.name: address for address, one in REGISTERS.items()}
    for letter, k in (("A", 0), ("B", 1), ("C", 2)):
        wanted = {
            "IGAIN": reg.I_GAIN, "VGAIN": reg.V_GAIN, "PGAIN": reg.P_GAIN, "PHCAL0": reg.PH_CAL0, "IRMS": reg.I_RMS,
            "VRMS": reg.V_RMS, "WATT": reg.WATT, "VAR": reg.VAR, "VA": reg.VA, "PF": reg.PF, "PERIOD": reg.PERIOD,
            "WATTHR_HI": reg.WATT_HR_HI, "WATTHR_LO": reg.WATT_HR_LO, "VARHR_HI": reg.VAR_HR_HI,
            "VARHR_LO": reg.VAR_HR_LO, "VTHD": reg.V_THD, "ITHD": reg.I_THD,
        }  # fmt: skip
        for name, addresses in wanted.items():
            assert addresses[k] == names[letter + name], name
    assert reg.ANGLE_VI[0] == names["ANGL_VA_IA"]
    assert names["AVRMSONE_1"] == 0x632
    for name in ("STATUS0", "STATUS1", "RUN", "EP_CFG", "EGY_TIME", "WR_LOCK", "LAST_CMD", "LAST_DATA_32", "PART_ID"):
        assert getattr(reg, name) == names[name]


@pytest.mark.parametrize(("address", "n"), [(reg.VERSION, 4), (reg.WATT[0], 2), (reg.WATT[0], 8)])
def test_the_data_width_of_each_address_is_kept(address: int, n: int) -> None:
    chip = running().chip
    header = address << 4 | 8
    chip.transfer(bytes((header >> 8, header & 0xFF)) + bytes(n))
    assert chip.length_errors == 1


def test_a_write_of_the_wrong_width_changes_nothing() -> None:
    chip = running().chip
    chip.transfer(reg.write_frame(reg.VLEVEL, 5)[:4])
    assert chip.length_errors == 1
    assert Link(chip).read(reg.VLEVEL) == 0x117514


def test_reading_on_does_not_give_the_next_register_without_burst() -> None:
    bench = running()
    bench.advance(HOUSE, 1000)
    answer = bench.chip.transfer(reg.read_frame(reg.WATT[0], 2))
    assert answer[2:6] == bench.chip.transfer(reg.read_frame(reg.WATT[0]))[2:]
    assert not any(answer[6:])


def test_a_burst_reads_on_in_its_two_blocks_and_nowhere_else() -> None:
    bench = running()
    bench.advance(HOUSE, 1000)
    chip, link = bench.chip, Link(bench.chip)
    link.write(reg.CONFIG1, reg.BURST_ENABLE)
    answer = chip.transfer(reg.read_frame(0x60E, 3))
    words = [int.from_bytes(answer[2 + 4 * k : 6 + 4 * k], "big") for k in range(3)]
    assert words == [link.read(one) for one in reg.WATT]
    errors = chip.length_errors
    chip.transfer(reg.read_frame(0x63C, 2))
    chip.transfer(reg.read_frame(reg.WATT[0], 2))
    assert chip.length_errors == errors + 2


def test_the_lock_refuses_both_ranges_until_it_is_opened() -> None:
    chip = running().chip
    link = Link(chip)
    link.write(reg.WR_LOCK, reg.LOCK_KEY)
    assert link.read(reg.WR_LOCK) == 1
    for address in (0x000, 0x073, 0x40F, reg.EP_CFG):
        before = link.read(address)
        link.write(address, before ^ 1)
        assert link.read(address) == before
    assert chip.refused_writes == 4
    link.write(reg.WR_LOCK, 0x1234)
    assert link.read(reg.WR_LOCK) == 1
    link.write(reg.WR_LOCK, reg.UNLOCK_KEY)
    assert link.read(reg.WR_LOCK) == 0
    link.write(0x000, 1)
    assert link.read(0x000) == 1


def test_the_last_registers_tell_the_last_access_but_not_their_own() -> None:
    chip = running().chip
    link = Link(chip)
    word = link.read(reg.VLEVEL)
    assert [link.read(reg.LAST_DATA_32) for _ in range(2)] == [word] * 2
    assert link.read(reg.LAST_CMD) == reg.VLEVEL << 4 | 8
    link.write(reg.EGY_TIME, 1234)
    assert (link.read(reg.LAST_DATA_16), link.read(reg.LAST_CMD)) == (1234, reg.EGY_TIME << 4)


def test_status_is_cleared_by_writing_ones() -> None:
    bench = running()
    bench.advance(HOUSE, 1000)
    link = Link(bench.chip)
    assert [link.read(reg.STATUS0) & reg.EGYRDY for _ in range(2)] == [1, 1]
    link.write(reg.STATUS0, 0)
    assert link.read(reg.STATUS0) & reg.EGYRDY
    link.write(reg.STATUS0, reg.EGYRDY)
    assert not link.read(reg.STATUS0) & reg.EGYRDY


def test_registers_are_renewed_each_period_and_only_then() -> None:
    bench = running()
    before = bench.chip.renewed_counts[0]
    bench.advance((1000.0, 0.0, 0.0), 99)
    assert bench.chip.renewed_counts[0] == before
    bench.advance((1000.0, 0.0, 0.0), 1)
    assert bench.chip.renewed_counts[0] == pytest.approx(1000 / 148650 * 20694066 * 800, rel=1e-6)


def test_overwrite_mode_holds_one_period_and_forgets_the_one_before() -> None:
    bench = AdeBench("ade9000-overwrite", energy_samples=8000)
    bench.advance((1000.0, 0.0, 0.0), 1000)
    one = bench.chip._registers[0]
    bench.advance((1000.0, 0.0, 0.0), 2000)
    assert bench.chip._registers[0] == pytest.approx(one, abs=2)
    assert bench.chip.renewed_counts[0] == pytest.approx(3 * one, abs=6)


@pytest.mark.parametrize("sticks", [False, True])
def test_forty_five_bits_wrap_or_stick(sticks: bool) -> None:
    bench = running(sticks=sticks)
    bench.chip._registers[0] = (1 << 44) - 5
    bench.advance((1000.0, 0.0, 0.0), 100)
    assert bench.chip.overflows == 1
    assert (bench.chip._registers[0] == (1 << 44) - 1) is sticks
    assert (bench.chip._registers[0] < 0) is not sticks


def test_the_inner_stage_runs_over_in_long_half_cycle_periods_only() -> None:
    for half_cycles, overflows in ((1300, 0), (1400, 1)):
        chip = Ade9000Emulator()
        link = Link(chip)
        link.write(reg.EGY_TIME, half_cycles - 1)
        link.write(reg.RUN, 1)
        link.write(reg.EP_CFG, reg.EP_ENABLE | reg.EP_HALF_CYCLES)
        chip.advance(half_cycles * 10, (148_650.0, 0.0, 0.0))
        assert chip.overflows == overflows


def test_erratum_reading_with_reset_drops_counts() -> None:
    bench = running()
    link = Link(bench.chip)
    link.write(reg.EP_CFG, reg.EP_ENABLE | reg.EP_READ_RESET)
    bench.advance((1000.0, 0.0, 0.0), 150)
    taken = reg.energy_counts(link.read(reg.WATT_HR_HI[0]), link.read(reg.WATT_HR_LO[0]))
    bench.advance((1000.0, 0.0, 0.0), 50)
    taken += reg.energy_counts(link.read(reg.WATT_HR_HI[0]), link.read(reg.WATT_HR_LO[0]))
    assert taken < bench.chip.truth_counts[0] * 0.9


@pytest.mark.parametrize(("line_hz", "shown"), [(50.0, 50.0), (45.0, 45.0), (39.0, 50.0), (71.0, 50.0)])
def test_frequency_out_of_range_shows_the_nominal_one(line_hz: float, shown: float) -> None:
    bench = running()
    sample = bench.step(HOUSE, full=True, frequency_hz=line_hz)
    assert sample.frequency_hz == pytest.approx(shown, abs=1e-3)


def test_energy_wants_run_and_the_enable_bit() -> None:
    chip = Ade9000Emulator()
    chip.advance(1000, HOUSE)
    Link(chip).write(reg.RUN, 1)
    chip.advance(2000, HOUSE)
    assert chip.truth_counts == (0, 0, 0)
    Link(chip).write(reg.EP_CFG, reg.EP_ENABLE)
    chip.advance(3000, HOUSE)
    assert chip.truth_counts[0] > 0


def test_what_the_driver_puts_on_the_wire_is_what_the_frames_file_says(shared_dir: Path) -> None:
    bench = AdeBench("ade9000-overwrite", record=True, energy_samples=8000)
    bench.step(HOUSE, full=True)
    sent = {tx.hex(" ").upper() for tx, _ in bench.chip.transcript}
    for row in vectors.read_rows(shared_dir / "reference" / "vectors-frames.csv"):
        if row.id in {"F29r", "F30r", "F31r", "F32w", "F33w", "F34w", "F35w", "F36w"}:
            assert row.expected in sent, row.id
