"""The meter thread: everything that touches the meter's bus or the battery, one call after the other.

A stuck bus must not stop the page or the uplink (architecture section 8), so all of it runs here and the event loop
only gets immutable results. A sample is in the checkpoint before the loop hears of it.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.sample import ABSOLUTE, FLAG_BUS_FAULTS, FLAG_CROSS_CHECK, FLAG_ENERGY_LOST, FLAG_GAP, MeterSample
from worker_node.metering.accumulator import Accumulator, Totals
from worker_node.metering.checkpoint import Boundary, Checkpoint, Found, Record
from worker_node.metering.cross_check import CrossCheck, Finding

HELD_BY_CHIP_S = 10
"""A chip that forgets when read holds its energy so long at the largest fuse (10.7 s at 69 kW)."""


@dataclass(frozen=True, slots=True)
class BatteryLook:
    """A battery at one instant: power (W, charging positive), energy stored, charged less discharged since ever."""

    power_w: float
    stored_milliwh: int
    moved_milliwh: int


class BatteryDriver(Protocol):
    """What a battery's driver offers."""

    def set_power_w(self, power_w: int) -> None:
        """Sets the power from now on; charging is positive."""

    def look(self) -> BatteryLook | None:
        """How the battery is now, None where that is not known."""


class MeterDriver(Protocol):
    """What a meter's driver offers; all methods raise DriverError."""

    def start(self) -> MeterSample | None:
        """Brings the meter into service; a chip that forgets answers with what it held."""

    def read(self) -> MeterSample:
        """Counters and measurements."""

    def read_energy(self) -> MeterSample:
        """The counters only, where that is cheaper."""


@runtime_checkable
class Remembering(Protocol):
    """A chip that reading does not clear: it is counted from a state that is kept with the counters."""

    @property
    def state(self) -> tuple[int, ...]:
        """What `resume` takes; () while nothing is known."""

    def resume(self, state: tuple[int, ...], age_ms: int) -> bool:
        """Go on from a state that was kept so long ago; before `start`. False if it is none."""


@runtime_checkable
class Exchangeable(Protocol):
    """A meter with counters of its own, which may be exchanged for another one."""

    def confirm_exchange(self) -> None:
        """Take the next counters as they are."""


class Hardware(Protocol):
    """The home's devices."""

    @property
    def meter(self) -> MeterDriver:
        """The meter at the connection."""

    @property
    def battery(self) -> BatteryDriver | None:
        """The battery, None where there is none."""

    def advance(self, unix_s: float) -> None:
        """Lets simulated devices live until the instant; real ones need nothing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One sample with the counters after it; `boundary` when it closed a slot, `finding` when a window was full."""

    at_unix_s: int
    sample: MeterSample
    totals: Totals
    flags: int
    boundary: Boundary | None
    finding: Finding | None
    battery: BatteryLook | None


