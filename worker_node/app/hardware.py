"""Meter and battery as the settings name them: real ones behind Linux' buses, or a simulated home.

The only place of the Worker that knows which drivers exist; each is imported when it is configured.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from honey_edge.model.options import SettingsError
from honey_edge.model.units import MILLIWH_PER_KWH, NANOWH_PER_MILLIWH
from worker_node.metering.checkpoint import Found
from worker_node.metering.meter import BatteryDriver, BatteryLook, MeterDriver
from worker_node.settings import WorkerSettings
from worker_node.settings_chips import CHIP_KINDS, chip_settings
from worker_node.settings_sunspec import shares_line

if TYPE_CHECKING:
    from drivers.bus import ModbusDevice
    from drivers.linux.modbus_shared import SharedLine
    from drivers.sim.house_battery import BatterySpec
    from drivers.sim.house_bench import SimulatedMeter
    from worker_node.app.sunspec_battery import SunSpecBattery

_MICROJOULE_PER_MILLIWH = 3_600_000
_FLOAT32_BITS = 24


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulation knows, in nano-watt-hours: the house's energy, what its meter should show, its step."""

    house_import_nanowh: int
    house_export_nanowh: int
    meter_import_nanowh: int
    meter_export_nanowh: int
    meter_step_nanowh: int


@dataclass(slots=True)
class HomeHardware:
    """Devices of one home; `truth` tells what a simulated house and its meter know, None for real devices.

    `kept` is the battery where a thread of its own keeps it; `no_battery` says why one of the settings is not used.
    """

    meter: MeterDriver
    battery: BatteryDriver | None
    truth: Callable[[], Truth] | None
    closing: AbstractContextManager[object]
    kept: "SunSpecBattery | None" = None
    no_battery: str = ""

    def advance(self, unix_s: float) -> None:
        """Real devices live by themselves, simulated ones by the granted clock at every access."""

    def close(self) -> None:
        """Gives buses, files and servers back; a battery that is kept is let go of first."""
        if self.kept is not None:
            self.kept.close()
        self.closing.__exit__(None, None, None)


def open_hardware(
    settings: WorkerSettings,
    now_unix_s: Callable[[], float],
    found: Found | None,
    worker: str = "",
    line: "SharedLine | None" = None,
) -> HomeHardware:
    """Opens meter and battery; `found` tells absolute meters what they showed last. Raises DriverError.

    `worker` is the address by which a battery's sign test must be signed; `line` a serial line that is open already.
    """
    last_valid = _last_valid(found, now_unix_s())
    if settings.sim.profile:
        return _simulated(settings, now_unix_s, last_valid)
    bus, _, part = settings.meter.kind.partition(":")
    if settings.meter.kind in CHIP_KINDS:
        return _with_battery(_chip(settings), settings, worker, None)
    line = shared_line(settings) if line is None else line
    return _with_battery(_modbus(settings, bus, part, last_valid, line), settings, worker, line)


def shared_line(settings: WorkerSettings) -> "SharedLine | None":
    """The serial line that meter and battery share; None where each has its own."""
    meter = settings.meter
    if not shares_line(meter, settings.battery):
        return None
    from drivers.linux.modbus import SerialLine
    from drivers.linux.modbus_shared import SharedLine

    parity = cast(Literal["N", "E", "O"], meter.parity)
    return SharedLine(SerialLine(meter.serial_port, meter.baud, parity), float(meter.sample_every_s), 2)


def _with_battery(
    hardware: HomeHardware, settings: WorkerSettings, worker: str, line: "SharedLine | None"
) -> HomeHardware:
    """Adds the battery behind an inverter; without a passed sign test the home goes on without it."""
    if settings.battery is None:
        return hardware
    from worker_node.app.sunspec_battery import open_battery
    from worker_node.sign_record import SignRecordError

    try:
        hardware.kept = hardware.battery = open_battery(settings, settings.battery, worker, line)
    except SignRecordError as error:
        hardware.no_battery = str(error)
    return hardware


def _last_valid(found: Found | None, now_unix_s: float) -> tuple[int, int, int] | None:
    if found is None or found.record.raw_import_nanowh is None or found.record.raw_export_nanowh is None:
        return None
    record = found.record
    age_ms = max(0, round((now_unix_s - record.at_unix_s) * 1000))
    raw = (found.record.raw_import_nanowh, found.record.raw_export_nanowh)
    return raw[0] // NANOWH_PER_MILLIWH, raw[1] // NANOWH_PER_MILLIWH, age_ms


def _chip(settings: WorkerSettings) -> HomeHardware:
    from worker_node.app.chips import open_chip

    stack = ExitStack()
    meter, close = open_chip(settings)
    stack.callback(close)
    return HomeHardware(meter, None, None, stack)


def _modbus(
    settings: WorkerSettings, bus: str, part: str, last_valid: tuple[int, int, int] | None, line: "SharedLine | None"
) -> HomeHardware:
    from drivers.head.reader import HeadMeter
    from drivers.linux.modbus import SerialLine, open_serial, open_tcp
    from drivers.linux.modbus_profiles import load_profile
    from drivers.linux.modbus_sunspec_tables import tables
    from drivers.linux.ticks import MonotonicTicks
    from drivers.modbus.meter import ModbusMeter
    from drivers.modbus.sunspec_meter import SunSpecMeter

    meter, stack = settings.meter, ExitStack()
    own = str(settings.path(meter.profile)) if part == "own" else part
    profile = None if part in ("sunspec", "head") else load_profile(own)
    device: ModbusDevice
    if line is not None:
        device = line.unit(0, meter.unit)
        stack.callback(line.close)
    elif bus == "modbus-tcp":
        device = stack.enter_context(open_tcp(meter.host, meter.port, device_id=meter.unit))
    else:
        parity = cast(Literal["N", "E", "O"], meter.parity)
        line_of_its_own = SerialLine(meter.serial_port, meter.baud, parity)
        device = stack.enter_context(open_serial(line_of_its_own, device_id=meter.unit))
    clock, invert = MonotonicTicks(), all(meter.reversed_phases)
    driver: MeterDriver
    if part == "head":
        driver = HeadMeter(device, clock, _head_key(settings), meter.fuse_w)
    elif profile is None:
        driver = SunSpecMeter(device, clock, tables(), meter.fuse_w, invert=invert, last_valid=last_valid)
    else:
        driver = ModbusMeter(device, clock, profile, meter.fuse_w, invert=invert, last_valid=last_valid)
    return HomeHardware(driver, None, None, stack)


