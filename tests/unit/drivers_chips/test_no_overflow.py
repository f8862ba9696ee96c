"""At full load of the main fuse no register runs over until the slowest poll that is allowed, and settings keep to it.

Allowed is what is not flagged: a Worker samples every 5 s at most and flags a gap 4 s later (worker_node.settings).
"""

from __future__ import annotations

from typing import Any

import pytest
from ade_bench import KINDS, AdeBench
from chip_bench import ChipBench

from drivers.chips.ade7878_settings import PMAX
from drivers.chips.ade7878_settings import make_settings as settings_7878
from drivers.chips.ade9000_settings import make_settings as settings_9000
from drivers.chips.atm90e32as_settings import make_settings as settings_atm
from drivers.errors import ValueOutOfRange
from drivers.sample import FLAG_GAP, SUM_RULE_SHIFT

FUSE_W = 69_000
SLOWEST_MS = 5_000
MOST_UNFLAGGED_MS = SLOWEST_MS + 4_000
LOADS = {
    "three phases": (FUSE_W / 3,) * 3,
    "three phases, export": (-FUSE_W / 3,) * 3,
    "one phase": (FUSE_W - 3.0, 1.0, 1.0),
    "against one another": (FUSE_W / 3, -FUSE_W / 3, FUSE_W / 3),
}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("poll_ms", [SLOWEST_MS, MOST_UNFLAGGED_MS])
def test_an_atm90e32as_holds_the_main_fuse_until_the_slowest_poll(load: str, poll_ms: int) -> None:
    bench = ChipBench(fuse_limit_w=FUSE_W, max_gap_ms=MOST_UNFLAGGED_MS)
    for _ in range(20):
        bench.step(LOADS[load], poll_ms)
    assert bench.chip.overflows == 0
    assert bench.missing() == bench.lost_bound == 0
    assert bench.flags == (0 if poll_ms == SLOWEST_MS else FLAG_GAP)
    assert bench.imported + bench.exported > 0


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_ade_chip_holds_the_main_fuse_until_the_slowest_poll(kind: str, load: str) -> None:
    poll_ms = 1_000 if kind == "ade9000-overwrite" else MOST_UNFLAGGED_MS
    bench = AdeBench(kind, fuse_limit_w=FUSE_W, max_gap_ms=MOST_UNFLAGGED_MS)
    for _ in range(20):
        bench.step(LOADS[load], poll_ms)
    assert max(bench.unflagged_errors()) <= 3
    assert bench.flags == 1 << SUM_RULE_SHIFT
    assert not getattr(bench.chip, "overflows", 0)
    assert bench.imported + bench.exported > 0


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (settings_atm, {"max_gap_ms": 11_000}),
        (settings_atm, {"meter_constant": 6_400, "max_gap_ms": MOST_UNFLAGGED_MS}),
        (settings_atm, {"fuse_limit_w": 100_000, "max_gap_ms": MOST_UNFLAGGED_MS}),
        (settings_9000, {"fuse_limit_w": 69_000, "max_gap_ms": 600_000}),
    ],
)
def test_settings_in_which_a_register_could_run_over_are_refused(make: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueOutOfRange, match="max_gap_ms"):
        make(**settings)


def test_the_limit_of_an_ade9000_is_where_its_emulator_runs_over() -> None:
    most_ms = next(ms for ms in range(5_000, 600_000, 1_000) if refused(ms))
    bench = AdeBench("ade9000-add", fuse_limit_w=FUSE_W, max_gap_ms=most_ms - 1_000)
    bench.step((FUSE_W / 3,) * 3, most_ms - 1_000)
    assert bench.chip.overflows == 0
    assert bench.imported == pytest.approx(FUSE_W * (most_ms - 1_000) / 3_600 * 1_000, rel=0.01)


def refused(max_gap_ms: int) -> bool:
    try:
        settings_9000(fuse_limit_w=FUSE_W, max_gap_ms=max_gap_ms)
    except ValueOutOfRange:
        return True
    return False


def test_an_ade7878_cannot_be_set_so_that_its_counter_turns_within_an_hour() -> None:
    assert settings_7878(fuse_limit_w=FUSE_W, max_gap_ms=3_600_000)
    with pytest.raises(ValueOutOfRange, match="wthr"):
        settings_7878(wthr=PMAX - 1)
