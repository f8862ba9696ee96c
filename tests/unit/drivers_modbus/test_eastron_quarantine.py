"""A counter that cannot be true never reaches the books: the last valid total stands, flagged."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.bus import Clock, ModbusDevice
from drivers.errors import BusFault, DriverError, ValueOutOfRange
from drivers.linux.modbus_profiles import load_profile
from drivers.modbus.meter import ModbusMeter
from drivers.sample import ABSOLUTE, FLAG_CROSS_CHECK, FLAG_QUARANTINED

FUSE_W = 69_000


class Bench(ModbusDevice, Clock):
    """A meter and a clock whose values the test sets."""

    def __init__(self, **values: float) -> None:
        """Start at one hour of ticks; `values` are import_kwh, export_kwh, power_w."""
        self.now_ms = 3_600_000
        self.registers = {52: 0.0, 12: 0.0, 72: 100.0, 74: 50.0}
        self.asked: list[tuple[int, int]] = []
        self.raw: dict[int, list[int]] = {}
        self.short = False

    def ticks_ms(self) -> int:
        """Milliseconds."""
        return self.now_ms

    def ticks_diff(self, a: int, b: int) -> int:
        """From b to a."""
        return a - b

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers as floats."""
        assert function == 4
        self.asked.append((address, count))
        words: list[int] = []
        for place in range(address, address + count, 2):
            packed = struct.unpack(">HH", struct.pack(">f", self.registers.get(place, 1.0)))
            words += self.raw.get(place, list(packed))
        return words[:-1] if self.short else words


def meter(bench: Bench, model: str = "SDM630", **more: object) -> ModbusMeter:
    """A driver on the bench."""
    return ModbusMeter(bench, bench, load_profile(model.lower()), FUSE_W, **more)  # type: ignore[arg-type]


def test_a_sample_carries_absolute_milliwh_and_signed_power() -> None:
    bench = Bench()
    bench.registers.update({52: -1200.0, 6: 5.0})
    sample = meter(bench).read()
    assert (sample.counter_kind, sample.counter_step_nanowh) == (ABSOLUTE, 1_000_000)
    assert (sample.import_counts, sample.export_counts) == (100_000_000, 50_000_000)
    assert sample.power_w[0] == -1200.0
    assert sample.current_a[0] == 5.0
    assert sample.flags == 0


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0x7F80, 0], [0xFFFF, 0xFFFF], [0xC2C8, 0], [0x42C6, 0]])
@pytest.mark.parametrize("address", [72, 74])
def test_nan_infinity_all_ones_negative_and_lower_counters_are_quarantined(words: list[int], address: int) -> None:
    bench = Bench()
    bench.registers[74] = 100.0
    driver = meter(bench)
    good = driver.read()
    bench.raw[address] = words
    bench.now_ms += 10_000
    bad = driver.read()
    assert (bad.import_counts, bad.export_counts) == (good.import_counts, good.export_counts)
    assert bad.flags & FLAG_QUARANTINED
    assert bad.lost_bound_counts >= FUSE_W * 12 // 10 * 10 // 3600 * 1000
    bench.raw.clear()
    assert driver.read().flags == 0


@given(rise_milliwh=st.integers(0, 2_000_000), elapsed_ms=st.integers(0, 120_000))
def test_a_rise_is_believed_exactly_up_to_the_fuse_bound(rise_milliwh: int, elapsed_ms: int) -> None:
    bench = Bench()
    driver = meter(bench)
    driver.read()
    bench.now_ms += elapsed_ms
    bench.registers[72] = 100.0 + rise_milliwh / 1e6
    taken = driver.read()
    bound = FUSE_W * elapsed_ms * 1.2 / 3600
    if rise_milliwh <= bound:
        assert taken.flags == 0
    if rise_milliwh > bound + 40:
        assert taken.flags & FLAG_QUARANTINED
        assert taken.import_counts == 100_000_000


def test_the_bound_grows_until_a_quarantined_counter_is_plausible_again() -> None:
    bench = Bench()
    driver = meter(bench)
    driver.read()
    bench.registers[72] = 101.0
    bench.now_ms += 1_000
    assert driver.read().flags & FLAG_QUARANTINED
    bench.now_ms += 60_000
    sample = driver.read()
    assert sample.flags == 0
    assert sample.import_counts == 101_000_000


def test_a_lower_counter_is_taken_only_after_a_confirmed_exchange() -> None:
    bench = Bench()
    driver = meter(bench)
    driver.read()
    bench.registers[72] = 0.0
    for _ in range(3):
        bench.now_ms += 3_600_000
        assert driver.read().import_counts == 100_000_000
    driver.confirm_exchange()
    assert driver.read().import_counts == 0


