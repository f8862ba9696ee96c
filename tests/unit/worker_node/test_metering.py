"""Metering: one reading per slot end in an unbroken chain, whatever the meter, the clock or a kill does."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.errors import BusFault
from drivers.sample import FLAG_BUS_FAULTS, FLAG_CROSS_CHECK, FLAG_ENERGY_LOST, FLAG_GAP, INCREMENT, MeterSample
from drivers.sim.granted import GrantedClock
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import digest
from tests.unit.worker_node.world import DAY_UNIX_S, DOMAIN, FIRST_SLOT, WORKER
from worker_node.journal import Journal, JournalThread, SignedReading
from worker_node.metering.checkpoint import Checkpoint, Record
from worker_node.metering.meter import BatteryLook, MeterThread, Taken
from worker_node.metering.service import FLAG_CLOCK_UNTRUSTED, Metering, MeteringEvents, MeteringOptions, Punctual

STEP = 3_125_000
POWER_W = 4_500.0


class Chip:
    """A chip that forgets when read, on a home that takes 4.5 kW; it outlives the daemon."""

    def __init__(self, clock: "Callable[[], float]") -> None:
        self.now_unix_s = clock
        self.taken_counts = 0
        self.fails = False
        self.stuck = False
        self.reads = 0

    def counts(self) -> int:
        """What has been metered since midnight."""
        return int((self.now_unix_s() - DAY_UNIX_S + 100) * POWER_W * 10 / 36) * 1_000_000 // STEP

    def start(self) -> MeterSample:
        return self.read()

    def read_energy(self) -> MeterSample:
        return self.read()

    def read(self) -> MeterSample:
        if self.fails:
            raise BusFault("line stuck high")
        self.reads += 1
        fresh = 0 if self.stuck else self.counts() - self.taken_counts
        self.taken_counts += fresh
        at_ms = int(self.now_unix_s() * 1000)
        power = (POWER_W, POWER_W, 0.0, 0.0)
        nothing = (None, None, None, None, None, None)
        return MeterSample(*(at_ms, INCREMENT, fresh, 0, None, None, STEP, power, *nothing, 0, 0, 0))


@dataclass
class Bank:
    """A battery that stands still."""

    def set_power_w(self, power_w: int) -> None:
        """Does nothing."""

    silent: bool = False

    def look(self) -> BatteryLook | None:
        return None if self.silent else BatteryLook(0.0, 3_000_000, 0)


@dataclass
class Devices:
    """The home's devices."""

    meter: Chip
    battery: Bank | None = field(default_factory=Bank)

    def advance(self, unix_s: float) -> None:
        """The chip goes by the clock."""


@dataclass
class Life:
    """One life of the daemon's metering, on hardware and folders that outlive it."""

    folder: Path
    chip: Chip | None = None
    start_unix_s: int = DAY_UNIX_S - 60
    close_within_s: int = 5
    punctual: Punctual | None = None
    trusted: bool = True
    on_sample: Callable[[Taken], None] = lambda taken: None
    readings: list[SignedReading] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    findings: list[bool] = field(default_factory=list)
    journal: JournalThread = field(init=False)
    devices: Devices = field(init=False)

    def live(self, *grants: int, finish: bool = True, before: "Callable[[Life, int], None] | None" = None) -> "Life":
        """Runs until the instants (seconds after midnight); without `finish` the objects are dropped as by a kill."""
        asyncio.run(self._live(grants, finish, before))
        return self

    async def _live(self, grants: tuple[int, ...], finish: bool, before: "Callable[[Life, int], None] | None") -> None:
        clock = GrantedClock(self.start_unix_s)
        clock.trusted = lambda: self.trusted  # type: ignore[method-assign]
        self.chip = self.chip or Chip(clock.now_unix_s)
        self.chip.now_unix_s = clock.now_unix_s
        self.journal = JournalThread(self.folder / "journal.sqlite", WORKER.address)
        self.devices = Devices(self.chip)
        meter = MeterThread(self.devices, Checkpoint(self.folder, self.folder), 20, None)
        options = MeteringOptions(5, 1, self.close_within_s, bytes(32), punctual=self.punctual)
        events = MeteringEvents(self._sample, self._ended, self._reading, lambda since, why: None, lambda: None)
        self.metering = Metering(clock, meter, self.journal, WORKER, DOMAIN, options, events)
        await self.metering.recover()
        task = asyncio.create_task(self.metering.run(), name="metering")
        await self.metering.running.wait()
        for at in grants:
            if before is not None:
                before(self, at)
            granted = asyncio.create_task(clock.grant(DAY_UNIX_S + at))
            await asyncio.wait([granted, task], return_when=asyncio.FIRST_COMPLETED)
            granted.cancel()
            if task.done():
                break
        task.cancel()
        await asyncio.wait([task])
        if finish:
            await self.metering.finish()
        self.journal.close()

    async def _sample(self, taken: Taken) -> None:
        if taken.finding is not None:
            self.findings.append(taken.finding.ok)
        self.on_sample(taken)

    async def _ended(self, slot: int, look: BatteryLook | None) -> None:
        self.ended.append(slot)

    async def _reading(self, signed: SignedReading) -> None:
        self.readings.append(signed)

    def stored(self) -> list[SignedReading]:
        """All readings in the journal."""
        journal = JournalThread(self.folder / "journal.sqlite", WORKER.address)
        found = journal.run(lambda journal: journal.readings_after(-1))
        journal.close()
        return found


