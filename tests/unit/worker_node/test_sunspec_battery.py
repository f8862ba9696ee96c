"""A real battery follows plans only after its sign test, never delays the meter, and is let go of whatever happens."""

import configparser
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.bus import ModbusDevice
from drivers.linux.modbus import open_tcp
from drivers.linux.modbus_battery import KeptBattery, KeptOptions
from drivers.linux.modbus_feed import LetGoFeed
from drivers.linux.modbus_profiles import load_control_profile
from drivers.modbus.sunspec_control import Limits, SignResult
from honey_edge.model.options import SettingsError
from tests.unit.worker_node.inverter_site import (
    FAR_S,
    INVERTER,
    METER,
    REPOSITORY,
    SERIAL,
    Site,
    Time,
    put_record,
    record_of,
    said,
    site,
    started,
    until,
    write_home,
)
from tests.unit.worker_node.world import WORKER
from worker_node.app.live import ask_daemon
from worker_node.app.sign_test import SignTestRefused, sign_test
from worker_node.app.sunspec_battery import open_battery
from worker_node.cli import main, parser
from worker_node.settings import load_settings
from worker_node.sign_record import SignRecordError

LIMITS = Limits(4_000, 5.0, 95.0)


# -- the thread that keeps it


def options(profile: str, **changes: object) -> KeptOptions:
    own = KeptOptions(LIMITS, SignResult(True, False, SERIAL), record_of(profile).automatic, 10_000, FAR_S)
    return replace(own, **changes)  # type: ignore[arg-type]


@contextmanager
def kept(here: Site, profile: str, feed: LetGoFeed | None = None, **changes: object) -> Iterator[KeptBattery]:
    with open_tcp(here.line.host, here.line.port, timeout_s=0.3) as device:
        one = KeptBattery(device, load_control_profile(profile), options(profile, **changes), feed)
        one.start()
        try:
            yield one
        finally:
            one.close()


def test_what_is_wanted_is_done_and_the_end_gives_the_battery_back() -> None:
    with site(704) as here:
        with kept(here, "sunspec-704", without_sun=True) as one:
            one.want(-1_200)
            until(lambda: here.hybrid.battery_w() == -1_200, "the command never came")
            until(lambda: one.seen() is not None and one.seen().power_w == -1_200, "never seen")  # type: ignore[union-attr]
            assert one.trouble() == ""
        assert here.hybrid.device.raw(704, "WSetEna") == 0


def test_another_device_than_the_tested_one_is_never_written_to() -> None:
    with site(704) as here:
        with kept(here, "sunspec-704", sign=SignResult(True, False, "OTHER")) as one:
            one.want(1_000)
            until(lambda: "sign test was passed by 'OTHER'" in one.trouble(), "no trouble was told")
        assert here.hybrid.device.written == []


def test_a_wish_that_nobody_says_again_is_let_go() -> None:
    with site(704) as here, kept(here, "sunspec-704", patience_s=1.5) as one:
        one.want(2_000)
        until(lambda: here.hybrid.device.raw(704, "WSetEna") == 1, "the command never came")
        until(lambda: here.hybrid.device.raw(704, "WSetEna") == 0, "it was never let go")
        assert here.hybrid.battery_w() == -800


def test_a_limit_that_a_killed_program_left_behind_is_taken_away_at_the_start() -> None:
    with site(124) as here:
        here.hybrid.device.set(124, StorCtl_Mod=3, InWRte=0, OutWRte=0)
        with kept(here, "sunspec-124-limits"):
            until(lambda: here.hybrid.device.raw(124, "StorCtl_Mod") == 0, "the old limit stayed")


def test_without_the_process_that_lets_go_nothing_is_commanded(tmp_path: Path) -> None:
    with site(124) as here, kept(here, "sunspec-124-host", LetGoFeed(tmp_path / "nobody")) as one:
        one.want(1_000)
        until(lambda: "DRV-LETGO" in one.trouble(), "no trouble was told")
        assert here.hybrid.device.written == []


