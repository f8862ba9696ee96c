"""Test C as both sides follow it: consequences begin with a day, and a finding is checked by adding up own means."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.bias import FLOORED, GOOD, SUSPENDED, THRESHOLD
from honey_edge.market.fairplay.conduct import (
    Run,
    Watched,
    after_slot,
    at_day,
    doubt,
    factor_in,
    from_document,
    restored,
    run_to,
    to_document,
    unpunished,
)
from honey_edge.market.fairplay.reputation import FLOOR, FULL

DAY = 20_000
SCALE = 10**12
"""r of a megawatt-hour in 10^-6 mWh: 1,000,000 mWh, so that 4,000 W declared too much are one r."""

ONE_R_W = 4_000
SLOTS = (0, 40, 80)


def lived(days: int, lie_w: int, lost: float = 0.0, begin: Watched | None = None, first: int = DAY) -> Watched:
    """Days of a home that declares `lie_w` too much, with a share of its Declarations lost and honest noise."""
    watched, draw, drop = begin or Watched(), random.Random(first), random.Random(5)
    for day in range(first, first + days):
        for slot in SLOTS:
            noise_w = draw.randrange(-800, 801)
            if drop.random() >= lost:
                watched = after_slot(watched, 96 * day + slot, 0, lie_w + noise_w, SCALE)
    return at_day(watched, first + days)


def test_an_honest_home_stays_good_and_has_its_factor() -> None:
    watched = lived(200, 0)
    assert watched.conduct.standing == GOOD
    assert factor_in(watched, 96 * (DAY + 200), 987) == 987


def test_a_lasting_lie_is_floored_then_suspended_and_always_from_the_start_of_a_day() -> None:
    seen = {}
    watched = Watched()
    for day in range(DAY, DAY + 30):
        factors = set()
        for slot in SLOTS:
            factors.add(factor_in(watched, 96 * day + slot, FULL))
            watched = after_slot(watched, 96 * day + slot, 0, 2 * ONE_R_W, SCALE)
            factors.add(factor_in(watched, 96 * day + slot, FULL))
        assert len(factors) == 1
        seen[day] = watched.conduct.standing
    order = [seen[day] for day in sorted(seen)]
    assert order == sorted(order, key=(GOOD, FLOORED, SUSPENDED).index)
    assert order[-1] == SUSPENDED
    assert order.index(FLOORED) >= 9
    assert order.index(SUSPENDED) > order.index(FLOORED)
    assert len(watched.runs) == 2


def test_a_floor_ends_after_a_quiet_week_and_a_suspension_does_not() -> None:
    floored = next(
        state for state in (lived(days, 2 * ONE_R_W) for days in range(9, 30)) if state.conduct.standing == FLOORED
    )
    later = floored.conduct.since_day + 9
    assert at_day(floored, later).conduct.standing == GOOD
    suspended = lived(30, 2 * ONE_R_W)
    assert at_day(suspended, DAY + 400).conduct.standing == SUSPENDED


def test_who_is_restored_has_its_factor_from_the_next_day_on_and_begins_anew() -> None:
    day = DAY + 30
    cleared = restored(lived(30, 2 * ONE_R_W), day)
    assert factor_in(cleared, 96 * day + 95, FULL) == FLOOR
    assert factor_in(cleared, 96 * (day + 1), 950) == 950
    assert cleared.runs == ()
    assert lived(40, 0, begin=cleared, first=day + 1).conduct.standing == GOOD


@pytest.mark.parametrize("lie_w", [2 * ONE_R_W, -2 * ONE_R_W, ONE_R_W])
def test_a_true_finding_follows_from_the_own_means_even_where_declarations_were_lost(lie_w: int) -> None:
    queens = lived(30, lie_w, lost=0.02)
    assert queens.conduct.standing == SUSPENDED
    assert all(run.side == (1 if lie_w > 0 else -1) for run in queens.runs)
    assert doubt(lived(30, lie_w), queens.runs) == ""


def test_a_false_finding_is_doubted_and_the_reason_names_the_days() -> None:
    honest, liar = lived(30, 0), lived(30, 2 * ONE_R_W)
    first, second = liar.runs
    assert "add up to" in doubt(honest, liar.runs)
    assert "1 alarms" in doubt(liar, [first])
    assert "within" in doubt(liar, [first, first])
    assert "within" in doubt(liar, [replace(first, to_day=first.to_day - 30, from_day=first.from_day - 30), second])
    assert "add up to" in doubt(liar, [first, replace(second, side=-second.side)])
    assert "add up to" in doubt(liar, [first, replace(second, side=0)])
    assert doubt(liar, [Run(1, 0, 2**32 - 1), second])


def test_a_run_is_what_the_sums_collected_since_the_last_alarm() -> None:
    means = ((1, 3_000_000), (2, -500_000), (3, 1_500_000), (4, 2_500_000))
    assert run_to(means, 4, -1) == Run(1, 1, 4)
    assert run_to(means, 4, 1) == Run(1, 3, 4)
    assert run_to(tuple((day, -mean) for day, mean in means), 4, 2) == Run(-1, 3, 4)


def test_a_hive_that_draws_no_consequence_still_counts() -> None:
    watched = unpunished(lived(30, 2 * ONE_R_W))
    assert watched.conduct.standing == GOOD
    assert watched.means
    assert watched.runs


def test_a_stored_state_reads_back_and_anything_else_is_named() -> None:
    watched = lived(30, 2 * ONE_R_W)
    assert from_document(json.loads(json.dumps(to_document(watched)))) == watched
    for bad in ({}, {"bias": 1, "conduct": {}}, to_document(watched) | {"runs": [{"side": 1}]}):
        with pytest.raises(AssetError, match="test C"):
            from_document(bad)


def test_the_stored_state_stays_small() -> None:
    assert len(json.dumps(to_document(lived(200, 700)))) < 4_000


def test_the_lenience_is_less_than_any_day_without_a_lie_needs() -> None:
    """What lost Declarations may excuse is not enough to turn an honest home's means into an alarm."""
    honest = lived(60, 0)
    best = run_to(honest.means, DAY + 60, -1)
    total = sum(best.side * mean - 100_000 for day, mean in honest.means if best.from_day <= day <= best.to_day)
    assert total < THRESHOLD // 2
