"""Slot and period arithmetic. A slot is 900 seconds aligned to the Unix epoch; a period is the UTC day."""

from datetime import UTC, datetime, timedelta

SLOT_S = 900
SLOTS_PER_DAY = 96
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_DAYS = 146_097
"""The Gregorian calendar repeats after 400 years."""


def slot_at(unix_s: float) -> int:
    """The slot that contains the instant."""
    return int(unix_s // SLOT_S)


def slot_start_unix_s(slot: int) -> int:
    """First second of the slot."""
    return slot * SLOT_S


def slot_end_unix_s(slot: int) -> int:
    """First second after the slot."""
    return (slot + 1) * SLOT_S


def day_of(slot: int) -> int:
    """Number of the UTC day (days since the Unix epoch) that the slot belongs to."""
    return slot // SLOTS_PER_DAY


def slot_of_day(slot: int) -> int:
    """Place of the slot in its UTC day, 0 to 95."""
    return slot % SLOTS_PER_DAY


def last_slot_of_day(day: int) -> int:
    """The last slot of a UTC day: where its settlement stands."""
    return day * SLOTS_PER_DAY + SLOTS_PER_DAY - 1


def day_of_month(slot: int) -> int:
    """The day of the UTC calendar month that the slot lies in, 1 to 31."""
    return (_EPOCH + timedelta(days=day_of(slot) % _CYCLE_DAYS)).day


def last_slot_of_month(slot: int) -> int:
    """The last slot of the UTC calendar month that the slot belongs to."""
    cycles, day = divmod(day_of(slot), _CYCLE_DAYS)
    inside = _EPOCH + timedelta(days=day)
    following = (inside.replace(day=28) + timedelta(days=4)).replace(day=1)
    return last_slot_of_day(cycles * _CYCLE_DAYS + (following - _EPOCH).days - 1)
