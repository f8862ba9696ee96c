"""The Worker's metering over every chip kind that is simulated: an hour, with a kill of the daemon in the middle.

Judge: the simulated house's own energy. A chip that remembers is taken up where its state was kept; nothing is lost
without a flag, nothing is booked twice, no counter falls.
"""

import asyncio
import signal
import zlib
from pathlib import Path

import pytest

from drivers.sample import FLAG_ENERGY_LOST, FLAG_GAP, FLAG_QUARANTINED
from honey_edge.model.options import SettingsError
from tests.unit.worker_node.test_daemon import Running, journal, story
from tests.unit.worker_node.world import write_settings
from worker_node.app.hardware import HomeHardware, open_hardware
from worker_node.metering.checkpoint import Checkpoint, Record, decode_record, encode_record
from worker_node.metering.meter import MeterThread
from worker_node.settings import WorkerSettings, load_settings
from worker_node.settings_chips import ADE_KINDS, CHIP_KINDS, chip_settings

HOUR_S = 3_600
STEP_S = 5
TENTH_OF_A_SECOND_NANOWH = 12_000 * 1_000_000_000 // 36_000
"""What 12 kW move while an ADE9000 has not renewed its registers yet; more than a count of the others."""


class Home:
    """Folders, clock and settings that outlive the daemon."""

    def __init__(self, folder: Path, kind: str, chip: str = "") -> None:
        file = write_settings(folder, {'"sim:house"': f'"{kind}"', "[broker]": f"[chip]\n{chip}\n[broker]"})
        self.settings: WorkerSettings = load_settings(file)
        self.folder = folder
        (folder / "state").mkdir(exist_ok=True)
        self.now_unix_s = 0.0

    def daemon(self) -> tuple[MeterThread, HomeHardware]:
        """A daemon's meter thread from the settings, started."""
        checkpoint = Checkpoint(self.folder, self.folder)
        found = checkpoint.find()
        hardware = open_hardware(self.settings, lambda: self.now_unix_s, found)
        thread = MeterThread(hardware, checkpoint, 20, None)
        thread.recover()
        thread.start(self.now_unix_s)
        return thread, hardware


def net_of_house(hardware: HomeHardware) -> int:
    assert hardware.truth is not None
    truth = hardware.truth()
    return truth.house_import_nanowh - truth.house_export_nanowh


@pytest.mark.parametrize("kind", CHIP_KINDS)
def test_an_hour_with_a_kill_in_the_middle_books_what_the_house_moved(kind: str, tmp_path: Path) -> None:
    home = Home(tmp_path, kind)
    home.now_unix_s = float(home.settings.clock.start_unix_s)
    start = int(home.now_unix_s)
    thread, hardware = home.daemon()
    began = net_of_house(hardware)
    before = (0, 0)
    for at in range(start + STEP_S, start + HOUR_S, STEP_S):
        home.now_unix_s = float(at)
        if at == start + HOUR_S // 2:
            # Killed: nothing is closed or written in order, and seven seconds pass until the next one is up.
            killed = hardware
            home.now_unix_s += 2
            thread, hardware = home.daemon()
            continue
        taken = thread.take(at, full=at % 15 == 0, close_slot=None, extra_flags=0)
        assert taken.totals.import_nanowh >= before[0]
        assert taken.totals.export_nanowh >= before[1]
        before = (taken.totals.import_nanowh, taken.totals.export_nanowh)
    moved = net_of_house(hardware) - began
    assert moved
    assert abs(taken.totals.net_nanowh - moved) <= TENTH_OF_A_SECOND_NANOWH
    assert not taken.flags & (FLAG_ENERGY_LOST | FLAG_QUARANTINED)
    assert bool(taken.flags & FLAG_GAP) == (kind == "spi:atm90e32as")
    hardware.close()
    killed.close()


@pytest.mark.parametrize("kind", ADE_KINDS)
def test_a_chip_that_was_not_powered_meanwhile_is_flagged_and_not_counted_from_the_old_state(
    kind: str, tmp_path: Path
) -> None:
    home = Home(tmp_path, kind)
    home.now_unix_s = start = float(home.settings.clock.start_unix_s)
    thread, hardware = home.daemon()
    for step in range(1, 20):
        home.now_unix_s = start + STEP_S * step
        taken = thread.take(int(home.now_unix_s), full=False, close_slot=None, extra_flags=0)
    booked = taken.totals
    bench = hardware.meter
    hardware.close()
    (house,) = tmp_path.rglob("house.bin")
    house.unlink()
    home.now_unix_s += STEP_S
    thread, hardware = home.daemon()
    home.now_unix_s += STEP_S
    taken = thread.take(int(home.now_unix_s), full=False, close_slot=None, extra_flags=0)
    assert bench is not hardware.meter
    assert taken.flags & FLAG_ENERGY_LOST
    assert taken.totals.import_nanowh >= booked.import_nanowh
    assert abs(taken.totals.net_nanowh - booked.net_nanowh) <= 69_000 * STEP_S * 1_000_000_000 // 3_600
    hardware.close()


