"""Integer quantities of energy and money, and the only conversions between them.

Energy: milliwatt-hours. Prices: micro-coins per kWh, which is the same number as pico-coins per milliwatt-hour.
Money: pico-coins (10^-12) inside a slot, micro-coins (10^-6) in statements and on the chain.
"""

from honey_edge.model.errors import RangeError

PICO_PER_MICRO = 1_000_000
MILLIWH_PER_KWH = 1_000_000
NANOWH_PER_MILLIWH = 1_000_000

INT64_MAX = 2**63 - 1
UINT48_MAX = 2**48 - 1
UINT32_MAX = 2**32 - 1


def micro_owed(amount_pico: int) -> int:
    """Micro-coins for a cumulative amount in pico-coins, rounded up: towards the pool, once."""
    return -(-amount_pico // PICO_PER_MICRO)


def pico_of_micro(amount_micro: int) -> int:
    """Pico-coins for micro-coins, exactly."""
    return amount_micro * PICO_PER_MICRO


def checked(name: str, value: int, low: int, high: int) -> int:
    """`value` if low <= value <= high; RangeError naming the field and the limit otherwise."""
    if not low <= value <= high:
        raise RangeError(f"{name} = {value} lies outside {low} .. {high}")
    return value
