"""What a slot's closing decides, as a pure function of what the Queen knows (market-design section 8, README Late).

Pooled is a reading that spans exactly one slot and is there when its slot closes; everything else settles alone at
its own tariff, into the reserve, and moves nobody else. Nothing here knows a clock, a socket or a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from honey_edge.billing.account import (
    ALONE,
    Booking,
    Counters,
    Position,
    book_alone,
    book_pooled,
    energy_since,
)
from honey_edge.billing.clearing import (
    FULL_REPUTATION,
    SlotShares,
    choose_price,
    is_balanced,
    share_surplus,
    tariff_cost_pico,
    totals_of,
)
from honey_edge.billing.tally import Tally, book_tallied
from honey_edge.billing.tariff import Tariff
from honey_edge.wire.merkle import merkle_path, merkle_root
from honey_edge.wire.recompute import pool_of
from honey_edge.wire.structs import HiveTerms, SlotTotals
from queen_node.store.records import LineRow, PositionRow, SlotMoney, StoredReading


@dataclass(frozen=True, slots=True)
class AccountInput:
    """An OPEN account at a closing.

    `account` is None before its baseline is known; `readings` are the accepted ones after the position (or all,
    before the baseline), up to the closing slot, in order. `reputation` (per mille) scales the discount of a pooled
    reading; one that is settled alone has none.
    """

    worker: str
    opening_slot: int
    funding_micro: int
    account: PositionRow | None
    readings: tuple[StoredReading, ...]
    reputation: int = FULL_REPUTATION


@dataclass(frozen=True, slots=True)
class Rules:
    """Under what the slot is closed: the terms, their struct hash, and the tariff they name."""

    terms: HiveTerms
    terms_hash: bytes
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class IslandPrices:
    """What a slot without a connection to the grid is settled by, and the price announced within it; micro per kWh."""

    buy: int
    sell: int
    announced: int


@dataclass(frozen=True, slots=True)
class ClosingInput:
    """All that a closing follows from.

    `announced` is the price the last round announced for this slot (micro per kWh); `metered_pcc` the energy of the
    Queen's own meter (None without one); `reserve_before` the running reserve, pico-coins. `island` when the Hive was
    an island throughout the slot and its homes accepted prices for that.
    """

    slot: int
    rules: Rules
    accounts: tuple[AccountInput, ...]
    announced: int
    metered_pcc: int | None
    reserve_before: int
    island: IslandPrices | None = None


@dataclass(frozen=True, slots=True)
class ClosingResult:
    """The totals to sign, the lines booked (by account, then slot), where accounts stand, and the slot's money."""

    totals: SlotTotals
    lines: tuple[LineRow, ...]
    positions: tuple[PositionRow, ...]
    money: SlotMoney


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An account with its late bookings done and, when it is pooled, its reading of the slot."""

    source: AccountInput
    account: PositionRow
    late: tuple[Booking, ...]
    pooled: StoredReading | None


def rebased(source: AccountInput) -> AccountInput:
    """The account at its baseline: the Reading of the opening slot, else the first after it.

    A re-opened account keeps its cumulative money and skips what the meter counted while it was closed.
    """
    account = source.account
    if account is not None and account.position.slot >= source.opening_slot:
        return source
    after = [r for r in source.readings if r.reading.slot >= source.opening_slot]
    if not after:
        return replace(source, readings=())
    first = after[0].reading
    net, spans = (account.position.net_pico, account.position.spans) if account else (0, ())
    position = Position(first.slot, first.imported, first.exported, net, spans)
    tally = account.tally if account else Tally()
    return replace(source, account=PositionRow(source.worker, first.slot, position, tally), readings=tuple(after[1:]))


def close_slot(given: ClosingInput) -> ClosingResult:
    """Closes one slot; the result is a function of the arguments alone."""
    slot = given.slot
    sources = [rebased(account) for account in sorted(given.accounts, key=lambda a: a.worker)]
    prepared = [_prepare(source, slot, given.rules.tariff) for source in sources if source.account is not None]
    pooled = [(p, p.pooled) for p in prepared if p.pooled is not None]
    missing = sum(1 for source in given.accounts if source.opening_slot < slot) - len(pooled)
    leaves = [reading.hash for _, reading in pooled]
    energies = [energy_since(p.account.position, _counters(reading)) for p, reading in pooled]
    totals = _totals(given, energies, missing, merkle_root(leaves))
    shares = share_surplus(pool_of(totals))
    booked = {p.source.worker: _book(p, reading, totals) for p, reading in pooled}
    money = _money(given, totals, shares, booked, prepared)
    totals = replace(totals, reserve=given.reserve_before + _reserve_change(money))
    paths = {p.source.worker: tuple(merkle_path(leaves, k)) for k, (p, _) in enumerate(pooled)}
    lines: list[LineRow] = []
    positions: list[PositionRow] = []
    for p in prepared:
        own = booked.get(p.source.worker)
        lines += [_line(p.source, booking, slot, ()) for booking in p.late]
        if own is not None:
            lines.append(_line(p.source, own, slot, paths[p.source.worker]))
        account = p.account
        if own is not None:
            tally, _ = book_tallied(account.tally, account.position, own, given.rules.tariff)
            account = replace(account, position=own.position, tally=tally)
        positions.append(account)
    return ClosingResult(totals, tuple(lines), tuple(positions), money)


def _counters(stored: StoredReading) -> Counters:
    r = stored.reading
    return Counters(r.slot, r.imported, r.exported)


def _prepare(source: AccountInput, slot: int, tariff: Tariff) -> _Prepared:
    """Books late and spanning readings alone; the slot's own reading stays for the pool if it spans one slot."""
    account = source.account
    late: list[Booking] = []
    assert account is not None
    for stored in source.readings:
        reading = stored.reading
        if reading.slot == slot and account.position.slot == slot - 1:
            return _Prepared(source, account, tuple(late), stored)
        if reading.slot <= slot:
            booking = book_alone(account.position, _counters(stored), tariff)
            tally, booking = book_tallied(account.tally, account.position, booking, tariff)
            late.append(booking)
            account = replace(account, position=booking.position, tally=tally)
    return _Prepared(source, account, tuple(late), None)


