"""Start-up, restart, calibration, measurements and refusals of the ATM90E32AS driver."""

from __future__ import annotations

import pytest
from chip_bench import ChipBench

from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_settings import UNITY, PhaseCalibration, make_settings
from drivers.errors import BusFault, ChecksumFault, RegistersLost, ValueOutOfRange, WrongChip
from drivers.sample import FLAG_BROWN_OUT, FLAG_BUS_FAULTS, FLAG_ENERGY_LOST, FLAG_TAMPER, INCREMENT
from drivers.sim.atm90e32as_faults import Fault

HOUSE = (3000.0, -700.0, 1500.0)
CALIBRATION = PhaseCalibration(0x8100, 0x7F00, 0xFFBC, 0x0012, 0xFFF0, 0x0003, 0x1475, 0x804B)


def test_start_follows_the_sequence_of_the_reference() -> None:
    bench = ChipBench(record=True)
    assert bench.chip.transcript is not None
    writes = [(tx[0] << 8 | tx[1], tx[2] << 8 | tx[3]) for tx, _ in bench.chip.transcript if not tx[0] & 0x80]
    assert writes[0] == (0x70, 0x789A)
    assert writes[1] == (0x7F, 0x55AA)
    assert writes[-2:] == [(0x00, 1), (0x7F, 0)]
    addresses = {address for address, _ in writes}
    assert {0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x41, 0x4C, 0x61, 0x6C, 0x216, 0x219, 0x2FF} <= addresses
    assert bench.clock.ticks_ms() >= 1050
    assert not bench.driver.was_configured
    assert bench.last.flags == 0
    assert bench.last.counter_kind == INCREMENT


def test_every_configuration_write_is_read_back() -> None:
    bench = ChipBench(record=True)
    assert bench.chip.transcript is not None
    sent = [(tx[0] >> 7, (tx[0] & 3) << 8 | tx[1]) for tx, _ in bench.chip.transcript]
    for place, (reads, address) in enumerate(sent):
        if not reads and address < 0x70:
            assert sent[place + 1 : place + 3] == [(1, 0x78), (1, address)]


def test_calibration_from_the_settings_is_in_the_chip() -> None:
    bench = ChipBench(calibration=(UNITY, CALIBRATION, UNITY))
    written = [bench.read(address) for address in (0x65, 0x66, 0x67, 0x68, 0x43, 0x44, 0x49, 0x4A)]
    assert written == list(CALIBRATION)
    assert bench.read(0x61) == 0x8000


def test_a_restart_of_the_daemon_loses_nothing_and_resets_nothing() -> None:
    first = ChipBench()
    for _ in range(5):
        first.step(HOUSE)
    first.chip.advance(first.now_ms + 900, HOUSE)
    second = ChipBench(buffer=first.buffer, now_ms=first.now_ms + 900)
    assert second.driver.was_configured
    assert second.chip.resets == 1
    for _ in range(5):
        second.step(HOUSE)
    assert first.imported + second.imported == second.chip.truth_import_counts
    assert first.flags == second.flags == 0


def test_many_restarts_lose_nothing() -> None:
    bench, imported, exported = ChipBench(), 0, 0
    for second in range(1, 40):
        bench.step((100.0 * second, -3.0 * second, 0.0) if second % 2 else (-900.0, 10.0, 20.0))
        imported, exported = imported + bench.imported, exported + bench.exported
        bench = ChipBench(buffer=bench.buffer, now_ms=bench.now_ms)
        imported, exported = imported + bench.imported, exported + bench.exported
        bench.imported = bench.exported = 0
    assert (imported, exported) == (bench.chip.truth_import_counts, bench.chip.truth_export_counts)


def test_a_new_calibration_is_written_at_restart_without_a_reset() -> None:
    first = ChipBench()
    first.step(HOUSE)
    first.chip.advance(2000, HOUSE)
    second = ChipBench(buffer=first.buffer, now_ms=2000, calibration=(CALIBRATION, UNITY, UNITY))
    assert second.driver.was_configured
    assert second.chip.resets == 1
    assert second.read(0x61) == 0x8100
    assert second.read(0x79) == 0
    assert first.imported + second.imported == second.chip.truth_import_counts