class MeterThread:
    """What runs in the meter thread; every method blocks."""

    def __init__(
        self, hardware: Hardware, checkpoint: Checkpoint, tolerance_permille: int, floor: Totals | None
    ) -> None:
        """`floor` are the counters of the newest reading: what a lost checkpoint falls back to."""
        self._hardware = hardware
        self._checkpoint = checkpoint
        self._check = CrossCheck(tolerance_permille)
        self._floor = floor
        self._flags = 0
        self._boundary: Boundary | None = None
        self._last_at_unix_s: int | None = None
        self._accumulator = Accumulator()
        self._found: Found | None = None
        self._kept: tuple[int, ...] = ()

    def recover(self) -> Boundary | None:
        """Takes up the counters where the last run left them; the slot end it may not have written down."""
        self._found = found = self._checkpoint.find()
        floor = self._floor
        if found is None or (floor is not None and found.record.import_nanowh < floor.import_nanowh):
            if floor is not None:
                self._accumulator = Accumulator(floor)
                self._flags = FLAG_GAP | FLAG_ENERGY_LOST
            return None
        record = found.record
        self._kept = record.chip
        raw = None
        if record.raw_import_nanowh is not None and record.raw_export_nanowh is not None:
            raw = Totals(record.raw_import_nanowh, record.raw_export_nanowh)
        self._accumulator = Accumulator(Totals(record.import_nanowh, record.export_nanowh), raw)
        self._flags, self._boundary, self._last_at_unix_s = record.flags, record.boundary, record.at_unix_s
        return record.boundary

    def start(self, at_unix_s: float) -> None:
        """Brings the meter into service and books what it held. Raises DriverError."""
        self._hardware.advance(at_unix_s)
        self._resume(at_unix_s)
        held = self._hardware.meter.start()
        if held is not None:
            self._flags |= self._accumulator.add(held) | self._restart_flags(held, at_unix_s)
            self._write(int(at_unix_s))
        self._check.restart()

    def _resume(self, at_unix_s: float) -> None:
        """Hands a chip the state that belongs to the counters taken up; once."""
        meter, kept = self._hardware.meter, self._kept
        if kept and self._found is not None and isinstance(meter, Remembering):
            meter.resume(kept, max(0, round(1000 * (at_unix_s - self._found.record.at_unix_s))))
        self._kept = ()

    def _restart_flags(self, held: MeterSample, at_unix_s: float) -> int:
        """What a restart may have cost: only a chip that forgets loses anything; one that remembers says so itself."""
        if held.counter_kind == ABSOLUTE or self._found is None or isinstance(self._hardware.meter, Remembering):
            return 0
        flags = 0
        if not self._found.record.clean or at_unix_s - self._found.record.at_unix_s > HELD_BY_CHIP_S:
            flags |= FLAG_GAP
        return flags | FLAG_ENERGY_LOST if self._found.from_card else flags

    def take(self, at_unix_s: int, *, full: bool, close_slot: int | None, extra_flags: int) -> Taken:
        """One sample, booked and in the checkpoint; closes `close_slot` with it. Raises DriverError."""
        self._flags |= extra_flags
        self._hardware.advance(at_unix_s)
        meter = self._hardware.meter
        sample = meter.read() if full else meter.read_energy()
        self._flags |= self._accumulator.add(sample)
        totals = self._accumulator.totals
        finding = self._check.add(sample, totals.net_nanowh)
        if finding is not None and not finding.ok:
            self._flags |= FLAG_CROSS_CHECK
        flags, boundary, look = self._flags, None, self.look()
        if close_slot is not None:
            stored, moved = (look.stored_milliwh, look.moved_milliwh) if look else (None, None)
            boundary = Boundary(close_slot, totals.import_nanowh, totals.export_nanowh, flags, stored, moved)
            self._boundary = boundary
            self._flags = 0
        self._write(at_unix_s)
        return Taken(at_unix_s, sample, totals, flags, boundary, finding, look)

    def look(self) -> BatteryLook | None:
        """The battery now, None where there is none."""
        battery = self._hardware.battery
        return battery.look() if battery is not None else None

    def missed(self) -> None:
        """A sample failed: the running slot is marked, the running window of the cross-check begins anew."""
        self._flags |= FLAG_BUS_FAULTS
        self._check.restart()

    def confirm_exchange(self) -> None:
        """Counts on from the next totals of an absolute meter, whatever they are: a person confirmed its exchange.

        What flowed since the last valid totals is lost, and flagged.
        """
        meter = self._hardware.meter
        if isinstance(meter, Exchangeable):
            meter.confirm_exchange()
            self._accumulator.exchanged()
            self._flags |= FLAG_GAP | FLAG_ENERGY_LOST
            self._check.restart()

    def set_battery_w(self, at_unix_s: float, power_w: int) -> None:
        """Sets the battery's power from the instant on. Raises DriverError."""
        if self._hardware.battery is not None:
            self._hardware.advance(at_unix_s)
            self._hardware.battery.set_power_w(power_w)

    def finish(self) -> None:
        """The end in order: the record goes to the card."""
        if self._last_at_unix_s is not None:
            record = self._record(self._last_at_unix_s, clean=True)
            self._checkpoint.write(record)
            self._checkpoint.write_card(record)

    def _write(self, at_unix_s: int) -> None:
        self._last_at_unix_s = at_unix_s
        self._checkpoint.write(self._record(at_unix_s, clean=False))

    def _record(self, at_unix_s: int, *, clean: bool) -> Record:
        totals, raw, meter = self._accumulator.totals, self._accumulator.raw, self._hardware.meter
        return Record(
            at_unix_s,
            totals.import_nanowh,
            totals.export_nanowh,
            raw.import_nanowh if raw else None,
            raw.export_nanowh if raw else None,
            self._flags,
            self._boundary,
            clean,
            self._kept or (meter.state if isinstance(meter, Remembering) else ()),
        )
