"""House, meter and driver together: the driver books what the house metered, within one step."""

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.chips.atm90e32as_settings import make_settings
from drivers.errors import DriverError
from drivers.sample import FLAG_ENERGY_LOST, FLAG_QUARANTINED, INCREMENT, MeterSample
from drivers.sim.house import SINGLE_PHASE
from drivers.sim.house_ade import ADE_METERS
from drivers.sim.house_bench import METERS, BenchSettings, SimulatedMeter
from drivers.sim.house_state import STATE_BYTES
from drivers.sim.profile import load_profile

SPEC = load_profile("ca01").house_spec()
SINGLE = load_profile("ca01").house_spec(shares=SINGLE_PHASE)
NOON_MS = 12 * 3_600_000
STEP_MS = 5_000


class Day:
    """The granted instant, and the books of a Worker that adds up what the driver returns."""

    def __init__(self, from_ms: int = 0) -> None:
        """Start some ms into the simulated day."""
        self.now_ms = SPEC.start_unix_ms + from_ms
        self.counts = [0, 0]
        self.step_nanowh = 1

    def __call__(self) -> int:
        """The granted instant."""
        return self.now_ms

    def book(self, sample: MeterSample) -> MeterSample:
        """Add an increment, or take absolute counters."""
        taken = [sample.import_counts, sample.export_counts]
        self.step_nanowh = sample.counter_step_nanowh
        increment = sample.counter_kind == INCREMENT
        self.counts = [old + new for old, new in zip(self.counts, taken, strict=True)] if increment else taken
        return sample

    def live(self, bench: SimulatedMeter, samples: int) -> None:
        """Grant and sample."""
        for _ in range(samples):
            self.now_ms += STEP_MS
            self.book(bench.driver.read_energy())


def spec_for(meter: str) -> BenchSettings:
    """Settings for a meter, from noon on, in a house that suits it."""
    house = SINGLE if meter[-6:] in ("sdm120", "sdm230") else SPEC
    return BenchSettings(replace(house, start_unix_ms=SPEC.start_unix_ms + NOON_MS), meter)


def tolerance_of(meter: str) -> int:
    """What a meter may hold back (nWh): a step, a count of each phase, or what flows until its next renewal."""
    if meter == "spi:atm90e32as":
        return 0
    if meter.endswith("ade7878"):
        return 2 * 3 * 1_737_848
    if meter.endswith("ade9000"):
        return 10_000 * 100 * 1_000_000 // 3_600
    return 125 * 1_000_000


@pytest.mark.parametrize("meter", METERS)
def test_the_driver_books_what_the_house_metered_within_one_step(meter: str) -> None:
    day = Day(NOON_MS)
    with SimulatedMeter(spec_for(meter), day) as bench:
        day.book(bench.driver.start())
        before = bench.metered()
        start_counts = list(day.counts)
        assert bench.battery is not None
        for power_w in (4_000, -4_000, 0):
            bench.battery.set_power_w(power_w)
            day.live(bench, 24)
        day.book(bench.driver.read())
        metered = bench.metered()
        truth = bench.truth()
    assert truth.import_microjoule > 0
    assert truth.export_microjoule > 0
    tolerance_nanowh = tolerance_of(meter)
    for index, name in enumerate(("import_counts", "export_counts")):
        booked = (day.counts[index] - start_counts[index]) * day.step_nanowh
        moved = (getattr(metered, name) - getattr(before, name)) * metered.count_nanowh
        assert abs(booked - moved) <= tolerance_nanowh
    net_nanowh = (truth.import_microjoule - truth.export_microjoule) * 10 // 36
    moved_nanowh = (metered.import_counts - before.import_counts) * metered.count_nanowh
    moved_nanowh -= (metered.export_counts - before.export_counts) * metered.count_nanowh
    assert abs(net_nanowh - moved_nanowh) <= 2 * metered.count_nanowh