def test_a_battery_is_given_back_as_soon_as_nobody_would_let_it_go(tmp_path: Path) -> None:
    file = tmp_path / "feed"
    with site(124) as here, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(file))
        listener.listen(1)
        with kept(here, "sunspec-124-host", LetGoFeed(file)) as one:
            one.want(1_000)
            until(lambda: here.hybrid.battery_w() == 1_000, "the command never came")
            file.unlink()
            listener.accept()[0].close()
            listener.close()
            until(lambda: "DRV-LETGO" in one.trouble(), "no trouble was told")
            until(lambda: here.hybrid.device.raw(124, "StorCtl_Mod") == 0, "it stayed commanded")


class StuckDevice(ModbusDevice):
    """An inverter whose answer never comes while `stuck` is set."""

    def __init__(self) -> None:
        self.asked, self.freed = threading.Event(), threading.Event()

    def read(self, function: int, address: int, count: int) -> list[int]:
        self.asked.set()
        self.freed.wait(FAR_S)
        return [0] * count


def test_a_stuck_inverter_keeps_nobody_waiting() -> None:
    device = StuckDevice()
    one = KeptBattery(device, load_control_profile("sunspec-704"), options("sunspec-704"), None)
    one.start()
    assert device.asked.wait(FAR_S)
    answers = list[object]()

    def meter_thread() -> None:
        one.want(1_000)
        answers.append(one.seen())
        answers.append(one.trouble())

    beside = threading.Thread(target=meter_thread)
    beside.start()
    beside.join(FAR_S)
    assert not device.freed.is_set()
    assert answers == [None, ""]
    device.freed.set()
    one.close()


def test_an_exchanged_inverter_is_noticed_before_anything_is_planned(tmp_path: Path) -> None:
    with site(704) as here:
        settings = load_settings(write_home(tmp_path, here, "sunspec-704"))
        assert settings.battery is not None
        put_record(tmp_path, record_of("sunspec-704", serial="HYB-0"))
        with pytest.raises(SignRecordError, match="sign test was passed by 'HYB-0'"):
            open_battery(settings, settings.battery, WORKER.address.hex(), None)
        put_record(tmp_path, record_of("sunspec-704"))
        one = open_battery(settings, settings.battery, WORKER.address.hex(), None)
        one.set_power_w(1_000)
        until(lambda: one.look() is not None, "it was never seen")
        assert here.hybrid.device.written == [], "commanded although no sample was taken"
        one.keep(4_900)
        until(lambda: here.hybrid.battery_w() == 4_900, "the command never came")
        one.close()
        assert here.hybrid.device.raw(704, "WSetEna") == 0


# -- settings


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('profile = "sunspec-704"', 'profile = "sunspec-705"', r"\[battery\]: profile 'sunspec-705' is not known"),
        ('profile = "sunspec-704"', 'profile = "mine.toml"', r"\[battery\]: profile .*mine\.toml"),
        ('profile = "sunspec-704"', 'profile = "sunspec-704"\nwrite_every_s = 60', r"revert timer of 60 s; 19 at most"),
        ('profile = "sunspec-704"', 'profile = "sunspec-704"\nwrite_every_s = 5', r"write_every_s = 5 is below 10"),
        ('kind = "sunspec-tcp"', 'kind = "sunspec-rtu"', r"\[battery\]: serial_port is missing"),
        (
            "[history]",
            '[clock]\nkind = "granted"\ngrant_socket = "g"\nstart_unix_s = 1\n[history]',
            r"is a real device",
        ),
        ("[history]", '[sim]\nprofile = "ca01"\n[history]', r"is a real device"),
        ("[history]", '[serve]\npeers = ["192.168.1.7/24"]\n[history]', r"\[serve\]: peers: .*host bits"),
        ("[history]", "[serve]\npeers = []\n[history]", r"\[serve\]: peers is empty"),
    ],
)
def test_wrong_settings_of_battery_and_server_are_refused_by_name(
    tmp_path: Path, old: str, new: str, wanted: str
) -> None:
    with site(704) as here, pytest.raises(SettingsError, match=wanted):
        load_settings(write_home(tmp_path, here, "sunspec-704", {old: new}))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("sample_every_s = 5", "sample_every_s = 1", r"time-out 0\.5 s is not shorter than the retry window"),
        (f"unit = {INVERTER}", f"unit = {METER}", r"unit = 2 is the meter's"),
        ('profile = "sunspec-704"', 'profile = "sunspec-704"\nbaud = 19200', r"baud differs from \[meter\]'s"),
        ('profile = "sunspec-704"', 'profile = "sunspec-704"\nparity = "E"', r"parity differs"),
        ("sample_every_s = 5", "sample_every_s = 3\nbaud = 2400", r"baud differs"),
    ],
)
def test_a_shared_line_that_cannot_be_kept_in_time_is_refused_when_settings_are_read(
    tmp_path: Path, old: str, new: str, wanted: str
) -> None:
    with site(704, over="pty") as here:
        load_settings(write_home(tmp_path, here, "sunspec-704"))
        with pytest.raises(SettingsError, match=wanted):
            load_settings(write_home(tmp_path, here, "sunspec-704", {old: new}))


