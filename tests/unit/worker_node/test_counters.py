"""Accumulator, checkpoint and cross-check: no energy is lost or invented, whatever happens between samples."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sample import ABSOLUTE, FLAG_BROWN_OUT, FLAG_QUARANTINED, INCREMENT, MeterSample
from worker_node.metering.accumulator import Accumulator, Totals
from worker_node.metering.checkpoint import Boundary, Checkpoint, Record, decode_record, encode_record
from worker_node.metering.cross_check import CrossCheck

STEP = 3_125_000


def sample(
    imported: int,
    exported: int = 0,
    *,
    kind: str = INCREMENT,
    at_ms: int = 0,
    power_w: float | None = None,
    flags: int = 0,
    step: int = STEP,
) -> MeterSample:
    power = None if power_w is None else (power_w, power_w, 0.0, 0.0)
    nothing = (None, None, None, None, None, None)
    return MeterSample(*(at_ms, kind, imported, exported, None, None, step, power, *nothing, 0, flags, 0))


@given(st.lists(st.integers(0, 65_535), min_size=1), st.sampled_from([STEP, 1, 3_333_333, 10_000_000]))
def test_any_split_of_the_same_counts_gives_the_same_counters(parts: list[int], step: int) -> None:
    split, whole = Accumulator(), Accumulator()
    for part in parts:
        split.add(sample(part, 2 * part, step=step))
    whole.add(sample(sum(parts), 2 * sum(parts), step=step))
    assert split.totals == whole.totals == Totals(sum(parts) * step, 2 * sum(parts) * step)
    assert split.totals.import_milliwh == sum(parts) * step // 1_000_000


def test_a_new_absolute_meter_sets_the_counters_and_then_only_differences_count() -> None:
    counter = Accumulator()
    counter.add(sample(500, 70, kind=ABSOLUTE, step=1_000_000))
    assert (counter.totals.import_milliwh, counter.totals.export_milliwh) == (500, 70)
    counter.add(sample(512, 70, kind=ABSOLUTE, step=1_000_000))
    assert (counter.totals.import_milliwh, counter.totals.export_milliwh) == (512, 70)


def test_a_counter_that_goes_back_is_quarantined_and_adds_nothing() -> None:
    counter = Accumulator()
    counter.add(sample(500, kind=ABSOLUTE, step=1_000_000))
    assert counter.add(sample(100, kind=ABSOLUTE, step=1_000_000)) & FLAG_QUARANTINED
    assert counter.totals.import_milliwh == 500
    counter.add(sample(103, kind=ABSOLUTE, step=1_000_000))
    assert counter.totals.import_milliwh == 503


def test_flags_of_a_sample_come_through_and_unknown_bits_do_not() -> None:
    assert Accumulator().add(sample(1, flags=FLAG_BROWN_OUT | 1 << 30)) == FLAG_BROWN_OUT


def record(at: int, imported: int = 5, clean: bool = False) -> Record:
    return Record(at, imported, 6, None, None, 0, Boundary(3, 4, 5, 0), clean)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_record_is_never_believed(place: int, change: int) -> None:
    data = bytearray(encode_record(record(60)))
    place %= len(data) - 1
    data[place] ^= change
    assert decode_record(bytes(data)) is None


def test_the_newest_sound_record_wins_and_the_card_costs_a_flag(tmp_path: Path) -> None:
    runtime, card = tmp_path / "run", tmp_path / "card"
    runtime.mkdir()
    card.mkdir()
    checkpoint = Checkpoint(runtime, card)
    assert checkpoint.find() is None
    checkpoint.write(record(100, 1))
    checkpoint.write(record(105, 2))
    found = Checkpoint(runtime, card).find()
    assert found is not None
    assert found.record.import_nanowh == 2
    assert not found.from_card
    (runtime / "counters").write_bytes(b"half a rec")
    found = Checkpoint(runtime, card).find()
    assert found is not None
    assert found.record.import_nanowh == 1
    assert found.from_card


def test_the_card_is_written_once_a_minute(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, tmp_path / "card")
    (tmp_path / "card").mkdir()
    for at in range(0, 121):
        checkpoint.write(record(at, at))
        on_card = decode_record((tmp_path / "card" / "counters").read_bytes())
        assert on_card is not None
        assert on_card.at_unix_s == at // 60 * 60


def run_check(power_w: list[float], counted_share: float, every_ms: int = 5_000) -> list[bool]:
    check, net, outcomes = CrossCheck(20), 0, []
    for k, power in enumerate(power_w):
        finding = check.add(sample(0, at_ms=k * every_ms, power_w=power), net)
        if finding is not None:
            outcomes.append(finding.ok)
        net += round(power * every_ms / 3600 * 1_000_000 * counted_share)
    return outcomes


@pytest.mark.parametrize("power", [300.0, -2_000.0, 9_000.0])
def test_sound_registers_pass_and_stuck_ones_fail(power: float) -> None:
    assert run_check([power] * 400, 1.0)
    assert all(run_check([power] * 400, 1.0))
    assert not any(run_check([power] * 400, 0.0))


def test_registers_that_are_three_percent_off_fail() -> None:
    assert not any(run_check([4_000.0] * 400, 1.03))
    assert all(run_check([4_000.0] * 400, 1.015))


def test_a_load_that_switches_between_samples_is_no_finding() -> None:
    steps = [300.0 if k // 12 % 2 else 3_300.0 for k in range(600)]
    assert all(run_check(steps, 1.0))
    assert not any(run_check(steps, 0.0))


def test_a_missed_sample_starts_the_window_anew() -> None:
    check = CrossCheck(20)
    check.add(sample(0, at_ms=0, power_w=50_000.0), 0)
    check.restart()
    assert check.add(sample(0, at_ms=4_000, power_w=50_000.0), 0) is None
