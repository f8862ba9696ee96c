"""The Queen's minutes inside a slot: takes powers, offers and acceptances, and sends orders (docs/real-time.md).

Offers and orders are in the store before they count or leave; only the powers of the running minute are in memory, so
a restart in the middle of a slot costs one minute. A home gets at most one order a minute; one that leaves an order
unanswered gets it again with each minute of the slot, and no other.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from drivers.clock import Clock
from honey_edge.market.grid.realtime import Offer
from honey_edge.model.slots import SLOT_S, slot_at, slot_start_unix_s
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.flex_messages import MINUTES, AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.flex_structs import flex_offer_digest
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.structs import FlexOrder
from honey_edge.wire.typed_data import Domain, digest
from queen_node.realtime.decide import MINUTE_S, Band, Known, NewOrder, decide
from queen_node.store import Store, flex_orders, reputations
from queen_node.store.flex_orders import OrderRow
from queen_node.store.records import RejectedRow
from queen_node.store.refusals import Refusals

M = TypeVar("M", PowerMessage, OfferMessage, AcceptMessage)

_LOG = logging.getLogger(__name__)
CLOCKS_APART_S = 10
"""By how much the Workers' clocks may differ from the Queen's."""

LAST_ORDER_MINUTE = 13
"""The minute of a slot in which orders are given last: later ones would move next to nothing."""


@dataclass(frozen=True, slots=True)
class DeskRules:
    """Under what orders are given; `domain` is the FlexibilityPool's.

    `stake_micro` is all that the Hive's stake may pay, `largest_w` bounds what a home can draw or offer.
    `decide_after_s` after each minute the Queen decides, `lead_s` later her orders begin.
    """

    hive: int
    domain: Domain
    signer: Signer
    band: Band
    stake_micro: int
    largest_w: int
    decide_after_s: int
    lead_s: int


@dataclass(frozen=True, slots=True)
class _Seen:
    slot: int
    minute: int
    power_w: int


class RealTimeDesk:
    """One Hive's minutes; `send` publishes an order to its Worker."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        rules: DeskRules,
        refusals: Refusals,
        send: Callable[[OrderMessage], Awaitable[None]],
    ) -> None:
        self._clock, self._store, self._rules = clock, store, rules
        self._refusals, self._send = refusals, send
        self._seen: dict[str, _Seen] = {}
        self._promised = -1, 0

    # -- what the Workers say

    def receive_power(self, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's power topic: its newest whole minute."""
        message = self._decoded(worker, "power", PowerMessage, payload)
        if message is None:
            return
        now = self._clock.now_unix_s()
        over = slot_start_unix_s(message.slot) + (message.minute + 1) * MINUTE_S
        before, seen = self._seen.get(worker), _Seen(message.slot, message.minute, message.power_w)
        if seen == before:
            return
        if not over - CLOCKS_APART_S <= now <= over + MINUTE_S:
            self._refuse(worker, "power", "stale", f"slot {message.slot} minute {message.minute}", payload)
        elif before is not None and (message.slot, message.minute) <= (before.slot, before.minute):
            self._refuse(worker, "power", "again", f"slot {message.slot} minute {message.minute}", payload)
        elif abs(message.power_w) > self._rules.largest_w:
            self._refuse(worker, "power", "impossible", f"{message.power_w} W", payload)
        else:
            self._seen[worker] = seen

    def receive_offer(self, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's offer topic: one offer a slot, while it runs, signed by the device key."""
        message = self._decoded(worker, "offer", OfferMessage, payload)
        if message is None:
            return
        now, problem, detail = self._clock.now_unix_s(), "", f"slot {message.slot}"
        if message.hive != self._rules.hive:
            problem, detail = "foreign", f"an offer to Hive {message.hive}"
        elif message.slot not in (slot_at(now), slot_at(now + CLOCKS_APART_S)):
            problem = "stale"
        elif max(message.up_w, message.down_w) > self._rules.largest_w:
            problem, detail = "impossible", f"{message.up_w} W up, {message.down_w} W down"
        elif not self._signed(worker, flex_offer_digest(self._rules.domain, message.signed()), message.signature):
            problem, detail = "forged", "the offer is not signed by the enrolled key"
        if problem:
            self._refuse(worker, "offer", problem, detail, payload)
            return
        offer = Offer(worker, message.up_w, message.down_w, message.price_micro_per_kwh, message.minutes)
        with self._store.begin() as tx:
            known = flex_orders.offers_of(tx, message.slot).get(worker)
            if known is None:
                flex_orders.add_offer(tx, message.slot, offer, bytes.fromhex(message.signature))
        if known is not None and known != offer:
            self._refuse(worker, "offer", "again", f"a second offer for slot {message.slot}", payload)

    def receive_accept(self, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's accept topic; with its signature the order is owed."""
        message = self._decoded(worker, "accept", AcceptMessage, payload)
        if message is None:
            return
        if not self._signed(worker, bytes.fromhex(message.order), message.signature):
            self._refuse(worker, "accept", "forged", "the order is not signed by the enrolled key", payload)
            return
        with self._store.begin() as tx:
            row = flex_orders.order_named(tx, worker, message.order)
            known = row is not None and (row.slot, row.serial) == (message.slot, message.serial)
            if row is not None and known and row.worker_signature is None:
                flex_orders.accept_order(tx, worker, message.order, bytes.fromhex(message.signature))
                _LOG.info(
                    "order_accepted slot=%d worker=%s serial=%d watts=%d", row.slot, worker, row.serial, row.watts
                )
        if not known:
            self._refuse(worker, "accept", "unknown", f"no order {message.serial} of slot {message.slot}", payload)

    # -- minute by minute

    async def run(self) -> None:
        """Decides after every minute, for ever."""
        after_s = self._rules.decide_after_s
        while True:
            now = self._clock.now_unix_s()
            minute = int((now - after_s) // MINUTE_S) + 1
            await self._clock.sleep_until(minute * MINUTE_S + after_s)
            await self.decide(minute * MINUTE_S)

    async def decide(self, over_unix_s: int) -> None:
        """Orders what follows from the minute that ended at the instant, and sends again what is unanswered."""
        slot = slot_at(over_unix_s)
        minute = (over_unix_s - slot_start_unix_s(slot)) // MINUTE_S - 1
        from_s = int(self._clock.now_unix_s()) - slot_start_unix_s(slot) + self._rules.lead_s
        if not 0 <= minute < MINUTES - 1 or from_s >= SLOT_S:
            return
        with self._store.begin() as tx:
            orders = flex_orders.orders_of(tx, slot)
            waiting = [row for row in orders if row.worker_signature is None]
            silent = {row.worker for row in waiting}
            accepted: dict[str, tuple[OrderRow, ...]] = {}
            for row in orders:
                if row.worker_signature is not None:
                    accepted[row.worker] = (*accepted.get(row.worker, ()), row)
            known = Known(
                minute,
                from_s,
                reputations.declared_w(tx, slot),
                self._measured(slot, minute),
                {w: o for w, o in flex_orders.offers_of(tx, slot).items() if w not in silent},
                {worker: tuple(row.change for row in rows) for worker, rows in accepted.items()},
                self._rules.stake_micro - self._promised_before(tx, slot) - sum(row.price_micro for row in orders),
            )
            made = decide(self._rules.band, known) if minute + 1 <= LAST_ORDER_MINUTE else ()
            rows = [self._row(slot, one, flex_orders.next_serial(tx, one.worker)) for one in made]
            for row in rows:
                flex_orders.add_order(tx, row)
        for row in (*waiting, *rows):
            await self._send(self._message(row))
        if rows:
            _LOG.info("orders_sent slot=%d minute=%d watts=%d homes=%d", slot, minute + 1, _total_w(rows), len(rows))

    def _promised_before(self, tx: Connection, slot: int) -> int:
        """What earlier slots may still cost, reckoned once a slot: nothing is ordered for a slot that is over."""
        if self._promised[0] != slot:
            self._promised = slot, flex_orders.promised_micro(tx, slot)
        return self._promised[1]

    def _measured(self, slot: int, minute: int) -> dict[str, int]:
        return {w: seen.power_w for w, seen in self._seen.items() if (seen.slot, seen.minute) == (slot, minute)}

    def _row(self, slot: int, made: NewOrder, serial: int) -> OrderRow:
        rules, change = self._rules, made.change
        order = FlexOrder(rules.hive, bytes.fromhex(made.worker), slot, change.watts, made.price_micro, serial)
        hashed = digest(rules.domain, order)
        return OrderRow(
            made.worker,
            hashed.hex(),
            slot,
            serial,
            change.watts,
            made.price_micro,
            change.from_s,
            change.until_s,
            int(self._clock.now_unix_s()),
            rules.signer.sign(hashed),
        )

    def _message(self, row: OrderRow) -> OrderMessage:
        return OrderMessage(
            hive=self._rules.hive,
            worker=row.worker,
            slot=row.slot,
            watts=row.watts,
            price_micro=row.price_micro,
            serial=row.serial,
            from_s=row.from_s,
            until_s=row.until_s,
            signature=row.signature.hex(),
        )

    # -- refusing

    def _decoded(self, worker: str, kind: str, message: type[M], payload: bytes) -> M | None:
        """The Worker's own message; None when it is refused."""
        try:
            found = decode(message, payload)
        except MessageError as error:
            self._refuse(worker, kind, "malformed", str(error), payload)
            return None
        if found.worker != worker:
            self._refuse(worker, kind, "foreign", f"the message is of {found.worker}", payload)
            return None
        return found

    def _signed(self, worker: str, hashed: bytes, signature: str) -> bool:
        return signed_by(bytes.fromhex(worker), hashed, bytes.fromhex(signature))

    def _refuse(self, worker: str, kind: str, reason: str, detail: str, payload: bytes) -> None:
        now = int(self._clock.now_unix_s())
        self._refusals.note(RejectedRow(worker, now, kind, reason, detail, payload))


def _total_w(rows: list[OrderRow]) -> int:
    return sum(row.watts for row in rows)