def _head_key(settings: WorkerSettings) -> bytes:
    """The sensor head's key. Raises KeySourceError, SettingsError."""
    from drivers.linux.key_source import KeyText, find_key

    found = find_key(settings.meter.head_key_file, settings.folder)
    text = found.text.strip() if isinstance(found, KeyText) else ""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise SettingsError(
            f"[meter]: head_key_file: {settings.meter.head_key_file} holds no 64 hex digits",
            next_step="name the file that hive-provision head flash wrote",
        ) from error


def _faults(texts: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    faults = []
    for text in texts:
        kind, _, at = text.partition("@")
        if not at.isdigit():
            raise SettingsError(f"[sim]: fault {text!r} is not of the form kind@unix_s")
        faults.append((kind, int(at) * 1000))
    return tuple(faults)


class _SimulatedBattery:
    """The simulated home's battery, as the meter thread wants it."""

    def __init__(self, bench: "SimulatedMeter") -> None:
        self._bench = bench

    def set_power_w(self, power_w: int) -> None:
        """Sets the power from now on; charging is positive."""
        if self._bench.battery is not None:
            self._bench.battery.set_power_w(power_w)

    def look(self) -> BatteryLook:
        """How the battery is now."""
        truth, battery = self._bench.truth(), self._bench.battery
        moved = (truth.charged_microjoule - truth.discharged_microjoule) // _MICROJOULE_PER_MILLIWH
        if battery is None:
            return BatteryLook(0.0, 0, moved)
        return BatteryLook(battery.power_w(), battery.state_of_charge_milliwh(), moved)


def _battery_spec(settings: WorkerSettings) -> "BatterySpec":
    from drivers.sim.house_battery import NO_BATTERY, BatterySpec

    own = settings.battery
    if own is None:
        return NO_BATTERY
    capacity = own.capacity_wh * 1000
    return BatterySpec(
        capacity, own.charge_w, own.discharge_w, own.charge_permille, own.discharge_permille, capacity // 2
    )


def _simulated(
    settings: WorkerSettings, now_unix_s: Callable[[], float], last_valid: tuple[int, int, int] | None
) -> HomeHardware:
    from drivers.sim.house import SINGLE_PHASE
    from drivers.sim.house_bench import BenchSettings, SimulatedMeter
    from drivers.sim.profile import DEMO_DAY_UNIX_S, load_profile

    sim, meter = settings.sim, settings.meter
    profile = load_profile(sim.profile, sim.day_unix_s or DEMO_DAY_UNIX_S, sim.days)
    kind = "spi:atm90e32as" if meter.kind == "sim:house" else meter.kind
    house = profile.house_spec(_battery_spec(settings))
    if kind[-6:] in ("sdm120", "sdm230"):
        house = replace(house, load_shares=SINGLE_PHASE, inverter_shares=SINGLE_PHASE)
    file = settings.path(sim.house_file) if sim.house_file else settings.path(settings.worker.state_dir) / "house.bin"
    bench = SimulatedMeter(
        BenchSettings(
            house=house,
            meter=kind,
            house_file=Path(file),
            fuse_limit_w=meter.fuse_w,
            meter_constant=meter.meter_constant,
            seed=sim.seed,
            faults=_faults(sim.faults),
            last_valid=last_valid,
            chip_settings=chip_settings(meter, settings.chip),
        ),
        lambda: int(now_unix_s() * 1000),
    )
    stack = ExitStack()
    stack.enter_context(bench)
    battery = _SimulatedBattery(bench) if bench.battery is not None else None
    return HomeHardware(bench.driver, battery, lambda: _truth(bench), stack)


def _truth(bench: "SimulatedMeter") -> Truth:
    metered, state, settings = bench.metered(), bench.truth(), bench.settings
    step, before = metered.count_nanowh, (0, 0)
    if bench.sdm is not None:
        before = (settings.start_import_milliwh, settings.start_export_milliwh)
        step = _float32_step_nanowh(max(metered.import_milliwh, metered.export_milliwh))
    return Truth(
        house_import_nanowh=before[0] * NANOWH_PER_MILLIWH + state.import_microjoule * 10 // 36,
        house_export_nanowh=before[1] * NANOWH_PER_MILLIWH + state.export_microjoule * 10 // 36,
        meter_import_nanowh=metered.import_counts * metered.count_nanowh,
        meter_export_nanowh=metered.export_counts * metered.count_nanowh,
        meter_step_nanowh=step,
    )


def _float32_step_nanowh(milliwh: int) -> int:
    """Distance between neighbouring float32 kilowatt-hours at a counter's value, rounded up."""
    exponent = math.frexp(milliwh / MILLIWH_PER_KWH)[1] - _FLOAT32_BITS
    return math.ceil(2.0**exponent * MILLIWH_PER_KWH * NANOWH_PER_MILLIWH)
