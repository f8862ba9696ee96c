"""Test C as both sides follow it: one home's running test, what follows from its alarms, and a finding's proof.

Queen and Worker take the same steps in the same integers (market-design sections 9 and 10), each from its own readings
and Declarations. A UTC day is closed when the next one begins, so that a day's factor follows from what was observed
before it and stays the same all day.

An alarm on a day means that there is a run of days up to it in which the daily means, less the allowance, add up to
more than the threshold, all on one side. So a finding names its two runs, and a Worker checks them by adding up its own
means. Where a Declaration was lost on its way the two sides have other means: `LENIENT_PERCENT` of the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.bias import (
    ALLOWANCE,
    FLOORED,
    GOOD,
    SUSPENDED,
    THRESHOLD,
    TWO_ALARMS_DAYS,
    BiasTest,
    Conduct,
    after_alarm,
    after_audit,
    after_quiet,
    close_day,
    ratio_of,
    watch,
)
from honey_edge.market.fairplay.reputation import FLOOR, FREE_DAYS
from honey_edge.market.fairplay.standing import MILLIWH_PER_WATT
from honey_edge.model.slots import SLOT_S, day_of

STANDINGS = (GOOD, FLOORED, SUSPENDED)
"""In the order of their numbers on the wire."""

ABOVE, BELOW = 1, -1
"""Sides of a run: more was declared than was measured, or less."""

KEPT_DAYS = 90
"""Days whose means are kept: the longest run that a finding can name."""

LENIENT_PERCENT = 15
"""What a run may lack of the threshold by the Worker's own records. With one Declaration in a hundred lost a daily mean
of 96 slots moves by a few percent of r, and a run has days enough for most of that to cancel."""


@dataclass(frozen=True, slots=True)
class Run:
    """Days (UTC day numbers, both included) whose means raised an alarm on the last of them."""

    side: int
    from_day: int
    to_day: int


@dataclass(frozen=True, slots=True)
class Watched:
    """One home under test C: the running test, its standing, daily means (day, steps of r), the last alarms' runs."""

    bias: BiasTest = field(default_factory=BiasTest)
    conduct: Conduct = field(default_factory=Conduct)
    means: tuple[tuple[int, int], ...] = ()
    runs: tuple[Run, ...] = ()


def at_day(watched: Watched, day: int) -> Watched:
    """Return the state at the start of UTC day `day`: days before it are closed, with their alarm and consequence."""
    bias, conduct = watched.bias, watched.conduct
    if bias.slots and bias.day < day:
        watched = _closed(watched)
        conduct = watched.conduct
    quiet = after_quiet(conduct, day)
    return watched if quiet is conduct else replace(watched, conduct=quiet)


def _closed(watched: Watched) -> Watched:
    """Return the state with the collected day closed."""
    bias = watched.bias
    closed, day = close_day(bias), bias.day
    means, runs, conduct = watched.means, watched.runs, watched.conduct
    if day >= bias.first_day + FREE_DAYS:
        means = (*((one, mean) for one, mean in means if one > day - KEPT_DAYS), (day, bias.total // bias.slots))
    if closed.alarms and closed.alarms[-1] == day:
        runs = (*runs, run_to(means, day, runs[-1].to_day if runs else -1))[-2:]
        conduct = after_alarm(conduct, day)
    return replace(watched, bias=closed, conduct=conduct, means=means, runs=runs)


def after_slot(watched: Watched, slot: int, measured: int, declared_w: int, scale: int, ordered: int = 0) -> Watched:
    """Return the state after an observed slot.

    `measured` and `ordered` in milliwatt-hours, `declared_w` in W; `scale` is `Reputation.scale` before the slot. To be
    called for exactly the slots that the reputation observes.
    """
    day = day_of(slot)
    watched = at_day(watched, day)
    ratio = ratio_of(declared_w * MILLIWH_PER_WATT, measured, scale, SLOT_S // 60, ordered)
    return replace(watched, bias=watch(watched.bias, day, ratio))


def factor_in(watched: Watched, slot: int, rho: int) -> int:
    """Return the factor (per mille) that settles a slot: `rho`, or the floor while the standing is not good.

    Who is restored within a day has its factor again from the next one on.
    """
    day = day_of(slot)
    conduct = at_day(watched, day).conduct
    return rho if conduct.standing == GOOD and day >= conduct.since_day else min(rho, FLOOR)


def restored(watched: Watched, day: int) -> Watched:
    """Return the state of a home that passed its audit, or was pardoned, on UTC day `day`: good from the next day on.

    The sums begin anew, so that what was judged once is not judged again.
    """
    conduct = after_audit(watched.conduct, day + 1, passed=True)
    return replace(watched, conduct=conduct, bias=replace(watched.bias, above=0, below=0, alarms=()), runs=())


def unpunished(watched: Watched) -> Watched:
    """Return the state without the consequence of its alarms, for a Hive that draws none."""
    return replace(watched, conduct=Conduct())


def run_to(means: Sequence[tuple[int, int]], day: int, after_day: int) -> Run:
    """Return the run that ends on `day`, begins after `after_day` and adds up to most."""
    most, best = 0, Run(ABOVE, day, day)
    for side in (ABOVE, BELOW):
        total = 0
        for one, mean in sorted(means, reverse=True):
            if after_day < one <= day:
                total += side * mean - ALLOWANCE
                if total > most:
                    most, best = total, Run(side, one, day)
    return best


def doubt(own: Watched, runs: Sequence[Run]) -> str:
    """Why a finding does not follow from the own means; empty where it does.

    A finding needs two runs on days of their own whose alarms lie within seven days.
    """
    if len(runs) != 2:
        return f"it names {len(runs)} alarms, two are needed"
    first, second = runs
    if not first.to_day < second.from_day or second.to_day >= first.to_day + TWO_ALARMS_DAYS:
        return f"its alarms on days {first.to_day} and {second.to_day} are not two within {TWO_ALARMS_DAYS} days"
    for run in runs:
        total = sum(run.side * mean - ALLOWANCE for day, mean in own.means if run.from_day <= day <= run.to_day)
        if run.side not in (ABOVE, BELOW) or 100 * total <= (100 - LENIENT_PERCENT) * THRESHOLD:
            return f"days {run.from_day} to {run.to_day} add up to {total} here, an alarm takes {THRESHOLD}"
    return ""


def to_document(watched: Watched) -> dict[str, Any]:
    """Return the state as plain numbers, for a store."""
    return asdict(watched)


def from_document(document: dict[str, Any]) -> Watched:
    """Return the state that `to_document` wrote; `AssetError` for anything else."""
    try:
        bias, conduct = dict(document["bias"]), dict(document["conduct"])
        return Watched(
            BiasTest(**bias | {"alarms": tuple(bias["alarms"])}),
            Conduct(**conduct | {"alarms": tuple(conduct["alarms"])}),
            tuple((int(day), int(mean)) for day, mean in document["means"]),
            tuple(Run(**run) for run in document["runs"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AssetError(f"a stored state of test C does not read: {error}") from error
