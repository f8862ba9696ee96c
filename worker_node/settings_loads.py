"""Settings of the loads that a home may move: heat, car, load that may be left out; and the grid operator's contact.

Kept apart from `worker_node.settings`, which puts all sections together. Nothing here opens a device.
"""

from dataclasses import dataclass
from pathlib import Path

from drivers.errors import DriverError
from honey_edge.model.options import SettingsError, option

SIM = "sim"
THERMAL_KINDS = (SIM, "sg-ready", "boiler")
EV_KINDS = (SIM, "wallbox-tcp", "wallbox-rtu")
SHED_KINDS = (SIM, "relay")
_LINES = 10**4


@dataclass(frozen=True)
class ThermalSection:
    """A heat store with boiler or heat pump; leave the section out where there is none."""

    kind: str = option(
        "how it is reached; sim: a store that is reckoned, not metered; sg-ready: heat pump with two contacts; "
        "boiler: elements behind relays",
        choices=THERMAL_KINDS,
    )
    capacity_wh: int = option("heat that the store can hold, Wh", low=1, high=10_000_000)
    power_w: int = option("largest electric power, W", low=1, high=1_000_000)
    draw_w: tuple[int, ...] = option("heat taken in each hour of the UTC day, W; 24 numbers")
    cop_permille: int = option(
        "heat per electricity, thousandths; boiler 1000, heat pump more", 1_000, low=10, high=100_000
    )
    loss_ppm_per_slot: int = option("heat lost in a quarter of an hour, millionths", 2_000, low=0, high=900_000)
    min_permille: int = option("lowest comfortable content, thousandths of the capacity", 200, low=0, high=1_000)
    end_min_permille: int = option("lowest content at the end of a plan, thousandths", 500, low=0, high=1_000)
    gpio_chip: str = option("contacts: GPIO chip", "/dev/gpiochip0")
    lines: tuple[int, ...] = option("contacts: GPIO lines; sg-ready: contacts 1 and 2; boiler: one per element", ())
    active_low: bool = option("contacts: whether a low level closes them", False)
    element_w: tuple[int, ...] = option("boiler: power of each element, W, in the order of the lines", ())
    min_on_s: int = option("boiler: fewest seconds that an element stays on", 60, low=0, high=86_400)
    min_off_s: int = option("boiler: fewest seconds that an element stays off", 60, low=0, high=86_400)
    hold_s: int = option("sg-ready: fewest seconds in one mode", 600, low=1, high=86_400)
    most_blocked_s: int = option("sg-ready: most seconds of a block; the pump ends it by itself", 7_000, low=1)
    encourage_from_w: int = option("sg-ready: planned power from which the pump is encouraged, W", 1, low=1)
    order_from_w: int = option("sg-ready: planned power from which it is ordered to run, W; 0: never", 0, low=0)
    block_at_zero: bool = option("sg-ready: whether it is blocked when nothing is planned", False)


@dataclass(frozen=True)
class EvSection:
    """The electric car at its charger; leave the section out where there is none."""

    kind: str = option(
        "how the charger is reached; sim: a car that is reckoned, not metered; wallbox: by its Modbus profile",
        choices=EV_KINDS,
    )
    charge_w: int = option("largest charging power, W", low=1, high=1_000_000)
    needed_wh: int = option("energy that the car needs in every stay, Wh into its battery", low=0, high=10_000_000)
    arrives_minute: int = option("minute of the UTC day at which it comes", low=0, high=1_439)
    leaves_minute: int = option("minute of the UTC day at which it must be ready", low=0, high=1_439)
    efficiency_permille: int = option("efficiency of charging, thousandths", 920, low=10, high=1_000)
    profile: str = option("wallbox: charger profile, a name or the path of a .toml file", "heidelberg-energy-control")
    host: str = option("wallbox-tcp: host of the wall box", "")
    port: int = option("wallbox-tcp: port", 502, low=1, high=65_535)
    serial_port: str = option("wallbox-rtu: device such as /dev/ttyUSB1; a line of its own", "")
    baud: int = option("wallbox-rtu: speed", 19_200, low=1_200, high=115_200)
    parity: str = option("wallbox-rtu: parity", "E", choices=("N", "E", "O"))
    unit: int = option("wallbox: Modbus unit (slave) number", 1, low=1, high=247)
    phases: int = option("wallbox: phases that the car charges on", 3, low=1, high=3)
    watchdog_s: int = option("wallbox: seconds without a command after which it stops", 60, low=15, high=60)


@dataclass(frozen=True)
class ShedSection:
    """Load that may be left out at a price; leave the section out where there is none."""

    kind: str = option("how it is switched; sim: reckoned, not metered; relay: a contact", choices=SHED_KINDS)
    power_w: int = option("load that can be left out, W", low=1, high=1_000_000)
    cost_micro_per_kwh: int = option("what leaving it out is worth, micro-coins per kWh", low=1, high=10**9)
    gpio_chip: str = option("relay: GPIO chip", "/dev/gpiochip0")
    line: int = option("relay: GPIO line", 0, low=0, high=_LINES)
    active_low: bool = option("relay: whether a low level closes it", False)
    closed_feeds: bool = option("relay: whether the closed contact feeds the load", True)
    min_fed_s: int = option("relay: fewest seconds that the load stays fed", 600, low=0, high=86_400)
    min_left_out_s: int = option("relay: fewest seconds that it is left out", 300, low=0, high=86_400)


