"""Every point of "Emulator must" (reference/ade7878.md) holds; the numbers in the names are its points."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from ade_bench import AdeBench

from drivers import vectors
from drivers.chips import ade7878_registers as reg
from drivers.chips.ade7878_link import I2cPort, SpiPort
from drivers.errors import BusFault
from drivers.sim.ade7878 import RESET_WORDS, Ade7878Emulator
from drivers.sim.ade7878_table import REGISTERS
from drivers.sim.ade_bus import BY_TRANSFER, Fault, seeded_plan

HOUSE = (3000.0, -700.0, 1500.0)


def running() -> AdeBench:
    return AdeBench("ade7878-i2c")


def test_the_table_is_the_reference(shared_dir: Path) -> None:
    with (shared_dir / "reference" / "ade7878.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(REGISTERS)
    for row in rows:
        register = REGISTERS[int(row["addr"], 16)]
        assert (register.name, register.access) == (row["name"], row["access"])
        assert register.wire_bytes * 8 == int(row["wire_bits"]) == reg.width(register.address) * 8
        assert register.reset == (int(row["reset"].split()[0], 16) if row["reset"] else None)


def test_addresses_that_the_driver_names_are_those_of_the_table() -> None:
    names = {one.name: address for address, one in REGISTERS.items()}
    for letter, place in (("A", 0), ("B", 1), ("C", 2)):
        assert reg.I_RMS[place] == names[letter + "IRMS"]
        assert reg.V_RMS[place] == names[letter + "VRMS"]
        assert reg.WATT_HR[place] == names[letter + "WATTHR"]
        assert reg.VAR_HR[place] == names[letter + "VARHR"]
        assert reg.WATT[place] == names[letter + "WATT"]
        assert reg.W_GAIN[place] == names[letter + "WGAIN"]
        assert reg.VAR_OFFSET[place] == names[letter + "VAROS"]
        assert reg.PH_CAL[place] == names[letter + "PHCAL"]
    for name in ("RUN", "CHECKSUM", "PERIOD", "LCYCMODE", "ACCMODE", "MMODE", "COMPMODE", "GAIN", "CONFIG", "CONFIG2"):
        assert getattr(reg, name) == names[name]
    assert (
        names["WTHR1"], names["WTHR0"], names["DSPWP_SET"], names["DSPWP_SEL"],
    ) == (reg.W_THR1, reg.W_THR0, reg.DSPWP_SET, reg.DSPWP_SEL)  # fmt: skip


@pytest.mark.parametrize("n", [1, 4])
def test_01_a_read_of_the_wrong_length_is_noticed_and_changes_nothing(n: int) -> None:
    chip = running().chip
    chip.words[reg.LCYCMODE] |= 0x40
    chip.i2c.write_read(reg.i2c_read_request(reg.PERIOD), n)
    assert chip.length_errors == 1
    chip.words[0xE400] = 77
    chip.i2c.write_read(reg.i2c_read_request(0xE400), 2)
    assert (chip.length_errors, chip.words[0xE400]) == (2, 77)


@pytest.mark.parametrize("data", [b"\xe6\x0c\x01", b"\xe6\x0c\x01\x02\x03", b"\xe6\x0c"])
def test_01_a_write_of_the_wrong_length_is_noticed_and_changes_nothing(data: bytes) -> None:
    chip = running().chip
    chip.i2c.write(data)
    assert (chip.length_errors, chip.words[0xE60C]) == (1, 0xFFFF)
    chip.i2c.write(reg.i2c_write_request(0xE60C, 0xC8))
    assert (chip.length_errors, chip.words[0xE60C]) == (1, 0xC8)


def test_02_protected_memory_refuses_writes_and_opens_again() -> None:
    chip = running().chip
    port = I2cPort(chip.i2c)
    for _ in range(3):
        port.write(reg.V_GAIN[0], 5)
    assert (port.read(reg.V_GAIN[0]), chip.refused_writes) == (0, 3)
    port.write(reg.DSPWP_SET, 0)
    port.write(reg.V_GAIN[0], 5)
    assert chip.refused_writes == 4
    port.write(reg.DSPWP_SEL, reg.PROTECT_KEY)
    port.write(reg.DSPWP_SET, 0)
    for _ in range(3):
        port.write(reg.V_GAIN[0], 5)
    assert port.read(reg.V_GAIN[0]) == 5


def test_02_the_last_write_waits_for_its_third_time_or_two_further_writes() -> None:
    chip = Ade7878Emulator()
    port = I2cPort(chip.i2c)
    for times, visible in ((1, 0), (2, 0), (3, 9)):
        port.write(reg.V_GAIN[0], 9)
        assert port.read(reg.V_GAIN[0]) == visible, times
    for address, word in ((reg.V_GAIN[1], 1), (reg.V_GAIN[2], 2)):
        port.write(address, word)
    assert (port.read(reg.V_GAIN[1]), port.read(reg.V_GAIN[2])) == (0, 0)
    port.write(reg.I_GAIN[0], 3)
    assert (port.read(reg.V_GAIN[1]), port.read(reg.V_GAIN[2]), port.read(reg.I_GAIN[0])) == (1, 0, 0)


def test_03_spi_is_deaf_until_three_pulses_and_i2c_after_that() -> None:
    chip = Ade7878Emulator()
    i2c, spi = I2cPort(chip.i2c), SpiPort(chip.spi)
    assert i2c.read(reg.CHECKSUM) == reg.CHECKSUM_ADE7878
    assert [spi.read(reg.CHECKSUM) for _ in range(3)] == [0xFFFFFFFF] * 3
    assert spi.read(reg.CHECKSUM) == reg.CHECKSUM_ADE7878
    with pytest.raises(BusFault):
        i2c.read(reg.CHECKSUM)


def test_03_a_locked_i2c_port_stays_whatever_the_select_line_does() -> None:
    chip = running().chip
    chip.set_fault("select-glitch")
    assert I2cPort(chip.i2c).read(reg.RUN) == 1
    unlocked = Ade7878Emulator()
    unlocked.set_fault("select-glitch")
    with pytest.raises(BusFault):
        I2cPort(unlocked.i2c).read(reg.RUN)


def test_03_an_spi_frame_with_the_i2c_address_in_it_is_ignored() -> None:
    chip = AdeBench("ade7878-spi").chip
    assert chip.spi.transfer(b"\x71\xe2\x28\x00\x00") == b"\xff" * 5


def test_04_after_a_reset_rstdone_is_set_and_the_checksum_tells_the_part() -> None:
    for part_a, checksum in ((False, 0x33666787), (True, 0xEEF4CB9A)):
        chip = Ade7878Emulator(part_a=part_a)
        port = I2cPort(chip.i2c)
        assert port.read(reg.STATUS1) & reg.RSTDONE
        assert port.read(reg.CHECKSUM) == checksum
        port.write(reg.GAIN, 1)
        assert port.read(reg.CHECKSUM) != checksum
        port.write(reg.STATUS1, reg.RSTDONE)
        assert not port.read(reg.STATUS1) & reg.RSTDONE
        port.write(reg.CONFIG, reg.SWRST)
        assert port.read(reg.CHECKSUM) == checksum
        assert port.read(reg.STATUS1) & reg.RSTDONE


def test_04_reset_values_are_those_of_the_table_and_its_notes() -> None:
    chip = Ade7878Emulator()
    for register in REGISTERS.values():
        if register.address not in (reg.CHECKSUM, reg.STATUS1):
            assert chip.words[register.address] == RESET_WORDS.get(register.address, register.reset or 0)


def test_05_counters_roll_over_and_half_full_is_told() -> None:
    bench = running()
    assert not bench.chip.half_full
    bench.chip.words[0xE400] = (1 << 30) - 10
    bench.advance((10_000.0, 0.0, 0.0), 1000)
    assert bench.chip.half_full
    assert bench.chip.words[reg.STATUS0] & 2 == 0
    bench.chip.words[0xE400] = 0x7FFFFFFF
    bench.advance((10_000.0, 0.0, 0.0), 1000)
    assert bench.chip.words[0xE400] >> 31 == 1
    I2cPort(bench.chip.i2c).write(reg.STATUS0, 1)
    assert not bench.chip.half_full


def test_06_reading_clears_energy_only_with_rstread() -> None:
    bench = running()
    port = I2cPort(bench.chip.i2c)
    bench.advance((10_000.0, 0.0, 0.0), 10_000)
    count = port.read(0xE400)
    assert count > 1000
    assert port.read(0xE400) == count
    port.write(reg.LCYCMODE, 0x78)
    assert (port.read(0xE400), port.read(0xE400)) == (count, 0)


def test_07_nothing_is_measured_before_run() -> None:
    chip = Ade7878Emulator()
    chip.advance(10_000, HOUSE)
    port = I2cPort(chip.i2c)
    assert [port.read(one) for one in (0xE400, reg.WATT[0], reg.V_RMS[0], reg.PERIOD)] == [0, 0, 0, 0]
    assert chip.truth_counts == (0, 0, 0)


def test_frequency_follows_the_chosen_phase_only_after_seventy_milliseconds() -> None:
    bench = running()
    bench.advance(HOUSE, 1000, voltage_v=(230.0, 0.0, 230.0))
    port = I2cPort(bench.chip.i2c)
    assert port.read(reg.PERIOD) == 5119
    port.write(reg.MMODE, 0x1D)
    assert port.read(reg.PERIOD) == 5119
    bench.clock.sleep_ms(70)
    assert port.read(reg.PERIOD) == 0xFFFF


def test_the_apparent_code_is_the_product_of_the_rms_codes() -> None:
    bench = running()
    bench.advance(HOUSE, 1000, phase_reactive_var=(4000.0, 0.0, 0.0))
    port = I2cPort(bench.chip.i2c)
    assert port.read(reg.VA[0]) == port.read(reg.V_RMS[0]) * port.read(reg.I_RMS[0]) >> 23


@pytest.mark.parametrize("kind", ["ade7878-i2c", "ade7878-spi"])
def test_what_the_driver_puts_on_the_wire_is_what_the_frames_file_says(kind: str, shared_dir: Path) -> None:
    bench = AdeBench(kind, record=True)
    bench.step(HOUSE, full=True)
    sent = {tx.hex(" ").upper() for tx, _ in bench.chip.transcript}
    rows = vectors.read_rows(shared_dir / "reference" / "vectors-frames.csv")
    wanted = {"F15r", "F25w", "F27w", "F14r", "F19w"} if kind.endswith("i2c") else {"F16r", "F24w", "F26w", "F28w"}
    for row in rows:
        if row.id in wanted:
            assert row.expected in sent, row.id


@pytest.mark.parametrize("kind", BY_TRANSFER)
def test_every_planned_fault_does_something(kind: str) -> None:
    sound = AdeBench("ade7878-spi", record=True)
    other = AdeBench("ade7878-spi", record=True)
    other.chip.add_faults([Fault(kind, at_transfer=other.chip.transfers + 1, length=1, bit=34)])
    sound.step(HOUSE, full=True)
    other.step(HOUSE, full=True)
    seen = [(one.chip.transcript, one.clock.ticks_ms(), one.driver._link.faults) for one in (sound, other)]
    assert seen[0] != seen[1]


def test_a_seeded_plan_is_the_same_every_time() -> None:
    assert seeded_plan(3, 5000, 10) == seeded_plan(3, 5000, 10) != seeded_plan(4, 5000, 10)
