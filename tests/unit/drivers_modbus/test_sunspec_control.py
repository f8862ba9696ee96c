"""A battery is commanded only after its sign test, within its limits, read back, and let go of whatever happens."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.bus import Clock, ModbusDevice
from drivers.errors import ChecksumFault, ValueOutOfRange
from drivers.linux.modbus import open_tcp
from drivers.linux.modbus_profiles import known_control_profiles, load_control_profile
from drivers.linux.modbus_sign import run_sign_test
from drivers.linux.modbus_sunspec_tables import tables
from drivers.modbus.profile import ProfileError
from drivers.modbus.slave import Refusal
from drivers.modbus.sunspec import scan
from drivers.modbus.sunspec_control import BatteryControl, ControlRefused, Limits, SignResult
from drivers.modbus.sunspec_inverter import SunSpecInverter
from drivers.modbus.sunspec_profile import control_profile_from
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.sunspec_hybrid import EmulatedHybrid

PASSED = SignResult(True, False, "HYB-1")
LIMITS = Limits(4_000, 10.0, 95.0)
FORCING = ["sunspec-124-host", "sunspec-704"]
FAR_S = 60.0


class Site(Clock, ModbusDevice):
    """A hybrid in simulated time, read without a wire."""

    def __init__(self, control: int) -> None:
        self.now_ms = 0
        self.hybrid = EmulatedHybrid(control, lambda: self.now_ms / 1000)
        self.writes = 0

    def ticks_ms(self) -> int:
        return self.now_ms

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b

    def wait(self, ms: int) -> None:
        self.now_ms += ms

    def read(self, function: int, address: int, count: int) -> list[int]:
        return self.hybrid.device.read(function, address, count)

    def write(self, address: int, words: list[int]) -> None:
        self.writes += 1
        self.hybrid.device.write(address, words)


def controlled(name: str, sign: SignResult | None = PASSED) -> tuple[Site, BatteryControl]:
    profile = load_control_profile(name)
    site = Site(profile.model)
    inverter = SunSpecInverter(site, site, scan_of(site), tables())
    return site, BatteryControl(site, site, inverter, profile, LIMITS, sign)


def scan_of(site: Site) -> list[object]:
    """The chain, with the emulator's refusals as the adapter would name them."""

    class Named(ModbusDevice):
        def read(self, function: int, address: int, count: int) -> list[int]:
            try:
                return site.read(function, address, count)
            except Refusal as refusal:
                raise AssertionError("the emulator's chain lies at 40000") from refusal

    return scan(Named())  # type: ignore[return-value]


def run_for(site: Site, control: BatteryControl, seconds: int, each: Callable[[], None] = lambda: None) -> None:
    for _ in range(seconds):
        site.now_ms += 1_000
        control.tick()
        each()


@pytest.mark.parametrize("sign", [None, SignResult(False, False, "HYB-1"), SignResult(True, False, "OTHER")])
@pytest.mark.parametrize("name", known_control_profiles())
def test_nothing_is_written_without_a_passed_sign_test_of_this_device(name: str, sign: SignResult | None) -> None:
    site, control = controlled(name, sign)
    with pytest.raises(ControlRefused, match="sign test"):
        control.command(1_000)
    run_for(site, control, 30)
    assert site.writes == 0


@pytest.mark.parametrize("name", FORCING)
@pytest.mark.parametrize("power_w", [1_000, -2_000, 0, 4_000])
def test_a_command_moves_the_battery_exactly_there_and_release_gives_it_back(name: str, power_w: int) -> None:
    site, control = controlled(name)
    automatic = site.hybrid.battery_w()
    assert control.command(power_w) == power_w
    assert site.hybrid.battery_w() == power_w
    control.release()
    assert site.hybrid.battery_w() == automatic == -800


