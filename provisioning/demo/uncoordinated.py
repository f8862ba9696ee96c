"""What the batteries would have done, had every home looked after itself: planned anew in each slot, never agreed.

Each home uses the forecast that its Worker has (its own history up to the slot), plans its own optimum against its
tariff for the next day, and carries out the first slot. So nothing but the coordination differs from the run.
"""

from dataclasses import dataclass

from honey_edge.billing.tariff import Tariff
from honey_edge.market.forecast import HomeForecaster, LocalClock
from honey_edge.market.homes.battery import StandaloneSchedule
from honey_edge.model.slots import SLOTS_PER_DAY
from provisioning.demo import plan as demo_plan
from provisioning.demo.alone import home_with, measured, net_milliwh, pooled_micro
from provisioning.demo.plan import HomePlan, RunPlan

_FIT_DAYS = 27
_MILLIWH_PER_KW_SLOT = 250_000
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Uncoordinated:
    """What each home would have paid (micro-coins, in the order of the plan's homes), and held at the end (mWh)."""

    paid_micro: tuple[int, ...]
    stored_milliwh: tuple[int, ...]

    def worth_micro(self, home: HomePlan, place: int, stored_milliwh: int, tariff: Tariff) -> int:
        """What this charge beyond another is worth, always to the advantage of the uncoordinated home.

        More than the other's counts at the dearest price of buying, less only at the cheapest of selling.
        """
        more = (self.stored_milliwh[place] - stored_milliwh) * home.profile.battery.discharge_permille // 1000
        return more * (max(tariff.buy) if more > 0 else min(tariff.sell)) // _MICRO


def uncoordinated(plan: RunPlan) -> Uncoordinated:
    """The whole Hive of the run, settled as it settles, without a single round."""
    ways = [own_way_milliwh(home, plan.tariff, plan.first_slot, plan.slots) for home in plan.homes]
    energies = [energy for energy, _ in ways]
    paid = pooled_micro(energies, plan.tariff, plan.first_slot, demo_plan.THETA, demo_plan.FEE_PER_MILLE)
    return Uncoordinated(tuple(paid), tuple(stored for _, stored in ways))


def own_way_milliwh(home: HomePlan, tariff: Tariff, first_slot: int, slots: int) -> tuple[list[int], int]:
    """Net energy of each slot (import positive), and what is left in the battery at the end, mWh."""
    load, sun = measured(home)
    past = home.profile.history()
    history = {
        past.first_slot + k: a - b for k, (a, b) in enumerate(zip(past.load_milliwh, past.pv_milliwh, strict=True))
    }
    stored = home.profile.battery.initial_milliwh
    energies = []
    model: HomeForecaster | None = None
    for number in range(slots):
        slot = first_slot + number
        if model is None or slot % SLOTS_PER_DAY == 0:
            model, midnight = _fitted(history, slot), slot - slot % SLOTS_PER_DAY
        base = load[number] - sun[number]
        if home.profile.battery.capacity_milliwh:
            power_kw = _first_power_kw(home, tariff, slot, _forecast(model, history, midnight, slot), stored)
            moved, stored = _moved(home, power_kw, stored)
            base += moved
        energies.append(base)
        history[slot] = load[number] - sun[number]
    return energies, stored


def _fitted(history: dict[int, int], slot: int) -> HomeForecaster:
    midnight = slot - slot % SLOTS_PER_DAY
    model = HomeForecaster("net", SLOTS_PER_DAY, LocalClock())
    model.fit({k: v for k, v in history.items() if midnight - _FIT_DAYS * SLOTS_PER_DAY <= k < midnight}, midnight)
    return model


def _forecast(model: HomeForecaster, history: dict[int, int], midnight: int, slot: int) -> list[float]:
    """Load less sun of the next day (kW), corrected by what was measured since midnight."""
    whole = model.predict(midnight, slot + SLOTS_PER_DAY - midnight)
    since = {k: history[k] / _MILLIWH_PER_KW_SLOT for k in range(midnight, slot) if k in history}
    return [float(kw) for kw in whole.corrected(since).from_slot(slot).point_kw]


def _first_power_kw(home: HomePlan, tariff: Tariff, slot: int, base_kw: list[float], stored_milliwh: int) -> float:
    """What the home's own plan does with the battery in its first slot (kW, charging positive)."""
    prices = [tariff.prices(slot + k) for k in range(len(base_kw))]
    owned, own_tariff = home_with(home, base_kw, prices, stored_milliwh / _MICRO)
    plan = StandaloneSchedule(owned, own_tariff).solve()
    return float(plan.charge_kw[0] - plan.discharge_kw[0])


def _moved(home: HomePlan, power_kw: float, stored_milliwh: int) -> tuple[int, int]:
    """What the battery takes from the home in a slot at that power, and what it then holds (mWh): no more than fits."""
    spec = home.profile.battery
    if power_kw > 0:
        gained = min(net_milliwh(power_kw) * spec.charge_permille // 1000, spec.capacity_milliwh - stored_milliwh)
        return gained * 1000 // spec.charge_permille, stored_milliwh + gained
    lost = min(-net_milliwh(power_kw) * 1000 // spec.discharge_permille, stored_milliwh)
    return -(lost * spec.discharge_permille // 1000), stored_milliwh - lost
