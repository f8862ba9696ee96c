"""Both ADE drivers lose and invent no energy: what is booked is what the counters moved, or it is flagged."""

from __future__ import annotations

import random

import pytest
from ade_bench import KINDS, AdeBench

from drivers.errors import BusFault, ChecksumFault
from drivers.sample import (
    FLAG_BROWN_OUT,
    FLAG_BUS_FAULTS,
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    FLAG_QUARANTINED,
    FLAG_TAMPER,
    SUM_RULE_SHIFT,
)
from drivers.sim.ade_bus import BY_TRANSFER, Fault, seeded_plan

HOUSE = (3000.0, -700.0, 1500.0)
SIGNED = 1 << SUM_RULE_SHIFT
LINKS = ("ade7878-i2c", "ade7878-spi", "ade9000-add")


def run(bench: AdeBench, seconds: int, seed: int = 1) -> None:
    draw = random.Random(seed)
    for second in range(seconds):
        bench.step([draw.uniform(-3000, 9000) for _ in range(3)], full=second % 3 == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_bus_books_what_the_counters_moved_and_flags_nothing(kind: str) -> None:
    bench = AdeBench(kind)
    run(bench, 200)
    assert bench.unflagged_errors() == (0, 0)
    assert bench.flags == SIGNED
    assert bench.missing_net() <= bench.pending()
    assert bench.imported > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_sum_of_samples_is_exact_over_any_split(kind: str) -> None:
    bench = AdeBench(kind)
    for second in range(1, 101):
        bench.step((1000.0 + second, 500.0, 0.25), 1000 if kind == "ade9000-overwrite" else 500 + 5 * second)
    assert bench.unflagged_errors() == (0, 0)
    assert bench.exported == 0


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("fault", ["flip", "drop", "drop-answer", "ones", "zeros"])
@pytest.mark.parametrize("seed", range(3))
def test_garbled_answers_cost_nothing_because_nothing_is_cleared(kind: str, fault: str, seed: int) -> None:
    bench = AdeBench(kind)
    bench.chip.add_faults(seeded_plan(seed, 9000, 5, [fault], start=bench.chip.transfers + 50))
    run(bench, 200, seed)
    for _ in range(3):
        bench.step(HOUSE)
    assert bench.missing_net() <= bench.lost_bound + bench.pending()
    assert max(bench.unflagged_errors()) <= 8
    assert bench.flags & FLAG_BUS_FAULTS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_any_disturbance_is_covered_by_flags_and_bounds(kind: str, seed: int) -> None:
    bench = AdeBench(kind)
    bench.chip.add_faults(seeded_plan(seed, 12000, 4, BY_TRANSFER, start=bench.chip.transfers + 50))
    run(bench, 250, seed)
    for _ in range(70):
        bench.step((0.0, 0.0, 0.0))
    assert bench.missing_net() <= bench.lost_bound + bench.pending()
    assert bool(bench.lost_bound) == bool(bench.flags & FLAG_ENERGY_LOST)


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("stuck", ["stuck-high", "stuck-low"])
def test_a_dead_line_is_an_error_not_a_zero_and_costs_nothing(kind: str, stuck: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    bench.chip.set_fault(stuck)
    for _ in range(3):
        assert bench.step(HOUSE) is None
    with pytest.raises((BusFault, ChecksumFault)):
        bench.driver.read()
    bench.chip.set_fault(stuck, on=False)
    sample = bench.step(HOUSE)
    assert sample.flags & ~SIGNED == FLAG_BUS_FAULTS
    assert bench.unflagged_errors() == (0, 0)
    assert bench.lost_bound == 0
    assert sample.import_counts > 3_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_brown_out_is_seen_at_the_next_read_repaired_and_bounded(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(5):
        bench.step(HOUSE)
    bench.advance(HOUSE, 500)
    bench.chip.set_fault("brown-out")
    sample = bench.step(HOUSE)
    assert sample.flags & FLAG_BROWN_OUT
    assert sample.flags & FLAG_ENERGY_LOST
    assert 0 < bench.missing_net() <= sample.lost_bound_counts + bench.pending()
    for _ in range(5):
        assert bench.step(HOUSE).flags == SIGNED
    assert bench.unflagged_errors() == (0, 0)


@pytest.mark.parametrize("kind", LINKS)
def test_a_restart_goes_on_from_the_kept_state_without_a_reset(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(5):
        bench.step(HOUSE)
    resets = bench.chip.resets
    for _ in range(10):
        bench.advance(HOUSE, 7000)
        assert bench.restart()
        assert bench.driver.was_configured
        bench.step(HOUSE)
    assert bench.chip.resets == resets
    assert bench.unflagged_errors() == (0, 0)
    assert bench.lost_bound == 0
    assert bench.flags & ~SIGNED == FLAG_GAP


@pytest.mark.parametrize("kind", KINDS)
def test_a_chip_that_was_set_up_anew_since_the_state_was_kept_is_not_counted_from_it(kind: str) -> None:
    bench = AdeBench(kind)
    for _ in range(5):
        bench.step((9000.0, 9000.0, 9000.0))
    kept = bench.kept
    bench.chip.set_fault("brown-out")
    bench.step(HOUSE)
    bench.kept = kept
    imported, exported = bench.imported, bench.exported
    assert bench.restart()
    assert (bench.imported, bench.exported) == (imported, exported)
    assert bench.last.flags & FLAG_ENERGY_LOST
    bench.step(HOUSE)
    assert bench.exported == exported


@pytest.mark.parametrize("kind", LINKS)
def test_without_a_state_the_past_of_a_running_chip_is_flagged_and_not_booked(kind: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    bench.kept = ((), 0)
    imported = bench.imported
    bench.advance(HOUSE, 5000)
    assert bench.restart()
    assert bench.imported == imported
    assert bench.last.flags & FLAG_GAP
    assert bench.last.flags & FLAG_ENERGY_LOST


@pytest.mark.parametrize("kind", LINKS)
def test_a_disturbed_calibration_is_found_within_a_minute_and_set_right(kind: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    bench.chip.set_fault("poke", bit=18)
    for _seconds in range(60):
        bench.step(HOUSE)
        if bench.flags & FLAG_TAMPER:
            break
    assert bench.flags & FLAG_TAMPER
    assert bench.flags & FLAG_ENERGY_LOST
    assert bench.missing_net() <= bench.lost_bound + bench.pending()
    assert bench.step(HOUSE).flags == SIGNED


@pytest.mark.parametrize("kind", LINKS)
def test_an_impossible_jump_is_quarantined_then_given_up_never_booked(kind: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    if kind.startswith("ade7878"):
        bench.chip.words[0xE400] += 1 << 24
    else:
        bench.chip._registers[0] += 1 << 42
    imported = bench.imported
    first = bench.step(HOUSE)
    assert first.flags & FLAG_QUARANTINED
    assert not first.flags & FLAG_ENERGY_LOST
    second = bench.step(HOUSE)
    assert second.flags & FLAG_ENERGY_LOST
    assert bench.imported == imported
    assert bench.step(HOUSE).flags == SIGNED
    assert bench.missing_net() <= bench.lost_bound + bench.pending()


@pytest.mark.parametrize("kind", LINKS)
def test_a_long_gap_is_flagged_and_an_ambiguous_one_is_not_booked(kind: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    assert bench.step(HOUSE, 60_000).flags & ~SIGNED == FLAG_GAP
    assert bench.unflagged_errors() == (0, 0)
    sample = bench.step(HOUSE, 50 * 3_600_000)
    assert sample.flags & FLAG_ENERGY_LOST
    assert sample.import_counts == 0
    assert bench.missing_net() <= bench.lost_bound + bench.pending()


@pytest.mark.parametrize("kind", KINDS)
def test_no_register_runs_over_between_the_slowest_polls_at_full_load(kind: str) -> None:
    bench = AdeBench(kind, fuse_limit_w=69_000, max_gap_ms=5000)
    slowest_ms = 1000 if kind == "ade9000-overwrite" else 5000
    for _ in range(30):
        bench.step((23_000.0,) * 3, slowest_ms)
    for _ in range(30):
        bench.step((-23_000.0,) * 3, slowest_ms)
    assert bench.unflagged_errors() == (0, 0)
    assert bench.flags == SIGNED
    if isinstance(getattr(bench.chip, "overflows", None), int):
        assert bench.chip.overflows == 0


@pytest.mark.parametrize("kind", LINKS)
def test_roll_over_of_the_register_is_no_event(kind: str) -> None:
    bench = AdeBench(kind)
    bench.step(HOUSE)
    for phase in range(3):
        if kind.startswith("ade7878"):
            bench.chip.words[0xE400 + phase] = 0x7FFFFFF0
        else:
            bench.chip._registers[phase] = (1 << 44) - 1000
    bench.kept = ((), 0)
    bench.restart()
    for _ in range(5):
        assert bench.step((20_000.0,) * 3).flags == SIGNED
    assert bench.unflagged_errors() == (0, 0)


def test_overwrite_mode_flags_a_fetch_that_comes_late() -> None:
    bench = AdeBench("ade9000-overwrite")
    bench.step(HOUSE)
    bench.step(HOUSE)
    sample = bench.step(HOUSE, 3000)
    assert sample.flags & FLAG_ENERGY_LOST
    assert bench.missing_net() <= bench.lost_bound + bench.pending()


def test_a_register_that_sticks_at_its_end_is_flagged_and_set_up_anew() -> None:
    bench = AdeBench("ade9000-add", chip_options={"sticks": True})
    bench.step(HOUSE)
    bench.chip._registers[0] = (1 << 44) - 10
    bench.kept = ((), 0)
    bench.restart()
    sample = bench.step(HOUSE)
    assert sample.flags & FLAG_ENERGY_LOST
    for _ in range(5):
        assert bench.step(HOUSE).flags == SIGNED
    assert bench.missing_net() <= bench.lost_bound + bench.pending()


@pytest.mark.parametrize("kind", LINKS)
def test_reversed_and_mapped_phases_turn_energy_and_power_but_not_rms(kind: str) -> None:
    bench = AdeBench(kind, reversed_phases=(False, True, False), phase_map=(1, 0, 2))
    for _ in range(9):
        sample = bench.step((1000.0, -400.0, 100.0), full=True)
    assert bench.exported == 0
    assert bench.imported == pytest.approx(9 * 1500 / 3.6 * 1000, rel=0.02)
    assert sample.power_w == pytest.approx((1500.0, 400.0, 1000.0, 100.0), abs=0.1)
    assert min(sample.current_a) > 0
    assert bench.step((1000.0, -400.0, 100.0)).phase_import_counts[0] == pytest.approx(400 / 3.6 * 1000, rel=0.02)


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize(("rule", "imported", "exported"), [(1, 500, 0), (2, 1000, 500)])
def test_the_sum_rule_decides_what_is_settled(kind: str, rule: int, imported: int, exported: int) -> None:
    bench = AdeBench(kind, sum_rule=rule)
    for _ in range(360):
        bench.step((1000.0, -400.0, -100.0))
    assert bench.imported == pytest.approx(imported * 100_000, rel=0.001, abs=20)
    assert bench.exported == pytest.approx(exported * 100_000, rel=0.001, abs=20)


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize(
    ("power", "reactive", "quadrant"), [(1, 1, 0), (-1, 1, 1), (-1, -1, 2), (1, -1, 3)], ids=["I", "II", "III", "IV"]
)
def test_reactive_energy_goes_to_its_quadrant(kind: str, power: int, reactive: int, quadrant: int) -> None:
    bench = AdeBench(kind)
    bench.driver.take_quadrants()
    for _ in range(36):
        bench.step((2000.0 * power, 0.0, 0.0), phase_reactive_var=(1000.0 * reactive, 0.0, 0.0))
    booked = bench.driver.take_quadrants()
    assert booked[quadrant] == pytest.approx(10_000_000, rel=0.01)
    assert sum(booked) == booked[quadrant]
    assert bench.driver.take_quadrants() == (0, 0, 0, 0)


def test_faults_of_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        AdeBench("ade9000-add", faults=[Fault("gremlin", at_transfer=1)])
    with pytest.raises(ValueError, match="unknown fault"):
        AdeBench("ade9000-add").chip.set_fault("gremlin")