@dataclass(frozen=True)
class LimitContactSection:
    """The contact by which the grid operator asks for less; leave the section out for none."""

    limit_w: int = option("most that battery, heat and car may take together while it asks, W", low=0, high=1_000_000)
    line: int = option("GPIO line", low=0, high=_LINES)
    gpio_chip: str = option("GPIO chip", "/dev/gpiochip0")
    pull: str = option("resistor of the line; up: the contact closes to ground", "up", choices=("up", "down", "none"))
    open_limits: bool = option("whether the open contact limits, so that a broken wire does too", False)
    steady_s: int = option("seconds that a state must last to count", 2, low=0, high=60)
    hold_s: int = option("fewest seconds that a limit lasts", 60, low=0, high=3_600)


def check_loads(
    thermal: ThermalSection | None,
    car: EvSection | None,
    shed: ShedSection | None,
    contact: LimitContactSection | None,
    granted: bool,
    file: Path,
) -> None:
    """What ranges alone cannot say. Raises SettingsError naming section and key."""
    if thermal is not None:
        _check_thermal(thermal, file)
    if car is not None:
        _check_car(car, file)
    real = [one.kind for one in (thermal, car, shed) if one is not None and one.kind != SIM]
    if granted and (real or contact is not None):
        raise SettingsError(
            f"{file}: [clock]: granted time cannot drive real loads ({', '.join(real) or 'limit contact'})",
            next_step="use kind = 'sim' in a simulation",
        )
    _check_lines(thermal, shed, contact, file)


def _check_thermal(thermal: ThermalSection, file: Path) -> None:
    if len(thermal.draw_w) != 24 or min(thermal.draw_w) < 0:
        raise SettingsError(f"{file}: [thermal]: draw_w needs 24 numbers of at least 0, one for each hour")
    if thermal.end_min_permille < thermal.min_permille:
        raise SettingsError(f"{file}: [thermal]: end_min_permille is below min_permille")
    if thermal.kind == "sg-ready" and len(thermal.lines) != 2:
        raise SettingsError(f"{file}: [thermal]: lines needs two numbers, contact 1 and contact 2 of SG-Ready")
    if thermal.kind == "sg-ready" and thermal.most_blocked_s < thermal.hold_s:
        raise SettingsError(f"{file}: [thermal]: most_blocked_s is shorter than hold_s")
    if thermal.kind == "boiler" and not 1 <= len(thermal.lines) == len(thermal.element_w) <= 6:
        raise SettingsError(f"{file}: [thermal]: lines and element_w need one number for each of 1 to 6 elements")
    if thermal.kind == "boiler" and (min(thermal.element_w) < 1 or sum(thermal.element_w) > thermal.power_w):
        raise SettingsError(f"{file}: [thermal]: element_w must be above 0, and together at most power_w")


def _check_car(car: EvSection, file: Path) -> None:
    if car.arrives_minute == car.leaves_minute:
        raise SettingsError(f"{file}: [ev]: the car arrives and leaves in the same minute")
    for kind, key, value in (("wallbox-tcp", "host", car.host), ("wallbox-rtu", "serial_port", car.serial_port)):
        if car.kind == kind and not value:
            raise SettingsError(f"{file}: [ev]: {key} is missing; kind = {kind!r} needs it")
    if car.kind == SIM:
        return
    from drivers.linux.modbus_profiles import load_charger_profile

    try:
        profile = load_charger_profile(charger_path(car, file.parent))
    except DriverError as error:
        raise SettingsError(f"{file}: [ev]: profile: {error}") from error
    if profile.watchdog_at is None or profile.fail_safe is None:
        raise SettingsError(
            f"{file}: [ev]: profile {car.profile} has no watchdog with a fallback, so nothing would end a command",
            next_step="use a box that has one; this one can only be read",
        )


def charger_path(car: EvSection, folder: Path) -> str:
    """The charger profile's name, or its path relative to the settings."""
    return str(folder / car.profile) if car.profile.endswith(".toml") else car.profile


def _check_lines(
    thermal: ThermalSection | None, shed: ShedSection | None, contact: LimitContactSection | None, file: Path
) -> None:
    """No line is used twice."""
    used: dict[tuple[str, int], str] = {}
    wanted = [("thermal", thermal.gpio_chip, line) for line in thermal.lines] if thermal and thermal.kind != SIM else []
    wanted += [("shed", shed.gpio_chip, shed.line)] if shed and shed.kind != SIM else []
    wanted += [("limit_contact", contact.gpio_chip, contact.line)] if contact else []
    for section, chip, line in wanted:
        if line < 0 or line > _LINES or (chip, line) in used:
            other = used.get((chip, line), "nobody else")
            raise SettingsError(f"{file}: [{section}]: line {line} of {chip} is no line, or used by [{other}] already")
        used[chip, line] = section
