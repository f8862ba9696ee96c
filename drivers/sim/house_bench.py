"""A simulated home on the bench: house, meter and battery from one settings object.

The driver that comes out is the real one; below it an emulated chip answers on SPI or a simulated SDM on
Modbus (TCP, or RTU frames over linked pseudo-terminals). The meter lives in granted time: every access lets
the house live up to `now_unix_ms()` first, so what is read is never older than the instant that was granted.

House and chip remember everything in one mapped file; a daemon that is killed and started again finds both as
they were. Not for: real hardware (`drivers.linux`), or deciding what the battery does (the Worker's agent).
"""

import mmap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from drivers.bus import Clock, SpiDevice
from drivers.chips.ade_settings import STEP_NANOWH, AdeSettings
from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_settings import Atm90e32asSettings, make_settings
from drivers.linux.modbus_profiles import load_profile
from drivers.modbus.meter import ModbusMeter
from drivers.sample import MeterSample
from drivers.sim.ade_memory import MEMORY_BYTES
from drivers.sim.atm90e32as import BUFFER_BYTES, Atm90e32asEmulator
from drivers.sim.atm90e32as_faults import Fault
from drivers.sim.house import SINGLE_PHASE, House, HouseSpec
from drivers.sim.house_ade import ADE_METERS, AdeOnBench, default_settings, open_ade
from drivers.sim.house_battery import MICROJOULE_PER_MILLIWH, BatterySpec
from drivers.sim.house_state import STATE_BYTES, HouseState
from drivers.sim.modbus_image import FAULTS, MeterTruth
from drivers.sim.ticks import SimClock

if TYPE_CHECKING:
    from drivers.sim.sdm630 import SimulatedSdm

METERS = (
    "spi:atm90e32as",
    *ADE_METERS,
    "modbus-tcp:sdm630",
    "modbus-tcp:sdm120",
    "modbus-tcp:sdm230",
    "modbus-rtu:sdm630",
    "modbus-rtu:sdm120",
    "modbus-rtu:sdm230",
)
_CHIP_OFFSET = (STATE_BYTES + 63) // 64 * 64
HOUSE_FILE_BYTES = _CHIP_OFFSET + max(BUFFER_BYTES, MEMORY_BYTES)
_PTY_BAUD = 115_200
# Polled every 5 s at most; a start takes a second of the driver's ticks in which the granted time stands still.
_MAX_GAP_MS = 6_500


class MeterDriver(Protocol):
    """What every meter driver can do; samples as in `drivers.sample`, errors as in `drivers.errors`."""

    def start(self) -> MeterSample:
        """Bring the meter into service."""

    def read(self) -> MeterSample:
        """Counters and measurements."""

    def read_energy(self) -> MeterSample:
        """Counters only."""


