"""A running Worker is a Modbus TCP meter: an independent client reads what the page and `show --live` say."""

import asyncio
import json
import signal
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
import sunspec2.modbus.client as independent

from tests.unit.worker_node.test_daemon import Running, story
from tests.unit.worker_node.world import write_settings
from worker_node.app.live import ask_daemon
from worker_node.cli import main
from worker_node.settings import load_settings
from worker_node.web.numbers import ENGLISH_NUMBERS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


def serving_home(folder: Path, port: int, more: str = "") -> Path:
    sections = f"[web]\nport = 0\n\n[serve]\nport = {port}\nunit = 7\n{more}\n\n[history]"
    return write_settings(folder, {"[history]": sections})


def scanned(port: int) -> dict[str, float]:
    client = independent.SunSpecModbusClientDeviceTCP(slave_id=7, ipaddr="127.0.0.1", ipport=port, timeout=5)
    client.scan()
    meter = client.models[203][0]
    found = {name: getattr(meter, name).cvalue for name in ("W", "WphA", "PhVphA", "Hz", "TotWhImp", "TotWhExp")}
    found["serial"] = client.models[1][0].SN.value
    client.close()
    return found


def test_an_independent_client_reads_what_page_and_live_show_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    config = serving_home(tmp_path, port)

    async def tell(running: Running) -> None:
        answer = await running.grant(7_200)
        found = await asyncio.to_thread(scanned, port)
        assert await asyncio.to_thread(main, ["show", "--live", "--config", str(config), "--json"]) == 0
        live = json.loads(capsys.readouterr().out)["live"]
        assert found["serial"] == "HV-1"
        assert live["power_w"] > 0
        assert found["W"] == round(live["power_w"])
        assert found["WphA"] == round(live["phase_power_w"][0])
        assert found["PhVphA"] == pytest.approx(live["voltage_v"][0], abs=0.06)
        assert found["Hz"] == pytest.approx(live["frequency_hz"], abs=0.006)
        assert (live["import_milliwh"], live["export_milliwh"]) == (answer["import_milliwh"], answer["export_milliwh"])
        assert found["TotWhImp"] == live["import_milliwh"] // 1000 > 0
        page = await asyncio.to_thread(lambda: urlopen(answer["page"]).read().decode())
        assert ENGLISH_NUMBERS.kilowatts(round(live["power_w"])) in page

    story(config, tell)


def test_who_is_not_among_the_peers_is_cut_off(tmp_path: Path) -> None:
    port = free_port()
    config = serving_home(tmp_path, port, 'peers = ["192.168.1.0/24"]')

    def asked() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
            one.sendall(bytes.fromhex("000100000006070300000002"))
            try:
                return one.recv(64)
            except ConnectionResetError:
                return b""

    async def tell(running: Running) -> None:
        await running.grant(60)
        assert await asyncio.to_thread(asked) == b""

    story(config, tell)


def test_a_port_that_is_taken_is_a_failed_check_and_the_metering_goes_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = serving_home(tmp_path, taken.getsockname()[1])

        async def tell(running: Running) -> None:
            answer = await running.grant(60)
            assert answer["import_milliwh"] >= 0
            told = await asyncio.to_thread(ask_daemon, load_settings(config))
            assert [(check["name"], check["ok"]) for check in told["checks"] if not check["ok"]] == [("serve", False)]
            assert told["live"]["at_unix_s"] == told["now_unix_s"]

        story(config, tell)


def test_live_is_for_the_own_user_only_and_people_read_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_settings(tmp_path)

    async def tell(running: Running) -> None:
        await running.grant(60)
        assert (tmp_path / "run" / "live.sock").stat().st_mode & 0o777 == 0o600
        assert await asyncio.to_thread(main, ["show", "--live", "--config", str(config)]) == 0
        shown = capsys.readouterr().out
        for text in ("W (import positive)", " V, ", " Hz", " kWh, export: ", "% charged", "clock: disciplined"):
            assert text in shown, text
        assert (await asyncio.to_thread(running.end, signal.SIGTERM))[0] == 0

    story(config, tell)
    assert not (tmp_path / "run" / "live.sock").exists()
    assert main(["show", "--live", "--config", str(config)]) == 1