def _totals(given: ClosingInput, energies: Sequence[int], missing: int, root: bytes) -> SlotTotals:
    """The slot's totals, the running reserve still that of before."""
    rules, slot = given.rules, given.slot
    buy, sell = rules.tariff.prices(slot)
    bought, sold = totals_of(energies)
    pcc = given.metered_pcc if given.metered_pcc is not None and not missing else sum(energies)
    announced, island = given.announced, _island(given, energies, missing)
    if island is not None:
        buy, sell, announced, pcc = island.buy, island.sell, island.announced, 0
    return SlotTotals(
        hive=rules.terms.hive,
        slot=slot,
        bought=bought,
        sold=sold,
        pcc=pcc,
        buy=buy,
        sell=sell,
        price=choose_price(announced, pcc, bought, sold, buy, sell),
        theta=rules.terms.theta,
        fee=rules.terms.fee,
        present=len(energies),
        missing=missing,
        reserve=given.reserve_before,
        readings=root,
        terms=rules.terms_hash,
    )


def _island(given: ClosingInput, energies: Sequence[int], missing: int) -> IslandPrices | None:
    """The island's prices where they may settle the slot: every reading there, nothing metered, both sides even.

    Else the slot is settled as any other: without one home's reading the others' energies are not what flowed.
    """
    bought, sold = totals_of(energies)
    whole = not missing and not given.metered_pcc and is_balanced(bought - sold, bought, sold)
    return given.island if whole else None


def _book(prepared: _Prepared, reading: StoredReading, totals: SlotTotals) -> Booking:
    source = prepared.source
    return book_pooled(
        prepared.account.position, _counters(reading), pool_of(totals), source.reputation, source.funding_micro
    )


def _money(
    given: ClosingInput,
    totals: SlotTotals,
    shares: SlotShares,
    booked: dict[str, Booking],
    prepared: Sequence[_Prepared],
) -> SlotMoney:
    metered = totals.pcc if given.metered_pcc is None else given.metered_pcc
    return SlotMoney(
        surplus=shares.surplus,
        deficit=shares.deficit,
        fee=shares.fee,
        discounts=sum(booking.discount_pico for booking in booked.values()),
        hive_cost=shares.hive_cost,
        metered_cost=tariff_cost_pico(metered, totals.buy, totals.sell),
        pooled=sum(booking.amount_pico for booking in booked.values()),
        alone=sum(booking.amount_pico for p in prepared for booking in p.late),
    )


def _reserve_change(money: SlotMoney) -> int:
    """D less discounts, less the deficit, plus what settled alone, plus what the meter says less than the rule."""
    kept = money.surplus - money.fee - money.discounts
    return kept - money.deficit + money.alone + money.hive_cost - money.metered_cost


def _line(source: AccountInput, booking: Booking, closed_slot: int, path: tuple[bytes, ...]) -> LineRow:
    position = booking.position
    return LineRow(
        worker=source.worker,
        slot=position.slot,
        closed_slot=closed_slot,
        kind=booking.kind,
        energy_milliwh=booking.energy_milliwh,
        reputation=FULL_REPUTATION if booking.kind == ALONE else source.reputation,
        amount_pico=booking.amount_pico,
        net_pico=position.net_pico,
        imported=position.imported,
        exported=position.exported,
        funding_micro=source.funding_micro,
        path=path,
    )
