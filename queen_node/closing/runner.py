"""Closes slots from the store into the store, one transaction a slot, always in order (DESIGN: never skipping)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection

from honey_edge.billing.clearing import FULL_REPUTATION, announced_price
from honey_edge.billing.tally import PEAK, SHARE
from honey_edge.model.slots import last_slot_of_month
from honey_edge.wire.codec import encode
from honey_edge.wire.messages import SlotTotalsMessage
from honey_edge.wire.period_messages import PeakTotalsMessage, ReserveTotalsMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.structs import SlotTotals
from honey_edge.wire.typed_data import Domain, digest
from queen_node.closing.decide import AccountInput, ClosingInput, ClosingResult, IslandPrices, Rules, close_slot
from queen_node.closing.periods import PeriodInput, PeriodResult, peak_is_due, settle_periods
from queen_node.closing.trust import begin_day, factors, observe_closed
from queen_node.store import Store, accounts, books, periods, readings
from queen_node.store.periods import ChargeRow, PeriodRow
from queen_node.store.records import ClosedSlot


def _never(tx: Connection, slot: int) -> bool:
    """A Hive that is always connected."""
    return False


def _no_mother(tx: Connection, slot: int) -> int:
    """A Hive that is nobody's daughter."""
    return 0


@dataclass(frozen=True, slots=True)
class Closer:
    """Everything a closing needs besides the slot: where from, under which rules, signed by whom.

    `metered` tells the energy of the connection point in a slot (milliwatt-hours, import positive) or None,
    `on_island` whether the Hive had no connection to the grid throughout a slot. `suspension`: whether alarms of test C
    have consequences; `mother_due` what a mother Hive charges more (pico-coins) than earlier closings took.
    """

    store: Store
    rules: Rules
    domain: Domain
    signer: Signer
    metered: Callable[[Connection, int], int | None]
    on_island: Callable[[Connection, int], bool] = _never
    suspension: bool = True
    mother_due: Callable[[Connection, int], int] = _no_mother

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
            begin_day(tx, slot, suspension=self.suspension)
            result = self._periods(tx, self._with_mother(tx, close_slot(self._given(tx, slot))))
            signature = self.signer.sign(digest(self.domain, result.totals))
            message = encode(SlotTotalsMessage.of(result.totals, signature))
            metered = self.metered(tx, slot)
            closed = ClosedSlot(result.totals, signature, message, metered, result.money)
            books.add_closed_slot(tx, closed)
            books.add_lines(tx, result.lines)
            observe_closed(tx, slot, result.lines)
            accounts.put_positions(tx, result.positions)
        return closed

    def _with_mother(self, tx: Connection, result: ClosingResult) -> ClosingResult:
        """The closing with what the mother charges more (pico-coins) than was booked for slots closed before."""
        more = self.mother_due(tx, result.totals.slot)
        return replace(result, totals=replace(result.totals, reserve=result.totals.reserve - more)) if more else result

    def periods_of(self, slot: int) -> list[PeriodRow]:
        """The totals of the periods that ended with a closed slot, to be published."""
        with self.store.begin() as tx:
            return periods.periods_at(tx, slot)

    def _periods(self, tx: Connection, result: ClosingResult) -> ClosingResult:
        """The closing with what is booked at the end of a period; once, for it is part of the closing's transaction."""
        totals, rules = result.totals, self.rules
        if not (peak_is_due(rules, totals.slot) or totals.slot == last_slot_of_month(totals.slot)):
            return result
        now = {row.worker: row for row in result.positions}
        pcc, metered = self._highest(tx, totals)
        after = settle_periods(
            PeriodInput(totals.slot, rules, accounts.all_positions(tx) | now, pcc, metered, totals.reserve)
        )
        for row in self._signed_periods(after):
            periods.add_period(tx, row)
        periods.add_charges(tx, (ChargeRow(worker, **asdict(charge)) for worker, charge in after.charges))
        moved = tuple(after.positions.values())
        return replace(result, totals=replace(totals, reserve=after.reserve), positions=moved)

    def _highest(self, tx: Connection, totals: SlotTotals) -> tuple[int, int]:
        """The highest energy of one slot at the connection point in the peak's period: by the rule, and metered."""
        slot, tariff = totals.slot, self.rules.tariff
        own = self.metered(tx, slot)
        pcc, metered = totals.pcc, totals.pcc if own is None else own
        for closed in (
            books.closed_between(tx, tariff.first_peak_slot(slot), slot - 1) if peak_is_due(self.rules, slot) else ()
        ):
            pcc = max(pcc, closed.totals.pcc)
            metered = max(metered, closed.totals.pcc if closed.metered_pcc is None else closed.metered_pcc)
        return pcc, metered

    def _signed_periods(self, after: PeriodResult) -> Iterator[PeriodRow]:
        if after.peak is not None and after.peak_money is not None:
            message = PeakTotalsMessage.of(after.peak, self.signer.sign(digest(self.domain, after.peak)))
            m = after.peak_money
            yield PeriodRow(PEAK, after.peak.slot, encode(message), m.hive_cost, m.metered_cost, m.fee, m.paid)
        if after.share is not None:
            share = ReserveTotalsMessage.of(after.share, self.signer.sign(digest(self.domain, after.share)))
            paid = sum(charge.amount_pico for _, charge in after.charges if charge.kind == SHARE)
            yield PeriodRow(SHARE, after.share.slot, encode(share), paid_pico=paid)

    def _given(self, tx: Connection, slot: int) -> ClosingInput:
        last = books.last_closed(tx)
        last_round = books.last_round(tx, slot)
        buy, sell = self.rules.tariff.prices(slot)
        price_e7 = last_round.prices_e7[0] if last_round else None
        announced = announced_price(price_e7, buy, sell)
        return ClosingInput(
            slot,
            self.rules,
            tuple(self._accounts(tx, slot)),
            announced,
            self.metered(tx, slot),
            last.totals.reserve if last else 0,
            self._island(tx, slot, price_e7),
        )

    def _island(self, tx: Connection, slot: int, price_e7: int | None) -> IslandPrices | None:
        """What an island's slot is settled by; None for any other, and where the homes accepted no island tariff."""
        prices = self.rules.tariff.island_prices(slot, self.rules.terms.island_ceiling)
        if prices is None or not self.on_island(tx, slot):
            return None
        return IslandPrices(*prices, announced_price(price_e7, *prices))

    def _accounts(self, tx: Connection, slot: int) -> list[AccountInput]:
        """OPEN accounts with what waits for them; nothing before the first closed slot can be booked."""
        known, trusted = accounts.all_positions(tx), factors(tx, slot, suspension=self.suspension)
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
