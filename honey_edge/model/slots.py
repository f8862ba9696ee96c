"""Slot and period arithmetic. A slot is 900 seconds aligned to the Unix epoch; a period is the UTC day."""

SLOT_S = 900
SLOTS_PER_DAY = 96


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
