"""What is done with a Hive's reserve: it pays deficits first and is shared out monthly (market-design section 8).

By energy moved, not per head: meters can be multiplied, energy cannot. Pico-coins and milliwatt-hours.
"""

from honey_edge.billing.clearing import ClearingError


def reserve_after(reserve_pico: int, slot_reserve_pico: int, deficit_pico: int) -> int:
    """The reserve after a slot: what rounding and reputation left over, less what the slot was short of.

    Negative means that the owner carries it until later slots have paid it back.
    """
    if slot_reserve_pico < 0 or deficit_pico < 0:
        raise ClearingError(f"a slot leaves {slot_reserve_pico} and lacks {deficit_pico}; neither can be negative")
    return reserve_pico + slot_reserve_pico - deficit_pico


def monthly_share(reserve_pico: int, own_moved_milliwh: int, moved_milliwh: int) -> int:
    """A home's share of the reserve by its part of the month's energy, both directions added; 0 while it is negative.

    The rounding stays in the reserve: shares of all homes together never exceed it.
    """
    if not 0 <= own_moved_milliwh <= moved_milliwh:
        raise ClearingError(f"own energy {own_moved_milliwh} must lie in 0 .. {moved_milliwh} of the Hive")
    return max(reserve_pico, 0) * own_moved_milliwh // moved_milliwh if moved_milliwh else 0