@pytest.mark.parametrize("name", FORCING)
def test_fuse_nameplate_and_soc_window_bound_every_command(name: str) -> None:
    site, control = controlled(name)
    assert control.command(9_999) == 4_000
    assert site.hybrid.battery_w() == 4_000
    for soc, wish, allowed in (
        (95.0, 1_000, 0),
        (94.0, 1_000, 0),
        (92.9, 1_000, 1_000),
        (9.9, -500, 0),
        (11.0, -500, 0),
    ):
        site.hybrid.soc_percent = soc
        site.now_ms += 10_000
        assert control.command(wish) == allowed
        assert site.hybrid.battery_w() == pytest.approx(allowed, abs=10)


@pytest.mark.parametrize("name", FORCING)
def test_writes_keep_ten_seconds_apart_and_happen_on_change_or_refresh_only(name: str) -> None:
    site, control = controlled(name)
    times = list[int]()
    site.hybrid.device.on_write = _also(site.hybrid.device.on_write, lambda: times.append(site.now_ms))
    for second in range(300):
        site.now_ms += 1_000
        control.command(1_000 if second < 150 else 1_000 + 10 * second)
    moments = sorted(set(times))
    assert all(later - earlier >= 10_000 for earlier, later in pairwise(moments))
    steady = [moment for moment in moments if moment < 150_000]
    assert len(steady) == (1 if control.profile.revert_s == 0 else 8)


def _also(first: Callable[[int, str, int], None], then: Callable[[], None]) -> Callable[[int, str, int], None]:
    def both(model: int, name: str, raw: int) -> None:
        first(model, name, raw)
        then()

    return both


def test_a_device_that_lets_go_is_automatic_within_its_time_without_anybody() -> None:
    site, control = controlled("sunspec-704")
    control.command(2_000)
    run_for(site, control, 600, lambda: None)
    assert site.hybrid.battery_w() == 2_000
    site.now_ms += 61_000
    site.hybrid.advance()
    assert site.hybrid.battery_w() == -800


def test_a_heartbeat_keeps_the_reserve_and_its_end_gives_it_back() -> None:
    site, control = controlled("sunspec-802")
    control.command(0)
    run_for(site, control, 60)
    assert site.hybrid.battery_w() == 0
    beats = [raw for _, name, raw in site.hybrid.device.written if name == "CtrlHb"]
    assert beats == list(range(1, 62))
    site.now_ms += 11_000
    site.hybrid.advance()
    assert site.hybrid.battery_w() == -800
    control.command(0)
    control.release()
    assert (site.hybrid.device.raw(802, "SocRsvMax"), site.hybrid.device.raw(802, "SoCRsvMin")) == (1000, 50)


def test_a_command_that_somebody_else_took_away_is_given_again() -> None:
    site, control = controlled("sunspec-124-host")
    control.command(2_000)
    run_for(site, control, 30)
    once = site.writes
    site.hybrid.device.set(124, StorCtl_Mod=0)
    assert control.is_automatic()
    run_for(site, control, 10)
    assert site.hybrid.battery_w() == 2_000
    assert site.writes == 2 * once


def test_a_longer_pause_between_writes_may_be_asked_for_and_a_shorter_one_not() -> None:
    for asked_ms, kept_ms in ((30_000, 30_000), (1_000, 10_000)):
        site, _ = controlled("sunspec-124-host")
        inverter = SunSpecInverter(site, site, scan_of(site), tables())
        profile = load_control_profile("sunspec-124-host")
        control = BatteryControl(site, site, inverter, profile, LIMITS, PASSED, write_pause_ms=asked_ms)
        control.command(1_000)
        began_ms = site.now_ms
        control.command(2_000)
        while site.hybrid.battery_w() != 2_000:
            run_for(site, control, 1)
        assert site.now_ms - began_ms == kept_ms


def test_without_anybody_who_lets_go_there_are_limits_but_no_force() -> None:
    site, control = controlled("sunspec-124-limits")
    control.command(3_000)
    assert site.hybrid.battery_w() == 0
    site.now_ms += 10_000
    control.command(-500)
    assert site.hybrid.battery_w() == -500
    assert all(raw >= 0 for _, name, raw in site.hybrid.device.written if name in ("InWRte", "OutWRte"))