@pytest.mark.parametrize("meter", ["spi:atm90e32as", "modbus-tcp:sdm630", *ADE_METERS])
def test_a_killed_daemon_finds_house_battery_and_meter_as_they_were(meter: str, tmp_path: Path) -> None:
    settings = replace(spec_for(meter), house_file=tmp_path / "house")
    day = Day(NOON_MS)
    with SimulatedMeter(settings, day) as bench:
        day.book(bench.driver.start())
        assert bench.battery is not None
        bench.battery.set_power_w(-1_500)
        day.live(bench, 12)
        left = bench.truth()
        metered = bench.metered()
        kept = bench.ade.driver.state if bench.ade else ()
    with SimulatedMeter(settings, day) as bench:
        assert bench.truth() == left
        assert bench.metered() == metered
        if bench.ade is not None:
            assert bench.ade.driver.resume(kept, 0)
        first = day.book(bench.driver.start())
        assert not first.flags & FLAG_ENERGY_LOST
        day.live(bench, 12)
        assert bench.battery is not None
        assert bench.battery.power_w() == -1500.0
        end = bench.metered()
    tolerance = {"spi:atm90e32as": 0, "modbus-tcp:sdm630": 123}.get(meter, tolerance_of(meter) // day.step_nanowh)
    assert abs(day.counts[0] - end.import_counts) <= tolerance
    assert abs(day.counts[1] - end.export_counts) <= tolerance


def test_a_kill_between_the_chip_and_the_house_books_nothing_twice(tmp_path: Path) -> None:
    settings = replace(spec_for("spi:atm90e32as"), house_file=tmp_path / "house")
    day = Day(NOON_MS)
    with SimulatedMeter(settings, day) as bench:
        day.book(bench.driver.start())
        day.live(bench, 5)
        older_house = (tmp_path / "house").read_bytes()[:STATE_BYTES]
        day.live(bench, 5)
        left, metered = bench.truth(), bench.metered()
    newer = (tmp_path / "house").read_bytes()
    (tmp_path / "house").write_bytes(older_house + newer[STATE_BYTES:])
    with SimulatedMeter(settings, day) as bench:
        assert bench.truth() == left
        assert bench.metered() == metered


def test_a_chip_polled_every_5_s_raises_no_flag() -> None:
    day = Day(NOON_MS)
    with SimulatedMeter(spec_for("spi:atm90e32as"), day) as bench:
        assert bench.driver.start().flags == 0
        for _ in range(40):
            day.now_ms += STEP_MS
            assert day.book(bench.driver.read()).flags == 0


def test_the_chip_driver_may_be_given_its_own_settings() -> None:
    day = Day(NOON_MS)
    settings = replace(spec_for("spi:atm90e32as"), chip_settings=make_settings(meter_constant=1_000))
    with SimulatedMeter(settings, day) as bench:
        day.book(bench.driver.start())
        day.live(bench, 5)
        metered = bench.metered()
    assert day.step_nanowh == metered.count_nanowh == 10_000_000
    assert day.counts == [metered.import_counts, metered.export_counts]


def test_the_battery_answers_for_the_granted_instant_and_keeps_its_limits() -> None:
    day = Day(NOON_MS)
    with SimulatedMeter(spec_for("spi:atm90e32as"), day) as bench:
        battery = bench.battery
        assert battery is not None
        assert battery.set_power_w(99_999) == battery.limits.charge_w == 5_000
        before = battery.state_of_charge_milliwh()
        day.now_ms += 360_000
        assert battery.state_of_charge_milliwh() == before + 475_000
        day.now_ms += 36_000_000
        assert battery.limits.capacity_milliwh - battery.state_of_charge_milliwh() <= 1
        assert battery.power_w() == 0.0


def test_a_home_without_a_battery_has_no_actuator() -> None:
    with SimulatedMeter(BenchSettings(load_profile("uci").house_spec()), Day()) as bench:
        assert bench.battery is None


def test_a_planned_fault_of_a_modbus_meter_begins_at_its_instant() -> None:
    day = Day(NOON_MS)
    settings = replace(spec_for("modbus-tcp:sdm630"), faults=(("stuck-high", day.now_ms + 10_000),))
    with SimulatedMeter(settings, day) as bench:
        assert bench.driver.start().flags == 0
        day.now_ms += 9_000
        assert bench.driver.read().flags == 0
        day.now_ms += 1_000
        assert bench.driver.read().flags & FLAG_QUARANTINED
        bench.set_fault("stuck-high", False)
        assert not bench.driver.read().flags & FLAG_QUARANTINED


def test_faults_are_given_by_name_and_unknown_ones_are_refused() -> None:
    day = Day(NOON_MS)
    with SimulatedMeter(spec_for("spi:atm90e32as"), day) as bench:
        bench.driver.start()
        bench.set_fault("stuck-high")
        with pytest.raises(DriverError):
            bench.driver.read()
    for meter in ("spi:atm90e32as", "modbus-tcp:sdm630"):
        with SimulatedMeter(spec_for(meter), day) as bench, pytest.raises(ValueError, match="no-such"):
            bench.set_fault("no-such")


def test_a_restarted_daemon_distrusts_a_modbus_meter_by_what_it_remembers() -> None:
    settings = replace(spec_for("modbus-tcp:sdm630"), last_valid=(9_999_999_999, 0, 1_000))
    with SimulatedMeter(settings, Day(NOON_MS)) as bench:
        sample = bench.driver.start()
    assert sample.flags & FLAG_QUARANTINED
    assert sample.import_counts == 9_999_999_999


def test_a_bench_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="abacus"):
        BenchSettings(SPEC, "spi:abacus")
    with pytest.raises(ValueError, match="one phase"):
        BenchSettings(SPEC, "modbus-tcp:sdm120")
