"""Settings of what stands beside the meter on Modbus: the battery behind an inverter, and the Worker as a server.

Kept apart from `worker_node.settings`, which puts all sections together. Nothing here opens a device.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from drivers.errors import DriverError
from honey_edge.model.options import SettingsError, option

if TYPE_CHECKING:
    from drivers.modbus.sunspec_profile import ControlProfile

BATTERY_KINDS = ("sim", "sunspec-tcp", "sunspec-rtu")
_SUNSPEC_READS = (66, 107)
"""Registers of the requests that a look at a SunSpec meter takes at most."""
_BATTERY_READS = (66, 28)
"""Registers of the requests of which at least two must fit one window of a battery on a shared line."""
_SHORTEST_PAUSES_IN_REVERT = 3


@dataclass(frozen=True)
class BatterySection:
    """The home's battery; leave the section out where there is none."""

    kind: str = option("how the battery is reached", choices=BATTERY_KINDS)
    capacity_wh: int = option("usable capacity, Wh", low=1, high=10_000_000)
    charge_w: int = option("largest charging power, W", low=1, high=1_000_000)
    discharge_w: int = option("largest discharging power, W", low=1, high=1_000_000)
    charge_permille: int = option("efficiency of charging, thousandths", 950, low=10, high=1_000)
    discharge_permille: int = option("efficiency of discharging, thousandths", 950, low=10, high=1_000)
    min_permille: int = option("lowest state of charge, thousandths of the capacity", 0, low=0, high=1_000)
    max_permille: int = option("highest state of charge, thousandths", 1_000, low=0, high=1_000)
    end_min_permille: int = option("lowest state of charge at the end of a plan, thousandths", 500, low=0, high=1_000)
    wear_micro_per_kwh: int = option("wear, micro-coins per kWh moved", 10_000, low=0)
    profile: str = option("SunSpec: control profile, a name or the path of a .toml file", "")
    host: str = option("SunSpec over TCP: host of the inverter", "")
    port: int = option("SunSpec over TCP: port", 502, low=1, high=65_535)
    serial_port: str = option("SunSpec over RTU: device; may be the meter's, then both share the line's time", "")
    baud: int = option("SunSpec over RTU: speed", 9_600, low=1_200, high=115_200)
    parity: str = option("SunSpec over RTU: parity", "N", choices=("N", "E", "O"))
    unit: int = option("SunSpec: Modbus unit (slave) number", 1, low=1, high=247)
    fuse_w: int = option("SunSpec: most that the inverter's fuse lets through, W; 0: no further limit", 0, low=0)
    write_every_s: int = option("SunSpec: fewest seconds between two commands", 10, low=10, high=900)
    let_go_socket: str = option(
        "SunSpec, profiles whose host lets go: socket of the process that does; empty: letgo.sock in runtime_dir", ""
    )
    let_go_after_s: int = option("SunSpec: seconds without a sample after which it is automatic", 45, low=15, high=600)

    @property
    def simulated(self) -> bool:
        """Whether it belongs to the simulated house."""
        return self.kind == "sim"


@dataclass(frozen=True)
class ServeSection:
    """The Worker as a Modbus TCP meter (SunSpec 1 and 203, read only); leave the section out for none."""

    host: str = option("address to serve on", "127.0.0.1")
    port: int = option("port", 1_502, low=0, high=65_535)
    unit: int = option("Modbus unit (slave) number", 1, low=1, high=247)
    peers: tuple[str, ...] = option(
        "addresses or networks that may ask, such as 192.168.1.20 or 192.168.1.0/24; others are cut off",
        ("127.0.0.1", "::1"),
    )


class LineOwner(Protocol):
    """What a shared line's check needs of the meter's section."""

    @property
    def kind(self) -> str:
        """Bus and part."""

    @property
    def serial_port(self) -> str:
        """The line's device."""

    @property
    def baud(self) -> int:
        """Its speed."""

    @property
    def parity(self) -> str:
        """Its parity."""

    @property
    def unit(self) -> int:
        """The unit on it."""

    @property
    def sample_every_s(self) -> int:
        """The period of the polls."""

    @property
    def profile(self) -> str:
        """Path of an own meter's profile."""


def timeout_s(baud: int) -> float:
    """The time-out of a request on a serial line (`drivers.linux.modbus.SerialLine`)."""
    return 0.5 if baud >= 9600 else 1.0


