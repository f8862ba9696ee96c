"""Test C: a lasting lie about the own energy, by a two-sided CUSUM on daily means (market-design section 10).

Per slot (declared + ordered - measured) in units of the home's r (reputation.Reputation.scale, which the declaration
does not move), clipped; per UTC day their mean; two sums collect what the mean lies beyond ALLOWANCE above or below.
An alarm resets both sums. There is no sign test: loads are skewed, and the sign of honest errors is not balanced.

ALLOWANCE and THRESHOLD are calibrated by `python -m tests.bench fairplay` on the measured homes to one false alarm per
home and three years at most, with the declaration of `simulation_forecast` (mean of the slot, corrected by the last
known errors). A Worker that declares worse raises more alarms: they say "declarations are off", never why.
What is NOT found: a lie smaller than ALLOWANCE * r in the mean, one that is balanced within the day (section 9 finds
those when they are large), and one that is shorter than some days. All numbers here are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.reputation import FRACTION, FREE_DAYS, Reputation, known_lag, observe

STEPS = 1_000_000
"""Steps of a ratio in one r."""

CLIP = 5 * STEPS
"""Largest ratio of one slot that counts: r of a home that was away is small, and it must be allowed to come back."""

NEGLIGIBLE_W = 20
"""Errors of so many watts are no lie: a home that takes nothing has an r of 0, and a watt would be infinitely many."""

ALLOWANCE = 100_000
THRESHOLD = 3_500_000

TWO_ALARMS_DAYS = 7
"""Two alarms within so many days put the reputation to the floor."""

GOOD, FLOORED, SUSPENDED = "good", "floored", "suspended"


@dataclass(frozen=True, slots=True)
class BiasTest:
    """One home's running test: the day being collected, and the two sums (steps of r).

    `first_day` is the first day observed; `alarms` the days (UTC day numbers) on which an alarm was raised, newest
    last, of the last seven days only.
    """

    day: int = -1
    first_day: int = -1
    total: int = 0
    slots: int = 0
    above: int = 0
    below: int = 0
    alarms: tuple[int, ...] = ()


def smallest_scale(slot_minutes: int) -> int:
    """Return the least r (10^-6 milliwatt-hours) that errors of a slot are measured by: `NEGLIGIBLE_W` all the time."""
    return NEGLIGIBLE_W * 1000 * slot_minutes // 60 * FRACTION


def ratio_of(declared: int, measured: int, scale: int, slot_minutes: int, ordered: int = 0) -> int:
    """Return one slot's clipped (declared + ordered - measured) / r in steps; energies in milliwatt-hours.

    `scale` is `Reputation.scale` before the slot, at least `smallest_scale`.
    """
    ratio = (declared + ordered - measured) * FRACTION * STEPS // max(scale, smallest_scale(slot_minutes))
    return max(-CLIP, min(CLIP, ratio))


def watch(state: BiasTest, day: int, ratio: int) -> BiasTest:
    """Return the test after one slot of UTC day `day`; a new day closes the one before."""
    if day < state.day:
        raise AssetError(f"day {day} is before day {state.day} of the same test")
    if state.day < 0:
        return replace(state, day=day, first_day=day, total=ratio, slots=1)
    if day == state.day:
        return replace(state, total=state.total + ratio, slots=state.slots + 1)
    closed = close_day(state)
    return replace(closed, day=day, total=ratio, slots=1)


def close_day(state: BiasTest) -> BiasTest:
    """Return the test with the collected day's mean added to the sums, and with its alarm if there is one."""
    if state.slots == 0 or state.day < state.first_day + FREE_DAYS:
        return replace(state, total=0, slots=0)
    above, below, alarm = step(state.above, state.below, state.total // state.slots)
    alarms = tuple(day for day in state.alarms if day > state.day - TWO_ALARMS_DAYS)
    return replace(state, total=0, slots=0, above=above, below=below, alarms=(*alarms, state.day) if alarm else alarms)


def step(
    above: int, below: int, mean: int, allowance: int = ALLOWANCE, threshold: int = THRESHOLD
) -> tuple[int, int, bool]:
    """Return both sums after one day's mean, and whether that is an alarm (which resets them)."""
    above, below = max(0, above + mean - allowance), max(0, below - mean - allowance)
    return (0, 0, True) if max(above, below) > threshold else (above, below, False)


@dataclass(frozen=True, slots=True)
class Conduct:
    """What follows from a home's alarms: `good`, `floored` (reputation 500) or `suspended`, and since which UTC day."""

    standing: str = GOOD
    since_day: int = -1
    alarms: tuple[int, ...] = ()

    @property
    def pooled(self) -> bool:
        """Whether the home's readings are settled in the pool; a suspended home pays its own tariff, never more."""
        return self.standing != SUSPENDED


def after_alarm(conduct: Conduct, day: int) -> Conduct:
    """Return the standing after an alarm on UTC day `day`.

    The second alarm within seven days floors the reputation; a further pair while floored suspends. A floor of seven
    days without an alarm is lifted by `after_quiet`; a suspension only by an audit (`after_audit`).
    """
    recent = (*(one for one in conduct.alarms if one > day - TWO_ALARMS_DAYS), day)
    if len(recent) < 2 or conduct.standing == SUSPENDED:
        return replace(conduct, alarms=recent)
    if conduct.standing == FLOORED:
        return Conduct(SUSPENDED, day, recent)
    return Conduct(FLOORED, day, ())


def after_quiet(conduct: Conduct, day: int) -> Conduct:
    """Return the standing on UTC day `day` without a new alarm: the floor ends after seven quiet days."""
    last = max((conduct.since_day, *conduct.alarms))
    quiet = conduct.standing == FLOORED and day > last + TWO_ALARMS_DAYS
    return Conduct(GOOD, day) if quiet else conduct


def after_audit(conduct: Conduct, day: int, *, passed: bool) -> Conduct:
    """Return the standing after an appeal by audit (test B): passed clears it, failed leaves it as it is."""
    return Conduct(GOOD, day) if passed else conduct


def rho_in(conduct: Conduct, rho: int, floor: int) -> int:
    """Return the factor that settles: the floor unless the standing is good."""
    return rho if conduct.standing == GOOD else min(rho, floor)


def alarm_days(means: Sequence[int], allowance: int = ALLOWANCE, threshold: int = THRESHOLD) -> tuple[int, ...]:
    """Return the places of the alarms in a series of daily means (steps of r): what the calibration counts."""
    above, below, found = 0, 0, []
    for place, mean in enumerate(means):
        above, below, alarm = step(above, below, mean, allowance, threshold)
        if alarm:
            found.append(place)
    return tuple(found)


def daily_ratios(
    measured: Sequence[int],
    declared: Sequence[int],
    slot_minutes: int,
    skipped: frozenset[int] = frozenset(),
) -> tuple[int, ...]:
    """Return a home's daily means (steps of r) from its second week on, as the running test sees them.

    `measured` and `declared` in milliwatt-hours per slot from the start of a UTC day; `skipped` are slots without a
    reading of their own or of their reference.
    """
    lag, per_day = known_lag(slot_minutes), 1440 // slot_minutes
    state = Reputation()
    means, total, count = [], 0, 0
    for slot in range(lag, len(measured)):
        if slot not in skipped:
            total += ratio_of(declared[slot], measured[slot], state.scale, slot_minutes)
            count += 1
            state = observe(
                state,
                slot // per_day,
                measured=measured[slot],
                declared=declared[slot],
                reference=measured[slot - lag],
            )
        if slot % per_day == per_day - 1:
            if slot // per_day >= FREE_DAYS and count:
                means.append(total // count)
            total = count = 0
    return tuple(means)
