"""Closes slots from the store into the store, one transaction a slot, always in order (DESIGN: never skipping)."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from honey_edge.billing.clearing import FULL_REPUTATION, announced_price
from honey_edge.wire.codec import encode
from honey_edge.wire.messages import SlotTotalsMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain, digest
from queen_node.closing.decide import AccountInput, ClosingInput, Rules, close_slot
from queen_node.closing.trust import factors, observe_closed
from queen_node.store import Store, accounts, books, readings
from queen_node.store.records import ClosedSlot


@dataclass(frozen=True, slots=True)
class Closer:
    """Everything a closing needs besides the slot: where from, under which rules, signed by whom.

    `metered` tells the energy of the connection point in a slot (milliwatt-hours, import positive) or None.
    """

    store: Store
    rules: Rules
    domain: Domain
    signer: Signer
    metered: Callable[[Connection, int], int | None]

    def next_slot(self) -> int | None:
        """The slot to close next: after the last closed one, else the first that any account is past its opening."""
        with self.store.begin() as tx:
            last = books.last_closed(tx)
            if last is not None:
                return last.totals.slot + 1
            openings = [row.opening_slot for row in accounts.all_workers(tx) if row.is_open]
        return min(openings) + 1 if openings else None

    def close(self, slot: int) -> ClosedSlot:
        """Closes one slot and commits it; a slot already closed is returned as it was."""
        with self.store.begin() as tx:
            done = books.closed_slot(tx, slot)
            if done is not None:
                return done
            result = close_slot(self._given(tx, slot))
            signature = self.signer.sign(digest(self.domain, result.totals))
            message = encode(SlotTotalsMessage.of(result.totals, signature))
            metered = self.metered(tx, slot)
            closed = ClosedSlot(result.totals, signature, message, metered, result.money)
            books.add_closed_slot(tx, closed)
            books.add_lines(tx, result.lines)
            observe_closed(tx, slot, result.lines)
            accounts.put_positions(tx, result.positions)
        return closed

    def _given(self, tx: Connection, slot: int) -> ClosingInput:
        last = books.last_closed(tx)
        last_round = books.last_round(tx, slot)
        buy, sell = self.rules.tariff.prices(slot)
        announced = announced_price(last_round.prices_e7[0] if last_round else None, buy, sell)
        return ClosingInput(
            slot,
            self.rules,
            tuple(self._accounts(tx, slot)),
            announced,
            self.metered(tx, slot),
            last.totals.reserve if last else 0,
        )

    def _accounts(self, tx: Connection, slot: int) -> list[AccountInput]:
        """OPEN accounts with what waits for them; nothing before the first closed slot can be booked."""
        known, trusted = accounts.all_positions(tx), factors(tx, slot)
        begin = (books.first_closed_slot(tx) or slot) - 1
        inputs = []
        for row in accounts.all_workers(tx):
            if row.is_open:
                account = known.get(row.worker)
                opening = max(row.opening_slot, begin)
                first = opening if account is None else account.position.slot + 1
                stored = tuple(readings.readings_of(tx, row.worker, first, slot))
                factor = trusted.get(row.worker, FULL_REPUTATION)
                inputs.append(AccountInput(row.worker, opening, row.funding_micro, account, stored, factor))
        return inputs
