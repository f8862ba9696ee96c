"""What a home can offer inside a slot, and what its orders amount to: power, energy, price (market-design section 11).

An order is a change of power from a second of the slot until the offer ends, on top of the orders before it. It is paid
for its energy at the offer's price as far as it asks for more than any order of the slot before: what was paid for may
be called back and asked for again without being paid twice. Queen and Worker reckon the same integers from the same
orders. Watts (import positive), seconds within the slot, milliwatt-hours, micro-coins. No clock, no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.realtime import order_price_micro
from honey_edge.model.slots import SLOT_S

_UNBOUNDED_MICRO = 2**63 - 1
_MICRO_PER_WATT_SECOND = 3_600_000
_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """One order: so many watts more (less) from second `from_s` of the slot to second `until_s`."""

    from_s: int
    until_s: int
    watts: int

    def __post_init__(self) -> None:
        """`AssetError` for seconds that are not in a slot."""
        if not 0 <= self.from_s < self.until_s <= SLOT_S:
            raise AssetError(f"an order from second {self.from_s} to {self.until_s} of a slot of {SLOT_S}")


def ordered_w(changes: Sequence[Change], second: int) -> int:
    """Return the power (W) that the orders add up to in a second of the slot."""
    return sum(one.watts for one in changes if one.from_s <= second < one.until_s)


def watt_seconds(changes: Sequence[Change], begin_s: int = 0, end_s: int = SLOT_S) -> int:
    """Return the energy (watt-seconds) that the orders move between two seconds of the slot."""
    return sum(one.watts * max(0, min(one.until_s, end_s) - max(one.from_s, begin_s)) for one in changes)


def ordered_milliwh(changes: Sequence[Change]) -> int:
    """Return the energy (milliwatt-hours, rounded down) that was ordered in a slot: what reputation subtracts."""
    return watt_seconds(changes) * 10 // 36


def payable_w(before: Sequence[Change], watts: int) -> int:
    """Return how much (W, not negative) of a further change was not paid for by the orders before it."""
    reached = [0, *accumulate(one.watts for one in before)]
    after = reached[-1] + watts
    return max(0, after - max(reached), min(reached) - after)


def change_price_micro(before: Sequence[Change], change: Change, price_micro_per_kwh: int) -> int:
    """Return what a further order is paid (micro-coins, rounded down)."""
    seconds = change.until_s - change.from_s
    return order_price_micro(payable_w(before, change.watts), price_micro_per_kwh, seconds, _UNBOUNDED_MICRO)


def affordable(before: Sequence[Change], change: Change, price_micro_per_kwh: int, left_micro: int) -> Change | None:
    """Return the change, cut to what the stake that is left can pay; None when that is nothing."""
    seconds, beyond = change.until_s - change.from_s, payable_w(before, change.watts)
    rate = seconds * price_micro_per_kwh
    most = ((max(left_micro, 0) + 1) * _MICRO_PER_WATT_SECOND - 1) // rate if rate else beyond
    size = abs(change.watts) - max(0, beyond - most)
    if size <= 0:
        return None
    return Change(change.from_s, change.until_s, size if change.watts > 0 else -size)


@dataclass(frozen=True, slots=True)
class Store:
    """A home's battery at the start of a slot, and what its plan does in it.

    Energies in milliwatt-hours, powers in W at the terminals (charging positive), efficiencies per mille; `net_w` is
    the plan's power at the connection, of which at most `most_w` may be taken or given.
    """

    stored_milliwh: int
    min_milliwh: int
    max_milliwh: int
    charge_w: int
    discharge_w: int
    charge_permille: int
    discharge_permille: int
    plan_w: int
    net_w: int
    most_w: int


def headroom_w(store: Store, share_permille: int) -> tuple[int, int]:
    """Return by how much (W, up and down, not negative) the plan can be left for a whole slot, times a share.

    Every course between the two is possible as well, whenever in the slot it turns. A watt is kept for rounding.
    """
    free = max(0, store.max_milliwh - store.stored_milliwh) * 36 * _PERMILLE
    held = max(0, store.stored_milliwh - store.min_milliwh) * 36 * store.discharge_permille
    highest = min(store.charge_w, free // (SLOT_S * 10 * store.charge_permille))
    lowest = -min(store.discharge_w, held // (SLOT_S * 10 * _PERMILLE))
    up = min(highest - store.plan_w, store.most_w - store.net_w) - 1
    down = min(store.plan_w - lowest, store.most_w + store.net_w) - 1
    return max(0, up) * share_permille // _PERMILLE, max(0, down) * share_permille // _PERMILLE