def test_a_restarted_driver_distrusts_by_what_is_remembered() -> None:
    bench = Bench()
    assert meter(bench, last_valid=(100_000_001, 0, 1_000)).read().flags & FLAG_QUARANTINED
    assert meter(bench, last_valid=(99_999_000, 49_999_990, 1_000)).read().flags == 0
    assert meter(bench, last_valid=(50_000_000, 50_000_000, 1_000)).read().flags & FLAG_QUARANTINED


def test_a_meter_that_never_showed_a_valid_counter_is_an_error() -> None:
    bench = Bench()
    bench.raw[72] = [0x7FC0, 0]
    with pytest.raises(ValueOutOfRange):
        meter(bench).start()


def test_a_counter_that_stands_still_under_load_is_flagged_after_50_wh_and_not_before() -> None:
    bench = Bench()
    bench.registers[52] = 1_000.0
    driver = meter(bench)
    driver.read()
    flagged_after_s = 0
    for second in range(1, 400):
        bench.now_ms += 1_000
        bench.registers[0] = 230.0 + second % 2
        if driver.read().flags & FLAG_CROSS_CHECK:
            flagged_after_s = second
            break
    assert 180 <= flagged_after_s <= 182
    bench.registers[72] += 0.01
    bench.now_ms += 1_000
    assert driver.read().flags == 0


def test_a_quiet_house_is_never_called_stuck() -> None:
    bench = Bench()
    driver = meter(bench)
    for _ in range(100):
        bench.now_ms += 3_600_000
        assert driver.read().flags == 0


def test_a_measured_value_that_is_no_number_is_none_and_the_energy_still_counts() -> None:
    bench = Bench()
    bench.raw[2] = [0x7FC0, 0]
    sample = meter(bench).read()
    assert sample.voltage_v is None
    assert sample.flags == 0
    assert sample.import_counts == 100_000_000


def test_a_phase_counter_that_is_no_number_hides_the_phase_counters_only() -> None:
    bench = Bench()
    bench.raw[350] = [0xFFFF, 0xFFFF]
    sample = meter(bench).read()
    assert sample.phase_import_counts is None
    assert sample.phase_export_counts is not None


def test_energy_alone_is_one_request_and_settles_on_72_and_74() -> None:
    bench = Bench()
    sample = meter(bench).read_energy()
    assert bench.asked == [(72, 4)]
    assert sample.import_counts == 100_000_000
    assert sample.power_w is None
    assert sample.phase_import_counts is None


def test_a_slow_line_asks_for_energy_power_and_one_other_value_in_turn() -> None:
    bench = Bench()
    driver = meter(bench, "SDM120", slow_line=True)
    seen = set()
    for _ in range(4):
        bench.asked.clear()
        driver.read()
        assert len(bench.asked) == 3
        assert bench.asked[0] == (70, 6)
        assert bench.asked[1] == (12, 2)
        seen.add(bench.asked[2])
    assert len(seen) == 4


def test_an_answer_of_another_length_is_a_bus_fault() -> None:
    bench = Bench()
    bench.short = True
    with pytest.raises(BusFault):
        meter(bench).read()


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(DriverError, match="sdm999"):
        meter(Bench(), "SDM999")


def test_a_frame_that_repeats_itself_under_load_is_refused_after_a_minute_and_its_age_counts() -> None:
    bench = Bench()
    bench.registers[52] = 10_000.0
    driver = meter(bench)
    driver.read()
    flags = []
    for _ in range(70):
        bench.now_ms += 1_000
        sample = driver.read()
        flags.append(sample.flags & FLAG_QUARANTINED)
    assert flags.index(FLAG_QUARANTINED) == 59
    assert all(flags[59:])
    assert sample.power_w is None
    bench.now_ms += 1_000
    bench.registers.update({72: 100.0 + 10 * 71 / 3600, 0: 231.0})
    caught_up = driver.read()
    assert caught_up.flags == 0
    assert caught_up.import_counts - 100_000_000 == pytest.approx(197_222, abs=10)


def test_a_quiet_house_may_repeat_its_frame() -> None:
    bench = Bench()
    driver = meter(bench)
    for _ in range(200):
        bench.now_ms += 1_000
        assert driver.read().flags == 0


def test_a_reversed_meter_swaps_counters_and_signs() -> None:
    bench = Bench()
    bench.registers.update({52: -1200.0, 346: 7.0, 352: 3.0})
    sample = meter(bench, invert=True).read()
    assert (sample.import_counts, sample.export_counts) == (50_000_000, 100_000_000)
    assert sample.power_w[0] == 1200.0
    assert (sample.phase_import_counts[0], sample.phase_export_counts[0]) == (3_000_000, 7_000_000)


def test_a_frame_of_ones_is_no_frame() -> None:
    bench = Bench()
    driver = meter(bench)
    driver.read()
    bench.raw = {place: [0xFFFF, 0xFFFF] for place in range(0, 400, 2)}
    sample = driver.read()
    assert sample.flags & FLAG_QUARANTINED
    assert (sample.power_w, sample.voltage_v, sample.frequency_hz) == (None, None, None)
