"""Without the signed record of a passed sign test no battery is commanded; the test itself leaves nothing behind."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.linux.modbus_feed import NobodyLetsGo
from drivers.linux.modbus_profiles import load_control_profile
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from tests.unit.worker_node.inverter_site import SERIAL, Site, Time, put_record, record_of, site, write_home
from tests.unit.worker_node.world import WORKER
from worker_node.app.sign_test import SignTestRefused, sign_test
from worker_node.cli import main
from worker_node.settings import load_settings
from worker_node.sign_record import FILE, SignRecordError, read_record


@pytest.mark.parametrize(
    ("changes", "signer", "why"),
    [
        ({"passed": False}, WORKER, "not passed"),
        ({"household_agrees": False}, WORKER, "consent"),
        ({"profile_hash": "00" * 32}, WORKER, "another control profile"),
        ({}, KeySigner(keccak(b"somebody else")), "not signed by this Worker"),
        ({"worker": "aa" * 20}, WORKER, "not signed by this Worker"),
    ],
)
def test_a_record_that_does_not_fit_allows_nothing(
    tmp_path: Path, changes: dict[str, object], signer: KeySigner, why: str
) -> None:
    put_record(tmp_path, record_of("sunspec-704", **changes), signer)
    with pytest.raises(SignRecordError, match=why):
        read_record(tmp_path / "state" / FILE, WORKER.address.hex(), load_control_profile("sunspec-704"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"invert": false', '"invert": true'),
        ('"passed": true', '"passed": 1'),
        (SERIAL, "HYB-2"),
        ('"v": 1', '"v": 2'),
        ('"commanded_w": 500', '"commanded_w": true'),
        ("{", "["),
        (SERIAL, "x" * 20_000),
    ],
)
def test_a_record_that_was_touched_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    profile = load_control_profile("sunspec-704")
    put_record(tmp_path, record_of("sunspec-704"))
    file = tmp_path / "state" / FILE
    assert read_record(file, WORKER.address.hex(), profile) == record_of("sunspec-704")
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(SignRecordError):
        read_record(file, WORKER.address.hex(), profile)


def test_without_a_record_the_missing_test_is_named(tmp_path: Path) -> None:
    with pytest.raises(SignRecordError, match="no sign test was passed yet") as caught:
        read_record(tmp_path / FILE, WORKER.address.hex(), load_control_profile("sunspec-704"))
    assert "sign-test" in caught.value.next_step


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize(
    ("control", "profile"), [(704, "sunspec-704"), (802, "sunspec-802"), (124, "sunspec-124-limits")]
)
def test_the_guided_test_writes_the_record_that_the_daemon_asks_for(
    tmp_path: Path, control: int, profile: str, wrong: bool
) -> None:
    now, lines = Time(), list[str]()
    with site(control, now) as here:
        here.hybrid.wired_wrong = wrong
        settings = load_settings(write_home(tmp_path, here, profile))
        found = sign_test(settings, household_agrees=True, say=lines.append, clock=now)
        assert here.hybrid.battery_w() == -800
    forced = load_control_profile(profile).forced
    assert (found.passed, found.invert) == (True, wrong and forced)
    own = read_record(tmp_path / "state" / FILE, WORKER.address.hex(), load_control_profile(profile))
    assert own == found
    assert own.serial == SERIAL
    if forced:
        assert abs(own.grid_charging_w - own.grid_discharging_w) == 2 * own.commanded_w == 1_000
    who = {"sunspec-704": "the device itself, after 60 s", "sunspec-802": "heartbeat", "sunspec-124-limits": "nobody"}
    assert any(who[profile] in line for line in lines)


def test_a_meter_that_does_not_follow_leaves_a_record_that_allows_nothing(tmp_path: Path) -> None:
    now = Time()
    with site(704, now) as here:
        here.meter.follows = False
        settings = load_settings(write_home(tmp_path, here, "sunspec-704"))
        assert not sign_test(settings, household_agrees=True, say=lambda _: None, clock=now).passed
        assert here.hybrid.battery_w() == -800
    with pytest.raises(SignRecordError, match="not passed"):
        read_record(tmp_path / "state" / FILE, WORKER.address.hex(), load_control_profile("sunspec-704"))


def test_nothing_is_written_without_consent_or_without_somebody_who_lets_go(tmp_path: Path) -> None:
    now = Time()
    with site(124, now) as here:
        config = write_home(tmp_path, here, "sunspec-124-host")
        assert main(["battery", "sign-test", "--config", str(config)]) == 1
        with pytest.raises(NobodyLetsGo, match="letgo"):
            sign_test(load_settings(config), household_agrees=True, say=lambda _: None, clock=now)
        assert here.hybrid.device.written == []
    assert not (tmp_path / "state" / FILE).exists()


@contextmanager
def a_daemon_that_reads(folder: Path, here: Site, kept_battery: bool) -> Iterator[None]:
    """Somebody who answers like a daemon on the live socket."""
    (folder / "run").mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "run" / "live.sock"))
        listener.listen(8)

        def answer() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                live = {"power_w": here.hybrid.grid_w(), "at_unix_s": 100.0}
                told = {"live": live, "now_unix_s": 101.0, "battery_kept": kept_battery}
                with connection:
                    connection.sendall(json.dumps(told).encode())

        threading.Thread(target=answer, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def test_beside_a_chip_the_test_takes_the_power_from_the_running_daemon(tmp_path: Path) -> None:
    now = Time()
    with site(704, now) as here:
        config = write_home(tmp_path, here, "sunspec-704", {'kind = "modbus-tcp:sunspec"': 'kind = "spi:atm90e32as"'})
        settings = load_settings(config)
        with pytest.raises(SignTestRefused, match="only one program may read this meter"):
            sign_test(settings, household_agrees=True, say=lambda _: None, clock=now)
        with a_daemon_that_reads(tmp_path, here, False):
            assert sign_test(settings, household_agrees=True, say=lambda _: None, clock=now).passed
        (tmp_path / "run" / "live.sock").unlink()
        with (
            a_daemon_that_reads(tmp_path, here, True),
            pytest.raises(SignTestRefused, match="the daemon uses the battery"),
        ):
            sign_test(settings, household_agrees=True, say=lambda _: None, clock=now)


def test_check_says_whether_the_battery_may_be_commanded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with site(704) as here:
        config = write_home(tmp_path, here, "sunspec-704")
        assert main(["check", "--config", str(config)]) == 0
        assert "no sign test was passed yet" in capsys.readouterr().out
        put_record(tmp_path, record_of("sunspec-704"))
        assert main(["check", "--config", str(config), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["battery"] == f"sign test passed by {SERIAL}"


def test_a_test_that_breaks_off_leaves_the_battery_in_automatic(tmp_path: Path) -> None:
    class Broken(Time):
        def sleep_ms(self, n: int) -> None:
            super().sleep_ms(n)
            if self.now_s > 30:
                raise KeyboardInterrupt

    now = Broken()

    with site(704, now) as here:
        settings = load_settings(write_home(tmp_path, here, "sunspec-704"))
        with pytest.raises(KeyboardInterrupt):
            sign_test(settings, household_agrees=True, say=lambda _: None, clock=now)
        assert here.hybrid.device.raw(704, "WSetEna") == 0
        assert now.now_s > 30