def test_a_new_meter_constant_books_the_old_counts_in_new_steps_before_the_reset() -> None:
    first = ChipBench(meter_constant=1000)
    first.step(HOUSE)
    first.chip.advance(2000, HOUSE)
    held = first.chip.pending_import_counts
    second = ChipBench(buffer=first.buffer, now_ms=2000, meter_constant=3200)
    assert not second.driver.was_configured
    assert second.chip.resets == 2
    assert second.imported == held * 32 // 10
    assert second.step(HOUSE).counter_step_nanowh == 3_125_000


@pytest.mark.parametrize("kind", ["flip", "drop", "drop-answer", "short", "long"])
def test_a_disturbed_start_ends_configured_or_with_a_transient_error(kind: str) -> None:
    for number in range(0, 240, 3):
        bench = ChipBench(start=False, faults=[Fault(kind, at_transfer=number, bit=number % 16)])
        try:
            bench.driver.start()
        except (BusFault, ChecksumFault):
            bench.driver.start()
        configuration = [(address, bench.chip.peek(address)) for address, _ in make_settings().configuration]
        assert configuration == list(make_settings().configuration)
        assert bench.chip.peek(0x00) == 1


@pytest.mark.parametrize("kind", ["stuck-high", "stuck-low"])
def test_a_running_chip_behind_a_dead_line_is_not_reset(kind: str) -> None:
    first = ChipBench()
    first.chip.advance(1000, HOUSE)
    first.chip.set_fault(kind)
    second = ChipBench(buffer=first.buffer, now_ms=1000, start=False)
    with pytest.raises((BusFault, ChecksumFault)):
        second.driver.start()
    second.chip.set_fault(kind, on=False)
    second.book(second.driver.start())
    assert second.driver.was_configured
    assert second.missing() == 0


def test_another_part_is_refused_by_name() -> None:
    bench = ChipBench(start=False)
    bench.chip.poke(0x02, 0x0655)
    with pytest.raises(WrongChip, match="ATM90E32AS") as caught:
        bench.driver.start()
    assert not caught.value.transient


def test_reading_before_start_sets_the_chip_up() -> None:
    bench = ChipBench(start=False)
    assert bench.step(HOUSE).flags & FLAG_BROWN_OUT
    assert bench.read(0x00) == 1


def test_measurements_are_what_the_house_draws() -> None:
    bench = ChipBench()
    sample = bench.step(
        (2300.0, -1150.0, 0.0),
        full=True,
        phase_reactive_var=(0.0, 500.0, -80.0),
        voltage_v=(230.0, 231.5, 229.25),
        frequency_hz=49.98,
        temperature_c=-5,
    )
    assert sample.power_w == pytest.approx((1150.0, 2300.0, -1150.0, 0.0), abs=0.001)
    assert sample.reactive_power_var[0] == pytest.approx(420.0, abs=0.001)
    assert bench.driver.read_reactive_power_var() == pytest.approx((420.0, 0.0, 500.0, -80.0), abs=0.001)
    assert sample.voltage_v == (230.0, 231.5, 229.25)
    assert sample.current_a == pytest.approx((10.0, 5.416, 0.348), abs=0.0001)
    checked = bench.driver.read_cross_check()
    assert checked.power_factor[1:] == (1.0, -0.917, 0.0)
    assert (sample.frequency_hz, checked.temperature_c) == (49.98, -5.0)
    assert checked.findings == ()
    assert bench.step((1.0, 1.0, 1.0), full=True).temperature_c == -5.0
    assert sample.status & 0x000A == 0x0002


def test_read_energy_leaves_measurements_out() -> None:
    sample = ChipBench().step(HOUSE)
    assert sample.power_w is sample.voltage_v is sample.frequency_hz is None
    assert sample.status == 0


def test_failed_measurements_do_not_cost_the_energy() -> None:
    probe = ChipBench()
    probe.step(HOUSE)
    cycle = ChipBench(record=True)
    assert cycle.chip.transcript is not None
    cycle.step(HOUSE)
    bench = ChipBench(faults=[Fault("ones", at_transfer=probe.chip.transfers + 6, length=400)])
    sample = bench.step(HOUSE, full=True)
    assert sample.power_w is None
    assert sample.flags == FLAG_BUS_FAULTS
    assert bench.missing() == 0