# -- the daemon


def test_a_killed_daemon_leaves_the_battery_in_automatic(tmp_path: Path) -> None:
    with site(124) as here:
        config = write_home(tmp_path, here, "sunspec-124-host")
        put_record(tmp_path, record_of("sunspec-124-host"))
        with started(["battery", "letgo", "--config", str(config)]) as host:
            said(host, "ready")
            with started(["run", "--config", str(config)]) as daemon:
                until(lambda: here.hybrid.device.raw(124, "StorCtl_Mod") == 3, "the daemon never commanded")
                os.kill(daemon.pid, signal.SIGKILL)
                daemon.wait(FAR_S)
                said(host, "let_go profile=sunspec-124-host")
        assert here.hybrid.device.raw(124, "StorCtl_Mod") == 0
        assert here.hybrid.battery_w() == -800


@pytest.mark.system
def test_without_a_passed_test_the_home_is_metered_and_planned_without_its_battery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with site(704) as here:
        config = write_home(tmp_path, here, "sunspec-704")
        with started(["run", "--config", str(config)]) as daemon:
            said(daemon, "worker_started")
            until(lambda: ask_daemon(load_settings(config))["live"] is not None, "no sample was taken")
            assert main(["show", "--live", "--config", str(config), "--json"]) == 0
            shown = json.loads(capsys.readouterr().out)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(FAR_S) == 0
        assert here.hybrid.device.written == []
    assert "no sign test was passed yet" in shown["battery"]
    assert [check["ok"] for check in shown["checks"] if check["name"] == "battery"] == [False]
    assert (shown["plan"], shown["live"]["power_w"], shown["live"]["import_milliwh"]) == ("none", 0.0, 1_000_000_000)


def test_sigterm_gives_the_battery_back(tmp_path: Path) -> None:
    with site(704) as here:
        config = write_home(tmp_path, here, "sunspec-704", {"sample_every_s = 5": "sample_every_s = 1"})
        put_record(tmp_path, record_of("sunspec-704"))
        settings = load_settings(config)
        with started(["run", "--config", str(config)]) as daemon:
            until(lambda: here.hybrid.device.raw(704, "WSetEna") == 1, "the daemon never commanded")
            until(lambda: ask_daemon(settings)["live"]["battery_w"] is not None, "the battery was never seen")
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(FAR_S) == 0
        assert here.hybrid.device.raw(704, "WSetEna") == 0


