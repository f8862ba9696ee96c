"""What the closing of a period's last slot decides besides: peak charges and the reserve shared out (section 8).

A pure function of where the accounts stand after the slot's lines. Peak first, for what it leaves goes to the reserve;
then, at the end of a UTC month, the reserve as far as it is there. A home whose readings are late is charged by what is
booked; the rest comes with its late lines (honey_edge.billing.tally).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from honey_edge.billing.peak import PeakPool, peak_cost_pico
from honey_edge.billing.tally import Charge, Charged, charge_peak, share_reserve
from honey_edge.model.slots import last_slot_of_month
from honey_edge.wire.structs import PeakTotals, ReserveTotals
from queen_node.closing.decide import Rules
from queen_node.store.records import PositionRow


@dataclass(frozen=True, slots=True)
class PeriodInput:
    """All that a period's end follows from.

    `positions` are those of all accounts with a baseline, after the slot's lines, open or not: what a home owes does
    not go away with a close. `highest_pcc` is the highest energy of one slot of the peak's period at the connection
    point as the rule used it, `highest_metered` the same on the Queen's meter; `reserve` the running one after the
    slot's lines.
    """

    slot: int
    rules: Rules
    positions: Mapping[str, PositionRow]
    highest_pcc: int
    highest_metered: int
    reserve: int


@dataclass(frozen=True, slots=True)
class PeakMoney:
    """What the peak of a period costs, pico-coins: by the rule and by the meter, the fee, what the homes pay."""

    hive_cost: int
    metered_cost: int
    fee: int
    paid: int


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """Totals to sign (None: not due), charges by Worker in order, where accounts stand, the reserve afterwards."""

    positions: Mapping[str, PositionRow]
    reserve: int
    peak: PeakTotals | None = None
    peak_money: PeakMoney | None = None
    share: ReserveTotals | None = None
    charges: tuple[tuple[str, Charge], ...] = ()


def peak_is_due(rules: Rules, slot: int) -> bool:
    """Whether the tariff's peak charge is booked at the closing of this slot."""
    return rules.tariff.peak_micro_per_kw > 0 and rules.tariff.peak_slot(slot) == slot


def settle_periods(given: PeriodInput) -> PeriodResult:
    """The charges of the periods that end with the slot; those that do not end leave all as it was."""
    result = PeriodResult(given.positions, given.reserve)
    if peak_is_due(given.rules, given.slot):
        result = _peak(given, result)
    if given.slot == last_slot_of_month(given.slot):
        result = _share(given, result)
    return result


def _peak(given: PeriodInput, result: PeriodResult) -> PeriodResult:
    rules, slot, charge = given.rules, given.slot, given.rules.tariff.peak_micro_per_kw
    costs = [peak_cost_pico(row.tally.highest_of(slot), charge) for row in result.positions.values()]
    pool = PeakPool(sum(costs), peak_cost_pico(given.highest_pcc, charge), rules.terms.fee)
    totals = PeakTotals(rules.terms.hive, slot, pool.charged, pool.shared, rules.terms_hash)
    booked = {
        worker: charge_peak(row.tally, row.position, slot, (pool.charged, pool.shared), rules.tariff)
        for worker, row in sorted(result.positions.items())
        if row.tally.highest_of(slot) or row.position.slot < slot
    }
    paid = sum(one.charge.amount_pico for one in booked.values())
    metered = peak_cost_pico(given.highest_metered, charge)
    left = paid - metered - pool.fee
    money = PeakMoney(pool.hive_cost, metered, pool.fee, paid)
    return replace(_after(result, booked), peak=totals, peak_money=money, reserve=result.reserve + left)


def _share(given: PeriodInput, result: PeriodResult) -> PeriodResult:
    slot, rules = given.slot, given.rules
    shared, moved = max(result.reserve, 0), sum(row.tally.moved_milliwh for row in result.positions.values())
    totals = ReserveTotals(rules.terms.hive, slot, shared, moved, rules.terms_hash)
    booked = {
        worker: share_reserve(row.tally, row.position, slot, shared, moved)
        for worker, row in sorted(result.positions.items())
        if row.tally.moved_milliwh
    }
    paid = sum(one.charge.amount_pico for one in booked.values())
    return replace(_after(result, booked), share=totals, reserve=result.reserve + paid)


def _after(result: PeriodResult, booked: Mapping[str, Charged]) -> PeriodResult:
    moved = {
        worker: replace(result.positions[worker], position=one.position, tally=one.tally)
        for worker, one in booked.items()
    }
    charges = tuple((worker, one.charge) for worker, one in booked.items())
    return replace(result, positions={**result.positions, **moved}, charges=result.charges + charges)
