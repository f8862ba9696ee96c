"""The home's battery in plain numbers: limits, projection over a slot, and the safe rule (no solver needed)."""

from dataclasses import dataclass

_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class BatteryModel:
    """Size and limits: energies in mWh, powers in W at the terminals, efficiencies in thousandths, wear per kWh moved.

    The stored energy stays between `min_milliwh` and `max_milliwh`; a plan ends at `end_min_milliwh` at least.
    """

    capacity_milliwh: int
    min_milliwh: int
    max_milliwh: int
    end_min_milliwh: int
    charge_w: int
    discharge_w: int
    charge_permille: int
    discharge_permille: int
    wear_micro_per_kwh: int

    def clip_w(self, power_w: int) -> int:
        """A power brought within the limits."""
        return max(-self.discharge_w, min(self.charge_w, power_w))

    def after(self, stored_milliwh: int, power_w: int, span_s: int) -> int:
        """Energy stored (mWh) after `span_s` seconds at a terminal power, cut at the limits."""
        moved = power_w * span_s * 10 // 36
        if power_w > 0:
            gain = moved * self.charge_permille // _PERMILLE
        else:
            gain = moved * _PERMILLE // self.discharge_permille
        return max(self.min_milliwh, min(self.max_milliwh, stored_milliwh + gain))

    def safe_power_w(self, base_w: float, stored_milliwh: int) -> int:
        """Self-consumption: store what the sun leaves over, cover the load from what is stored."""
        power = self.clip_w(-round(base_w))
        if power > 0 and stored_milliwh >= self.max_milliwh:
            return 0
        if power < 0 and stored_milliwh <= self.min_milliwh:
            return 0
        return power
