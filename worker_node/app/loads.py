"""The home's real loads as the agent wants them: wishes in, steps each second, looks out (reference/loads.md).

Every load is stepped on its own: one that does not answer is tried again with a growing pause and delays no other. What
is told is a wish; least times, safe states and watchdogs are the loads' own (`drivers.loads`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from drivers.clock import Clock
from drivers.errors import DriverError
from honey_edge.model.slots import slot_at
from worker_node.agent.assets import AssetLook, SetPoints
from worker_node.settings import WorkerSettings
from worker_node.settings_loads import EvSection, LimitContactSection, ShedSection, ThermalSection, charger_path

if TYPE_CHECKING:
    from drivers.bus import ModbusDevice
    from drivers.loads.limit_contact import LimitContact
    from drivers.loads.wall_box import WallBox

_LOG = logging.getLogger(__name__)
_STEP_S = 1.0
_LONGEST_PAUSE_S = 60.0
_LONGEST_SPAN_S = 5.0
_KEPT_SLOTS = 4
_J_PER_MILLIWH = 3.6


class Load(Protocol):
    """One load: what it should do, and a moment to do it in."""

    name: str

    def want(self, points: SetPoints) -> None:
        """Take the wish; no device is touched."""

    def step(self) -> None:
        """Carry it out as far as the device endures it now; may block. Raises DriverError."""

    def let_go(self) -> None:
        """Nobody is in charge from now on. Raises DriverError."""

    def look(self) -> AssetLook:
        """What it saw at its last step."""

    def power_w(self) -> int:
        """What it takes now because of a wish (W); negative where it is left out."""


@dataclass(slots=True)
class HeatLoad:
    """A heat pump or boiler by contacts; nothing measures its heat, so the agent reckons it."""

    want_w: Callable[[int], None]
    step_device: Callable[[], bool]
    let_go: Callable[[], None]
    power_w: Callable[[], int]
    name: str = "thermal"

    def want(self, points: SetPoints) -> None:
        """Takes the planned electric power."""
        self.want_w(points.heat_w)

    def step(self) -> None:
        """Switches what may be switched. Raises BusFault."""
        if self.step_device():
            _LOG.info("load_switched load=%s", self.name)

    def look(self) -> AssetLook:
        """Nothing is measured."""
        return AssetLook()


@dataclass(slots=True)
class ShedLoad:
    """A load that is left out while its relay says so: more than half of it planned away leaves it out."""

    power_w_out: int
    want_out: Callable[[bool], None]
    step_device: Callable[[], bool]
    let_go: Callable[[], None]
    is_out: Callable[[], bool]
    name: str = "shed"

    def want(self, points: SetPoints) -> None:
        """Takes the planned power to leave out."""
        self.want_out(2 * points.shed_w > self.power_w_out)

    def step(self) -> None:
        """Switches if it may. Raises BusFault."""
        if self.step_device():
            _LOG.info("load_switched load=%s", self.name)

    def look(self) -> AssetLook:
        """Nothing is measured."""
        return AssetLook()

    def power_w(self) -> int:
        """What is missing while it is left out."""
        return -self.power_w_out if self.is_out() else 0


class CarLoad:
    """A car at a wall box: what it charged in this stay is the box's own counter since the car came."""

    name = "ev"

    def __init__(self, box: "WallBox", efficiency_permille: int) -> None:
        self._box, self._efficiency = box, efficiency_permille
        self._started = False
        self._plugged: bool | None = None
        self._since_wh = self._now_wh = self._power_w = 0

    def want(self, points: SetPoints) -> None:
        """Takes the planned charging power."""
        self._box.want_w(points.car_w)

    def step(self) -> None:
        """Starts the box where that is due, looks, and refreshes its current. Raises DriverError."""
        try:
            if not self._started:
                self._box.start()
                self._started = True
            seen = self._box.look()
            self._box.step()
        except DriverError:
            self._started, self._plugged, self._power_w = False, None, 0
            raise
        if seen.plugged and not self._plugged:
            self._since_wh = seen.energy_wh
        self._plugged, self._now_wh, self._power_w = seen.plugged, seen.energy_wh, seen.power_w

    def let_go(self) -> None:
        """No charging from now on. Raises BusFault."""
        self._box.let_go()

    def look(self) -> AssetLook:
        """Whether the car is there, and what went into its battery in this stay; unknown while the box is silent."""
        if self._plugged is None:
            return AssetLook()
        into_milliwh = (self._now_wh - self._since_wh) * self._efficiency
        return AssetLook(None, self._plugged, into_milliwh if self._plugged else 0)

    def power_w(self) -> int:
        """What the box said last."""
        return self._power_w


