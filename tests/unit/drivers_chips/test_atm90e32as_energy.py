"""The driver loses and invents no energy, whatever the bus does: booked + flagged bound covers what was metered."""

from __future__ import annotations

import pytest
from chip_bench import ChipBench

from drivers.errors import BusFault, ChecksumFault
from drivers.sample import (
    FLAG_BROWN_OUT,
    FLAG_BUS_FAULTS,
    FLAG_CROSS_CHECK,
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    FLAG_QUARANTINED,
    FLAG_TAMPER,
    SUM_RULE_SHIFT,
)
from drivers.sim.atm90e32as_faults import BY_TRANSFER, Fault, seeded_plan

HOUSE = (3000.0, -700.0, 1500.0)
RECOVERABLE = ("flip", "drop", "drop-answer", "short", "long")


def energy_transfer(index: int) -> int:
    """Transfers from the start of a cycle to the read of its `index`-th energy register, in a house like HOUSE."""
    bench = ChipBench(record=True)
    assert bench.chip.transcript is not None
    bench.step(HOUSE)
    bench.chip.transcript.clear()
    bench.step(HOUSE)
    return [tx[1] for tx, _ in bench.chip.transcript].index(0x80 + index)


def test_a_sound_bus_books_every_count_and_flags_nothing() -> None:
    bench = ChipBench()
    bench.run(300)
    assert (bench.imported, bench.exported) == (bench.chip.truth_import_counts, bench.chip.truth_export_counts)
    assert bench.missing() == bench.flags == bench.lost_bound == bench.chip.overflows == 0


def test_one_cycle_looks_before_touches_and_looks_again() -> None:
    bench = ChipBench(record=True)
    assert bench.chip.transcript is not None
    bench.step((0.0, 0.0, 0.0))
    bench.chip.transcript.clear()
    bench.step((0.0, 0.0, 0.0))
    sent = [tx[1] for tx, _ in bench.chip.transcript]
    energy = [address for register in range(0x80, 0x88) for address in (register, 0x78)]
    assert sent == [0x31, *energy, 0x31, 0x88, 0x78, 0x8C, 0x78, 0x00]
    assert all(len(tx) == 4 for tx, _ in bench.chip.transcript)


@pytest.mark.parametrize("kind", RECOVERABLE)
@pytest.mark.parametrize("seed", range(5))
def test_single_disturbed_transfers_lose_nothing_at_all(kind: str, seed: int) -> None:
    plan = [fault._replace(at_transfer=fault.at_transfer + 400) for fault in seeded_plan(seed, 9000, 5, [kind])]
    bench = ChipBench(faults=plan)
    bench.run(250, seed)
    bench.settle()
    assert bench.missing() == 0
    assert bench.lost_bound == 0
    assert not bench.flags & FLAG_ENERGY_LOST
    assert kind in ("short", "long") or bench.flags & FLAG_BUS_FAULTS


@pytest.mark.parametrize("kinds", [("ones",), ("zeros",), ("flip-mosi",), BY_TRANSFER], ids=lambda kinds: kinds[0])
@pytest.mark.parametrize("seed", range(8))
def test_what_cannot_be_saved_is_flagged_within_its_bound(kinds: tuple[str, ...], seed: int) -> None:
    plan = [fault._replace(at_transfer=fault.at_transfer + 400) for fault in seeded_plan(seed, 9000, 5, kinds)]
    bench = ChipBench(faults=plan)
    bench.run(250, seed)
    bench.settle()
    assert bench.missing() <= bench.lost_bound
    assert bool(bench.lost_bound) == bool(bench.flags & FLAG_ENERGY_LOST)


def test_a_long_all_ones_spell_shorter_than_twenty_tries_is_recovered() -> None:
    at = energy_transfer(0)
    bench = ChipBench()
    bench.step(HOUSE)
    faults = [Fault("ones", at_transfer=bench.chip.transfers + at, length=15)]
    other = ChipBench(faults=faults)
    other.step(HOUSE)
    other.step(HOUSE)
    assert other.missing() == other.lost_bound == 0
    assert other.flags == FLAG_BUS_FAULTS


def test_all_ones_beyond_twenty_tries_are_lost_flagged_and_never_booked() -> None:
    at = energy_transfer(0)
    start = ChipBench()
    start.step(HOUSE)
    bench = ChipBench(faults=[Fault("ones", at_transfer=start.chip.transfers + at, length=40)])
    bench.step(HOUSE)
    bench.step(HOUSE)
    bench.settle()
    assert bench.missing() == 338
    assert bench.flags == FLAG_BUS_FAULTS | FLAG_ENERGY_LOST
    assert 338 <= bench.lost_bound == 69_000 * 1_000_000_000 // (3600 * 3_125_000) + 1