def check_chain(readings: list[SignedReading]) -> None:
    previous = bytes(32)
    for signed in readings:
        assert signed.reading.previous == previous
        assert signed_by(WORKER.address, digest(DOMAIN, signed.reading), signed.signature)
        previous = signed.hash


def slots(readings: list[SignedReading]) -> list[int]:
    return [signed.reading.slot - FIRST_SLOT for signed in readings]


def test_one_signed_reading_per_slot_end_with_the_counters_of_that_instant(tmp_path: Path) -> None:
    life = Life(tmp_path).live(10, 910, 1810)
    assert life.readings == life.stored()
    check_chain(life.readings)
    assert slots(life.readings) == [-1, 0, 1]
    assert life.ended == [FIRST_SLOT - 2, FIRST_SLOT - 1, FIRST_SLOT, FIRST_SLOT + 1]
    energies = [b.reading.imported - a.reading.imported for a, b in zip(life.readings, life.readings[1:], strict=False)]
    assert all(abs(energy - 1_125_000) <= 4 for energy in energies)
    assert all(signed.reading.flags == 0 for signed in life.readings)
    assert life.findings
    assert all(life.findings)
    assert life.stored()[-1].reading.exported == 0


def test_the_slots_base_goes_into_the_history_with_the_reading(tmp_path: Path) -> None:
    life = Life(tmp_path).live(10, 910)
    journal = JournalThread(tmp_path / "journal.sqlite", WORKER.address)
    history = journal.run(lambda journal: journal.history(0))
    journal.close()
    assert history == {FIRST_SLOT: life.readings[1].reading.imported - life.readings[0].reading.imported}


def test_a_kill_between_a_closing_sample_and_its_commit_loses_nothing(tmp_path: Path) -> None:
    def kill(taken: Taken) -> None:
        if taken.boundary is not None and taken.boundary.slot == FIRST_SLOT:
            raise asyncio.CancelledError

    first = Life(tmp_path, on_sample=kill).live(10, 910, finish=False)
    assert slots(first.stored()) == [-1]
    second = Life(tmp_path, chip=first.chip, start_unix_s=DAY_UNIX_S + 900).live(910, 1810)
    stored = second.stored()
    check_chain(stored)
    assert slots(stored) == [-1, 0, 1]
    assert stored[2].reading.flags == FLAG_GAP
    assert abs(stored[2].reading.imported - stored[0].reading.imported - 2_250_000) <= 4


def test_a_kill_between_a_sample_and_its_record_loses_that_sample_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Checkpoint.write

    def killed(self: Checkpoint, record: Record) -> None:
        if record.at_unix_s == DAY_UNIX_S + 500:
            raise asyncio.CancelledError
        write(self, record)

    monkeypatch.setattr(Checkpoint, "write", killed)
    first = Life(tmp_path).live(10, 910, finish=False)
    monkeypatch.undo()
    second = Life(tmp_path, chip=first.chip, start_unix_s=DAY_UNIX_S + 505).live(910)
    stored = second.stored()
    one_sample = round(POWER_W * 5 / 3.6)
    assert slots(stored) == [-1, 0]
    assert abs(stored[1].reading.imported - stored[0].reading.imported - 1_125_000 + one_sample) <= 8
    assert stored[1].reading.flags == FLAG_GAP


def test_a_restart_within_a_slot_keeps_every_count(tmp_path: Path) -> None:
    first = Life(tmp_path).live(10, 300, finish=False)
    second = Life(tmp_path, chip=first.chip, start_unix_s=DAY_UNIX_S + 305).live(910)
    assert first.chip is not None
    stored = second.stored()
    assert slots(stored) == [-1, 0]
    energy = stored[1].reading.imported - stored[0].reading.imported
    assert abs(energy - 1_125_000) <= 4
    assert stored[1].reading.flags == FLAG_GAP