@pytest.mark.parametrize("fault", ["deaf", "clipped"])
@pytest.mark.parametrize("name", FORCING)
def test_a_device_that_does_not_keep_what_is_written_is_an_error(name: str, fault: str) -> None:
    site, control = controlled(name)
    site.hybrid.device.fault = fault
    with pytest.raises(ChecksumFault, match="reads back"):
        control.command(1_000)


def test_a_point_that_the_device_lacks_is_never_written() -> None:
    site, control = controlled("sunspec-124-host")
    del site.hybrid.device.values[3]["InWRte"]
    with pytest.raises(ControlRefused, match="InWRte"):
        control.command(1_000)
    assert site.writes == 0


def test_a_rate_beyond_its_word_is_refused_before_the_wire() -> None:
    site, control = controlled("sunspec-124-host")
    site.hybrid.device.set(124, InOutWRte_SF=-4)
    with pytest.raises(ValueOutOfRange):
        control.command(4_000)
    assert site.writes == 0


def test_scale_factors_are_applied_when_writing() -> None:
    site, control = controlled("sunspec-124-host")
    control.command(2_000)
    assert (site.hybrid.device.raw(124, "OutWRte"), site.hybrid.device.raw(124, "InWRte")) == (-4000, 4000)


@pytest.mark.parametrize("name", FORCING)
@pytest.mark.parametrize("wrong", [False, True])
def test_the_sign_test_finds_the_sign_and_ends_in_automatic(name: str, wrong: bool) -> None:
    site, control = controlled(name, None)
    site.hybrid.wired_wrong = wrong
    found = run_sign_test(control, site.hybrid.grid_w, site.wait, site.hybrid.battery_w)
    assert found == SignResult(True, wrong, "HYB-1")
    assert site.hybrid.battery_w() == -800
    biggest = [abs(raw) for _, point, raw in site.hybrid.device.written if point in ("InWRte", "WSet")]
    assert max(biggest) <= (1_000 if "124" in name else 50)
    again = BatteryControl(
        site, site, SunSpecInverter(site, site, scan_of(site), tables()), control.profile, LIMITS, found
    )
    again.command(1_500)
    assert site.hybrid.battery_w() == 1_500


def test_the_sign_test_fails_when_the_meter_does_not_follow_and_lets_go_when_it_breaks() -> None:
    site, control = controlled("sunspec-124-host", None)
    assert not run_sign_test(control, lambda: 800.0, site.wait, site.hybrid.battery_w).passed

    def broken() -> float:
        raise RuntimeError("the meter is away")

    with pytest.raises(RuntimeError):
        run_sign_test(control, broken, site.wait, site.hybrid.battery_w)
    assert site.hybrid.device.raw(124, "StorCtl_Mod") == 0
    with pytest.raises(ControlRefused, match="500 W"):
        control.command_for_sign_test(501)


def test_a_limiting_profile_is_tested_by_coming_to_rest() -> None:
    site, control = controlled("sunspec-124-limits", None)
    assert run_sign_test(control, site.hybrid.grid_w, site.wait, site.hybrid.battery_w).passed
    assert not run_sign_test(control, site.hybrid.grid_w, site.wait, lambda: None).passed


@pytest.mark.parametrize(("control", "state"), [(124, "running"), (704, "running"), (802, "")])
def test_a_look_gives_the_same_words_for_old_and_new_models(control: int, state: str) -> None:
    site = Site(control)
    inverter = SunSpecInverter(site, site, scan_of(site), tables(), invert=True)
    look, plate = inverter.look(), inverter.nameplate()
    assert look.state == state
    assert look.soc_percent == 50.0
    assert (plate.charge_w, plate.discharge_w, plate.capacity_wh) == (5_000, 5_000, 10_000)
    assert look.power_w == (None if control == 802 else 800)
    assert look.generated_milliwh == (None if control == 802 else 1_000_000)
    assert look.battery_power_w == (None if control == 704 else 800)