def test_power_words_of_two_refreshes_are_never_mixed() -> None:
    bench = ChipBench()
    bench.chip.advance(1000, (20.0, 0.0, 0.0))
    transfer, reads = bench.chip.transfer, []

    def refreshing(tx: bytes) -> bytes:
        if tx[0] & 0x80 and tx[1] == 0xC1 and not reads:
            bench.chip.advance(2000, (-20.0, 0.0, 0.0))
        if tx[1] == 0xC1:
            reads.append(tx)
        return transfer(tx)

    bench.chip.transfer = refreshing  # type: ignore[method-assign]
    driver = Atm90e32as(bench.chip, bench.clock)
    driver.start()
    assert driver.read().power_w[1] == pytest.approx(-20.0, abs=0.001)
    assert len(reads) == 2


def test_gains_work_as_in_the_chip() -> None:
    bench = ChipBench(
        calibration=(UNITY._replace(u_gain=0x6000, i_gain=0x9000), UNITY, UNITY._replace(pq_gain=0x4000)),
        ideal_gains=((0x6000, 0x8000), (0x8000, 0x8000), (0x8000, 0x8000)),
    )
    sample = bench.step((1000.0, 0.0, 1000.0), full=True)
    assert sample.voltage_v[0] == pytest.approx(230.0)
    assert sample.current_a[0] == pytest.approx(1000 / 230 * 9 / 8, abs=0.001)
    assert sample.power_w[1] == pytest.approx(1125.0, abs=0.001)
    assert sample.power_w[3] == pytest.approx(1500.0, abs=0.001)
    assert sample.phase_import_counts == (100, 0, 133)


def test_reactive_counts_and_self_test() -> None:
    bench = ChipBench()
    bench.step((0.0, 0.0, 0.0), phase_reactive_var=(3000.0, 0.0, -500.0))
    assert bench.driver.take_quadrants() == (222, 0, 0, 0)
    bench.step((-900.0, 0.0, 0.0), phase_reactive_var=(-3000.0, 0.0, 0.0))
    assert bench.driver.take_quadrants() == (0, 0, 266, 0)
    assert bench.driver.self_test(50) == 0
    bench.chip.set_fault("stuck-high")
    assert bench.driver.self_test(50) == 50


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"meter_constant": 3201}, "meter_constant"),
        ({"meter_constant": 1}, "meter_constant"),
        ({"line_frequency_hz": 55}, "line_frequency_hz"),
        ({"fuse_limit_w": 0}, "fuse_limit_w"),
        ({"current_factor": 3}, "current_factor"),
        ({"mmode0": 0x008F}, "mmode0"),
        ({"phase_map": (0, 1, 1)}, "phase_map"),
        ({"reversed_phases": (True, False, False)}, "sum_rule"),
        ({"sum_rule": 3}, "sum_rule"),
        ({"start_threshold_mw": 30_000}, "register 0x35"),
        ({"calibration": (UNITY, UNITY)}, "calibration"),
        ({"calibration": (UNITY._replace(u_gain=100), UNITY, UNITY)}, "gain"),
    ],
)
def test_settings_outside_the_chip_s_range_are_refused_by_name(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ValueOutOfRange, match=named):
        make_settings(**wrong)  # type: ignore[arg-type]


def test_sixty_hertz_sets_mode_and_window() -> None:
    bench = ChipBench(line_frequency_hz=60)
    assert (bench.read(0x33), bench.read(0x0C), bench.read(0x0D)) == (0x1087, 0x1644, 0x189C)
    bench.step(HOUSE, frequency_hz=60.0, full=True)
    assert bench.last.status & 0x8800 == 0
    assert bench.last.frequency_hz == 60.0


def test_lost_registers_are_an_error_of_their_own() -> None:
    bench = ChipBench(meter_constant=1000)
    bench.chip.poke(0x31, 0x0861)
    with pytest.raises(RegistersLost, match="0x0861"):
        bench.driver._energy.cycle()


