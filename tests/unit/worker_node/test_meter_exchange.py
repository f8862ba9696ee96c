"""A meter is exchanged: its counters stay quarantined until a person confirms, then the books go on as they stood."""

import asyncio
import json
from pathlib import Path

import pytest

from drivers.bus import ModbusDevice
from drivers.linux.modbus_profiles import load_profile
from drivers.modbus.meter import ModbusMeter
from drivers.sample import FLAG_ENERGY_LOST, FLAG_QUARANTINED
from drivers.sim.modbus_image import MICROJOULE_PER_KWH, MeterTruth
from drivers.sim.modbus_meter import EmulatedMeter
from drivers.sim.ticks import SimClock
from tests.unit.worker_node.world import WORKER, write_settings
from worker_node.cli import main
from worker_node.exchange_records import GOOD_FOR_S
from worker_node.journal import Journal, JournalThread
from worker_node.metering.checkpoint import Checkpoint
from worker_node.metering.exchange import SAMPLES_IN_ROW, ExchangeWatch
from worker_node.metering.meter import MeterThread, Taken

START_UNIX_S = 1_800_000_000
POWER_W = 3_600


class Home(ModbusDevice):
    """An SDM630 at a constant import, exchanged by putting other counters in."""

    def __init__(self, folder: Path) -> None:
        self.now_unix_s = START_UNIX_S
        self.old_mj = 1_000 * MICROJOULE_PER_KWH
        self.emulated = EmulatedMeter(load_profile("sdm630"), self.truth)
        self.meter = ModbusMeter(self, SimClock(lambda: self.now_unix_s * 1000), load_profile("sdm630"), 43_000)
        self.battery = None
        self.thread = MeterThread(self, Checkpoint(folder, folder), 20, None)
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        self.watch = ExchangeWatch(self.journal, self.thread, self._run)

    async def _run(self, work):  # type: ignore[no-untyped-def]
        work()

    def truth(self) -> MeterTruth:
        flowed = self.old_mj + (self.now_unix_s - START_UNIX_S) * POWER_W * 1_000_000
        return MeterTruth((POWER_W * 1000, 0, 0), flowed, 0, (flowed, 0, 0), (0, 0, 0))

    def read(self, function: int, address: int, count: int) -> list[int]:
        return self.emulated.read(function, address, count)

    def advance(self, unix_s: float) -> None:
        """The house lives by `now_unix_s`."""

    async def live(self, samples: int) -> Taken:
        for _ in range(samples):
            self.now_unix_s += 5
            taken = self.thread.take(self.now_unix_s, full=True, close_slot=None, extra_flags=0)
            await self.watch.after(taken)
        return taken

    async def confirm(self, at_unix_s: int) -> int:
        return await self.journal.call(lambda journal: journal.exchanges.confirm(at_unix_s))


def exchanged(folder: Path) -> tuple[Home, Taken]:
    """A home whose meter was replaced by one that stands at 7 kWh."""
    home = Home(folder)
    home.thread.recover()
    home.thread.start(START_UNIX_S)
    before = asyncio.run(home.live(20))
    home.old_mj = 7 * MICROJOULE_PER_KWH - (home.now_unix_s - START_UNIX_S) * POWER_W * 1_000_000
    return home, before


def test_a_fall_stays_quarantined_while_nobody_confirms(tmp_path: Path) -> None:
    home, before = exchanged(tmp_path)
    after = asyncio.run(home.live(50))
    assert after.sample.flags & FLAG_QUARANTINED
    assert after.totals == before.totals
    home.journal.close()


def test_a_confirmed_exchange_goes_on_from_the_new_register_without_re_basing_the_books(tmp_path: Path) -> None:
    home, before = exchanged(tmp_path)

    async def confirmed() -> Taken:
        await home.live(10)
        number = await home.confirm(home.now_unix_s)
        first = home.now_unix_s + 10
        await home.live(2)
        (row,) = await home.journal.call(lambda journal: journal.exchanges.all())
        assert (row.number, row.taken_unix_s) == (number, first)
        assert row.import_milliwh == pytest.approx(7_000_000 + 5_000 * 14, abs=20_000)
        return await home.live(20)

    after = asyncio.run(confirmed())
    assert not after.sample.flags & FLAG_QUARANTINED
    assert after.flags & FLAG_ENERGY_LOST
    gained = after.totals.import_milliwh - before.totals.import_milliwh
    assert gained == pytest.approx(20 * 5_000, abs=500)
    assert after.totals.import_milliwh > 1_000_000_000
    home.journal.close()


def test_a_confirmation_before_the_exchange_waits_and_one_that_is_a_day_old_is_void(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.thread.recover()
    home.thread.start(START_UNIX_S)

    async def early() -> None:
        await home.confirm(home.now_unix_s)
        before = await home.live(10)
        assert not before.sample.flags
        assert await home.journal.call(lambda journal: journal.exchanges.pending(home.now_unix_s)) == 1
        assert await home.journal.call(lambda journal: journal.exchanges.pending(home.now_unix_s + GOOD_FOR_S)) is None

    asyncio.run(early())
    home.journal.close()


def test_a_single_garbled_look_is_not_taken_for_the_new_meter(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.thread.recover()
    home.thread.start(START_UNIX_S)

    async def garbled() -> Taken:
        before = await home.live(10)
        await home.confirm(home.now_unix_s)
        home.emulated.fault = "brown-out"
        assert (await home.live(SAMPLES_IN_ROW - 1)).sample.flags & FLAG_QUARANTINED
        home.emulated.fault = ""
        after = await home.live(5)
        assert after.totals.import_milliwh - before.totals.import_milliwh == pytest.approx(5_000 * 7, abs=300)
        return after

    assert not asyncio.run(garbled()).sample.flags
    home.journal.close()


def test_the_command_asks_and_writes_the_confirmation_into_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_settings(tmp_path, {'"sim:house"': '"modbus-tcp:sdm630"', 'profile = "ca01"': ""}, battery=False)
    arguments = ["meter", "exchanged", "--config", str(file)]
    assert main(arguments) == 1
    assert "no journal yet" in capsys.readouterr().err
    (tmp_path / "state").mkdir()
    Journal(tmp_path / "state" / "journal.sqlite", WORKER.address).close()
    monkeypatch.setattr("builtins.input", lambda question: "no")
    assert main(arguments) == 1
    assert "not confirmed" in capsys.readouterr().err
    assert main([*arguments, "--confirm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"exchange": 1}
    journal = Journal(tmp_path / "state" / "journal.sqlite", WORKER.address)
    assert len(journal.exchanges.all()) == 1
    journal.close()


def test_a_chip_has_nothing_to_confirm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_settings(tmp_path)
    assert main(["meter", "exchanged", "--config", str(file), "--confirm"]) == 1
    assert "E-METER-EXCHANGE" in capsys.readouterr().err