@pytest.mark.system
def test_a_dead_inverter_is_named_and_does_not_stop_the_meter_nor_the_end(tmp_path: Path) -> None:
    with site(704) as here:
        here.inverter_unit.fault = "silent"
        config = write_home(tmp_path, here, "sunspec-704", {"sample_every_s = 5": "sample_every_s = 1"})
        put_record(tmp_path, record_of("sunspec-704"))
        settings = load_settings(config)
        with started(["run", "--config", str(config)]) as daemon:
            said(daemon, "worker_started")
            until(lambda: "DRV-BUS" in ask_daemon(settings)["battery"], "its silence was never told")
            looks = here.meter.looks
            until(lambda: here.meter.looks >= looks + 3, "the meter was not read any more")
            assert ask_daemon(settings)["meter_silent_since_unix_s"] is None
            begun_s = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(FAR_S) == 0
            assert time.monotonic() - begun_s < 4.0


@pytest.mark.system
def test_meter_and_battery_share_one_serial_line(tmp_path: Path) -> None:
    now = Time()
    with site(704, now, over="pty") as here:
        config = write_home(tmp_path, here, "sunspec-704", {"sample_every_s = 5": "sample_every_s = 3"})
        settings = load_settings(config)
        assert sign_test(settings, household_agrees=True, say=lambda _: None, clock=now).passed
        here.hybrid.device.written.clear()
        with started(["run", "--config", str(config)]) as daemon:
            until(lambda: here.hybrid.device.raw(704, "WSetEna") == 1, "the daemon never commanded")
            until(lambda: ask_daemon(settings)["live"]["battery_w"] is not None, "the battery was never seen")
            assert main(["scan", here.line.serial_port, "--config", str(config)]) == 1
            here.inverter_unit.fault = "silent"
            until(lambda: ask_daemon(settings)["battery"] != "", "its silence was never told")
            looks = here.meter.looks
            until(lambda: here.meter.looks >= looks + 2, "the meter was not read any more")
            assert ask_daemon(settings)["meter_silent_since_unix_s"] is None
            here.inverter_unit.fault = ""
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(FAR_S) == 0
        assert here.hybrid.device.raw(704, "WSetEna") == 0


@pytest.mark.parametrize(
    ("units", "said"), [("0-3", "write one such as 3"), ("x", "write one such as 3"), ("1", "no-such-line")]
)
def test_a_scan_says_clearly_what_it_cannot_do(capsys: pytest.CaptureFixture[str], units: str, said: str) -> None:
    assert main(["scan", "/dev/no-such-line", "--units", units, "--config", "/no/such/file"]) == 2
    assert said in capsys.readouterr().err


def test_the_daemon_loads_neither_scan_nor_sign_test_nor_the_battery_it_does_not_have() -> None:
    names = ("modbus_scan", "modbus_sign", "modbus_battery", "modbus_serve", "installer", "sign_test")
    code = f"import sys, worker_node.app.daemon; print([m for m in sys.modules if m.rpartition('.')[2] in {names!r}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_service_unit_names_a_command_that_exists() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(REPOSITORY / "images" / "hive-letgo.service")
    words = unit["Service"]["ExecStart"].split()
    assert words[0].endswith("/hive-worker")
    assert parser().parse_args(words[1:]).config == "/etc/hive/worker.toml"
    assert (unit["Service"]["Restart"], unit["Unit"]["Before"]) == ("always", "hive-worker.service")


def test_the_sign_test_does_not_run_beside_a_daemon_that_commands(tmp_path: Path) -> None:
    with site(704) as here:
        config = write_home(tmp_path, here, "sunspec-704")
        put_record(tmp_path, record_of("sunspec-704"))
        with started(["run", "--config", str(config)]) as daemon:
            said(daemon, "worker_started")
            with pytest.raises(SignTestRefused, match="the daemon uses the battery"):
                sign_test(load_settings(config), household_agrees=True, say=lambda _: None, clock=Time())


def test_show_live_and_letgo_say_clearly_when_they_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with site(704) as here:
        config = write_home(tmp_path, here, "sunspec-704")
        assert main(["show", "--live", "--config", str(config)]) == 1
        assert "E-NOT-RUNNING" in capsys.readouterr().err
        assert main(["battery", "letgo", "--config", str(config)]) == 2
        assert "needs no process" in capsys.readouterr().err
