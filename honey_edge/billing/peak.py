"""The peak charge of a period, shared in exact integers (market-design section 8).

A home whose own tariff charges for its highest import would pay C_i alone; the Hive pays the same rule on its
connection point, where not all peak at once. What that saves is shared in proportion to C_i. Highest imports in
milliwatt-hours of one slot, the charge in micro-coins per kW: four slots an hour make 4 * charge * energy exact
pico-coins. Homes without such a charge pay nothing and get nothing.
"""

from dataclasses import dataclass

from honey_edge.billing.clearing import ClearingError

SLOTS_PER_HOUR = 4


@dataclass(frozen=True, slots=True)
class PeakPool:
    """A period's totals, pico-coins: `charged` = sum of C_i, `hive_cost` the same rule at the connection point."""

    charged: int
    hive_cost: int
    fee_permille: int

    def __post_init__(self) -> None:
        """Refuses what the rule has no answer for."""
        if self.charged < 0 or self.hive_cost < 0:
            raise ClearingError(f"charged {self.charged} and hive cost {self.hive_cost} cannot be negative")
        if not 0 <= self.fee_permille <= 1000:
            raise ClearingError(f"fee {self.fee_permille} is per mille: 0 .. 1000")

    @property
    def surplus(self) -> int:
        """S, what pooling saved; 0 when it saved nothing."""
        return max(self.charged - self.hive_cost, 0)

    @property
    def deficit(self) -> int:
        """What the connection point costs beyond all C_i: homes without the charge caused it."""
        return max(self.hive_cost - self.charged, 0)

    @property
    def fee(self) -> int:
        """The Hive's fee on what was saved."""
        return self.surplus * self.fee_permille // 1000

    @property
    def shared(self) -> int:
        """D = S - fee: what the discounts are made of; signed in PeakTotals beside `charged`."""
        return self.surplus - self.fee


def peak_cost_pico(highest_milliwh: int, charge_micro_per_kw: int) -> int:
    """C of one home or of the connection point: its highest import of one slot (0 for one that never imports)."""
    if charge_micro_per_kw < 0:
        raise ClearingError(f"a peak charge of {charge_micro_per_kw} micro-coins per kW is negative")
    return SLOTS_PER_HOUR * charge_micro_per_kw * max(highest_milliwh, 0)


def peak_payment_pico(own_cost: int, charged: int, shared: int) -> int:
    """What a home pays of its own C (pico-coins), from the two signed totals and nothing of anybody else."""
    if not 0 <= own_cost <= charged or not 0 <= shared <= charged:
        raise ClearingError(f"own {own_cost} and shared {shared} must lie in 0 .. charged {charged}")
    return own_cost - (shared * own_cost // charged if charged else 0)