def shares_line(meter: LineOwner, battery: BatterySection | None) -> bool:
    """Whether meter and battery hang on the same serial line."""
    if battery is None or battery.kind != "sunspec-rtu" or not meter.kind.startswith("modbus-rtu:"):
        return False
    return Path(battery.serial_port).resolve() == Path(meter.serial_port).resolve()


def control_profile(battery: BatterySection, folder: Path) -> "ControlProfile":
    """The control profile of a SunSpec battery. Raises ProfileError."""
    from drivers.linux.modbus_profiles import load_control_profile

    name = battery.profile
    return load_control_profile(str(folder / name) if name.endswith(".toml") else name)


def check_battery(battery: BatterySection | None, simulated_house: bool, granted: bool, file: Path) -> None:
    """What ranges alone cannot say of a battery."""
    if battery is None:
        return
    if battery.min_permille >= battery.max_permille:
        raise SettingsError(f"{file}: [battery]: min_permille must be below max_permille")
    if battery.simulated:
        if not simulated_house:
            raise SettingsError(f"{file}: [battery]: kind = 'sim' needs a profile in [sim]")
        return
    if simulated_house or granted:
        raise SettingsError(f"{file}: [battery]: kind = {battery.kind!r} is a real device; leave [sim] and [clock] out")
    place = "host" if battery.kind == "sunspec-tcp" else "serial_port"
    if not getattr(battery, place):
        raise SettingsError(f"{file}: [battery]: {place} is missing; kind = {battery.kind!r} needs it")
    try:
        profile = control_profile(battery, file.parent)
    except DriverError as error:
        raise SettingsError(f"{file}: [battery]: {error}") from error
    longest_s = profile.revert_s // _SHORTEST_PAUSES_IN_REVERT - 1
    if profile.revert_s and battery.write_every_s > longest_s:
        raise SettingsError(
            f"{file}: [battery]: write_every_s = {battery.write_every_s} is too long for a revert timer of "
            f"{profile.revert_s} s; {longest_s} at most"
        )


def check_line(meter: LineOwner, battery: BatterySection | None, file: Path) -> None:
    """A shared line: same settings, other units, and a window for each in which a time-out has its place."""
    if battery is None or not shares_line(meter, battery):
        return
    from drivers.linux.modbus_pace import PacedDevice, check_pace

    for name in ("baud", "parity"):
        if getattr(meter, name) != getattr(battery, name):
            raise SettingsError(f"{file}: [battery]: {name} differs from [meter]'s on the same {meter.serial_port}")
    if meter.unit == battery.unit:
        raise SettingsError(f"{file}: [battery]: unit = {battery.unit} is the meter's on {meter.serial_port}")
    try:
        devices = [PacedDevice("[meter]", _nothing, meter_requests(meter, file.parent))]
        devices.append(PacedDevice("[battery]", _nothing, _BATTERY_READS))
        check_pace(devices, float(meter.sample_every_s), timeout_s(meter.baud), meter.baud)
    except DriverError as error:
        raise SettingsError(f"{file}: [meter] and [battery] on {meter.serial_port}: {error}") from error


def meter_requests(meter: LineOwner, folder: Path) -> tuple[int, ...]:
    """Registers of the requests of one look at the meter. Raises ProfileError."""
    part = meter.kind.partition(":")[2]
    if part == "sunspec":
        return _SUNSPEC_READS
    from drivers.linux.modbus_profiles import load_profile

    profile = load_profile(str(folder / meter.profile) if part == "own" else part)
    return tuple(count for _, count in profile.blocks)


def _nothing() -> None:
    """Stands for a poll where only its length counts."""


def check_serve(serve: ServeSection | None, file: Path) -> None:
    """Peers must be addresses or networks; nobody else may ask."""
    if serve is None:
        return
    try:
        peer_networks(serve.peers)
    except ValueError as error:
        raise SettingsError(f"{file}: [serve]: peers: {error}") from error
    if not serve.peers:
        raise SettingsError(f"{file}: [serve]: peers is empty: nobody could ask; name one or leave the section out")


def peer_networks(peers: Sequence[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """The networks that may ask. Raises ValueError."""
    return tuple(ipaddress.ip_network(one) for one in peers)