@pytest.mark.parametrize("index", range(8))
def test_a_line_that_falls_to_zero_within_a_cycle_is_noticed(index: int) -> None:
    at = energy_transfer(index)
    start = ChipBench()
    start.step(HOUSE)
    bench = ChipBench(faults=[Fault("zeros", at_transfer=start.chip.transfers + at, length=60)])
    bench.step(HOUSE)
    bench.step(HOUSE)
    bench.settle()
    assert bench.missing() <= bench.lost_bound
    assert index not in (0, 4) or bench.flags & FLAG_ENERGY_LOST


@pytest.mark.parametrize("kind", ["stuck-high", "stuck-low"])
def test_a_dead_line_is_an_error_not_a_zero_and_costs_nothing(kind: str) -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    bench.chip.set_fault(kind)
    for _ in range(3):
        assert bench.step(HOUSE) is None
    assert bench.errors == 3
    with pytest.raises(BusFault if kind == "stuck-low" else ChecksumFault):
        bench.driver.read()
    bench.chip.set_fault(kind, on=False)
    sample = bench.step(HOUSE)
    assert bench.missing() == bench.lost_bound == 0
    assert sample.flags == FLAG_BUS_FAULTS
    assert sample.import_counts > 1300


def test_random_flips_for_hours_cost_nothing() -> None:
    bench = ChipBench()
    bench.chip.set_fault("bit-flip", bit=100)
    bench.run(600)
    bench.chip.set_fault("bit-flip", on=False)
    bench.settle()
    assert bench.missing() <= bench.lost_bound
    assert bench.flags & FLAG_BUS_FAULTS


@pytest.mark.parametrize("meter_constant", [1000, 3200, 6400])
def test_a_brown_out_is_seen_at_the_next_read_repaired_and_bounded(meter_constant: int) -> None:
    bench = ChipBench(meter_constant=meter_constant)
    for _ in range(5):
        bench.step(HOUSE)
    before = bench.imported
    bench.now_ms += 500
    bench.chip.advance(bench.now_ms, HOUSE)
    bench.chip.set_fault("brown-out")
    sample = bench.step(HOUSE)
    assert sample.flags & FLAG_BROWN_OUT
    assert sample.flags & FLAG_ENERGY_LOST
    assert bench.read(0x00) == 1
    assert bench.chip.resets >= 2
    step_uj = sample.counter_step_nanowh * 36 // 10
    offered = bench.chip.physical_import_uj // step_uj
    assert 0 < offered - bench.imported <= sample.lost_bound_counts
    for _ in range(70):
        sample = bench.step(HOUSE)
        assert sample.flags == 0
    assert bench.imported > before
    offered = bench.chip.physical_import_uj // step_uj
    assert 0 < offered - bench.imported <= bench.lost_bound


def test_a_brown_out_at_any_time_of_a_plan_is_covered_by_the_bound() -> None:
    for at_ms in range(10_000, 30_000, 777):
        bench = ChipBench(faults=[Fault("brown-out", at_ms=at_ms)])
        bench.run(40)
        assert bench.missing() <= bench.lost_bound
        assert bench.flags & FLAG_BROWN_OUT
        offered = (bench.chip.physical_import_uj - bench.chip.physical_export_uj) // 11_250_000
        assert abs(offered - bench.imported + bench.exported) <= bench.lost_bound + 2


def test_a_changed_configuration_is_found_within_a_minute_and_set_right() -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    bench.chip.set_fault("poke", bit=4)
    assert bench.read(0x61) == 0x8010
    seconds = 0
    while not bench.flags:
        bench.step(HOUSE)
        seconds += 1
    assert seconds <= 60
    assert bench.flags & FLAG_TAMPER
    assert bench.flags & FLAG_ENERGY_LOST
    assert bench.read(0x61) == 0x8000
    assert bench.missing() == 0
    assert bench.step(HOUSE).flags == 0


def test_saturation_is_never_reached_when_polled_every_second_at_the_fuse_limit() -> None:
    bench = ChipBench()
    for _ in range(60):
        bench.step((23_000.0, 23_000.0, 23_000.0))
    for _ in range(60):
        bench.step((-23_000.0, -23_000.0, -23_000.0))
    assert bench.chip.overflows == 0
    assert bench.missing() == bench.flags == 0