@dataclass(slots=True)
class _Turn:
    """When a load is stepped next, and how long it has been silent."""

    load: Load
    due_unix_s: float = 0.0
    pause_s: float = _STEP_S
    silent: bool = False


class HomeLoads:
    """All loads of a home, an `AssetDriver`; `run` steps them until it is cancelled."""

    def __init__(
        self,
        loads: list[Load],
        clock: Clock,
        contact: "LimitContact | None" = None,
        limit_w: int = 0,
        closing: ExitStack | None = None,
    ) -> None:
        self._turns = [_Turn(load) for load in loads]
        self._clock, self._contact, self._limit_w = clock, contact, limit_w
        self._closing = closing or ExitStack()
        self.limit_changed: Callable[[], Awaitable[None]] | None = None
        self._moved_j: dict[int, float] = {}
        self._counted_unix_s = clock.now_unix_s()

    async def set_points(self, points: SetPoints) -> None:
        """Takes the wishes; the next step carries them out."""
        for turn in self._turns:
            turn.load.want(points)

    def look(self) -> AssetLook:
        """What the loads saw last."""
        looks = [turn.load.look() for turn in self._turns]
        present = [one.car_present for one in looks if one.car_present is not None]
        charged = [one.car_charged_milliwh for one in looks if one.car_charged_milliwh is not None]
        return AssetLook(None, present[0] if present else None, charged[0] if charged else None)

    def limit_w(self) -> int | None:
        """The most that battery, heat and car may take together (W) while the grid operator asks; None: no limit."""
        return self._limit_w if self._contact is not None and self._contact.limited else None

    async def run(self) -> None:
        """Steps every load each second, for ever."""
        while True:
            await self.step()
            await self._clock.sleep_until(self._clock.now_unix_s() + _STEP_S)

    async def step(self) -> None:
        """One second's work: the contact first, then every load whose turn it is."""
        if self._contact is not None and await asyncio.to_thread(self._contact.step):
            _LOG.warning("grid_contact limited=%s limit_w=%d", self._contact.limited, self._limit_w)
            if self.limit_changed is not None:
                await self.limit_changed()
        now = self._clock.now_unix_s()
        self._count(now)
        due = [turn for turn in self._turns if turn.due_unix_s <= now]
        await asyncio.gather(*(self._one(turn, now) for turn in due))

    def moved_milliwh(self, slot: int) -> int:
        """Energy (mWh) that the loads took in a slot because of wishes, as far as this process saw it."""
        return round(self._moved_j.get(slot, 0.0) / _J_PER_MILLIWH)

    def _count(self, now_unix_s: float) -> None:
        """Adds what flowed since the last step; a pause longer than a few steps is not guessed."""
        span_s = min(max(0.0, now_unix_s - self._counted_unix_s), _LONGEST_SPAN_S)
        slot = slot_at(now_unix_s - span_s / 2)
        self._counted_unix_s = now_unix_s
        self._moved_j[slot] = self._moved_j.get(slot, 0.0) + span_s * sum(turn.load.power_w() for turn in self._turns)
        for old in [one for one in self._moved_j if one < slot - _KEPT_SLOTS]:
            del self._moved_j[old]

    async def _one(self, turn: _Turn, now_unix_s: float) -> None:
        try:
            await asyncio.to_thread(turn.load.step)
        except DriverError as error:
            if not turn.silent:
                _LOG.warning("load_silent load=%s code=%s reason=%r", turn.load.name, error.code, str(error))
            turn.silent, turn.pause_s = True, min(_LONGEST_PAUSE_S, 2 * turn.pause_s)
            turn.due_unix_s = now_unix_s + turn.pause_s
            return
        if turn.silent:
            _LOG.info("load_back load=%s", turn.load.name)
        turn.silent, turn.pause_s, turn.due_unix_s = False, _STEP_S, now_unix_s

    def close(self) -> None:
        """Every load in its safe state, then the devices given back; one that does not answer stops no other."""
        for turn in self._turns:
            try:
                turn.load.let_go()
            except DriverError as error:
                _LOG.warning("load_not_let_go load=%s code=%s reason=%r", turn.load.name, error.code, str(error))
        self._closing.close()


def open_loads(settings: WorkerSettings, clock: Clock) -> HomeLoads:
    """The loads of the settings that are not reckoned, and the contact. Raises DriverError."""
    thermal, car, shed, contact = settings.thermal, settings.ev, settings.shed, settings.limit_contact
    stack, loads = ExitStack(), list[Load]()
    with ExitStack() as undo:
        undo.push(stack)
        if thermal is not None and thermal.kind == "sg-ready":
            loads.append(_heat_pump(thermal, stack))
        if thermal is not None and thermal.kind == "boiler":
            loads.append(_boiler(thermal, stack))
        if shed is not None and shed.kind == "relay":
            loads.append(_shed(shed, stack))
        if car is not None and car.kind != "sim":
            loads.append(_car(car, settings.folder, stack))
        watched = _contact(contact, stack) if contact is not None else None
        undo.pop_all()
    return HomeLoads(loads, clock, watched, contact.limit_w if contact else 0, stack)


