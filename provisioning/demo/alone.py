"""What a lone home with its own optimised battery would have paid: perfect foresight, its own tariff, no neighbours.

The plan of each day starts with the same charge as the Hive's run; the last day ends with at least the charge that the
battery really ended with, so that nobody looks cheaper by an emptier battery. Its energy is priced in exact integers,
slot by slot, and rounded up once.
"""

from honey_edge.billing.clearing import tariff_cost_pico
from honey_edge.billing.tariff import Tariff
from honey_edge.market import assets
from honey_edge.market.battery import StandaloneSchedule
from honey_edge.model.slots import SLOTS_PER_DAY
from honey_edge.model.units import micro_owed
from provisioning.demo.files import BATTERY_END_PERMILLE
from provisioning.demo.plan import HomePlan

_MILLIWH_PER_KW_SLOT = 250_000
_MICRO = 1_000_000


def alone_optimised_micro(home: HomePlan, tariff: Tariff, first_slot: int, slots: int, end_permille: int | None) -> int:
    """Micro-coins for the energy of the first `slots` slots under the home's own optimal plan of each day.

    `end_permille` is the state of charge at the end of the run, None without a battery.
    """
    load = home.profile.load.energies_milliwh()
    sun = home.profile.pv.energies_milliwh() if home.profile.pv else [0] * len(load)
    owed_pico = 0
    for start in range(0, slots, SLOTS_PER_DAY):
        last = start + SLOTS_PER_DAY >= slots
        day = slice(start, min(start + SLOTS_PER_DAY, slots))
        end = end_permille if last and end_permille is not None else BATTERY_END_PERMILLE
        prices = [tariff.prices(first_slot + start + k) for k in range(len(load[day]))]
        net_kw = _plan(home, load[day], sun[day], prices, end)
        for power, (buy, sell) in zip(net_kw, prices, strict=True):
            owed_pico += tariff_cost_pico(round(power * _MILLIWH_PER_KW_SLOT), buy, sell)
    return micro_owed(owed_pico)


def _plan(
    home: HomePlan, load: list[int], sun: list[int], prices: list[tuple[int, int]], end_permille: int
) -> list[float]:
    tariff = assets.Tariff.of([b / _MICRO for b, _ in prices], [s / _MICRO for _, s in prices])
    powers = [[energy / _MILLIWH_PER_KW_SLOT for energy in series] for series in (load, sun)]
    owned = assets.Home.of(powers[0], powers[1], _battery(home, end_permille))
    return [float(power) for power in StandaloneSchedule(owned, tariff).solve().net_kw]


def _battery(home: HomePlan, end_permille: int) -> assets.Battery | None:
    spec = home.profile.battery
    if not spec.capacity_milliwh:
        return None
    capacity = spec.capacity_milliwh / _MICRO
    return assets.Battery(
        cap_kwh=capacity,
        e_min_kwh=0.0,
        e_max_kwh=capacity,
        e0_kwh=spec.initial_milliwh / _MICRO,
        e_end_min_kwh=capacity * end_permille / 1000,
        p_ch_max_kw=spec.charge_w / 1000,
        p_dis_max_kw=spec.discharge_w / 1000,
        eta_c=spec.charge_permille / 1000,
        eta_d=spec.discharge_permille / 1000,
    )
