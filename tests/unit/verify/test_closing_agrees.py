"""The Queen's closing and the test's own reference Queen, written apart, close every slot of the day alike."""

from dataclasses import replace
from typing import Any

from honey_edge.billing.clearing import announced_price
from honey_edge.model.slots import last_slot_of_month
from honey_edge.wire.typed_data import struct_hash
from queen_node.closing.decide import AccountInput, ClosingInput, Rules, close_slot
from queen_node.closing.periods import PeriodInput, settle_periods
from queen_node.store.records import LineRow, PositionRow, StoredReading


def accepted(home: Any, slot: int, account: PositionRow | None) -> tuple[StoredReading, ...]:
    rows = []
    for arrives, own in home.readings:
        if arrives > slot:
            break
        if account is None or own.slot > account.position.slot:
            rows.append(StoredReading(own, struct_hash(own), b""))
    return tuple(rows)


def booked(line: LineRow) -> tuple[Any, ...]:
    amounts = (line.energy_milliwh, line.amount_pico, line.net_pico)
    return (line.worker, line.slot, line.kind, *amounts, tuple(p.hex() for p in line.path))


def test_every_slot_closes_alike(day: Any, tariff: Any, funding: dict[str, int]) -> None:
    rules = Rules(day.terms, struct_hash(day.terms), tariff)
    accounts: dict[str, PositionRow] = {}
    reserve = 0
    for slot, expected in day.totals.items():
        buy, sell = tariff.prices(slot)
        told = next((r.price_e7_per_kwh for r in day.rounds if r.first_slot == slot), None)
        inputs = tuple(
            AccountInput(
                home.address,
                day.meter[0].slot,
                funding[home.name],
                accounts.get(home.address),
                accepted(home, slot, accounts.get(home.address)),
            )
            for home in day.homes
        )
        result = close_slot(
            ClosingInput(slot, rules, inputs, announced_price(told, buy, sell), day.metered(slot), reserve)
        )
        more = sum(bill.charged_pico - bill.own_pico for bill in day.bills if bill.closed_slot == slot)
        totals = replace(result.totals, reserve=result.totals.reserve - more)
        positions = {position.worker: position for position in result.positions}
        if slot == last_slot_of_month(slot):
            highest = max(one.totals.pcc for at, one in day.totals.items() if at <= slot)
            metered = max(day.metered(at) for at in day.totals if at <= slot)
            after = settle_periods(PeriodInput(slot, rules, positions, highest, metered, totals.reserve))
            totals, positions = replace(totals, reserve=after.reserve), dict(after.positions)
            assert (after.peak, after.share) == (day.periods[3][0], day.periods[4][0])
            rows = [(h.address, row.kind, row.amount_pico, row.net_pico) for h in day.homes for row in h.charges]
            assert sorted((w, c.kind, c.amount_pico, c.net_pico) for w, c in after.charges) == sorted(rows)
        assert totals == expected.totals
        own = {
            (h.address, line.slot, line.kind, line.energy_milliwh, line.amount_pico, line.net_pico, line.path)
            for h in day.homes
            for line in h.lines
            if line.closed_slot == slot
        }
        assert {booked(line) for line in result.lines} == own
        reserve = totals.reserve
        accounts |= positions
