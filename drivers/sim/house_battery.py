"""The battery of a simulated house in exact integers, so that any split of time gives the same state.

Stored energy is kept as `charge` = stored microjoules x discharge efficiency (per mille) x 1000. In this
unit one millisecond at 1 mW adds exactly charge_permille x discharge_permille when charging and takes
exactly 1,000,000 when discharging; no division is ever needed.

A battery runs at its set-point for as long as the whole next millisecond fits between empty and full, and
rests otherwise. So it stops at most one millisecond's energy (some joules) before its limit and never
crosses it.
"""

from dataclasses import dataclass

MICROJOULE_PER_MILLIWH = 3_600_000
_DRAIN_PER_MICROJOULE = 1_000_000


@dataclass(frozen=True)
class BatterySpec:
    """Size and limits: capacity in mWh, powers in W at the terminals, efficiencies in per mille per
    direction.

    `initial_milliwh` is what a new house starts with. Powers of 0 and a capacity of 0 are allowed.
    """

    capacity_milliwh: int
    charge_w: int
    discharge_w: int
    charge_permille: int = 950
    discharge_permille: int = 950
    initial_milliwh: int = 0

    def __post_init__(self) -> None:
        """Refuse what no battery can be (ValueError names the field and its limit)."""
        for name, limit in (("charge_permille", 1000), ("discharge_permille", 1000)):
            if not 1 <= getattr(self, name) <= limit:
                raise ValueError(f"{name} must be 1..{limit}; give the efficiency of one direction in per mille")
        if not 0 <= self.capacity_milliwh <= 2_000_000_000:
            raise ValueError("capacity_milliwh must be 0..2,000,000,000 (2 MWh)")
        if self.charge_w < 0 or self.discharge_w < 0:
            raise ValueError("charge_w and discharge_w must not be negative; both are magnitudes")
        if not 0 <= self.initial_milliwh <= self.capacity_milliwh:
            raise ValueError("initial_milliwh must lie between 0 and capacity_milliwh")

    @property
    def full_charge(self) -> int:
        """Return the charge of a full battery, in this module's unit."""
        return self.charge_of_milliwh(self.capacity_milliwh)

    def charge_of_milliwh(self, stored_milliwh: int) -> int:
        """Return the charge (this module's unit) of a stored energy in mWh."""
        return stored_milliwh * MICROJOULE_PER_MILLIWH * self.discharge_permille * 1000

    def stored_milliwh(self, charge: int) -> int:
        """Return the stored energy in mWh, rounded down, of a charge in this module's unit."""
        return charge // (MICROJOULE_PER_MILLIWH * self.discharge_permille * 1000)

    def clip_milliwatts(self, power_milliwatts: int) -> int:
        """Return a set-point (mW, + charges) brought within the two power limits."""
        return max(-self.discharge_w * 1000, min(self.charge_w * 1000, power_milliwatts))

    def rate(self, power_milliwatts: int) -> int:
        """Return the change of charge per millisecond at a terminal power (mW, + charges)."""
        if power_milliwatts >= 0:
            return power_milliwatts * self.charge_permille * self.discharge_permille
        return power_milliwatts * _DRAIN_PER_MICROJOULE

    def whole_ms_left(self, charge: int, power_milliwatts: int) -> int:
        """Return how many whole milliseconds the battery can run at this power; 0 means that it rests."""
        rate = self.rate(power_milliwatts)
        if rate == 0:
            return 0
        return (self.full_charge - charge) // rate if rate > 0 else charge // -rate


NO_BATTERY = BatterySpec(capacity_milliwh=0, charge_w=0, discharge_w=0)