def test_foreign_counts_that_cannot_be_verified_are_flagged_as_lost() -> None:
    first = ChipBench(meter_constant=1000)
    first.chip.advance(1000, HOUSE)
    probe = ChipBench(buffer=bytearray(first.buffer), now_ms=1000, record=True)
    assert probe.chip.transcript is not None
    place = [tx[1] for tx, _ in probe.chip.transcript].index(0x80)
    fault = Fault("ones", at_transfer=first.chip.transfers + place, length=2)
    second = ChipBench(buffer=first.buffer, now_ms=1000, faults=[fault])
    assert second.flags == FLAG_ENERGY_LOST | FLAG_BUS_FAULTS
    assert second.lost_bound >= 1055 * 32 // 10
    assert second.imported == 0


def test_a_chip_with_an_impossible_constant_is_reset_without_booking_nonsense() -> None:
    first = ChipBench()
    first.chip.poke(0x31, 0)
    first.chip.poke(0x32, 0)
    second = ChipBench(buffer=first.buffer)
    assert (second.driver.was_configured, second.imported) == (False, 0)
    assert second.read(0x31) == 0x0861


def test_foreign_counts_of_a_reversed_meter_change_sides() -> None:
    first = ChipBench(meter_constant=1000)
    first.chip.advance(1000, HOUSE)
    second = ChipBench(buffer=first.buffer, now_ms=1000, reversed_phases=(True, True, True))
    assert (second.imported, second.exported) == (0, 105 * 32 // 10)


@pytest.mark.parametrize("kind", ["ones", "drop", "zeros"])
def test_a_disturbed_minute_check_is_a_bus_fault_and_no_tampering(kind: str) -> None:
    probe = ChipBench(record=True)
    assert probe.chip.transcript is not None
    for _ in range(60):
        probe.step(HOUSE)
    place = [tx[1] for tx, _ in probe.chip.transcript].index(0x79)
    bench = ChipBench(faults=[Fault(kind, at_transfer=place, length=8)])
    for _ in range(60):
        bench.step(HOUSE)
    assert bench.flags & FLAG_BUS_FAULTS or kind == "zeros"
    assert not bench.flags & FLAG_TAMPER or kind == "zeros"
    bench.settle()
    assert bench.missing() <= bench.lost_bound


def test_a_minute_check_on_a_chip_that_dies_meanwhile_ends_in_a_transient_error() -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    bench.chip.poke(0x61, 0x8001)
    transfer = bench.chip.transfer

    def dying(tx: bytes) -> bytes:
        if tx[1] == 0x7A:
            bench.chip.set_fault("stuck-high")
        return transfer(tx)

    bench.driver._link.transfer = dying
    for _ in range(60):
        bench.step(HOUSE)
    bench.driver._link.transfer = transfer
    bench.chip.set_fault("stuck-high", on=False)
    while not bench.flags & FLAG_TAMPER:
        bench.step(HOUSE)
    bench.settle()
    assert bench.missing() <= bench.lost_bound


def test_the_self_test_counts_bus_errors() -> None:
    probe = ChipBench()
    bench = ChipBench(faults=[Fault("drop", at_transfer=probe.chip.transfers + 3, length=4)])
    assert bench.driver.self_test(20) == 4


def test_a_write_that_never_holds_is_a_checksum_fault() -> None:
    bench = ChipBench(start=False)
    with pytest.raises(ChecksumFault, match="0x31"):
        bench.driver._link.write_checked(0x31, 0x1234)


def test_a_high_word_that_never_settles_is_a_checksum_fault() -> None:
    bench = ChipBench()
    transfer, seen = bench.chip.transfer, [0]

    def restless(tx: bytes) -> bytes:
        if tx[1] == 0xB1:
            seen[0] += 1
            bench.chip.poke(0xB1, seen[0])
        return transfer(tx)

    bench.driver._link.transfer = restless
    with pytest.raises(ChecksumFault, match="do not stand still"):
        bench.driver._link.read_double(0xB1, 0x10)
    assert bench.step(HOUSE, full=True).power_w is None