@pytest.mark.parametrize(
    ("kind", "chip", "wanted"),
    [
        ("spi:ade9000", 'energy_mode = "overwrite"', "5 s apart"),
        ("spi:ade9000", "burden_milliohm = 100000\nct_ratio = 3000", "full scale"),
        ("i2c:ade7878", "v_gain = [1, 2]", "three entries"),
        ("i2c:ade7878", "v_gain = [9000000, 0, 0]", "calibration value"),
        ("spi:ade9000", "current_pga = 2", "pga_word"),
        ("spi:atm90e32as", "current_factor = 3", "current_factor"),
        ("i2c:ade7878", "i2c_address = 200", "above 119"),
    ],
)
def test_a_chip_that_cannot_be_set_up_so_is_refused_when_settings_are_read(
    kind: str, chip: str, wanted: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=wanted):
        Home(tmp_path, kind, chip)


def test_every_calibration_of_a_chip_reaches_its_registers(tmp_path: Path) -> None:
    words = "v_offset = [-1, 2, 3]\ni_offset = [4, 5, 6]\np_offset = [7, -8, 9]\nq_offset = [10, 11, 12]"
    atm = Home(tmp_path, "spi:atm90e32as", words).settings
    made = {word for _, word in chip_settings(atm.meter, atm.chip).configuration}
    assert {0xFFFF, 4, 5, 6, 7, 0xFFF8, 9, 10, 11, 12} <= made
    plain = Home(tmp_path, "spi:atm90e32as").settings
    assert atm.measuring() != plain.measuring()
    ade = Home(tmp_path, "spi:ade9000", words + "\np_gain = [21, 22, 23]\nphase = [31, 32, 33]").settings
    made = {word for _, word in chip_settings(ade.meter, ade.chip).configuration}
    assert {0xFFFFFFFF, 4, 5, 6, 7, 0xFFFFFFF8, 9, 10, 11, 12, 21, 22, 23, 31, 32, 33} <= made


def test_where_a_chip_is_wired_does_not_change_the_configuration(tmp_path: Path) -> None:
    plain = Home(tmp_path, "i2c:ade7878").settings.measuring()
    assert Home(tmp_path, "i2c:ade7878", "i2c_bus = 3").settings.measuring() == plain
    assert Home(tmp_path, "i2c:ade7878", "r1_ohm = 999000").settings.measuring() != plain


def test_a_record_keeps_the_chips_state_and_an_older_one_without_it_is_read() -> None:
    one = Record(60, 5, 6, None, None, 0, None, False, (1, -2, 2**44))
    assert decode_record(encode_record(one)) == one
    older = encode_record(one).partition(b" ")[2].replace(b',"chip":[1,-2,17592186044416]', b"").rstrip(b"\n")
    read = decode_record(b"%08x %s\n" % (zlib.crc32(older), older))
    assert read is not None
    assert read.chip == ()


@pytest.mark.parametrize("kind", ["i2c:ade7878", "spi:ade9000"])
def test_a_daemon_killed_by_sigkill_takes_the_chip_up_where_it_was(kind: str, tmp_path: Path) -> None:
    async def tell(running: Running) -> None:
        before = await running.grant(-40)
        await running.grant(300)
        await asyncio.to_thread(running.end, signal.SIGKILL)
        await running.start()
        after = await running.grant(910)
        house = after["house_import_nanowh"] - before["house_import_nanowh"]
        house -= after["house_export_nanowh"] - before["house_export_nanowh"]
        booked = after["import_milliwh"] - before["import_milliwh"]
        booked -= after["export_milliwh"] - before["export_milliwh"]
        assert abs(house - booked * 1_000_000) <= TENTH_OF_A_SECOND_NANOWH
        assert after["checks"] == []
        assert after["readings"] == 2

    story(write_settings(tmp_path, {'"sim:house"': f'"{kind}"'}), tell)
    last = journal(tmp_path).readings_after(-1)[-1]
    assert not last.reading.flags & (FLAG_ENERGY_LOST | FLAG_QUARANTINED)
