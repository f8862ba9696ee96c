"""What an order of the Queen must fulfil before this home moves for it: a pure function of order, offer and journal."""

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.flexibility import Change, change_price_micro, ordered_w
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import SLOT_S
from honey_edge.wire.flex_messages import OfferMessage, OrderMessage

LATE_S = 30
"""An order that began longer ago is refused: it would be paid, and remembered, for what was not delivered."""

EARLY_S = 60
"""An order may begin so long after it comes."""


class OrderRefused(HiveError, ValueError):
    """An order inside a slot that is not the Queen's, not within the own offer, or out of time or order."""

    code = "E-ORDER"


@dataclass(frozen=True, slots=True)
class Held:
    """What an order is held against: the running slot and its second, the own offer and accepted orders in it, and
    the serial that the FlexibilityPool charges next."""

    slot: int
    second: int
    offer: OfferMessage | None
    changes: tuple[Change, ...]
    next_serial: int


def checked_change(message: OrderMessage, held: Held) -> Change:
    """What the order asks for; OrderRefused says which rule it breaks. The signature was checked before."""
    offer = held.offer
    if message.slot != held.slot or offer is None or offer.slot != held.slot:
        raise OrderRefused(f"an order for slot {message.slot} came in slot {held.slot}, or without an offer for it")
    if message.serial != held.next_serial:
        raise OrderRefused(f"serial {message.serial}, the next one is {held.next_serial}")
    if not held.second - LATE_S <= message.from_s <= held.second + EARLY_S:
        raise OrderRefused(f"it begins in second {message.from_s}, now is second {held.second}")
    if held.changes and message.from_s <= held.changes[-1].from_s:
        raise OrderRefused(f"it begins in second {message.from_s}, no later than the order before it")
    if message.until_s != min(SLOT_S, offer.minutes * 60):
        raise OrderRefused(f"it ends in second {message.until_s}, the offer after {offer.minutes} minutes")
    try:
        change = Change(message.from_s, message.until_s, message.watts)
    except AssetError as error:
        raise OrderRefused(str(error)) from error
    _refuse_unpaid(message, change, offer, held.changes)
    return change


def _refuse_unpaid(message: OrderMessage, change: Change, offer: OfferMessage, before: Sequence[Change]) -> None:
    """Beyond the offered power, nothing at all, or not for exactly the offered price."""
    after = ordered_w(before, change.from_s) + change.watts
    if not change.watts or not -offer.down_w <= after <= offer.up_w:
        raise OrderRefused(f"{change.watts} W would be {after} W in all, offered are {-offer.down_w} to {offer.up_w}")
    due = change_price_micro(before, change, offer.price_micro_per_kwh)
    if message.price_micro != due:
        raise OrderRefused(f"it pays {message.price_micro} micro-coins, {due} are due for it")
