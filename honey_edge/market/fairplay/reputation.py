"""Reputation: how well a home's declarations can be relied on, in units of how hard it is to declare (market-design 9).

    error      |measured - declared - ordered|         what the home could have avoided
    reference  |measured - reference| + 2 % of |measured|   what declaring the last known reading would have cost
    rho        floor(1000 - 500*clip((error / reference - 1.2) / 1.3, 0, 1)), error and reference as exponential means

Energy in milliwatt-hours per slot, import positive, all integers: the factor multiplies money in the settlement, so two
machines must come to the same number. It is fixed per UTC day and 1000 in a home's first seven days. It scales the
discount only (P9 stands), so it cannot stop a lie told by a meter that has no discount to lose: the choice of lambda
of section 8 does that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from honey_edge.market.errors import AssetError

FULL = 1000
FLOOR = 500
FREE_DAYS = 7
WEIGHT_DIVISOR = 100
"""1 / 0.01: the weight of one slot in an exponential mean."""

FRACTION = 1_000_000
"""Steps of an exponential mean in one milliwatt-hour (so that integer division loses nothing that counts)."""

_MINIMUM_SHARE = 50
"""1 / 2 %: the share of the home's mean energy that is added to the reference."""

_BEST_E1, _SPAN_E1 = 12, 13
"""Ratio up to which the reputation is full (1.2), and over how much more it falls to the floor (1.3), in tenths."""


@dataclass(frozen=True, slots=True)
class Reputation:
    """One home's state: three exponential means in 10^-6 milliwatt-hours, and the factor of the running day.

    `rho` per mille, 500 .. 1000; `first_day` the UTC day of the first observation, `day` the day `rho` belongs to (-1:
    nothing observed yet).
    """

    error_mean: int = 0
    reference_mean: int = 0
    size_mean: int = 0
    first_day: int = -1
    day: int = -1
    rho: int = FULL

    @property
    def scale(self) -> int:
        """r: the reference error with 2 % of the home's mean, in 10^-6 milliwatt-hours; the unit of test C."""
        return self.reference_mean + self.size_mean // _MINIMUM_SHARE


def known_lag(step_minutes: int) -> int:
    """Return how many slots before the declared one the last reading lies that is known when the declaration is due.

    In slots of 15 minutes the declaration of n+1 is due while n runs, when the reading of n-1 is the last: 2. Series of
    30 minutes or more: 1, the same half hour.
    """
    if step_minutes < 1:
        raise AssetError(f"a slot of {step_minutes} minutes")
    return 2 if step_minutes <= 15 else 1


def rho_of(state: Reputation) -> int:
    """Return the factor (per mille) that the means amount to now."""
    scale = state.scale
    if scale <= 0:
        return FULL if state.error_mean <= 0 else FLOOR
    # 500 * clip((e/r - 1.2)/1.3, 0, 1) = 500*(10 e - 12 r) / (13 r); the difference from 1000 is rounded up.
    over = 10 * state.error_mean - _BEST_E1 * scale
    lost = -(-(FULL - FLOOR) * over // (_SPAN_E1 * scale)) if over > 0 else 0
    return FULL - min(FULL - FLOOR, lost)


def at_day(state: Reputation, day: int) -> Reputation:
    """Return the state with the factor of UTC day `day`: full in the first seven days, then fixed at the day's start.

    The factor follows from what was observed before; asking again for the same day changes nothing. `AssetError` for a
    day that is over.
    """
    if day < state.day:
        raise AssetError(f"day {day} is before day {state.day}, whose factor is already fixed")
    if day == state.day:
        return state
    if state.first_day < 0:
        return replace(state, first_day=day, day=day, rho=FULL)
    young = day < state.first_day + FREE_DAYS
    return replace(state, day=day, rho=FULL if young else rho_of(state))


def observe(
    state: Reputation, day: int, *, measured: int, declared: int, reference: int, ordered: int = 0
) -> Reputation:
    """Return the state after one slot of UTC day `day` (energies in milliwatt-hours, import positive).

    `declared` is the Worker's last declaration of the slot, `reference` the last reading known when it was due,
    `ordered` what the Queen asked for inside the slot, on top of the declaration. Slots without a reading of their own,
    without a declaration or without a reference are not observed: nothing is invented for them.
    """
    state = at_day(state, day)
    error = abs(measured - declared - ordered) * FRACTION
    missed = abs(measured - reference) * FRACTION
    size = abs(measured) * FRACTION
    if state.size_mean == state.error_mean == state.reference_mean == 0:
        return replace(state, error_mean=error, reference_mean=missed, size_mean=size)
    return replace(
        state,
        error_mean=_moved(state.error_mean, error),
        reference_mean=_moved(state.reference_mean, missed),
        size_mean=_moved(state.size_mean, size),
    )


def _moved(mean: int, value: int) -> int:
    """Return the exponential mean after one more value."""
    return mean + (value - mean) // WEIGHT_DIVISOR
