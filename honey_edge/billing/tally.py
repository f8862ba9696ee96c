"""What an account adds up besides money: its highest imports for the peak charge, its energy for the reserve.

Once per period of the tariff each home pays for its highest import of one slot, once per UTC month the reserve is
shared out (market-design section 8, "peak, reserve"). Both are booked at the closing of the period's last slot, after
that closing's lines, from what is booked by then. What comes later is settled alone: a late reading that lies above
the peak already charged pays the difference at the own tariff, its energy counts in the month that books it.
Pure; milliwatt-hours and pico-coins.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from honey_edge.billing.account import ALONE, AccountError, Booking, Position
from honey_edge.billing.peak import peak_cost_pico, peak_payment_pico
from honey_edge.billing.reserve import monthly_share
from honey_edge.billing.tariff import Tariff
from honey_edge.model.slots import last_slot_of_month

PEAK, SHARE = 3, 4
"""Kinds of charges, numbered on from the kinds of lines."""


@dataclass(frozen=True, slots=True)
class Tally:
    """An account's running figures.

    `moved_milliwh` is the energy of all lines since the last share-out, both directions added. `highest` has the
    highest import of one slot for each period that is not over for this account, as (the period's last slot,
    milliwatt-hours); none where nothing was imported. Every period up to `peak_slot` was charged, every month up to
    `share_slot` shared out.
    """

    moved_milliwh: int = 0
    highest: tuple[tuple[int, int], ...] = ()
    peak_slot: int = 0
    share_slot: int = 0

    def highest_of(self, slot: int) -> int:
        """The highest import so far in the period that ends with a slot."""
        return dict(self.highest).get(slot, 0)

    def text(self) -> str:
        """The tally as a database keeps it."""
        return json.dumps([self.moved_milliwh, self.highest, self.peak_slot, self.share_slot])

    @staticmethod
    def of_text(text: str) -> "Tally":
        """The tally that `text` gave."""
        moved, highest, peak_slot, share_slot = json.loads(text)
        return Tally(moved, tuple((end, energy) for end, energy in highest), peak_slot, share_slot)


@dataclass(frozen=True, slots=True)
class Charge:
    """A booked peak charge or share of the reserve.

    It stands in the account after the line of `after_slot` and is about the period that ends with `slot`.
    `quantity_milliwh` is the highest import (PEAK) or the energy moved (SHARE); `amount_pico` > 0 is owed by the home.
    """

    kind: int
    slot: int
    after_slot: int
    quantity_milliwh: int
    amount_pico: int
    net_pico: int


@dataclass(frozen=True, slots=True)
class Charged:
    """An account after a charge."""

    tally: Tally
    position: Position
    charge: Charge


def book_tallied(tally: Tally, before: Position, booking: Booking, tariff: Tariff) -> tuple[Tally, Booking]:
    """The tally and the booking with a line taken into account; `before` is where the account stood.

    The energy of a span is spread over its slots as `book_alone` does. AccountError for a pooled line in a period that
    was charged or shared out already: such a charge was not due yet.
    """
    slot, late = booking.position.slot, 0
    if booking.kind != ALONE and slot <= max(tally.peak_slot, tally.share_slot):
        raise AccountError(f"slot {slot} is pooled although its period was charged before it was over")
    moved = tally.moved_milliwh + abs(booking.energy_milliwh)
    if not tariff.peak_micro_per_kw:
        return replace(tally, moved_milliwh=moved), booking
    highest = dict(tally.highest)
    for end, energy in _parts(before.slot, slot, booking.energy_milliwh, tariff):
        rise = energy - highest.get(end, 0)
        if rise > 0:
            highest[end] = energy
            late += rise if end <= tally.peak_slot else 0
    kept = tuple(sorted((end, energy) for end, energy in highest.items() if end >= slot))
    extra = peak_cost_pico(late, tariff.peak_micro_per_kw)
    moved_on = replace(booking.position, net_pico=booking.position.net_pico + extra)
    booked = replace(booking, amount_pico=booking.amount_pico + extra, position=moved_on)
    return replace(tally, moved_milliwh=moved, highest=kept), booked


def _parts(after_slot: int, slot: int, energy_milliwh: int, tariff: Tariff) -> Iterator[tuple[int, int]]:
    """(last slot of the period, energy) of each slot of a span."""
    count = slot - after_slot
    part = abs(energy_milliwh) // count * (1 if energy_milliwh >= 0 else -1)
    for one in range(after_slot + 1, slot):
        yield tariff.peak_slot(one), part
    yield tariff.peak_slot(slot), energy_milliwh - part * (count - 1)


def charge_peak(tally: Tally, position: Position, slot: int, totals: tuple[int, int], tariff: Tariff) -> Charged:
    """The peak charge of the period that ends with `slot`; `totals` are the signed sums (charged, shared).

    AccountError when no such charge is due, ClearingError for totals that cannot be.
    """
    if not tariff.peak_micro_per_kw:
        raise AccountError("the tariff has no peak charge")
    if slot != tariff.peak_slot(slot) or slot <= tally.peak_slot or slot < position.slot:
        raise AccountError(f"no peak charge is due for a period ending with slot {slot} after slot {position.slot}")
    highest = tally.highest_of(slot)
    amount = peak_payment_pico(peak_cost_pico(highest, tariff.peak_micro_per_kw), *totals)
    return _charged(PEAK, replace(tally, peak_slot=slot), position, slot, highest, amount)


def share_reserve(tally: Tally, position: Position, slot: int, shared: int, moved: int) -> Charged:
    """The share of the reserve for the month that ends with `slot`, from the signed sums; its amount is not positive.

    AccountError when none is due, ClearingError for sums that cannot be.
    """
    if slot != last_slot_of_month(slot) or slot <= tally.share_slot or slot < position.slot:
        raise AccountError(f"no share of the reserve is due for slot {slot} after slot {position.slot}")
    amount = -monthly_share(shared, tally.moved_milliwh, moved)
    return _charged(
        SHARE, replace(tally, moved_milliwh=0, share_slot=slot), position, slot, tally.moved_milliwh, amount
    )


def _charged(kind: int, tally: Tally, position: Position, slot: int, quantity: int, amount: int) -> Charged:
    after = replace(position, net_pico=position.net_pico + amount)
    return Charged(tally, after, Charge(kind, slot, position.slot, quantity, amount, after.net_pico))
