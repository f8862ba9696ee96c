"""Real time inside a slot (market-design section 11): who moves by how much when the Hive leaves its agreement.

Each minute the Queen compares the measured sum with the agreed power. What lies beyond a dead band is shared among
the homes that offered to move that way, in proportion to what they still can: nobody is asked for more than it
offered, and the parts add up to the whole to the watt, whatever the order of the homes. Whole watts and seconds; import
positive, so "up" is to take more (or give less). Nothing here knows a clock or a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honey_edge.market.errors import AssetError

_MICRO_PER_WATT_SECOND = 3_600_000
"""Watt-seconds in a kilowatt-hour: W times s times micro-coins per kWh over this are micro-coins."""

LARGEST_W = 10**8


@dataclass(frozen=True, slots=True)
class Offer:
    """A home's offer to leave its plan: by at most `up_w` or `down_w` (both >= 0), for `minutes`, at a price per kWh.

    `AssetError` for a number that no home can offer.
    """

    worker: str
    up_w: int
    down_w: int
    price_micro_per_kwh: int
    minutes: int

    def __post_init__(self) -> None:
        """Refuse what nobody can offer."""
        numbers = (self.up_w, self.down_w, self.price_micro_per_kwh, self.minutes)
        if any(type(number) is not int for number in numbers) or not all(0 <= n <= LARGEST_W for n in numbers):
            raise AssetError(f"the offer of {self.worker} holds {numbers}; each must be whole, from 0 to {LARGEST_W}")


@dataclass(frozen=True, slots=True)
class Minute:
    """What is known in a minute: agreed and measured power of the Hive (W), the dead band (W), the dearest price
    that a deviation is worth (micro-coins per kWh), and the minutes of the slot that are over."""

    agreed_w: int
    measured_w: int
    dead_band_w: int
    worth_micro_per_kwh: int
    elapsed_minutes: int


def beyond_dead_band_w(minute: Minute) -> int:
    """Return by how much the measured sum leaves the band around the agreement (W, import positive); 0 inside."""
    away = minute.measured_w - minute.agreed_w
    return max(0, away - minute.dead_band_w) + min(0, away + minute.dead_band_w)


def orders_w(minute: Minute, offers: Sequence[Offer], standing_w: Mapping[str, int]) -> dict[str, int]:
    """Return how much each home is to leave its plan from now on (W); homes that need not move are left out.

    `standing_w` are the orders in force, whose effect the measurement holds already. Inside the dead band they stay.
    An order whose offer has ended, or grew too dear, ends with it.
    """
    valid = _valid(minute, offers)
    held = {worker: _within(valid[worker], watts) for worker, watts in standing_w.items() if worker in valid}
    away = beyond_dead_band_w(minute)
    if not away:
        return {worker: watts for worker, watts in held.items() if watts}
    wanted = sum(held.values()) - away
    rooms = {worker: offer.up_w if wanted > 0 else offer.down_w for worker, offer in valid.items()}
    return _shared(wanted, rooms)


def order_price_micro(watts: int, price_micro_per_kwh: int, seconds: int, stake_micro: int) -> int:
    """Return what an order is paid (micro-coins, rounded down): energy times price, at most the stake."""
    energy_price = abs(watts) * seconds * price_micro_per_kwh // _MICRO_PER_WATT_SECOND
    return max(0, min(energy_price, stake_micro))


def _valid(minute: Minute, offers: Sequence[Offer]) -> dict[str, Offer]:
    """The newest offer of each home, as far as it lasts and is worth its price."""
    newest = {offer.worker: offer for offer in offers}
    return {
        worker: offer
        for worker, offer in newest.items()
        if offer.minutes > minute.elapsed_minutes and offer.price_micro_per_kwh <= minute.worth_micro_per_kwh
    }


def _within(offer: Offer, watts: int) -> int:
    """An order cut to what is offered now."""
    return max(-offer.down_w, min(offer.up_w, watts))


def _shared(wanted_w: int, rooms_w: Mapping[str, int]) -> dict[str, int]:
    """Share a change in proportion to the rooms: whole watts that add up to it, or to all the room there is."""
    room = sum(rooms_w.values())
    total = min(abs(wanted_w), room)
    if not total:
        return {}
    parts = {worker: total * own // room for worker, own in rooms_w.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(rooms_w, key=lambda worker: (-(total * rooms_w[worker] % room), worker))
    for worker in by_remainder[:left]:
        parts[worker] += 1
    sign = 1 if wanted_w > 0 else -1
    return {worker: sign * watts for worker, watts in sorted(parts.items()) if watts}
