"""The home's other assets in plain numbers: heat store, car, load that may be left out; what is known of them now.

Integers without a solver, like `battery`. Energies in mWh, powers in W of electricity, hours and minutes in UTC.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from honey_edge.model.slots import SLOT_S, SLOTS_PER_DAY
from worker_node.agent.battery import BatteryModel

HOURS = 24
MINUTES_PER_DAY = 1_440
_MINUTES_PER_SLOT = SLOT_S // 60
_PERMILLE, _PPM = 1_000, 1_000_000
_SLOTS_PER_HOUR = SLOTS_PER_DAY // HOURS


def energy_milliwh(power_w: int, span_s: int = SLOT_S) -> int:
    """Energy (mWh) of a power that flows for some seconds."""
    return power_w * span_s * 10 // 36


@dataclass(frozen=True, slots=True)
class ThermalModel:
    """A heat store with boiler or heat pump: heat in mWh, `power_w` of electricity at most, `draw_w` of heat by hour.

    The heat stays between `min_milliwh` and `capacity_milliwh`; a plan ends at `end_min_milliwh` at least.
    """

    capacity_milliwh: int
    min_milliwh: int
    end_min_milliwh: int
    power_w: int
    cop_permille: int
    loss_ppm_per_slot: int
    draw_w: tuple[int, ...]

    def drawn_w(self, slot: int) -> int:
        """Heat taken (W) in a slot."""
        return self.draw_w[slot % SLOTS_PER_DAY // _SLOTS_PER_HOUR]

    def after(self, heat_milliwh: int, power_w: int, slot: int) -> int:
        """Heat stored (mWh) at the end of a slot, cut at what the store can hold."""
        kept = heat_milliwh * (_PPM - self.loss_ppm_per_slot) // _PPM
        gained = energy_milliwh(power_w) * self.cop_permille // _PERMILLE
        return max(0, min(self.capacity_milliwh, kept + gained - energy_milliwh(self.drawn_w(slot))))

    def safe_power_w(self, heat_milliwh: int, slot: int) -> int:
        """What brings the store to the heat that a plan must end with, as far as one slot can."""
        missing = self.end_min_milliwh - self.after(heat_milliwh, 0, slot)
        wanted = missing * _PERMILLE // self.cop_permille * 36 // (SLOT_S * 10)
        return max(0, min(self.power_w, wanted))


@dataclass(frozen=True, slots=True)
class CarStay:
    """A stay of the car as a plan needs it: the part of each slot in which it is there, and mWh needed by the end."""

    present: tuple[float, ...]
    needed_milliwh: int


@dataclass(frozen=True, slots=True)
class CarModel:
    """An electric car: `needed_milliwh` into its battery in each stay, from `arrives_minute` to `leaves_minute`."""

    charge_w: int
    efficiency_permille: int
    needed_milliwh: int
    arrives_minute: int
    leaves_minute: int

    def stay(self, first_slot: int, count: int, charged_milliwh: int, present: bool | None) -> CarStay:
        """The running stay, or the next one, over `count` slots from `first_slot` on.

        `present` is what the charger sees now: a car that is late counts as away for the first slot and as there
        from the next on, as long as it should be there. What can be charged after the horizon is not needed in it.
        """
        shares = [self._share(first_slot + k) for k in range(count + SLOTS_PER_DAY)]
        begin = next((k for k, share in enumerate(shares) if share > 0.0), len(shares))
        end = next((k for k in range(begin, len(shares)) if shares[k] == 0.0), len(shares))
        there = [share if begin <= k < end else 0.0 for k, share in enumerate(shares)]
        if begin == 0 and present is False:
            there[0] = 0.0
        done = charged_milliwh if begin == 0 else 0
        later = sum(energy_milliwh(self.charge_w) * share for share in there[count:]) * self.efficiency_permille
        needed = max(0, self.needed_milliwh - done - int(later / _PERMILLE))
        return CarStay(tuple(there[:count]), needed)

    def is_due(self, slot: int) -> bool:
        """Whether the car should be there during any part of a slot."""
        return self._share(slot) > 0.0

    def safe_power_w(self, slot: int, charged_milliwh: int, present: bool | None) -> int:
        """Full power as soon as the car is there, until it has what it needs."""
        wanted = self.is_due(slot) and present is not False and charged_milliwh < self.needed_milliwh
        return self.charge_w if wanted else 0

    def _share(self, slot: int) -> float:
        """The part of a slot in which the car should be there."""
        start = slot % SLOTS_PER_DAY * _MINUTES_PER_SLOT
        minutes = (start + k for k in range(_MINUTES_PER_SLOT))
        return sum(self._should_be_there(minute) for minute in minutes) / _MINUTES_PER_SLOT

    def _should_be_there(self, minute: int) -> bool:
        if self.arrives_minute <= self.leaves_minute:
            return self.arrives_minute <= minute < self.leaves_minute
        return minute >= self.arrives_minute or minute < self.leaves_minute


@dataclass(frozen=True, slots=True)
class ShedModel:
    """Load that may be left out, at a price: the dearer, the later."""

    power_w: int
    cost_micro_per_kwh: int


@dataclass(frozen=True, slots=True)
class HomeAssets:
    """What a home may move."""

    battery: BatteryModel | None = None
    thermal: ThermalModel | None = None
    car: CarModel | None = None
    shed: ShedModel | None = None
    pv_curtailable: bool = False

    @property
    def movable(self) -> bool:
        """Whether there is anything to plan."""
        return self.battery is not None or self.beside_battery

    @property
    def beside_battery(self) -> bool:
        """Whether anything but a battery can be moved."""
        return self.pv_curtailable or any((self.thermal, self.car, self.shed))

    def after(self, state: "AssetState", points: "SetPoints", slot: int) -> "AssetState":
        """What is known at the start of a slot, one slot later, when the set-points are followed."""
        stored, heat, charged = state.stored_milliwh, state.heat_milliwh, state.car_charged_milliwh
        if self.battery is not None:
            stored = self.battery.after(stored, points.battery_w, SLOT_S)
        if self.thermal is not None:
            heat = self.thermal.after(heat, points.heat_w, slot)
        if self.car is not None:
            charged += energy_milliwh(points.car_w) * self.car.efficiency_permille // _PERMILLE
            charged = charged if self.car.is_due(slot + 1) else 0
        return AssetState(stored, heat, charged, state.car_present)

    def safe_points(self, state: "AssetState", slot: int, battery_w: int) -> "SetPoints":
        """The safe rule for a slot: comfort and car first, nothing left out or cut; the battery as told."""
        heat = self.thermal.safe_power_w(state.heat_milliwh, slot) if self.thermal else 0
        car = self.car.safe_power_w(slot, state.car_charged_milliwh, state.car_present) if self.car else 0
        return SetPoints(battery_w, heat, car)


@dataclass(frozen=True, slots=True)
class AssetLook:
    """What the other assets' drivers see; None where nothing measures it."""

    heat_milliwh: int | None = None
    car_present: bool | None = None
    car_charged_milliwh: int | None = None


