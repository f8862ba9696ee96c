"""Start-up, settings, measurements and refusals of both ADE drivers."""

from __future__ import annotations

from typing import Any

import pytest
from ade_bench import KINDS, AdeBench

from drivers.chips import ade7878_registers as reg7878
from drivers.chips import ade9000_registers as reg9000
from drivers.chips.ade7878_settings import PhaseCalibration as Calibration7878
from drivers.chips.ade7878_settings import make_settings as settings_7878
from drivers.chips.ade9000_settings import UNITY as UNITY_9000
from drivers.chips.ade9000_settings import make_settings as settings_9000
from drivers.chips.ade_site import ct_with_burden, ct_with_voltage
from drivers.errors import BusFault, ValueOutOfRange, WrongChip
from drivers.sample import FLAG_ENERGY_LOST, INCREMENT

HOUSE = (3000.0, -700.0, 1500.0)


@pytest.mark.parametrize("kind", KINDS)
def test_measurements_are_what_the_house_draws(kind: str) -> None:
    bench = AdeBench(kind)
    sample = bench.step(
        (2300.0, -1150.0, 690.0),
        full=True,
        phase_reactive_var=(0.0, 500.0, -80.0),
        voltage_v=(230.0, 231.5, 229.25),
        frequency_hz=49.98,
    )
    assert sample.counter_kind == INCREMENT
    assert sample.power_w == pytest.approx((1840.0, 2300.0, -1150.0, 690.0), abs=0.1)
    assert sample.reactive_power_var == pytest.approx((420.0, 0.0, 500.0, -80.0), abs=0.1)
    assert sample.voltage_v == pytest.approx((230.0, 231.5, 229.25), abs=0.01)
    assert sample.current_a == pytest.approx((10.0, 5.4168, 3.0299), abs=0.001)
    assert sample.frequency_hz == pytest.approx(49.98, abs=0.005)
    assert sample.flags & FLAG_ENERGY_LOST == 0
    checked = bench.driver.read_cross_check()
    assert checked.findings == ()
    assert checked.apparent_power_va[1:] == pytest.approx((2300.0, 1254.0, 694.6), abs=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_keeps_to_sixty_transactions_and_the_rest_too(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(70):
        before = bench.chip.transfers
        bench.step(HOUSE, full=True)
        assert bench.chip.transfers - before <= 60
    before = bench.chip.transfers
    bench.driver.read_cross_check()
    assert bench.chip.transfers - before <= 60


def test_the_memory_of_an_ade7878_is_written_flushed_and_protected() -> None:
    calibration = Calibration7878(-254782, 100, -1, 0, 0, 5, -5, 0, 0, 0x201)
    bench = AdeBench("ade7878-i2c", calibration=(calibration,) * 3)
    words = bench.chip.words
    assert words[reg7878.V_GAIN[1]] == 0x0FFC1CC2
    assert words[reg7878.W_GAIN[2]] == 0x0FFFFFFF
    assert (words[reg7878.W_THR1], words[reg7878.W_THR0]) == (1, 0xFF6A6B)
    assert words[reg7878.PH_CAL[0]] == 0x201
    assert words[reg7878.DSPWP_SET] == reg7878.PROTECT_ON
    assert words[reg7878.LCYCMODE] & 0x40 == 0
    assert bench.chip.locked
    assert bench.chip.length_errors == bench.chip.refused_writes == 0


def test_an_ade9000_is_locked_and_reads_without_reset() -> None:
    bench = AdeBench("ade9000-add", calibration=(UNITY_9000._replace(v_gain=-5),) * 3)
    words = bench.chip.words
    assert words[reg9000.V_GAIN[1]] == 0xFFFFFFFB
    assert words[reg9000.WR_LOCK] == 1
    assert words[reg9000.EP_CFG] == reg9000.EP_ENABLE
    for _ in range(100):
        bench.step(HOUSE)
    assert words[reg9000.EP_CFG] & reg9000.EP_READ_RESET == 0
    assert bench.chip.length_errors == bench.chip.refused_writes == 0
    overwriting = AdeBench("ade9000-overwrite")
    assert overwriting.chip.words[reg9000.EP_CFG] == reg9000.EP_ENABLE | reg9000.EP_OVERWRITE
    assert overwriting.chip.words[reg9000.EGY_TIME] == 8191


@pytest.mark.parametrize("kind", ["ade7878-i2c", "ade9000-add"])
def test_a_new_calibration_is_written_at_restart_without_a_reset(kind: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    resets = bench.chip.resets
    if kind.startswith("ade7878"):
        bench.settings = settings_7878(calibration=(Calibration7878(77, 0, 0, 0, 0, 0, 0, 0, 0, 0),) * 3)
    else:
        bench.settings = settings_9000(calibration=(UNITY_9000._replace(v_gain=77),) * 3)
    bench.advance(HOUSE, 1000)
    assert bench.restart()
    assert bench.chip.resets == resets
    address = reg7878.V_GAIN[0] if kind.startswith("ade7878") else reg9000.V_GAIN[0]
    assert bench.chip.words[address] == 77
    assert bench.unflagged_errors() == (0, 0)


def test_another_count_is_booked_in_its_own_size_before_the_chip_is_set_up_anew() -> None:
    bench = AdeBench("ade7878-i2c")
    bench.step(HOUSE)
    bench.advance(HOUSE, 3000)
    bench.settings = settings_7878(wthr=394616854)
    before = bench.imported
    assert bench.restart()
    assert bench.imported - before == pytest.approx(3800 * 3 / 3.6 * 1000, rel=0.002)
    assert bench.driver.was_configured is False
    sample = bench.step(HOUSE, 60_000)
    assert sample.import_counts == pytest.approx(3800 * 60 / 3.6 * 1000, rel=0.002)


@pytest.mark.parametrize("kind", ["ade7878-i2c", "ade7878-spi", "ade9000-add"])
def test_a_part_that_answers_but_is_another_is_refused_and_not_configured(kind: str) -> None:
    bench = AdeBench(kind, start=False)
    if kind.startswith("ade7878"):
        bench.chip._default_checksum = 0x12345678
        bench.chip.words[0xE610] = 0x0123
    else:
        bench.chip.words[reg9000.PART_ID] = 0
    with pytest.raises(WrongChip):
        bench.driver.start()
    assert bench.chip.resets == 0


@pytest.mark.parametrize("kind", ["ade7878-i2c", "ade7878-spi", "ade9000-add"])
@pytest.mark.parametrize("stuck", ["stuck-high", "stuck-low"])
def test_a_dead_line_at_the_start_is_named(kind: str, stuck: str) -> None:
    bench = AdeBench(kind, start=False)
    bench.chip.set_fault(stuck)
    with pytest.raises(BusFault, match="stuck line"):
        bench.driver.start()
    bench.chip.set_fault(stuck, on=False)
    bench.book(bench.driver.start())
    assert bench.step(HOUSE).import_counts > 1_000_000


@pytest.mark.parametrize("options", [{"part_a": True}, {"covers_dsp": True}, {"reset_keeps_port": False}])
@pytest.mark.parametrize("kind", ["ade7878-i2c", "ade7878-spi"])
def test_what_is_not_known_of_the_ade7878_does_not_matter(kind: str, options: dict[str, Any]) -> None:
    bench = AdeBench(kind, chip_options=options)
    for _ in range(5):
        bench.step(HOUSE)
    bench.chip.set_fault("brown-out")
    for _ in range(5):
        bench.step(HOUSE)
    assert bench.unflagged_errors() == (0, 0)
    assert bench.missing_net() <= bench.lost_bound + bench.pending()


@pytest.mark.parametrize("kind", ["ade7878-i2c", "ade7878-spi", "ade9000-add"])
def test_self_test_counts_wrong_answers(kind: str) -> None:
    bench = AdeBench(kind)
    assert bench.driver.self_test(50) == 0
    bench.chip.set_fault("stuck-low")
    assert bench.driver.self_test(50) == 50


def test_frequencies_of_all_phases_and_distortion_are_read() -> None:
    bench = AdeBench("ade7878-i2c")
    bench.step(HOUSE)
    assert bench.driver.read_frequencies_hz() == (50.0, 50.0, 50.0)
    assert bench.step(HOUSE).flags & FLAG_ENERGY_LOST == 0
    other = AdeBench("ade9000-add")
    other.step(HOUSE)
    assert other.driver.read_distortion() == ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"line_frequency_hz": 55}, "line_frequency_hz"),
        ({"fuse_limit_w": 0}, "fuse_limit_w"),
        ({"fuse_limit_w": 900_000}, "full scale"),
        ({"sum_rule": 0}, "sum_rule"),
        ({"phase_map": (0, 1, 1)}, "phase_map"),
        ({"max_gap_ms": 0}, "max_gap_ms"),
        ({"r2_ohm": 0}, "R2"),
        ({"voltage_pga": 3}, "voltage_pga"),
        ({"calibration": ()}, "calibration"),
    ],
)
@pytest.mark.parametrize("make", [settings_7878, settings_9000])
def test_settings_name_what_is_wrong(make: Any, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueOutOfRange, match=named):
        make(**wrong)


def test_settings_that_only_one_part_has_are_checked() -> None:
    for wrong in ({"wthr": 1}, {"rogowski": True}, {"sag_level": 1 << 24}):
        with pytest.raises(ValueOutOfRange):
            settings_7878(**wrong)
    for other in ({"energy_mode": "read-reset"}, {"energy_samples": 9000}, {"voltage_pga": 2}, {"wiring": 8}):
        with pytest.raises(ValueOutOfRange):
            settings_9000(**other)
    with pytest.raises(ValueOutOfRange):
        ct_with_burden(0, 5000)
    with pytest.raises(ValueOutOfRange):
        ct_with_voltage(0)
    assert settings_7878(line_frequency_hz=60).configuration[2] == (reg7878.COMPMODE, 0x41FF)
    assert settings_7878(sensor=ct_with_voltage(832_500)).site.sensor == (1_000_000_000, 832_500)
