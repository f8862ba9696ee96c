"""What the Queen orders after a minute, as a pure function of what she knows (market-design section 11).

The measured sum is compared with what was declared for the slot. A home whose meter did not report the minute counts as
it declared. Orders that began within the minute, or begin now, are counted as if they had been in force all along:
what they will do is known, and nobody is asked twice for the same watts. Watts, seconds within the slot, micro-coins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from honey_edge.market.grid.flexibility import (
    Change,
    affordable,
    change_price_micro,
    ordered_w,
    watt_seconds,
)
from honey_edge.market.grid.realtime import Minute, Offer, orders_w

MINUTE_S = 60
_AIM_SHARE = 2
"""1 / the share of the dead band that is left when something is ordered: on its very edge the next little change would
call for another order of a few watts in every minute."""

_SETTLING_SHARE = 8
"""1 / the share of what was newly ordered in the measured minute by which its mean may be off as well: a battery takes
some seconds to follow, up to 7 in 60."""


@dataclass(frozen=True, slots=True)
class Band:
    """How far the sum may leave the agreement (W), and the dearest price that a deviation is worth (micro per kWh)."""

    dead_band_w: int
    worth_micro_per_kwh: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known as minute `minute` (0 to 14) of a slot is over.

    `declared_w` are the homes that declared the slot, `measured_w` what their meters saw in the minute. `offers` are of
    homes that may be asked: none that left an order unanswered. `orders` are the accepted ones of the slot, in their
    order. New ones hold from second `from_s`; `left_micro` is what may still be paid.
    """

    minute: int
    from_s: int
    declared_w: Mapping[str, int]
    measured_w: Mapping[str, int]
    offers: Mapping[str, Offer]
    orders: Mapping[str, tuple[Change, ...]]
    left_micro: int


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What is asked of a home, and what it costs."""

    worker: str
    change: Change
    price_micro: int


def sums_w(known: Known) -> tuple[int, int]:
    """The agreed and the measured sum (W) of the homes that declared, as if all orders had held all the minute."""
    begin, measured = known.minute * MINUTE_S, 0
    for worker, declared in known.declared_w.items():
        own = known.orders.get(worker, ())
        standing, seen = ordered_w(own, known.from_s), known.measured_w.get(worker)
        mean = round(watt_seconds(own, begin, begin + MINUTE_S) / MINUTE_S)
        measured += declared + standing if seen is None else seen + standing - mean
    return sum(known.declared_w.values()), measured


def decide(band: Band, known: Known) -> tuple[NewOrder, ...]:
    """What is ordered now, by Worker; nothing while the sum is within the band, or hardly outside."""
    agreed, measured = sums_w(known)
    elapsed = known.from_s // MINUTE_S
    if abs(measured - agreed) <= band.dead_band_w + _settling_w(known) // _SETTLING_SHARE:
        return ()
    minute = Minute(agreed, measured, band.dead_band_w // _AIM_SHARE, band.worth_micro_per_kwh, elapsed)
    offers = {worker: offer for worker, offer in known.offers.items() if worker in known.declared_w}
    standing = {worker: ordered_w(known.orders.get(worker, ()), known.from_s) for worker in offers}
    wanted = orders_w(minute, list(offers.values()), standing)
    made, left = [], known.left_micro
    for worker, offer in sorted(offers.items()):
        until_s = offer.minutes * MINUTE_S
        watts = wanted.get(worker, 0) - standing[worker]
        if not watts or until_s <= known.from_s:
            continue
        before = known.orders.get(worker, ())
        change = affordable(before, Change(known.from_s, until_s, watts), offer.price_micro_per_kwh, left)
        if change is not None:
            price = change_price_micro(before, change, offer.price_micro_per_kwh)
            made.append(NewOrder(worker, change, price))
            left -= price
    return tuple(made)


def _settling_w(known: Known) -> int:
    """How much (W) began to change by order within the measured minute."""
    begin = known.minute * MINUTE_S
    changes = (one for own in known.orders.values() for one in own)
    return sum(abs(one.watts) for one in changes if begin <= one.from_s < begin + MINUTE_S)
