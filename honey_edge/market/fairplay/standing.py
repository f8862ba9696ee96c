"""One slot of a home's reputation from what both sides hold: readings, and the power that was declared for the slot.

Queen and Worker take the same steps in the same integers (market-design section 9), each from its own records. What is
observed is the same on both sides unless a Declaration was lost on its way: then the Queen observes fewer slots.
"""

from __future__ import annotations

from collections.abc import Iterable

from honey_edge.market.fairplay.reputation import FLOOR, FREE_DAYS, FULL, Reputation, at_day, known_lag, observe
from honey_edge.model.slots import SLOT_S, day_of

MILLIWH_PER_WATT = SLOT_S * 1000 // 3600
"""Energy of one watt over one slot: a declared power in W times this is the declared energy in milliwatt-hours."""

LAG_SLOTS = known_lag(SLOT_S // 60)
"""The slot before a declared one whose reading is the last that is known when the Declaration is due."""

LENIENT_PERMILLE = 20
"""How much lower than a Worker's own reckoning the Queen's factor may be. A Declaration may be lost on its way: she
may have observed fewer slots, each with a weight of one in a hundred. On the measured homes the two differ by at most
16 where one Declaration in a thousand is lost, and by more than this on 3 of 3,108 days where one in a hundred is."""

SlotCounters = tuple[int, int, int]
"""Slot, imported, exported: the counters at the end of a slot, milliwatt-hours."""


def factor_in(state: Reputation, slot: int) -> int:
    """Return the factor (per mille) that settles a slot: that of its UTC day, from what was observed before the day."""
    return at_day(state, day_of(slot)).rho


def lowest_due(own: Reputation, slot: int) -> int:
    """Return the least factor (per mille) that a Worker with this state of its own accepts for a slot.

    In its first seven days a home has the full factor whatever was observed, so nothing less is accepted then.
    """
    if own.first_day < 0 or day_of(slot) < own.first_day + FREE_DAYS:
        return FULL
    return max(FLOOR, factor_in(own, slot) - LENIENT_PERMILLE)


def energies_of(counters: Iterable[SlotCounters]) -> dict[int, int]:
    """Return the energy (milliwatt-hours, import positive) of each slot that begins and ends with a reading."""
    known = {slot: imported - exported for slot, imported, exported in counters}
    return {slot: net - known[slot - 1] for slot, net in known.items() if slot - 1 in known}


def after_slot(
    state: Reputation,
    slot: int,
    measured: int,
    declared_w: int | None,
    reference: int | None,
    ordered_milliwh: int = 0,
) -> Reputation:
    """Return the state after a pooled slot; unchanged without a Declaration (W) or a reference (milliwatt-hours).

    `reference` is the energy of the slot `LAG_SLOTS` before, `ordered_milliwh` what both signed inside the slot.
    """
    if declared_w is None or reference is None:
        return state
    declared = declared_w * MILLIWH_PER_WATT
    return observe(
        state, day_of(slot), measured=measured, declared=declared, reference=reference, ordered=ordered_milliwh
    )