GOOD = {"format": 1, "title": "x", "model": 124, "lets_go": "host", "forced": True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format"),
        ({"title": ""}, "title"),
        ({"model": 123}, "704, 124 or 802"),
        ({"lets_go": "nobody"}, "lets_go"),
        ({"lets_go": "none"}, "forced"),
        ({"lets_go": "device"}, "timer or heartbeat"),
        ({"lets_go": "device", "write_revert": True, "revert_s": 10}, "revert_s"),
        ({"model": 802, "lets_go": "device", "heartbeat_s": 1}, "limits only"),
        ({"heartbeat_s": 1}, "heartbeat"),
        ({"forced": 1}, "true or false"),
        ({"revert_s": -1}, "revert_s"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_profile_that_leaves_a_battery_forced_for_ever_is_refused(change: dict[str, object], said: str) -> None:
    assert control_profile_from("good", dict(GOOD)).model == 124
    with pytest.raises(ProfileError, match=said):
        control_profile_from("bad", {**GOOD, **change})


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(stream: object) -> str:
    assert select.select([stream], [], [], FAR_S)[0], "the process said nothing"
    return stream.readline()  # type: ignore[attr-defined, no-any-return]


FEEDER = """
import socket, sys, time
feed = socket.socket(socket.AF_UNIX)
feed.connect(sys.argv[1])
print("fed", flush=True)
while True:
    feed.send(b".")
    time.sleep(0.05)
"""


@pytest.mark.parametrize("way", ["killed", "silent"])
def test_the_host_lets_go_when_the_daemon_is_killed_or_silent(tmp_path: Path, way: str) -> None:
    hybrid = EmulatedHybrid(124, lambda: 0.0)
    hybrid.device.set(124, StorCtl_Mod=3, OutWRte=-4000, InWRte=4000)
    assert hybrid.battery_w() == 2_000
    released = socket.socketpair()
    hybrid.device.on_write = lambda model, name, raw: released[0].send(b"x") and None
    feed = str(tmp_path / "feed")
    with EmulatedLine({1: EmulatedUnit(hybrid.device)}) as line:
        command = [sys.executable, "-m", "drivers.linux.modbus_letgo", "--feed", feed, "--profile", "sunspec-124-host"]
        command += ["--host", line.host, "--port", str(line.port), "--patience", "0.5"]
        with started(command) as host:
            assert line_of(host.stdout) == "ready\n"
            with started([sys.executable, "-c", FEEDER, feed]) as daemon:
                assert line_of(daemon.stdout) == "fed\n"
                assert hybrid.battery_w() == 2_000
                os.kill(daemon.pid, signal.SIGKILL if way == "killed" else signal.SIGSTOP)
                released[1].settimeout(FAR_S)
                assert released[1].recv(1) == b"x"
            assert host.stderr is not None
            assert "daemon_" in host.stderr.readline()
            assert "let_go profile=sunspec-124-host" in host.stderr.readline()
    assert hybrid.device.raw(124, "StorCtl_Mod") == 0
    assert hybrid.battery_w() == -800
    for end in released:
        end.close()


def test_the_host_process_refuses_settings_it_cannot_use(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "drivers.linux.modbus_letgo",
        "--feed",
        str(tmp_path / "f"),
        "--profile",
        "none-such",
    ]
    done = subprocess.run([*command, "--host", "127.0.0.1"], capture_output=True, text=True, timeout=FAR_S)
    assert done.returncode == 2
    assert "sunspec-124-host" in done.stderr


def test_the_adapter_reads_the_same_over_tcp() -> None:
    hybrid = EmulatedHybrid(704, lambda: 0.0)
    with EmulatedLine({1: EmulatedUnit(hybrid.device)}) as line, open_tcp(line.host, line.port) as device:
        site = Site(704)
        inverter = SunSpecInverter(device, site, scan(device), tables())
        control = BatteryControl(device, site, inverter, load_control_profile("sunspec-704"), LIMITS, PASSED)
        control.command(-1_230)
        assert hybrid.battery_w() == -1_230
