"""One Worker's account: what a reading adds to it, pooled, alone or in arrears (market-design 8, README Money).

The cumulative money is exact (pico-coins); rounding happens only in `statement_net_micro`.
"""

from dataclasses import dataclass, replace

from honey_edge.billing.clearing import SlotPool, payment, share_surplus, tariff_cost_pico
from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import SLOTS_PER_DAY
from honey_edge.model.units import micro_owed, pico_of_micro

POOLED, ALONE, ARREARS = 0, 1, 2
SPAN_WINDOW_SLOTS = 30 * SLOTS_PER_DAY
FREE_SPANS = 2


class AccountError(HiveError, ValueError):
    """A reading cannot follow the account's last one."""

    code = "E-ACCOUNT"


@dataclass(frozen=True, slots=True)
class Position:
    """Where an account stands: the newest reading booked, exact money, and the spans of the last 30 days.

    `spans` holds the slots of booked readings that covered more than one slot.
    """

    slot: int
    imported: int
    exported: int
    net_pico: int
    spans: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """A reading's slot and counters, without its signature."""

    slot: int
    imported: int
    exported: int


@dataclass(frozen=True, slots=True)
class Booking:
    """What one reading adds: how it was settled, its energy, its amount; the discount it would have had."""

    kind: int
    energy_milliwh: int
    amount_pico: int
    discount_pico: int
    position: Position


def energy_since(position: Position, reading: Counters) -> int:
    """E: imported less exported since the last reading; AccountError when a counter or the slot went back."""
    if reading.slot <= position.slot:
        raise AccountError(f"slot {reading.slot} is not after slot {position.slot}")
    imported, exported = reading.imported - position.imported, reading.exported - position.exported
    if imported < 0 or exported < 0:
        raise AccountError(f"a counter of slot {reading.slot} is below that of slot {position.slot}")
    return imported - exported


def book_pooled(position: Position, reading: Counters, pool: SlotPool, reputation: int, funding_micro: int) -> Booking:
    """A reading that spans exactly its slot and was there when it closed; without discount while in arrears."""
    energy = energy_since(position, reading)
    if reading.slot != position.slot + 1:
        raise AccountError(f"slot {reading.slot} is pooled but its span starts after slot {position.slot}")
    own = payment(pool, share_surplus(pool), energy, reputation)
    arrears = position.net_pico > pico_of_micro(funding_micro)
    amount, discount = (own.standalone, 0) if arrears else (own.amount, own.discount)
    return Booking(ARREARS if arrears else POOLED, energy, amount, discount, _moved(position, reading, amount))


def book_alone(position: Position, reading: Counters, tariff: Tariff) -> Booking:
    """A late reading or one over several slots: at the own tariff of its slots, nobody else is touched.

    The difference over m slots is spread evenly, the remainder in the last; from the third span in 30 days at
    the dearest buy and the cheapest sell price of the span.
    """
    energy = energy_since(position, reading)
    count = reading.slot - position.slot
    recent = tuple(slot for slot in position.spans if slot > reading.slot - SPAN_WINDOW_SLOTS)
    if count > 1:
        recent += (reading.slot,)
    prices = [tariff.prices(slot) for slot in range(position.slot + 1, reading.slot + 1)]
    if count > 1 and len(recent) > FREE_SPANS:
        amount = tariff_cost_pico(energy, max(b for b, _ in prices), min(s for _, s in prices))
    else:
        part = abs(energy) // count * (1 if energy >= 0 else -1)
        parts = [part] * (count - 1) + [energy - part * (count - 1)]
        amount = sum(tariff_cost_pico(e, b, s) for e, (b, s) in zip(parts, prices, strict=True))
    return Booking(ALONE, energy, amount, 0, replace(_moved(position, reading, amount), spans=recent))


def _moved(position: Position, reading: Counters, amount_pico: int) -> Position:
    return Position(reading.slot, reading.imported, reading.exported, position.net_pico + amount_pico, position.spans)


def statement_net_micro(net_pico: int, funding_micro: int) -> int:
    """The net a Statement carries: the cumulative rounded up once, never above funding."""
    return min(micro_owed(net_pico), funding_micro)
