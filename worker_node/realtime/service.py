"""The home's minutes inside a slot: reports its power, offers its battery's headroom, carries out orders.

Order of things: an order is checked, written to the journal with its acceptance, and only then answered. From its
second on the battery does what the plan says plus what all accepted orders of the slot add up to, as far as physics
allows; with the end of the offer, at latest of the slot, it does what the plan says.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from honey_edge.market.grid.flexibility import Change, Store, headroom_w, ordered_w
from honey_edge.model.slots import slot_at, slot_start_unix_s
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.flex_messages import MINUTES, AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.flex_structs import FlexOffer, flex_offer_digest
from honey_edge.wire.messages import Message
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.topics import OFFER, POWER, TopicKind
from honey_edge.wire.typed_data import Domain, digest
from worker_node.flex_records import AcceptedOrder
from worker_node.journal import Journal, JournalThread
from worker_node.realtime.checks import Held, OrderRefused, checked_change
from worker_node.realtime.minutes import MinuteMean

_LOG = logging.getLogger(__name__)
_LARGEST_W = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RealTimeRules:
    """Under what this home takes part; `domain` is the FlexibilityPool's, `queen` the address whose orders count.

    `share_permille` of the battery's headroom is offered at `price_micro_per_kwh`. `first_serial` is the newest order
    charged before this journal was begun.
    """

    hive: int
    domain: Domain
    queen: bytes
    price_micro_per_kwh: int
    share_permille: int
    first_serial: int
    most_w: int


class Mover(Protocol):
    """What moves the battery: the agent."""

    def store(self, slot: int, most_w: int) -> Store | None:
        """The battery under the plan agreed for the running slot; None where none is followed."""

    async def order(self, slot: int, watts: int) -> None:
        """Has the battery do so much more than the plan of the slot. Raises DriverError."""


class RealTime:
    """One home's part; `post` publishes without waiting."""

    def __init__(
        self,
        rules: RealTimeRules,
        signer: Signer,
        journal: JournalThread,
        mover: Mover,
        now_unix_s: Callable[[], float],
        post: Callable[[TopicKind, Message], None],
    ) -> None:
        self._rules, self._signer, self._journal, self._mover = rules, signer, journal, mover
        self._now_unix_s, self._post = now_unix_s, post
        self._mean = MinuteMean()
        self._slot = -1
        self._offer: OfferMessage | None = None
        self._changes: tuple[Change, ...] = ()
        self._told_w = 0
        self._one_at_a_time = asyncio.Lock()

    async def start_slot(self, slot: int) -> None:
        """A slot begins, or the daemon within it: makes the offer, or takes up what was offered and ordered."""
        kept, orders = await self._journal.call(lambda journal: (journal.flex.offer(slot), journal.flex.orders(slot)))
        self._slot, self._told_w = slot, 0
        self._changes = tuple(one.change for one in orders)
        self._offer = decode(OfferMessage, kept) if kept is not None else await self._offered(slot)
        if self._offer is not None:
            self._post(OFFER, self._offer)

    async def _offered(self, slot: int) -> OfferMessage | None:
        """What the battery can do besides the plan, signed and kept; None where that is nothing."""
        rules, store = self._rules, self._mover.store(slot, self._rules.most_w)
        up_w, down_w = headroom_w(store, rules.share_permille) if store is not None else (0, 0)
        if not up_w and not down_w:
            return None
        price = rules.price_micro_per_kwh
        offer = FlexOffer(rules.hive, self._signer.address, slot, up_w, down_w, price, MINUTES)
        message = OfferMessage(
            hive=offer.hive,
            worker=offer.worker.hex(),
            slot=slot,
            up_w=up_w,
            down_w=down_w,
            price_micro_per_kwh=price,
            minutes=MINUTES,
            signature=self._signer.sign(flex_offer_digest(rules.domain, offer)).hex(),
        )
        await self._journal.call(lambda journal: journal.flex.put_offer(slot, encode(message)))
        return message

    async def sampled(self, at_unix_s: int, power_w: float | None) -> None:
        """After a sample: reports the minute that is over, and has orders begin and end. Raises DriverError."""
        done = self._mean.add(at_unix_s, power_w)
        if done is not None and abs(done.power_w) <= _LARGEST_W:
            slot, minute = divmod(done.minute, MINUTES)
            worker = self._signer.address.hex()
            self._post(POWER, PowerMessage(worker=worker, slot=slot, minute=minute, power_w=done.power_w))
        if slot_at(at_unix_s) != self._slot:
            return
        wanted = ordered_w(self._changes, at_unix_s - slot_start_unix_s(self._slot))
        if wanted != self._told_w:
            self._told_w = wanted
            await self._mover.order(self._slot, wanted)

    async def order(self, message: OrderMessage) -> AcceptMessage:
        """The acceptance of an order; the same one for the same order. OrderRefused leaves everything as it was."""
        order = message.signed()
        hashed = digest(self._rules.domain, order)
        if message.hive != self._rules.hive or order.worker != self._signer.address:
            raise OrderRefused(f"an order of Hive {message.hive} for {message.worker} came here")
        if not signed_by(self._rules.queen, hashed, bytes.fromhex(message.signature)):
            raise OrderRefused(f"order {message.serial} is not signed by the Queen")
        async with self._one_at_a_time:
            known = await self._journal.call(lambda journal: _known(journal, message.slot, hashed))
            if known is not None:
                return decode(AcceptMessage, known.answer)
            return await self._accepted(message, hashed)

    async def _accepted(self, message: OrderMessage, hashed: bytes) -> AcceptMessage:
        newest = await self._journal.call(lambda journal: journal.flex.last_serial())
        second = int(self._now_unix_s()) - slot_start_unix_s(self._slot)
        following = (self._rules.first_serial if newest is None else newest) + 1
        change = checked_change(message, Held(self._slot, second, self._offer, self._changes, following))
        answer = AcceptMessage(
            worker=message.worker,
            slot=message.slot,
            serial=message.serial,
            order=hashed.hex(),
            signature=self._signer.sign(hashed).hex(),
        )
        row = AcceptedOrder(
            message.serial,
            message.slot,
            message.watts,
            message.price_micro,
            message.from_s,
            message.until_s,
            hashed,
            encode(message),
            encode(answer),
        )
        await self._journal.call(lambda journal: journal.flex.put_order(row))
        if self._slot == message.slot:
            self._changes = (*self._changes, change)
        _LOG.info("order_accepted slot=%d serial=%d watts=%d", message.slot, message.serial, message.watts)
        return answer


def _known(journal: Journal, slot: int, hashed: bytes) -> AcceptedOrder | None:
    return next((one for one in journal.flex.orders(slot) if one.digest == hashed), None)
