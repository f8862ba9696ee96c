"""What a home owns and what energy costs: the inputs of every schedule (market-design sections 1 and 2).

Power in kW (mean over a slot, import positive), energy in kWh, money in currency units. All arrays are
copied, checked and read-only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from honey_edge.market.errors import AssetError

FloatArray = NDArray[np.float64]


def profile(name: str, values: Sequence[float] | FloatArray) -> FloatArray:
    """Return `values` as a read-only vector of finite floats; `AssetError` names the profile and the slot otherwise."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise AssetError(f"{name} holds something that is not a number: {error}; give one number per slot") from error
    if array.ndim != 1 or array.size == 0:
        raise AssetError(f"{name} has shape {array.shape}; give a flat list with one number per slot")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise AssetError(f"{name}[{bad[0]}] is {array[bad[0]]}; every slot needs a finite number")
    array.setflags(write=False)
    return array


def _require(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse a scalar that is not a finite number within [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise AssetError(f"{name} is {value!r}; it must be a finite number")
    if not low <= value <= high:
        raise AssetError(f"{name} is {value}; it must lie in [{low}, {high}]")


@dataclass(frozen=True)
class Battery:
    """A battery: window and state of charge in kWh, power limits in kW at the terminals, one-way efficiencies.

    `c_deg` is the wear per kWh moved (currency/kWh), `c_quad` the small quadratic (currency/kW^2/h) that
    makes profiles unique. `AssetError` for numbers outside their range. A state of charge outside the window
    is not an error here: `battery.repair` names it.
    """

    cap_kwh: float
    e_min_kwh: float
    e_max_kwh: float
    e0_kwh: float
    e_end_min_kwh: float
    p_ch_max_kw: float
    p_dis_max_kw: float
    eta_c: float = 0.95
    eta_d: float = 0.95
    c_deg: float = 0.01
    c_quad: float = 5e-4

    def __post_init__(self) -> None:
        """Check every field against its range."""
        _require("battery.cap_kwh", self.cap_kwh, 1e-6)
        _require("battery.e_min_kwh", self.e_min_kwh, 0.0, self.cap_kwh)
        _require("battery.e_max_kwh", self.e_max_kwh, self.e_min_kwh, self.cap_kwh)
        for name in ("e0_kwh", "e_end_min_kwh", "p_ch_max_kw", "p_dis_max_kw", "c_deg", "c_quad"):
            _require(f"battery.{name}", getattr(self, name), 0.0)
        for name in ("eta_c", "eta_d"):
            _require(f"battery.{name}", getattr(self, name), 0.01, 1.0)


def _fill(asset: object, name: str, field_name: str, low: float, high: float = math.inf) -> None:
    """Replace one profile of an asset by its checked copy; `AssetError` names field and slot outside [low, high]."""
    values = profile(f"{name}.{field_name}", getattr(asset, field_name))
    outside = np.flatnonzero((values < low) | (values > high))
    if outside.size:
        slot = int(outside[0])
        raise AssetError(f"{name}.{field_name}[{slot}] is {values[slot]}; it must lie in [{low}, {high}]")
    object.__setattr__(asset, field_name, values)


@dataclass(frozen=True, eq=False)
class Thermal:
    """A heat store with its boiler (`cop` 1) or heat pump: s_t = (1-loss)*s_{t-1} + dt*(cop*q_t - draw_t).

    s in kWh of heat at the end of the slot, kept in the comfort band [s_min_kwh, cap_kwh] and at least
    `s_end_min_kwh` at the end; q in kW of electricity, 0..q_max_kw; `draw_kw` is the heat taken per slot (>= 0).
    `c_quad` in currency/kW^2/h. `AssetError` for numbers outside their range; a store that cannot keep its band is
    no error here: `repair.feasible_home` names it.
    """

    cap_kwh: float
    s0_kwh: float
    s_min_kwh: float
    s_end_min_kwh: float
    q_max_kw: float
    cop: float
    loss_per_step: float
    draw_kw: FloatArray
    c_quad: float = 5e-4

    def __post_init__(self) -> None:
        """Check every field against its range."""
        _require("thermal.cap_kwh", self.cap_kwh, 1e-6)
        _require("thermal.s_min_kwh", self.s_min_kwh, 0.0, self.cap_kwh)
        for name in ("s0_kwh", "s_end_min_kwh", "q_max_kw", "c_quad"):
            _require(f"thermal.{name}", getattr(self, name), 0.0)
        _require("thermal.cop", self.cop, 0.01, 100.0)
        _require("thermal.loss_per_step", self.loss_per_step, 0.0, 0.999)
        _fill(self, "thermal", "draw_kw", 0.0)

    def band_kwh(self) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest state per slot (kWh); the least of the last slot covers `s_end_min_kwh`."""
        low, high = np.full(self.draw_kw.size, self.s_min_kwh), np.full(self.draw_kw.size, self.cap_kwh)
        low[-1] = max(self.s_min_kwh, self.s_end_min_kwh)
        return low, high


@dataclass(frozen=True, eq=False)
class Ev:
    """An electric car: v_t in kW, 0..p_max_kw*avail_t, and dt*eta*sum(v) = e_req_kwh over the horizon.

    `avail` says how much of each slot the car is plugged in (0 away, 1 there); `c_quad` in currency/kW^2/h.
    `AssetError` for numbers outside their range; a car that cannot be charged in time is named by
    `repair.feasible_home`.
    """

    p_max_kw: float
    eta: float
    e_req_kwh: float
    avail: FloatArray
    c_quad: float = 5e-4

    def __post_init__(self) -> None:
        """Check every field against its range."""
        for name in ("p_max_kw", "e_req_kwh", "c_quad"):
            _require(f"ev.{name}", getattr(self, name), 0.0)
        _require("ev.eta", self.eta, 0.01, 1.0)
        _fill(self, "ev", "avail", 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Shed:
    """Load that may be left out: 0..max_kw per slot, at `cost_per_kwh` (priority: dearer is shed later) plus
    `c_quad` in currency/kW^2/h. `AssetError` for numbers outside their range.
    """

    max_kw: FloatArray
    cost_per_kwh: float
    c_quad: float = 1e-2

    def __post_init__(self) -> None:
        """Check every field against its range."""
        _require("shed.cost_per_kwh", self.cost_per_kwh, 0.0)
        _require("shed.c_quad", self.c_quad, 0.0)
        _fill(self, "shed", "max_kw", 0.0)


@dataclass(frozen=True, eq=False)
class Home:
    """One home: load and PV forecast (kW per slot, both >= 0) and the flexible assets it owns.

    Net power = load - pv + curtail + charge - discharge + heat + car - shed. Curtailment costs `curt_c_quad`
    currency/kW^2/h.
    """

    load_kw: FloatArray
    pv_kw: FloatArray
    battery: Battery | None = None
    pv_curtailable: bool = False
    curt_c_quad: float = 5e-4
    thermal: Thermal | None = None
    ev: Ev | None = None
    shed: Shed | None = None
    base_kw: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Copy and check the profiles, derive base = load - pv."""
        load, pv = profile("load_kw", self.load_kw), profile("pv_kw", self.pv_kw)
        if load.size != pv.size:
            raise AssetError(f"pv_kw has {pv.size} slots and load_kw {load.size}; both must cover the same horizon")
        for name, values in (("load_kw", load), ("pv_kw", pv)):
            if (values < 0.0).any():
                raise AssetError(f"{name}[{int(np.argmax(values < 0.0))}] is negative; loads and PV are given as >= 0")
        _require("curt_c_quad", self.curt_c_quad, 0.0)
        self._require_horizon(int(load.size))
        base = load - pv
        base.setflags(write=False)
        for name, values in (("load_kw", load), ("pv_kw", pv), ("base_kw", base)):
            object.__setattr__(self, name, values)

    def _require_horizon(self, slots: int) -> None:
        """Refuse an asset whose own profile covers another horizon than the load."""
        profiles = (
            ("thermal.draw_kw", None if self.thermal is None else self.thermal.draw_kw),
            ("ev.avail", None if self.ev is None else self.ev.avail),
            ("shed.max_kw", None if self.shed is None else self.shed.max_kw),
        )
        for name, values in profiles:
            if values is not None and values.size != slots:
                raise AssetError(
                    f"{name} has {values.size} slots and load_kw {slots}; both must cover the same horizon"
                )

    @classmethod
    def of(
        cls,
        load_kw: Sequence[float],
        pv_kw: Sequence[float],
        battery: Battery | None = None,
        *,
        pv_curtailable: bool = False,
        thermal: Thermal | None = None,
        ev: Ev | None = None,
        shed: Shed | None = None,
    ) -> Home:
        """Return a home from plain lists (kW per slot)."""
        load, pv = profile("load_kw", load_kw), profile("pv_kw", pv_kw)
        return cls(load, pv, battery, pv_curtailable, thermal=thermal, ev=ev, shed=shed)

    @property
    def slots(self) -> int:
        """Length of the horizon in slots."""
        return int(self.load_kw.size)

    @property
    def more_than_battery(self) -> bool:
        """Whether the home owns an asset besides battery and PV."""
        return self.thermal is not None or self.ev is not None or self.shed is not None

    @property
    def flexible(self) -> bool:
        """Whether this home has anything to decide; if not, its net power is load - pv."""
        return (
            self.battery is not None
            or self.thermal is not None
            or (self.ev is not None and self.ev.e_req_kwh > 0.0)
            or (self.shed is not None and bool((self.shed.max_kw > 0.0).any()))
            or (self.pv_curtailable and bool((self.pv_kw > 0.0).any()))
        )


@dataclass(frozen=True, eq=False)
class Tariff:
    """What the grid charges: buy and sell price per kWh and slot (sell <= buy), and a charge per kW of the
    highest import."""

    buy_per_kwh: FloatArray
    sell_per_kwh: FloatArray
    peak_per_kw: float = 0.0

    def __post_init__(self) -> None:
        """Copy and check; a tariff that sells above its buy price in any slot is refused (market-design
        section 8)."""
        buy, sell = profile("buy_per_kwh", self.buy_per_kwh), profile("sell_per_kwh", self.sell_per_kwh)
        if buy.size != sell.size:
            raise AssetError(
                f"sell_per_kwh has {sell.size} slots and buy_per_kwh {buy.size}; both must be equally long"
            )
        if (sell > buy).any():
            slot = int(np.argmax(sell > buy))
            raise AssetError(
                f"sell_per_kwh[{slot}] is above buy_per_kwh[{slot}]; use the smaller of the two as sell price"
            )
        _require("peak_per_kw", self.peak_per_kw, 0.0)
        object.__setattr__(self, "buy_per_kwh", buy)
        object.__setattr__(self, "sell_per_kwh", sell)

    @classmethod
    def of(cls, buy_per_kwh: Sequence[float], sell_per_kwh: Sequence[float], peak_per_kw: float = 0.0) -> Tariff:
        """Return a tariff from plain lists (currency per kWh and slot)."""
        return cls(profile("buy_per_kwh", buy_per_kwh), profile("sell_per_kwh", sell_per_kwh), peak_per_kw)

    @property
    def slots(self) -> int:
        """Length of the horizon in slots."""
        return int(self.buy_per_kwh.size)

    def cost(self, net_kw: FloatArray, dt_h: float) -> float:
        """Return F(net): what the grid charges for this profile (kW), in currency units."""
        energy = float(np.maximum(self.buy_per_kwh * net_kw, self.sell_per_kwh * net_kw).sum()) * dt_h
        return energy + self.peak_per_kw * max(0.0, float(net_kw.max()))


@dataclass(frozen=True, eq=False)
class Limits:
    """Smallest and largest power (kW, import positive) of the connection point per slot; None = no limit."""

    pcc_min_kw: FloatArray | None = None
    pcc_max_kw: FloatArray | None = None

    def __post_init__(self) -> None:
        """Copy and check; a minimum above the maximum is refused."""
        for name in ("pcc_min_kw", "pcc_max_kw"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, profile(name, getattr(self, name)))
        if self.pcc_min_kw is not None and self.pcc_max_kw is not None:
            if self.pcc_min_kw.size != self.pcc_max_kw.size:
                raise AssetError("pcc_min_kw and pcc_max_kw differ in length; both must cover the same horizon")
            crossed = self.pcc_min_kw > self.pcc_max_kw
            if crossed.any():
                raise AssetError(f"pcc_min_kw[{int(np.argmax(crossed))}] is above pcc_max_kw; swap or widen the limits")

    @classmethod
    def of(cls, pcc_min_kw: Sequence[float] | None, pcc_max_kw: Sequence[float] | None) -> Limits:
        """Return limits from plain lists (kW per slot) or None."""
        low = None if pcc_min_kw is None else profile("pcc_min_kw", pcc_min_kw)
        return cls(low, None if pcc_max_kw is None else profile("pcc_max_kw", pcc_max_kw))

    def clip(self, power_kw: FloatArray) -> FloatArray:
        """Return the profile moved into the limits, slot by slot."""
        if self.pcc_min_kw is not None:
            power_kw = np.maximum(power_kw, self.pcc_min_kw)
        return power_kw if self.pcc_max_kw is None else np.minimum(power_kw, self.pcc_max_kw)

    def excess_kw(self, power_kw: FloatArray) -> float:
        """Return by how much the profile leaves the limits at worst (kW, 0 when inside)."""
        return float(np.abs(power_kw - self.clip(power_kw)).max())


NO_LIMITS = Limits()
