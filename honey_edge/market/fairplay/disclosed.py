"""A home as whole numbers, the form in which an audit discloses it (market-design section 10, test B).

Powers in milliwatts, energies in milliwatt-hours, shares in millionths, costs in 10^-9 coin per kWh (or per kW^2 and
hour). What an asset must reach by the end is rounded down, so that rounding asks nothing impossible of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.assets import Battery, Ev, FloatArray, Home, Shed, Thermal

_MILLI, _NANO = 1_000_000, 1_000_000_000
_BATTERY = ("cap_kwh", "e_min_kwh", "e_max_kwh", "e0_kwh", "e_end_min_kwh", "p_ch_max_kw", "p_dis_max_kw", "eta_c")
_BATTERY_FIELDS = (*_BATTERY, "eta_d", "c_deg", "c_quad")
_THERMAL_FIELDS = ("cap_kwh", "s0_kwh", "s_min_kwh", "s_end_min_kwh", "q_max_kw", "cop", "loss_per_step", "c_quad")
_CAR_FIELDS = ("p_max_kw", "eta", "e_req_kwh", "c_quad")
_SHED_FIELDS = ("cost_per_kwh", "c_quad")
_NANO_FIELDS = {"c_deg", "c_quad", "cost_per_kwh"}
_DOWN_FIELDS = {"e_end_min_kwh", "s_end_min_kwh", "s_min_kwh", "e_req_kwh"}


@dataclass(frozen=True, slots=True)
class HomeNumbers:
    """The numbers; assets that the home does not own are empty. Their order is that of the names in this module."""

    load_mw: tuple[int, ...]
    pv_mw: tuple[int, ...]
    curtailable: bool
    curtail_e9: int
    battery: tuple[int, ...] = ()
    thermal: tuple[int, ...] = ()
    draw_mw: tuple[int, ...] = ()
    car: tuple[int, ...] = ()
    present_ppm: tuple[int, ...] = ()
    shed: tuple[int, ...] = ()
    shed_mw: tuple[int, ...] = ()


def numbers_of(home: Home) -> HomeNumbers:
    """Return a home as it is disclosed."""
    heat, car, shed = home.thermal, home.ev, home.shed
    return HomeNumbers(
        whole(home.load_kw),
        whole(home.pv_kw),
        home.pv_curtailable,
        round(home.curt_c_quad * _NANO),
        _given(home.battery, _BATTERY_FIELDS),
        _given(heat, _THERMAL_FIELDS),
        whole(heat.draw_kw) if heat else (),
        _given(car, _CAR_FIELDS),
        whole(car.avail) if car else (),
        _given(shed, _SHED_FIELDS),
        whole(shed.max_kw) if shed else (),
    )


def home_of(numbers: HomeNumbers) -> Home:
    """Return the home that was disclosed. Raises `AssetError` for one that cannot be."""
    thermal = ev = shed = None
    battery = Battery(**_taken("battery", numbers.battery, _BATTERY_FIELDS)) if numbers.battery else None
    if numbers.thermal:
        thermal = Thermal(**_taken("thermal", numbers.thermal, _THERMAL_FIELDS), draw_kw=_parts(numbers.draw_mw))
    if numbers.car:
        ev = Ev(**_taken("car", numbers.car, _CAR_FIELDS), avail=_parts(numbers.present_ppm))
    if numbers.shed:
        shed = Shed(**_taken("shed", numbers.shed, _SHED_FIELDS), max_kw=_parts(numbers.shed_mw))
    return Home(
        _parts(numbers.load_mw),
        _parts(numbers.pv_mw),
        battery,
        numbers.curtailable,
        numbers.curtail_e9 / _NANO,
        thermal,
        ev,
        shed,
    )


def whole(values: FloatArray) -> tuple[int, ...]:
    """Return kW, kWh or shares as millionths of themselves."""
    return tuple(int(number) for number in np.rint(values * _MILLI))


def _parts(numbers: Sequence[int]) -> FloatArray:
    return np.array(numbers, dtype=np.float64) / _MILLI


def _given(asset: object, names: Sequence[str]) -> tuple[int, ...]:
    if asset is None:
        return ()
    found = []
    for name in names:
        value = float(getattr(asset, name)) * (_NANO if name in _NANO_FIELDS else _MILLI)
        found.append(int(value + 1e-6) if name in _DOWN_FIELDS else round(value))
    return tuple(found)


def _taken(asset: str, numbers: Sequence[int], names: Sequence[str]) -> dict[str, float]:
    if len(numbers) != len(names):
        raise AssetError(f"{asset} has {len(numbers)} numbers, {len(names)} are needed: {', '.join(names)}")
    return {
        name: number / (_NANO if name in _NANO_FIELDS else _MILLI) for name, number in zip(names, numbers, strict=True)
    }