def test_a_gap_is_flagged_and_what_may_have_run_over_is_bounded() -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    assert bench.step(HOUSE, 6000).flags == FLAG_GAP
    assert bench.missing() == 0
    sample = bench.step((20_000.0, 20_000.0, 20_000.0), 20_000)
    assert sample.flags & FLAG_GAP
    assert sample.flags & FLAG_ENERGY_LOST
    assert bench.chip.overflows
    bench.settle()
    assert bench.missing() <= bench.lost_bound


def test_an_impossible_count_is_quarantined_not_booked() -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    bench.chip.poke(0x80, 60_000)
    before = bench.imported
    sample = bench.step(HOUSE)
    assert sample.import_counts == 0
    assert bench.imported == before
    assert sample.flags & FLAG_QUARANTINED
    assert sample.flags & FLAG_ENERGY_LOST
    assert sample.phase_import_counts[0] == 267


def test_a_plausible_but_false_total_is_told_by_the_phases() -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    bench.chip.poke(0x80, bench.chip.peek(0x80) + 1000)
    sample = bench.step(HOUSE)
    assert sample.flags == FLAG_CROSS_CHECK | FLAG_ENERGY_LOST
    assert bench.missing() == 1000 <= sample.lost_bound_counts <= 1010


def test_a_phase_left_out_of_the_total_is_no_failed_cross_check() -> None:
    bench = ChipBench(mmode0=0x0185)
    sample = bench.step(HOUSE)
    sample = bench.step(HOUSE)
    assert sample.flags == 0
    assert sample.import_counts == 400


def test_counts_booked_before_an_error_come_with_the_next_sample() -> None:
    bench = ChipBench()
    bench.step(HOUSE)
    bench.chip.poke(0x7A, 0)
    start = bench.chip.transfers
    failing = ChipBench(faults=[Fault("zeros", at_transfer=start + 30, length=3000)])
    failing.step(HOUSE)
    failing.chip.advance(2000, HOUSE)
    failing.now_ms = 2000
    failing.book(failing.driver.read_energy())
    failing.chip._plan.by_transfer.clear()
    failing.settle()
    assert failing.missing() <= failing.lost_bound


@pytest.mark.parametrize(("rule", "imported", "exported"), [(0, 1600, 0), (1, 1600, 0), (2, 3200, 1600)])
def test_the_sum_rule_decides_what_is_settled(rule: int, imported: int, exported: int) -> None:
    bench = ChipBench(sum_rule=rule)
    for _ in range(36):
        bench.step((1000.0, -400.0, -100.0))
    assert (bench.imported, bench.exported) == (imported, exported)
    assert bench.flags == rule << SUM_RULE_SHIFT


def test_reversed_transformers_swap_directions_and_signs_but_not_rms() -> None:
    plain, turned = ChipBench(), ChipBench(reversed_phases=(True, True, True))
    for bench, sign in ((plain, 1), (turned, -1)):
        sample = bench.step([sign * power for power in HOUSE], full=True, phase_reactive_var=(sign * 90.0, 0.0, 0.0))
        assert sample.flags == 0
    for field in ("import_counts", "export_counts", "phase_import_counts", "phase_export_counts", "current_a"):
        assert getattr(plain.last, field) == getattr(turned.last, field), field
    assert turned.last.power_w == pytest.approx((3800.0, *HOUSE), abs=0.01)
    assert turned.last.reactive_power_var[0] == pytest.approx(plain.last.reactive_power_var[0], abs=0.01)
    factors = [bench.driver.read_cross_check().power_factor for bench in (plain, turned)]
    assert factors[0] == factors[1]


def test_a_single_reversed_transformer_is_turned_in_the_sum_of_phases() -> None:
    bench = ChipBench(reversed_phases=(False, True, False), sum_rule=1, phase_map=(1, 0, 2))
    for _ in range(9):
        sample = bench.step((1000.0, -400.0, 100.0), full=True)
    assert (bench.imported, bench.exported) == (1200, 0)
    assert sample.power_w == pytest.approx((1500.0, 400.0, 1000.0, 100.0), abs=0.01)
    assert sample.phase_export_counts == (0, 0, 0)
    assert sample.flags == 1 << SUM_RULE_SHIFT


def test_a_current_factor_scales_step_and_power() -> None:
    bench = ChipBench(current_factor=2, fuse_limit_w=138_000)
    sample = bench.step(HOUSE, full=True)
    assert sample.counter_step_nanowh == 6_250_000
    assert sample.import_counts == 337
    assert sample.power_w[0] == pytest.approx(7600.0, abs=0.01)
    assert sample.current_a[0] == pytest.approx(2 * 3000 / 230, abs=0.01)