@dataclass(frozen=True, slots=True)
class AssetState:
    """What a plan starts from: energies at the start of its first slot."""

    stored_milliwh: int = 0
    heat_milliwh: int = 0
    car_charged_milliwh: int = 0
    car_present: bool | None = None


@dataclass(frozen=True, slots=True)
class SetPoints:
    """What all assets are told for a slot, W: battery charging positive, the others as they take, leave out, cut."""

    battery_w: int = 0
    heat_w: int = 0
    car_w: int = 0
    shed_w: int = 0
    curtail_w: int = 0


class AssetDriver(Protocol):
    """Heat store, car, sheddable load and inverter; the battery is reached with the meter."""

    async def set_points(self, points: SetPoints) -> None:
        """Tells the assets what to do from now on. Raises DriverError."""

    def look(self) -> AssetLook:
        """How they are now."""


@dataclass(frozen=True, slots=True)
class NoAssets:
    """A home without other assets."""

    async def set_points(self, points: SetPoints) -> None:
        """Nothing is there to be told."""

    def look(self) -> AssetLook:
        """Nothing is there to be seen."""
        return AssetLook()


def capped(points: SetPoints, limit_w: int | None) -> SetPoints:
    """The set-points within a limit (W) of what battery, heat and car take together: each cut in proportion."""
    taken_w = max(0, points.battery_w) + points.heat_w + points.car_w
    if limit_w is None or taken_w <= limit_w:
        return points
    battery_w = max(0, points.battery_w) * limit_w // taken_w if points.battery_w > 0 else points.battery_w
    return replace(
        points,
        battery_w=battery_w,
        heat_w=points.heat_w * limit_w // taken_w,
        car_w=points.car_w * limit_w // taken_w,
    )


def no_limit() -> int | None:
    """Nobody limits what the assets take."""
    return None


@dataclass(slots=True)
class Actuators:
    """Where set-points leave the process: nothing is told twice in a row, nothing beyond the grid operator's limit.

    `limit_w` tells that limit now; when it changes, `retell` tells what is then allowed of what was wanted.
    """

    set_power_w: Callable[[int], Awaitable[None]]
    others: AssetDriver = field(default_factory=NoAssets)
    told: SetPoints | None = None
    limit_w: Callable[[], int | None] = no_limit
    _wanted: tuple[SetPoints, bool] | None = None

    async def act(self, points: SetPoints, *, battery: bool) -> None:
        """Tells battery (where there is one) and the others. Raises DriverError."""
        self._wanted = points, battery
        points = capped(points, self.limit_w())
        before = self.told
        if battery and (before is None or before.battery_w != points.battery_w):
            await self.set_power_w(points.battery_w)
        rest = (points.heat_w, points.car_w, points.shed_w, points.curtail_w)
        if before is None or rest != (before.heat_w, before.car_w, before.shed_w, before.curtail_w):
            await self.others.set_points(points)
        self.told = points

    async def retell(self) -> None:
        """The limit changed. Raises DriverError."""
        if self._wanted is not None:
            points, battery = self._wanted
            await self.act(points, battery=battery)