def _heat_pump(section: ThermalSection, stack: ExitStack) -> HeatLoad:
    from drivers.linux.gpio import OutputForm, open_outputs
    from drivers.linux.ticks import MonotonicTicks
    from drivers.loads.sg_ready import ENCOURAGED, ORDERED, SgReadyPump, SgReadyRule

    first, second = section.lines
    form = OutputForm(active_low=section.active_low)
    outputs = open_outputs(section.gpio_chip, {first: form, second: form})
    stack.callback(outputs.close)
    rule = SgReadyRule(
        section.hold_s, section.most_blocked_s, section.encourage_from_w, section.order_from_w, section.block_at_zero
    )
    pump = SgReadyPump(outputs.line(first), outputs.line(second), rule, MonotonicTicks())

    def power_w() -> int:
        """The pump does not say what it takes: its plan counts while it is encouraged or ordered."""
        return section.power_w if pump.mode in (ENCOURAGED, ORDERED) else 0

    return HeatLoad(pump.want_w, pump.step, pump.let_go, power_w)


def _boiler(section: ThermalSection, stack: ExitStack) -> HeatLoad:
    from drivers.linux.gpio import OutputForm, open_outputs
    from drivers.linux.ticks import MonotonicTicks
    from drivers.loads.steps import StepBoiler
    from drivers.loads.switch import Switch, SwitchRule

    outputs = open_outputs(section.gpio_chip, dict.fromkeys(section.lines, OutputForm(active_low=section.active_low)))
    stack.callback(outputs.close)
    rule, ticks = SwitchRule(section.min_on_s, section.min_off_s), MonotonicTicks()
    boiler = StepBoiler(
        [
            (Switch(f"boiler element {place}", outputs.line(line), rule, ticks), power_w)
            for place, (line, power_w) in enumerate(zip(section.lines, section.element_w, strict=True), 1)
        ]
    )
    return HeatLoad(boiler.want_w, boiler.step, boiler.let_go, lambda: boiler.power_w)


def _shed(section: ShedSection, stack: ExitStack) -> ShedLoad:
    from drivers.linux.gpio import OutputForm, open_outputs
    from drivers.linux.ticks import MonotonicTicks
    from drivers.loads.switch import Switch, SwitchRule

    fed = section.closed_feeds
    outputs = open_outputs(section.gpio_chip, {section.line: OutputForm(fed, fed, section.active_low)})
    stack.callback(outputs.close)
    times = (section.min_fed_s, section.min_left_out_s)
    rule = SwitchRule(*(times if fed else times[::-1]), start_on=fed, safe_on=fed)
    switch = Switch("shed", outputs.line(section.line), rule, MonotonicTicks())
    return ShedLoad(
        section.power_w, lambda out: switch.want(out != fed), switch.step, switch.let_go, lambda: switch.is_on != fed
    )


def _car(section: EvSection, folder: Path, stack: ExitStack) -> CarLoad:
    from drivers.linux.modbus import SerialLine, open_serial, open_tcp
    from drivers.linux.modbus_profiles import load_charger_profile
    from drivers.linux.ticks import MonotonicTicks
    from drivers.loads.wall_box import WallBox

    profile = load_charger_profile(charger_path(section, folder))
    device: ModbusDevice
    if section.kind == "wallbox-tcp":
        device = stack.enter_context(open_tcp(section.host, section.port, device_id=section.unit))
    else:
        parity = cast(Literal["N", "E", "O"], section.parity)
        line = SerialLine(section.serial_port, section.baud, parity)
        device = stack.enter_context(open_serial(line, device_id=section.unit))
    box = WallBox(device, MonotonicTicks(), profile, section.phases, section.watchdog_s)
    return CarLoad(box, section.efficiency_permille)


def _contact(section: LimitContactSection, stack: ExitStack) -> "LimitContact":
    from drivers.linux.gpio import open_inputs
    from drivers.linux.ticks import MonotonicTicks
    from drivers.loads.limit_contact import ContactRule, LimitContact

    inputs = open_inputs(section.gpio_chip, [section.line], section.pull)
    stack.callback(inputs.close)
    rule = ContactRule(section.open_limits, section.steady_s, section.hold_s)
    return LimitContact(inputs.line(section.line), rule, MonotonicTicks())