def test_an_orderly_restart_leaves_no_flag_and_a_lost_memory_record_does(tmp_path: Path) -> None:
    first = Life(tmp_path).live(10, 300)
    second = Life(tmp_path, chip=first.chip, start_unix_s=DAY_UNIX_S + 305).live(910, finish=False)
    assert second.stored()[1].reading.flags == 0
    for file in tmp_path.glob("counters*"):
        file.unlink()
    third = Life(tmp_path, chip=second.chip, start_unix_s=DAY_UNIX_S + 915)
    third.live(1810)
    assert slots(third.stored()) == [-1, 0, 1]


def test_slot_ends_without_the_daemon_are_not_invented(tmp_path: Path) -> None:
    first = Life(tmp_path).live(10)
    second = Life(tmp_path, chip=first.chip, start_unix_s=DAY_UNIX_S + 2000).live(2710)
    stored = second.stored()
    assert slots(stored) == [-1, 2]
    check_chain(stored)
    assert stored[1].reading.flags & FLAG_GAP


def test_bus_faults_mark_the_slot_and_the_next_reading_spans_a_missed_end(tmp_path: Path) -> None:
    def wiring(life: Life, at: int) -> None:
        assert life.chip is not None
        life.chip.fails = at == 1000

    life = Life(tmp_path).live(10, 800, 1000, 1810, before=wiring)
    assert slots(life.readings) == [-1, 1]
    assert life.readings[1].reading.flags & FLAG_BUS_FAULTS
    assert life.ended == [FIRST_SLOT - 2, FIRST_SLOT - 1, FIRST_SLOT, FIRST_SLOT + 1]
    assert abs(life.readings[1].reading.imported - life.readings[0].reading.imported - 2_250_000) <= 4


def test_stuck_registers_are_found_and_flagged(tmp_path: Path) -> None:
    def freeze(life: Life, at: int) -> None:
        assert life.chip is not None
        life.chip.stuck = at > 10

    life = Life(tmp_path).live(10, 910, before=freeze)
    assert life.findings
    assert not life.findings[-1]
    assert life.readings[1].reading.flags & FLAG_CROSS_CHECK


def test_without_a_trusted_clock_no_slot_is_closed_and_nothing_is_lost(tmp_path: Path) -> None:
    def clock(life: Life, at: int) -> None:
        life.trusted = at != 910

    life = Life(tmp_path).live(10, 910, 1810, before=clock)
    assert slots(life.readings) == [-1, 1]
    assert life.readings[1].reading.flags & FLAG_CLOCK_UNTRUSTED
    assert abs(life.readings[1].reading.imported - life.readings[0].reading.imported - 2_250_000) <= 4


def test_a_card_record_alone_marks_lost_energy(tmp_path: Path) -> None:
    runtime, card = tmp_path / "run", tmp_path / "card"
    runtime.mkdir()
    card.mkdir()
    checkpoint = Checkpoint(runtime, card)
    now = [float(DAY_UNIX_S)]
    chip = Chip(lambda: now[0])
    thread = MeterThread(Devices(chip), checkpoint, 20, None)
    thread.recover()
    thread.start(DAY_UNIX_S)
    (runtime / "counters").unlink()
    again = MeterThread(Devices(chip), Checkpoint(runtime, card), 20, None)
    again.recover()
    now[0] += 5
    again.start(DAY_UNIX_S + 5)
    taken = again.take(DAY_UNIX_S + 5, full=True, close_slot=FIRST_SLOT, extra_flags=0)
    assert taken.flags & FLAG_ENERGY_LOST
    assert taken.flags & FLAG_GAP


def test_the_meter_thread_waits_for_the_instant_itself_before_it_asks_the_meter(tmp_path: Path) -> None:
    waited = list[tuple[float, str, int]]()

    def wait_until(at_unix_s: float) -> None:
        reads = life.chip.reads if life.chip is not None else -1
        waited.append((at_unix_s - DAY_UNIX_S, threading.current_thread().name.rpartition("_")[0], reads))

    life = Life(tmp_path, start_unix_s=DAY_UNIX_S, punctual=Punctual(2.0, wait_until))
    life.live(24)
    assert waited == [
        (0.0, "meter", 1),
        (5.0, "meter", 2),
        (10.0, "meter", 3),
        (15.0, "meter", 4),
        (20.0, "meter", 5),
        (25.0, "meter", 6),
    ]


def test_a_battery_that_falls_silent_leaves_the_meter_alone_and_its_slot_out_of_the_history(tmp_path: Path) -> None:
    def before(life: Life, at: int) -> None:
        assert life.devices.battery is not None
        life.devices.battery.silent = at == 1810

    life = Life(tmp_path).live(910, 1810, 2710, 3610, before=before)
    assert [one.reading.slot - FIRST_SLOT for one in life.readings] == [-1, 0, 1, 2, 3]
    journal = Journal(tmp_path / "journal.sqlite", WORKER.address)
    assert sorted(slot - FIRST_SLOT for slot in journal.history(0)) == [0, 3]
    journal.close()
