"""`hive-worker battery sign-test`: finds out, with the household's consent, whether a battery does what it is told.

A tenth of the nameplate is commanded for a minute each way while the grid meter is watched (modbus_sign in drivers).
Power at the grid comes from the meter itself, or from the running daemon where two programs cannot share the meter (a
chip, whose energy registers forget when they are read). The result becomes the signed record that the daemon asks for.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from drivers.bus import Clock, ModbusDevice
from drivers.linux.modbus_feed import LetGoFeed
from drivers.linux.modbus_sign import run_sign_test
from drivers.linux.modbus_sunspec_tables import tables
from drivers.linux.ticks import MonotonicTicks
from drivers.modbus.sunspec import scan
from drivers.modbus.sunspec_control import TEST_SHARE_PERCENT, BatteryControl, SignResult
from drivers.modbus.sunspec_inverter import SunSpecInverter
from drivers.modbus.sunspec_profile import DEVICE, HOST, ControlProfile
from honey_edge.model.errors import HiveError
from honey_edge.model.options import SettingsError
from honey_edge.wire.signing import Signer
from worker_node.app.hardware import open_hardware, shared_line
from worker_node.app.live import NotRunning, ask_daemon
from worker_node.app.parts import read_identity
from worker_node.app.sunspec_battery import battery_device, battery_limits, let_go_socket
from worker_node.settings import WorkerSettings
from worker_node.settings_sunspec import BatterySection, control_profile, shares_line
from worker_node.sign_record import FILE, SignRecord, profile_hash, write_record

_WATCHED = 20
"""Grid powers at the end of a hold of which the median counts, so that a kettle does not decide."""
_OLD_AFTER_S = 15.0

Say = Callable[[str], None]


class SignTestRefused(HiveError):
    """The sign test must not or cannot run now; nothing was written to the battery."""

    code = "E-SIGN-TEST"


@dataclass
class _Watch:
    """What is watched while a power is held: grid (W, import positive) and the battery's own power where it is told."""

    grid: Callable[[], float]
    battery: Callable[[], float | None]
    beat: Callable[[], None]
    clock: Clock
    seen: list[float] = field(default_factory=list)
    pairs: list[tuple[float, float | None]] = field(default_factory=list)

    def wait_ms(self, n: int) -> None:
        """Lets time pass, a second at a time."""
        for _ in range(n // 1000):
            self.clock.sleep_ms(1000)
            self.beat()
            self.seen.append(self.grid())

    def grid_w(self) -> float:
        """The median at the end of the hold."""
        watts = statistics.median(self.seen[-_WATCHED:])
        self.seen.clear()
        self.pairs.append((watts, self.battery()))
        return watts


@dataclass(frozen=True, slots=True)
class _Site:
    """What the test works with."""

    section: BatterySection
    profile: ControlProfile
    battery: ModbusDevice
    grid: Callable[[], float]
    feed: LetGoFeed | None


def sign_test(settings: WorkerSettings, *, household_agrees: bool, say: Say, clock: Clock | None = None) -> SignRecord:
    """Runs the test and writes the record, passed or not. Raises SignTestRefused, DriverError."""
    section = settings.battery
    if section is None or section.simulated:
        raise SettingsError("[battery]: there is no SunSpec battery in the settings")
    if not household_agrees:
        raise SignTestRefused(
            "the battery will charge and discharge for two minutes, and later follow plans; the household must agree",
            next_step="ask, then repeat with --household-agrees",
        )
    who = read_identity(settings)
    with ExitStack() as stack:
        site = _open_site(settings, section, stack)
        record = _tested(site, who.address, say, MonotonicTicks() if clock is None else clock)
    _write(settings, record, who.signer)
    say("passed" if record.passed else "NOT passed: the meter did not follow; look at wiring, profile and unit number")
    return record


def _write(settings: WorkerSettings, record: SignRecord, signer: Signer) -> None:
    file = settings.path(settings.worker.state_dir) / FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_record(file, record, signer)
    except OSError as error:
        raise SignTestRefused(f"{file}: the record cannot be written: {error}") from error


def _open_site(settings: WorkerSettings, section: BatterySection, stack: ExitStack) -> _Site:
    """Opens inverter and meter. Raises SignTestRefused where the running daemon is in the way, or is needed."""
    profile = control_profile(section, settings.folder)
    feed = LetGoFeed(let_go_socket(settings, section)) if profile.lets_go == HOST else None
    if feed is not None:
        stack.callback(feed.close)
        feed.beat()
    try:
        running = ask_daemon(settings)
    except NotRunning:
        running = None
    together = shares_line(settings.meter, section)
    if running is not None:
        if together or running["battery_kept"]:
            raise SignTestRefused("the daemon uses the battery or its line", next_step="stop the daemon first")
        device = stack.enter_context(battery_device(section))
        return _Site(section, profile, device, lambda: _grid_of_daemon(settings), feed)
    if not settings.meter.kind.startswith("modbus-"):
        raise SignTestRefused(
            f"{settings.meter.kind}: only one program may read this meter", next_step="start the daemon, then repeat"
        )
    line = shared_line(settings)
    if line is not None:
        line.free()
    hardware = open_hardware(replace(settings, battery=None), time.time, None, line=line)
    stack.callback(hardware.close)
    hardware.meter.start()
    battery: ModbusDevice = line.unit(1, section.unit) if line else stack.enter_context(battery_device(section))

    def grid() -> float:
        power_w = hardware.meter.read().power_w
        if power_w is None:
            raise SignTestRefused("the meter tells no power now", next_step="look at the meter, then repeat")
        return float(power_w[0])

    return _Site(section, profile, battery, grid, feed)


def _grid_of_daemon(settings: WorkerSettings) -> float:
    """Grid power as the running daemon reads it. Raises NotRunning, SignTestRefused for an old one."""
    document = ask_daemon(settings)
    live = document["live"]
    if live is None or live["power_w"] is None or document["now_unix_s"] - live["at_unix_s"] > _OLD_AFTER_S:
        raise SignTestRefused("the daemon has no fresh sample of its meter", next_step="hive-worker show --live")
    return float(live["power_w"])


def _tested(site: _Site, worker: str, say: Say, clock: Clock) -> SignRecord:
    inverter = SunSpecInverter(site.battery, clock, scan(site.battery), tables())
    control = BatteryControl(site.battery, clock, inverter, site.profile, battery_limits(site.section), None)
    if not control.serial:
        raise SignTestRefused("the inverter tells no serial number, so a test could not be bound to it")
    watts = int(min(control.nameplate.charge_w, control.nameplate.discharge_w)) * TEST_SHARE_PERCENT // 100
    _announce(site.profile, control, watts, say)

    def beat() -> None:
        control.beat()
        if site.feed is not None:
            site.feed.beat()

    watch = _Watch(site.grid, lambda: inverter.look().battery_power_w, beat, clock)
    try:
        found = run_sign_test(control, watch.grid_w, watch.wait_ms, lambda: inverter.look().battery_power_w)
    except BaseException:
        say("broken off; the battery is back in automatic")
        raise
    return _record(site.profile, control, found, watch, worker, watts)


def _announce(profile: ControlProfile, control: BatteryControl, watts: int, say: Say) -> None:
    plate = control.nameplate
    say(f"inverter {control.serial}: charges {plate.charge_w:.0f} W, discharges {plate.discharge_w:.0f} W at most")
    say(f"profile {profile.name}: {profile.title}")
    say(f"who lets go when the Worker is gone: {lets_go_text(profile)}")
    if profile.forced:
        say(f"the battery is told to charge {watts} W for a minute, then to discharge {watts} W for a minute")
    else:
        say("the battery is held at rest for a minute; it is never forced to charge or discharge")


def lets_go_text(profile: ControlProfile) -> str:
    """Who ends a command when the Worker is gone, for people."""
    if profile.lets_go == DEVICE:
        how = f"after {profile.revert_s} s" if profile.revert_s else "when the heartbeat stops"
        return f"the device itself, {how}, even without power at the Worker"
    if profile.lets_go == HOST:
        return "a process on this computer (hive-worker battery letgo); without power here nobody does"
    return "nobody: only limits are ever set, and the last ones stay"


def _record(
    profile: ControlProfile, control: BatteryControl, found: SignResult, watch: _Watch, worker: str, watts: int
) -> SignRecord:
    grids = [pair[0] for pair in watch.pairs] if len(watch.pairs) == 2 else [0.0, 0.0]
    told = [pair[1] for pair in watch.pairs]
    invert_look = False
    if len(told) == 2 and told[0] is not None and told[1] is not None:
        charging, discharging = (told[1], told[0]) if found.invert else (told[0], told[1])
        invert_look = charging < discharging
    return SignRecord(
        worker=worker,
        serial=control.serial,
        profile=profile.name,
        profile_hash=profile_hash(profile),
        passed=found.passed,
        invert=found.invert,
        invert_look=invert_look,
        automatic=tuple((name, raw) for name, raw in control.automatic),
        commanded_w=watts,
        grid_charging_w=float(grids[0]),
        grid_discharging_w=float(grids[1]),
        household_agrees=True,
        at_unix_s=int(time.time()),
    )


def let_go(settings: WorkerSettings) -> int:
    """Runs the process that lets go (`drivers.linux.modbus_letgo`) with the settings' own values, until a signal."""
    section = settings.battery
    if section is None or section.simulated:
        raise SettingsError("[battery]: there is no SunSpec battery in the settings")
    profile = control_profile(section, settings.folder)
    if profile.lets_go != HOST:
        raise SettingsError(f"[battery]: profile {profile.name} needs no process: {lets_go_text(profile)}")
    from drivers.linux.modbus_letgo import main

    socket = let_go_socket(settings, section)
    try:
        socket.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SignTestRefused(f"{socket.parent}: cannot be made: {error}") from error
    return main([str(word) for word in _words(section, profile, socket, settings)])


def _words(section: BatterySection, profile: ControlProfile, socket: Path, settings: WorkerSettings) -> list[object]:
    name = section.profile
    words: list[object] = ["--feed", socket, "--unit", section.unit]
    words += ["--profile", settings.path(name) if name.endswith(".toml") else profile.name]
    if section.kind == "sunspec-tcp":
        return [*words, "--host", section.host, "--port", section.port]
    return [*words, "--serial", section.serial_port, "--baud", section.baud, "--parity", section.parity]
