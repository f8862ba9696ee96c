"""Events, peaks, harmonics, other wirings, 60 Hz, and two ATM90E32AS on one bus."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from chip_bench import ChipBench
from two_chips import SharedBus

from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_events import STATE0, STATE1, names_of
from drivers.chips.atm90e32as_scaling import voltage_threshold
from drivers.chips.atm90e32as_settings import UNITY, make_settings
from drivers.errors import DriverError, ValueOutOfRange
from drivers.sample import FLAG_ENERGY_LOST
from drivers.sim.atm90e32as import Atm90e32asEmulator
from drivers.sim.ticks import SimClock

HOUSE = (3000.0, -700.0, 1500.0)


def events(bench: ChipBench) -> set[str]:
    """Names of the events since they were read last."""
    return set(names_of(*bench.driver.read_events()))


def seen(bench: ChipBench, **inputs: Any) -> set[str]:
    """Events of two seconds with the inputs, apart from those that the powers themselves cause."""
    events(bench)
    bench.step(HOUSE, 2000, **inputs)
    return {name for name in events(bench) if name.startswith(("sag", "phase_loss", "OV", "OI", "freq"))}


def test_bit_names_are_those_of_the_table(shared_dir: Path) -> None:
    with (shared_dir / "reference" / "atm90e32as-bits.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["register"].startswith("EMMState")]
    assert len(rows) == 32
    for row in rows:
        names = STATE0 if row["register"].startswith("EMMState0") else STATE1
        assert names[15 - int(row["bit"])] == row["name"]
    assert names_of(1 << 12, 1 << 13 | 1) == ("OV_A", "sag_B", "P_C_negative")


def test_a_sag_and_a_lost_phase_are_events_of_their_phase() -> None:
    bench = ChipBench(sag_centivolt=17940, phase_loss_centivolt=2300)
    assert bench.read(0x08) == voltage_threshold(179.4, 0x8000) == 12685
    assert bench.read(0x09) == voltage_threshold(23.0, 0x8000) == 1626
    assert seen(bench) == set()
    assert seen(bench, voltage_v=(230.0, 178.0, 230.0)) == {"sag_B"}
    assert seen(bench, voltage_v=(230.0, 230.0, 10.0)) - {"OI_C"} == {"sag_C", "phase_loss_C"}
    assert seen(bench) == set()


@pytest.mark.parametrize("gain", [0x4000, 0x6D39, 0x8000, 0xF000])
def test_voltage_thresholds_follow_the_gain_in_integers(gain: int) -> None:
    settings = make_settings(calibration=(UNITY._replace(u_gain=gain),) * 3, sag_centivolt=17940)
    assert dict(settings.configuration)[0x08] == voltage_threshold(179.4, gain)


def test_over_voltage_and_over_current_are_events_of_their_phase() -> None:
    word = round(250 * 2**0.5 / 600 * 65535)
    bench = ChipBench(over_voltage_threshold=word, over_current_threshold=round(30 * 2**0.5 / 120 * 65535))
    assert seen(bench, voltage_v=(249.0, 249.0, 249.0)) == set()
    assert seen(bench, voltage_v=(230.0, 230.0, 252.0)) == {"OV_C"}
    events(bench)
    bench.step((8000.0, 0.0, 0.0), 2000)
    assert "OI_A" in events(bench)


@pytest.mark.parametrize(("nominal", "low", "high"), [(50, 48.9, 51.1), (60, 56.9, 63.1)])
def test_the_frequency_window_belongs_to_the_nominal_frequency(nominal: int, low: float, high: float) -> None:
    bench = ChipBench(line_frequency_hz=nominal)
    assert seen(bench, frequency_hz=float(nominal)) == set()
    assert seen(bench, frequency_hz=low) == {"freq_low"}
    seen(bench, frequency_hz=float(nominal))
    assert seen(bench, frequency_hz=high) == {"freq_high"}


def test_sixty_hertz_counts_and_measures_as_fifty_does() -> None:
    bench = ChipBench(line_frequency_hz=60)
    assert bench.read(0x33) == 0x1087
    for _ in range(36):
        sample = bench.step(HOUSE, full=True, frequency_hz=60.0)
    assert bench.missing() == sample.flags == 0
    assert sample.frequency_hz == 60.0
    assert sample.power_w == pytest.approx((3800.0, *HOUSE), abs=0.01)


@pytest.mark.parametrize("factor", [1, 2])
def test_peaks_are_those_of_the_sine(factor: int) -> None:
    bench = ChipBench(current_factor=factor, fuse_limit_w=69_000)
    bench.step((2300.0, -1150.0, 0.0))
    volts, amperes = bench.driver.read_peaks()
    assert volts == pytest.approx((325.27,) * 3, abs=0.05)
    assert amperes == pytest.approx((14.142 * factor, 7.071 * factor, 0.0), abs=0.01)


def test_harmonic_power_is_told_from_the_fundamental() -> None:
    bench = ChipBench()
    bench.chip.set_harmonics(100)
    bench.step((2000.0, -1000.0, 0.0))
    fundamental, harmonic = bench.driver.read_harmonics()
    assert fundamental == pytest.approx((900.0, 1800.0, -900.0, 0.0), abs=0.01)
    assert harmonic == pytest.approx((100.0, 200.0, -100.0, 0.0), abs=0.01)
    bench.step((2000.0, -1000.0, 0.0))
    assert bench.read(0xA1) + bench.read(0xA9) == sum(bench.chip.truth_phase_import_counts)


def test_neutral_current_and_angles_are_read() -> None:
    bench = ChipBench()
    bench.step((2300.0, 0.0, 0.0), phase_reactive_var=(0.0, 0.0, 0.0))
    assert bench.driver.read_neutral_current_a() == pytest.approx(10.0, abs=0.01)
    bench.step((1000.0, -1000.0, 0.0), phase_reactive_var=(-577.35, 0.0, 0.0))
    current, voltage = bench.driver.read_angles_degree()
    assert current[:2] == pytest.approx((-30.0, 180.0), abs=0.2)
    assert voltage == (0.0, 240.0, 120.0)


@pytest.mark.parametrize(("wiring", "word"), [("four-wire", 0x87), ("three-wire", 0x185), ("split-phase", 0x185)])
@pytest.mark.parametrize("nominal", [50, 60])
def test_each_wiring_has_its_mode_word(wiring: str, word: int, nominal: int) -> None:
    settings = make_settings(wiring=wiring, line_frequency_hz=nominal)
    assert settings.mmode0 == word | (0x1000 if nominal == 60 else 0)
    with pytest.raises(ValueOutOfRange, match="wiring"):
        make_settings(wiring="star")


def test_a_split_phase_home_is_metered_without_phase_b_and_still_cross_checked() -> None:
    bench = ChipBench(wiring="split-phase", line_frequency_hz=60)
    for _ in range(36):
        sample = bench.step((2000.0, 999.0, -500.0), full=True, voltage_v=(120.0, 0.0, 120.0), frequency_hz=60.0)
        assert sample.flags == 0
    assert bench.imported == bench.chip.truth_import_counts == 4800
    assert sample.power_w[0] == pytest.approx(1500.0, abs=0.01)
    bench.chip.poke(0x80, bench.chip.peek(0x80) + 1000)
    assert bench.step((2000.0, 0.0, -500.0)).flags & FLAG_ENERGY_LOST


class Pair:
    """Two drivers on two chips of one bus."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.clock = SimClock(lambda: self.now_ms)
        self.chips = [Atm90e32asEmulator(None, self.clock) for _ in range(2)]
        self.bus = SharedBus(*self.chips)
        self.drivers = [Atm90e32as(self.bus.select(which), self.clock) for which in range(2)]
        self.booked = [0, 0]
        self.bound = [0, 0]
        for driver in self.drivers:
            driver.start()

    def step(self) -> int:
        """A second; how many of the two could be read."""
        self.now_ms += 1000
        self.chips[0].advance(self.now_ms, (3000.0, 0.0, 0.0))
        self.chips[1].advance(self.now_ms, (0.0, 5000.0, 100.0))
        read = 0
        for which, driver in enumerate(self.drivers):
            try:
                sample = driver.read_energy()
            except DriverError:
                continue
            read += 1
            self.booked[which] += sample.import_counts
            self.bound[which] += sample.lost_bound_counts
        return read

    def truth(self) -> list[int]:
        """What the chips metered."""
        return [chip.truth_import_counts for chip in self.chips]


def test_two_chips_on_one_bus_do_not_mix() -> None:
    pair = Pair()
    for _ in range(60):
        assert pair.step() == 2
    assert pair.booked == pair.truth()
    assert pair.bound == [0, 0]


def test_a_floating_select_line_never_books_more_than_flowed_and_the_mixed_chip_is_flagged() -> None:
    """What the first driver's reads clear in the second chip is silent there: only energy against power tells it."""
    pair = Pair()
    for _ in range(5):
        pair.step()
    pair.bus.floating = True
    for _ in range(5):
        pair.step()
    pair.bus.floating = False
    for _ in range(3):
        pair.step()
    for which in range(2):
        assert pair.booked[which] < pair.truth()[which]
    assert pair.truth()[0] - pair.booked[0] <= pair.bound[0] > 0
