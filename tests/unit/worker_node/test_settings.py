"""Settings errors say where they are and what is known; the command line says it with an exit code."""

import json
from pathlib import Path

import pytest

from honey_edge.model.options import SettingsError
from tests.unit.worker_node.world import WORKER, write_settings
from worker_node.app.parts import home_assets
from worker_node.cli import main
from worker_node.settings import load_settings


def test_a_complete_file_is_read_with_defaults(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path))
    assert settings.meter.sample_every_s == 5
    assert settings.meter.fuse_w == 69_000
    assert settings.web is None
    assert settings.battery is not None
    assert settings.path("device.key") == tmp_path / "device.key"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("sample_every_s", "sample_evry_s", r"worker\.toml:17: .*sample_evry_s.*nearest known key: sample_every_s"),
        ("[broker]", "[brokr]", r"unknown key brokr.*nearest known key: broker"),
        ("sample_every_s = 5", "sample_every_s = 50", r":17: sample_every_s = 50 is above 5"),
        ("sample_every_s = 5", 'sample_every_s = "5"', r":17: .*expected int"),
        ('"sim:house"', '"sim:hose"', r":16: .*nearest: sim:house"),
        ('kind = "granted"', 'kind = "grant"', r"nearest: granted"),
        ("hive = 7\n", "", r"hive in \[worker\] is missing"),
        ('serial = "HV-1"', 'serial = "HV 1"', r"not a serial"),
        ("hive = 7", "hive =", r"worker\.toml: "),
        ('profile = "ca01"', 'profile = ""', r"profile is missing"),
    ],
)
def test_errors_name_file_line_key_and_nearest_key(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        load_settings(write_settings(tmp_path, {old: new}))


def test_the_configuration_does_not_depend_on_ports_but_on_calibration(tmp_path: Path) -> None:
    plain = load_settings(write_settings(tmp_path)).measuring()
    assert load_settings(write_settings(tmp_path, {"[meter]": "[meter]\nport = 1502"})).measuring() == plain
    changed = write_settings(tmp_path, {"[meter]": "[meter]\nu_gain = [32769, 32768, 32768]"})
    assert load_settings(changed).measuring() != plain


def test_check_prints_settings_without_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_settings(tmp_path)
    assert main(["check", "--config", str(file), "--json"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["address"] == WORKER.address.hex()
    assert (tmp_path / "device.key").read_text() not in shown


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"[meter]": "[metr]"}, 2, "nearest known key: meter"),
        ({'"device.key"': '"nowhere.key"'}, 1, "DRV-KEY"),
        ({'"tariff.json"': '"terms.json"'}, 1, "E-TERMS"),
        ({"chain_id = 31337": "chain_id = 1"}, 1, "E-TERMS"),
    ],
)
def test_check_ends_with_a_code_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], code: int, said: str
) -> None:
    assert main(["check", "--config", str(write_settings(tmp_path, changes))]) == code
    assert said in capsys.readouterr().err


def test_show_says_that_there_is_no_journal_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--config", str(write_settings(tmp_path))]) == 1
    assert "no journal yet" in capsys.readouterr().err


def with_chain(text: str) -> dict[str, str]:
    return {"[history]": f"[chain]\n{text}\n\n[history]"}


TWO = 'rpc_urls = ["https://a.example/key", "http://127.0.0.1:8545"]'


def test_two_addresses_of_the_chain_are_taken_with_defaults(tmp_path: Path) -> None:
    chain = load_settings(write_settings(tmp_path, with_chain(TWO))).chain
    assert chain is not None
    assert (chain.poll_every_s, chain.code_hash) == (21_600, "")
    assert load_settings(write_settings(tmp_path)).chain is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('rpc_urls = ["http://a"]', "needs two different addresses"),
        ('rpc_urls = ["http://a", "http://a"]', "needs two different addresses"),
        ('rpc_urls = ["http://a", "http://b", "http://c"]', "needs two different addresses"),
        ('rpc_urls = ["http://a", "ftp://b"]', "'ftp://b' is no address"),
        ('rpc_urls = ["http://a", "http://u@b"]', "is no address"),
        (f'{TWO}\ncode_hash = "12"', "code_hash is not 64"),
        (f"{TWO}\npoll_every_s = 5", "poll_every_s = 5 is below 60"),
    ],
)
def test_one_address_is_not_enough_and_odd_ones_are_refused(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        load_settings(write_settings(tmp_path, with_chain(text)))


ASSETS = f"""
[thermal]
kind = "sim"
capacity_wh = 8000
power_w = 2500
draw_w = {[400] * 24}

[ev]
kind = "sim"
charge_w = 7000
needed_wh = 12000
arrives_minute = 1020
leaves_minute = 420

[shed]
kind = "sim"
power_w = 600
cost_micro_per_kwh = 900000

[pv]
curtailable = true

[sim]"""


def test_all_assets_of_a_home_come_from_its_settings(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, {"[sim]": ASSETS}))
    assets = home_assets(settings)
    assert assets.battery is not None
    assert assets.thermal is not None
    assert assets.car is not None
    assert assets.shed is not None
    assert assets.pv_curtailable
    assert (assets.thermal.min_milliwh, assets.thermal.end_min_milliwh) == (1_600_000, 4_000_000)
    assert (assets.car.needed_milliwh, assets.shed.power_w) == (12_000_000, 600)
    assert not home_assets(load_settings(write_settings(tmp_path, battery=False))).movable


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (f"draw_w = {[400] * 24}", "draw_w = [400]", r"draw_w needs 24 numbers"),
        (f"draw_w = {[400] * 24}", f"draw_w = {[-1] * 24}", r"draw_w needs 24 numbers"),
        ("power_w = 2500", "power_w = 2500\nend_min_permille = 100", r"end_min_permille is below min_permille"),
        ("leaves_minute = 420", "leaves_minute = 1020", r"arrives and leaves in the same minute"),
        ("leaves_minute = 420", "leaves_minute = 1440", r"leaves_minute = 1440 is above 1439"),
        ("cost_micro_per_kwh = 900000", "cost_micro_per_kwh = 0", r"cost_micro_per_kwh = 0 is below 1"),
    ],
)
def test_assets_that_cannot_be_are_refused_by_name(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        load_settings(write_settings(tmp_path, {"[sim]": ASSETS.replace(old, new)}))
