"""The plan of a home: powers and states of all assets per slot, and what they cost (market-design section 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import FloatArray, Home

MIXTURE_E6 = 1_000_000
"""What the weights of a mixture add up to."""


class Powers(NamedTuple):
    """Powers (kW) and states at the end of the slot (kWh) of the assets; None for what the home does not own."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    soc_kwh: FloatArray
    curtail_kw: FloatArray
    heat_kw: FloatArray | None = None
    heat_kwh: FloatArray | None = None
    ev_kw: FloatArray | None = None
    shed_kw: FloatArray | None = None


_NOT_GIVEN: FloatArray = np.zeros(0)


def _not_given() -> FloatArray:
    """Return the mark of a profile that `Schedule` fills with zeros."""
    return _NOT_GIVEN


@lru_cache(maxsize=64)
def _zeros(slots: int) -> FloatArray:
    """Return a shared read-only profile of zeros."""
    zeros = np.zeros(slots)
    zeros.setflags(write=False)
    return zeros


@dataclass(frozen=True, eq=False)
class Schedule:
    """A plan for one home over the horizon, one number per slot.

    `net_kw` import positive; `soc_kwh` and `heat_kwh` (states of battery and heat store) at the end of the slot;
    `heat_kw` and `ev_kw` electricity taken, `shed_kw` load left out (zeros without the asset); `private_cost`
    (wear and small quadratics) and `objective` (what the solve minimised) in currency; `status` is "solved"
    (plans that are not, are not returned); `repairs` names what had to be relaxed, in that order (empty: nothing).
    """

    net_kw: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    soc_kwh: FloatArray
    curtail_kw: FloatArray
    private_cost: float
    objective: float
    status: str
    iterations: int
    residual_kw: float = 0.0
    repairs: tuple[str, ...] = ()
    heat_kw: FloatArray = field(default_factory=_not_given)
    heat_kwh: FloatArray = field(default_factory=_not_given)
    ev_kw: FloatArray = field(default_factory=_not_given)
    shed_kw: FloatArray = field(default_factory=_not_given)

    def __post_init__(self) -> None:
        """Fill the profiles of assets that the home does not own with zeros."""
        for name in ("heat_kw", "heat_kwh", "ev_kw", "shed_kw"):
            if getattr(self, name) is _NOT_GIVEN:
                object.__setattr__(self, name, _zeros(self.net_kw.size))

    def with_others(
        self,
        heat_kw: FloatArray | None,
        heat_kwh: FloatArray | None,
        ev_kw: FloatArray | None,
        shed_kw: FloatArray | None,
    ) -> Schedule:
        """Return this plan with the profiles that are given (kW, kWh) in place of its own."""
        return replace(
            self,
            heat_kw=self.heat_kw if heat_kw is None else heat_kw,
            heat_kwh=self.heat_kwh if heat_kwh is None else heat_kwh,
            ev_kw=self.ev_kw if ev_kw is None else ev_kw,
            shed_kw=self.shed_kw if shed_kw is None else shed_kw,
        )

    @property
    def powers(self) -> Powers:
        """Powers and states of all assets."""
        return Powers(
            self.charge_kw,
            self.discharge_kw,
            self.soc_kwh,
            self.curtail_kw,
            self.heat_kw,
            self.heat_kwh,
            self.ev_kw,
            self.shed_kw,
        )


def private_cost(home: Home, powers: Powers, dt_h: float) -> float:
    """Return the home's own cost of these powers (kW) in currency, without the energy tariff."""
    charge, discharge, _, curtail, heat, _, car, shed = powers
    cost = home.curt_c_quad * float(curtail @ curtail)
    if home.battery is not None:
        moved = float(charge.sum() + discharge.sum())
        squares = float(charge @ charge + discharge @ discharge)
        cost += home.battery.c_deg * moved + home.battery.c_quad * squares
    if home.thermal is not None and heat is not None:
        cost += home.thermal.c_quad * float(heat @ heat)
    if home.ev is not None and car is not None:
        cost += home.ev.c_quad * float(car @ car)
    if home.shed is not None and shed is not None:
        cost += home.shed.cost_per_kwh * float(shed.sum()) + home.shed.c_quad * float(shed @ shed)
    return dt_h * cost


def mixed_plan(
    home: Home, plans: Mapping[int, Schedule], last: int, weights_e6: Sequence[int], dt_h: float
) -> Schedule:
    """Return the mixture of a home's plans by iteration that the end of a round names; see `blend`.

    `weights_e6` (10^-6, sum 10^6) belong to the iterations up to `last`, newest last; where the home had no plan of its
    own in one, its newest one before counts, as in the Queen's sums. Without weights it is the newest plan up to
    `last`. `ProtocolError` for weights that are no mixture, or where there is no plan at all.
    """
    weights = tuple(weights_e6) or (MIXTURE_E6,)
    if sum(weights) != MIXTURE_E6 or min(weights) < 0 or not plans:
        raise ProtocolError(
            f"{len(weights)} weights with sum {sum(weights)} mix {len(plans)} plans",
            next_step="keep the plan of the last answer",
        )
    known = sorted(plans)
    named = [
        max((k for k in known if k <= number), default=known[0]) for number in range(last - len(weights) + 1, last + 1)
    ]
    mixed: dict[int, int] = {}
    for number, weight in zip(named, weights, strict=True):
        mixed[number] = mixed.get(number, 0) + weight
    parts = [(weight / MIXTURE_E6, plans[number]) for number, weight in mixed.items() if weight]
    if len(parts) == 1:
        return parts[0][1]
    shares = np.array([share for share, _ in parts])
    powers = Powers(*(shares @ np.array(column) for column in zip(*(plan.powers for _, plan in parts), strict=True)))
    cost = private_cost(home, powers, dt_h)
    newest = parts[-1][1]
    return replace(
        newest,
        net_kw=shares @ np.array([plan.net_kw for _, plan in parts]),
        **powers._asdict(),
        private_cost=cost,
        objective=cost,
        residual_kw=max(plan.residual_kw for _, plan in parts),
    )


def net_power(home: Home, powers: Powers) -> FloatArray:
    """Return the net power (kW, import positive) of these powers."""
    net = home.base_kw + powers.charge_kw - powers.discharge_kw + powers.curtail_kw
    if powers.heat_kw is not None:
        net += powers.heat_kw
    if powers.ev_kw is not None:
        net += powers.ev_kw
    if powers.shed_kw is not None:
        net -= powers.shed_kw
    return net