@dataclass(frozen=True)
class BenchSettings:
    """What stands on the bench. `house_file` None keeps everything in memory.

    `faults` are (kind, unix ms) pairs that begin by themselves; a Modbus meter starts with the counters of an
    earlier life, `start_import_milliwh` and `start_export_milliwh`, a chip at 0. `last_valid` is what the
    caller remembers of a Modbus meter's counters (import mWh, export mWh, age ms). `chip_settings` are the chip
    driver's own; without them it gets `fuse_limit_w`, and `meter_constant` where it has one.
    """

    house: HouseSpec
    meter: str = "spi:atm90e32as"
    house_file: Path | None = None
    fuse_limit_w: int = 69_000
    meter_constant: int = 3_200
    seed: int = 1
    faults: tuple[tuple[str, int], ...] = ()
    start_import_milliwh: int = 1_234_567_000
    start_export_milliwh: int = 567_890_000
    last_valid: tuple[int, int, int] | None = None
    chip_settings: Atm90e32asSettings | AdeSettings | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown meter, or a single-phase meter in a three-phase house (ValueError)."""
        if self.meter not in METERS:
            raise ValueError(f"meter {self.meter!r} cannot be simulated; one of {', '.join(METERS)}")
        shares = (self.house.load_shares, self.house.inverter_shares)
        if self.meter[-6:] in ("sdm120", "sdm230") and shares != (SINGLE_PHASE, SINGLE_PHASE):
            raise ValueError(f"{self.meter} measures one phase; give the house SINGLE_PHASE shares")


class BenchClock(SimClock, Clock):
    """The simulated clock, declared as the clock that drivers ask for."""


class BatteryActuator:
    """The battery's switchboard, as an inverter's driver would offer it."""

    def __init__(self, house: House, now_unix_ms: Callable[[], int]) -> None:
        """Act on a house at the present instant."""
        self._house = house
        self._now_unix_ms = now_unix_ms

    @property
    def limits(self) -> BatterySpec:
        """Capacity, powers and efficiencies."""
        return self._house.spec.battery

    def set_power_w(self, power_w: float) -> float:
        """Set the power from this instant on (W, + charges); returns what it was clipped to."""
        with self._house.lock:
            self._house.advance_to(self._now_unix_ms())
            return self._house.set_battery_power_w(power_w) / 1000

    def power_w(self) -> float:
        """Return the power that flows now (W, + charges); 0 while the battery rests, full or empty."""
        with self._house.lock:
            self._house.advance_to(self._now_unix_ms())
            return self._house.power().battery_milliwatts / 1000

    def state_of_charge_milliwh(self) -> int:
        """Return the energy stored now, in mWh."""
        with self._house.lock:
            self._house.advance_to(self._now_unix_ms())
            return self._house.battery_milliwh()


@dataclass(frozen=True)
class Metered:
    """What the meter has metered in truth: exact counts of its own step, and that step in nWh.

    For a chip the counts start at 0 when it begins to meter and obey its rule that opposite directions cancel
    within one count. For a Modbus meter they are mWh and include the counters of its earlier life.
    """

    import_counts: int
    export_counts: int
    count_nanowh: int

    @property
    def import_milliwh(self) -> int:
        """Imported energy in mWh, rounded down."""
        return self.import_counts * self.count_nanowh // 1_000_000

    @property
    def export_milliwh(self) -> int:
        """Exported energy in mWh, rounded down."""
        return self.export_counts * self.count_nanowh // 1_000_000


class SimulatedMeter:
    """House, meter and driver as one context manager; `battery` is None for a house without one."""

    def __init__(self, settings: BenchSettings, now_unix_ms: Callable[[], int]) -> None:
        """Prepare the bench; `now_unix_ms` is the granted instant. Files and servers open on entry."""
        self.settings = settings
        self.clock = BenchClock(now_unix_ms)
        self.now_unix_ms = now_unix_ms
        self.battery: BatteryActuator | None = None
        self.chip: Atm90e32asEmulator | None = None
        self.ade: AdeOnBench | None = None
        self.sdm: SimulatedSdm | None = None
        self.house: House
        self.driver: MeterDriver
        self._stack = ExitStack()
        self._planned = sorted(settings.faults, key=lambda fault: fault[1])

    def __enter__(self) -> "SimulatedMeter":
        """Open or re-attach everything. Raises HouseStateError or ValueError for a file of something else."""
        with ExitStack() as opening:
            memory = self._map(opening)
            self.house = House(self.settings.house, memory[:_CHIP_OFFSET], self._on_segment)
            opening.callback(self.house.close)
            if self.house.spec.battery.capacity_milliwh:
                self.battery = BatteryActuator(self.house, self.now_unix_ms)
            bus, _, part = self.settings.meter.partition(":")
            if self.settings.meter in ADE_METERS:
                self._open_ade(opening, memory[_CHIP_OFFSET:])
            elif bus == "spi":
                self._open_chip(opening, memory[_CHIP_OFFSET:])
            else:
                self._open_sdm(opening, bus, part.upper())
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close server, connection and file."""
        self._stack.close()

    def live(self) -> None:
        """Let the house live up to the granted instant, and planned faults of a Modbus meter begin."""
        now = self.now_unix_ms()
        while self.sdm is not None and self._planned and self._planned[0][1] <= now:
            self.sdm.fault = self._planned.pop(0)[0]
        self.house.advance_to(now)

    def set_fault(self, kind: str, on: bool = True) -> None:
        """Begin or end a fault of the meter now; ValueError for one that this meter does not have."""
        with self.house.lock:
            if self.chip is not None:
                self.chip.set_fault(kind, on)
                return
            if self.ade is not None:
                self.ade.chip.set_fault(kind, on)
                return
            if kind not in FAULTS or self.sdm is None:
                raise ValueError(f"{self.settings.meter} has no fault {kind!r}; one of {', '.join(FAULTS)}")
            self.sdm.fault = kind if on else ""

    def truth(self) -> HouseState:
        """Return the house's own exact counters at the granted instant."""
        with self.house.lock:
            self.live()
            return self.house.state()

    def metered(self) -> Metered:
        """Return what the meter should have counted by the granted instant."""
        with self.house.lock:
            state = self.truth()
            if self.chip is not None:
                step = 10_000_000_000 // self.settings.meter_constant
                if isinstance(self.settings.chip_settings, Atm90e32asSettings):
                    step = self.settings.chip_settings.counter_step_nanowh
                return Metered(self.chip.truth_import_counts, self.chip.truth_export_counts, step)
            if self.ade is not None:
                imported, exported = (
                    one * 10 // 36 // STEP_NANOWH for one in (state.import_microjoule, state.export_microjoule)
                )
                return Metered(imported, exported, STEP_NANOWH)
            imported = self.settings.start_import_milliwh + state.import_microjoule // MICROJOULE_PER_MILLIWH
            exported = self.settings.start_export_milliwh + state.export_microjoule // MICROJOULE_PER_MILLIWH
            return Metered(imported, exported, 1_000_000)

    def _map(self, opening: ExitStack) -> memoryview:
        """Return the memory of house and chip: the mapped file, or a new buffer."""
        path = self.settings.house_file
        if path is None:
            return memoryview(bytearray(HOUSE_FILE_BYTES))
        path.touch(mode=0o600)
        file = opening.enter_context(path.open("r+b"))
        if path.stat().st_size < HOUSE_FILE_BYTES:
            file.truncate(HOUSE_FILE_BYTES)
        mapped = opening.enter_context(mmap.mmap(file.fileno(), HOUSE_FILE_BYTES))
        return opening.enter_context(memoryview(mapped))

    def _open_ade(self, opening: ExitStack, memory: memoryview) -> None:
        opening.callback(memory.release)
        own, planned = self.settings.chip_settings, self.settings.faults
        if not isinstance(own, AdeSettings):
            own = default_settings(self.settings.meter, self.settings.fuse_limit_w, _MAX_GAP_MS)
        made = open_ade(self.settings.meter, own, memory, self.clock, self._living, planned, self.settings.seed)
        made.advance(self.house.state().at_unix_ms, [0.0, 0.0, 0.0])
        self.ade, self.driver = made, made.driver

    @contextmanager
    def _living(self) -> Iterator[None]:
        with self.house.lock:
            self.live()
            yield

    def _open_chip(self, opening: ExitStack, memory: memoryview) -> None:
        opening.callback(memory.release)
        own = self.settings.chip_settings
        if not isinstance(own, Atm90e32asSettings):
            own = make_settings(
                meter_constant=self.settings.meter_constant,
                fuse_limit_w=self.settings.fuse_limit_w,
                max_gap_ms=_MAX_GAP_MS,
            )
        faults = [Fault(kind, at_ms=at_ms) for kind, at_ms in self.settings.faults]
        chip = Atm90e32asEmulator(memory, self.clock, faults=faults, seed=self.settings.seed)
        opening.callback(chip.close)
        if chip.now_ms < self.house.state().at_unix_ms:
            chip.advance(self.house.state().at_unix_ms, (0.0, 0.0, 0.0))
        self.chip = chip
        self.driver = Atm90e32as(_LivingSpi(self, chip), self.clock, own)

    def _open_sdm(self, opening: ExitStack, bus: str, model: str) -> None:
        over = "tcp" if bus == "modbus-tcp" else "pty"
        from drivers.linux.modbus import SerialLine, open_serial, open_tcp
        from drivers.sim.sdm630 import SimulatedSdm

        sdm = SimulatedSdm(self._meter_truth, model=model, over=over)
        self.sdm = opening.enter_context(sdm)
        if over == "tcp":
            device = open_tcp(sdm.host, sdm.port)
        else:
            device = open_serial(SerialLine(sdm.serial_port, baud=_PTY_BAUD))
        opening.enter_context(device)
        limit_w, last_valid = self.settings.fuse_limit_w, self.settings.last_valid
        self.driver = ModbusMeter(device, self.clock, load_profile(model.lower()), limit_w, last_valid=last_valid)

    def _on_segment(self, start_unix_ms: int, end_unix_ms: int, net: tuple[int, int, int]) -> None:
        """Let the chip meter a stretch of constant power; what it has metered already is not repeated."""
        if self.chip is not None and end_unix_ms > self.chip.now_ms:
            self.chip.advance(end_unix_ms, [milliwatts / 1000 for milliwatts in net])
        if self.ade is not None:
            self.ade.advance(end_unix_ms, [milliwatts / 1000 for milliwatts in net])

    def _meter_truth(self) -> MeterTruth:
        with self.house.lock:
            self.live()
            state, power = self.house.state(), self.house.power()
        import_life = self.settings.start_import_milliwh * MICROJOULE_PER_MILLIWH
        export_life = self.settings.start_export_milliwh * MICROJOULE_PER_MILLIWH
        return MeterTruth(
            power.net_phase_milliwatts,
            import_life + state.import_microjoule,
            export_life + state.export_microjoule,
            (state.import_a_microjoule, state.import_b_microjoule, state.import_c_microjoule),
            (state.export_a_microjoule, state.export_b_microjoule, state.export_c_microjoule),
        )


class _LivingSpi(SpiDevice):
    """The chip's bus; every transfer lets the house live up to the granted instant first."""

    def __init__(self, bench: SimulatedMeter, chip: Atm90e32asEmulator) -> None:
        self._bench = bench
        self._chip = chip

    def transfer(self, tx: bytes) -> bytes:
        """One chip-select period."""
        with self._bench.house.lock:
            self._bench.live()
            return self._chip.transfer(tx)
