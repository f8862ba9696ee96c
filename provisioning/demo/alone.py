"""What a lone home with its own optimised battery would have paid: perfect foresight, its own tariff, no neighbours.

The plan of each day starts with the same charge as the Hive's run; the last day ends with at least the charge that the
battery really ended with, so that nobody looks cheaper by an emptier battery. Its energy is priced in exact integers,
slot by slot, and rounded up once.
"""

from honey_edge.billing.clearing import (
    SlotPool,
    announced_price,
    choose_price,
    payment,
    share_surplus,
    tariff_cost_pico,
    totals_of,
)
from honey_edge.billing.tariff import Tariff
from honey_edge.market.homes import assets
from honey_edge.market.homes.battery import StandaloneSchedule
from honey_edge.model.slots import SLOTS_PER_DAY
from honey_edge.model.units import micro_owed
from provisioning.demo.files import BATTERY_END_PERMILLE
from provisioning.demo.plan import HomePlan

_MILLIWH_PER_KW_SLOT = 250_000
_MICRO = 1_000_000


def alone_energies_milliwh(
    home: HomePlan, tariff: Tariff, first_slot: int, slots: int, end_permille: int | None
) -> list[int]:
    """Net energy of each slot (import positive) under the home's own optimal plan of each day.

    `end_permille` is the state of charge at the end of the run, None without a battery.
    """
    load, sun = measured(home)
    energies: list[int] = []
    for start in range(0, slots, SLOTS_PER_DAY):
        last = start + SLOTS_PER_DAY >= slots
        day = slice(start, min(start + SLOTS_PER_DAY, slots))
        end = end_permille if last and end_permille is not None else BATTERY_END_PERMILLE
        prices = [tariff.prices(first_slot + start + k) for k in range(len(load[day]))]
        energies += [net_milliwh(p) for p in _plan(home, load[day], sun[day], prices, end)]
    return energies


def idle_energies_milliwh(home: HomePlan, slots: int) -> list[int]:
    """Net energy of each slot as measured, the battery unused."""
    load, sun = measured(home)
    return [a - b for a, b in zip(load[:slots], sun[:slots], strict=True)]


def at_tariff_micro(energies_milliwh: list[int], tariff: Tariff, first_slot: int) -> int:
    """Micro-coins for the energies of slots at the utility's tariff, rounded up once."""
    prices = (tariff.prices(first_slot + k) for k in range(len(energies_milliwh)))
    owed = sum(tariff_cost_pico(energy, *price) for energy, price in zip(energies_milliwh, prices, strict=True))
    return micro_owed(owed)


def pooled_micro(homes_milliwh: list[list[int]], tariff: Tariff, first_slot: int, theta: int, fee: int) -> list[int]:
    """Micro-coins that each home pays when all these energies are settled in one Hive without any round."""
    owed_pico = [0] * len(homes_milliwh)
    for number, energies in enumerate(zip(*homes_milliwh, strict=True)):
        buy, sell = tariff.prices(first_slot + number)
        (bought, sold), pcc = totals_of(energies), sum(energies)
        price = choose_price(announced_price(None, buy, sell), pcc, bought, sold, buy, sell)
        pool = SlotPool(bought, sold, pcc, buy, sell, price, theta, fee)
        shares = share_surplus(pool)
        for place, energy in enumerate(energies):
            owed_pico[place] += payment(pool, shares, energy).amount
    return [micro_owed(owed) for owed in owed_pico]


def net_milliwh(power_kw: float) -> int:
    """Energy of a slot at a power, mWh."""
    return round(power_kw * _MILLIWH_PER_KW_SLOT)


def measured(home: HomePlan) -> tuple[list[int], list[int]]:
    """Load and sun of each slot of the run (mWh)."""
    load = home.profile.load.energies_milliwh()
    return load, home.profile.pv.energies_milliwh() if home.profile.pv else [0] * len(load)


def _plan(
    home: HomePlan, load: list[int], sun: list[int], prices: list[tuple[int, int]], end_permille: int
) -> list[float]:
    base_kw = [(a - b) / _MILLIWH_PER_KW_SLOT for a, b in zip(load, sun, strict=True)]
    owned, tariff = home_with(home, base_kw, prices, home.profile.battery.initial_milliwh / _MICRO, end_permille)
    return [float(power) for power in StandaloneSchedule(owned, tariff).solve().net_kw]


def home_with(
    home: HomePlan,
    base_kw: list[float],
    prices: list[tuple[int, int]],
    stored_kwh: float,
    end_permille: int = BATTERY_END_PERMILLE,
) -> tuple[assets.Home, assets.Tariff]:
    """The home for the market, with its load less sun (kW), and its tariff of these slots."""
    tariff = assets.Tariff.of([b / _MICRO for b, _ in prices], [s / _MICRO for _, s in prices])
    load, sun = [max(kw, 0.0) for kw in base_kw], [max(-kw, 0.0) for kw in base_kw]
    return assets.Home.of(load, sun, _battery(home, stored_kwh, end_permille)), tariff


def _battery(home: HomePlan, stored_kwh: float, end_permille: int) -> assets.Battery | None:
    spec = home.profile.battery
    if not spec.capacity_milliwh:
        return None
    capacity = spec.capacity_milliwh / _MICRO
    return assets.Battery(
        cap_kwh=capacity,
        e_min_kwh=0.0,
        e_max_kwh=capacity,
        e0_kwh=min(stored_kwh, capacity),
        e_end_min_kwh=capacity * end_permille / 1000,
        p_ch_max_kw=spec.charge_w / 1000,
        p_dis_max_kw=spec.discharge_w / 1000,
        eta_c=spec.charge_permille / 1000,
        eta_d=spec.discharge_permille / 1000,
    )
