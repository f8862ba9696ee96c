"""The battery behind a SunSpec inverter as the Worker's battery: settings and sign test's record in, looks out.

The thread that talks to the inverter is `drivers.linux.modbus_battery`; nothing here waits for it. Energy charged less
discharged is kept in a small file, so that the forecast's history goes on after a restart.
"""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from drivers.linux.modbus import LinuxModbus, SerialLine, open_serial, open_tcp
from drivers.linux.modbus_battery import KeptBattery, KeptOptions
from drivers.linux.modbus_feed import LetGoFeed
from drivers.modbus.sunspec_control import Limits
from drivers.modbus.sunspec_profile import HOST
from worker_node.metering.meter import BatteryLook
from worker_node.settings import WorkerSettings
from worker_node.settings_sunspec import BatterySection, control_profile
from worker_node.sign_record import FILE, SignRecord, SignRecordError, read_record

if TYPE_CHECKING:
    from drivers.linux.modbus_shared import SharedLine

_LOG = logging.getLogger(__name__)
LET_GO_SOCKET = "letgo.sock"
OLD_AFTER_S = 30.0
"""A look older than this is none; a look is due every 5 s."""
_MOVED_FILE = "battery_moved"
_KEEP_MOVED_EVERY_S = 60.0
_LARGEST_W = 10**6
_FIRST_ANSWER_S = 1.0


class SunSpecBattery:
    """Satisfies the Worker's `BatteryDriver`; every method returns at once."""

    def __init__(
        self, kept: KeptBattery, section: BatterySection, moved_file: Path, device: "LinuxModbus | SharedLine"
    ) -> None:
        self._kept, self._section, self._file, self._device = kept, section, moved_file, device
        self._kept_moved_s = self._heard_s = float("-inf")

    def set_power_w(self, power_w: int) -> None:
        """Sets the power from now on (charging positive), unless samples have stopped: then it stays automatic."""
        if time.monotonic() - self._heard_s < self._section.let_go_after_s:
            self._want(power_w)

    def keep(self, power_w: int | None) -> None:
        """With every sample: says again what holds; None: automatic. What is not said again in time is let go."""
        self._heard_s = time.monotonic()
        self._want(power_w)

    def _want(self, power_w: int | None) -> None:
        """Within the settings' limits."""
        own = self._section
        self._kept.want(None if power_w is None else max(-own.discharge_w, min(own.charge_w, power_w)))

    def look(self) -> BatteryLook | None:
        """How the battery was within the last half minute, None where that is not known."""
        seen = self._kept.seen()
        if seen is None or time.monotonic() - seen.at_s > OLD_AFTER_S:
            return None
        if seen.at_s - self._kept_moved_s >= _KEEP_MOVED_EVERY_S:
            self._kept_moved_s = seen.at_s
            _write_moved(self._file, seen.moved_milliwh)
        stored_milliwh = round(self._section.capacity_wh * 10 * seen.soc_percent)
        return BatteryLook(seen.power_w, stored_milliwh, seen.moved_milliwh)

    def trouble(self) -> str:
        """Why the battery cannot be commanded or seen now; empty: it can."""
        return self._kept.trouble()

    def close(self) -> None:
        """Lets the battery go and ends its thread."""
        if not isinstance(self._device, LinuxModbus):
            self._device.free()
        seen = self._kept.seen()
        self._kept.close()
        self._device.close()
        if seen is not None:
            _write_moved(self._file, seen.moved_milliwh)


def open_battery(
    settings: WorkerSettings, section: BatterySection, worker: str, line: "SharedLine | None"
) -> SunSpecBattery:
    """The battery, its thread running. Raises SignRecordError without a passed sign test of this device, ProfileError.

    Waits shortly for the device's first answer, so that an exchanged inverter is noticed before anything is planned.
    """
    profile = control_profile(section, settings.folder)
    state_dir = settings.path(settings.worker.state_dir)
    record = read_record(state_dir / FILE, worker, profile)
    device = battery_device(section) if line is None else line
    feed = LetGoFeed(let_go_socket(settings, section)) if profile.lets_go == HOST else None
    options = kept_options(settings, section, record)
    moved_file = state_dir / _MOVED_FILE
    unit = device if isinstance(device, LinuxModbus) else device.unit(1, section.unit)
    kept = KeptBattery(unit, profile, options, feed, moved_milliwh=_read_moved(moved_file))
    kept.start()
    why = kept.refused(_FIRST_ANSWER_S)
    if why:
        kept.close()
        if isinstance(device, LinuxModbus):
            device.close()
        raise SignRecordError(why, next_step="hive-worker battery sign-test")
    _LOG.info("battery_kept serial=%s profile=%s lets_go=%s", record.serial, profile.name, profile.lets_go)
    return SunSpecBattery(kept, section, moved_file, device)


def battery_device(section: BatterySection) -> LinuxModbus:
    """The inverter on a connection of its own; it opens with the first request."""
    if section.kind == "sunspec-tcp":
        return open_tcp(section.host, section.port, device_id=section.unit)
    parity = cast(Literal["N", "E", "O"], section.parity)
    return open_serial(SerialLine(section.serial_port, section.baud, parity), device_id=section.unit)


def battery_limits(section: BatterySection) -> Limits:
    """What settings allow beside the nameplate."""
    return Limits(section.fuse_w or _LARGEST_W, section.min_permille / 10, section.max_permille / 10)


def kept_options(settings: WorkerSettings, section: BatterySection, record: SignRecord) -> KeptOptions:
    """What the thread works by."""
    return KeptOptions(
        limits=battery_limits(section),
        sign=record.sign,
        automatic=record.automatic,
        write_pause_ms=section.write_every_s * 1000,
        patience_s=float(section.let_go_after_s),
        invert_look=record.invert_look,
        without_sun=settings.pv.peak_w == 0,
    )


def let_go_socket(settings: WorkerSettings, section: BatterySection) -> Path:
    """The socket of the process that lets go."""
    if section.let_go_socket:
        return settings.path(section.let_go_socket)
    return settings.path(settings.worker.runtime_dir) / LET_GO_SOCKET


def _read_moved(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def _write_moved(file: Path, moved_milliwh: int) -> None:
    """Keeps the figure; without it only a slot of the forecast's history is wrong, so a full disk is no error here."""
    fresh = file.with_suffix(".new")
    try:
        fresh.write_text(f"{moved_milliwh}\n")
        fresh.replace(file)
    except OSError as error:
        _LOG.warning("battery_moved_unkept reason=%r", str(error))
