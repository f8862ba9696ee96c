"""The demo as a person runs it: report, verification, faults, and an end that leaves nothing behind.

The long runs carry the marker `deep`.
"""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.demo_runs import (
    REPOSITORY,
    Outcome,
    children_of,
    demo_command,
    hive,
    run_demo,
    started_with,
    still_alive,
)

pytestmark = pytest.mark.system
HOUR = ("--homes", "3", "--hours", "1")
CHIP, BATTERY, MODBUS = "HP-000101", "HP-000102", "HP-000103"
HOME_TYPES = {
    "address": str,
    "serial": str,
    "meter": str,
    "import_milliwh": int,
    "export_milliwh": int,
    "standalone_micro": int,
    "idle_micro": int,
    "alone_optimised_micro": int,
    "uncoordinated_micro": int,
    "uncoordinated_charge_micro": int,
    "hive_micro": int,
    "readings_signed": int,
    "readings_verified": int,
    "statements_both_signed": int,
}
HIVE_TYPES = {
    "homes": list,
    "slots": int,
    "conservation_pico": int,
    "surplus_micro": int,
    "rounds": int,
    "coordination": dict,
    "settlement": dict,
    "simulated_s": int,
    "wall_s": float,
    "saved_coordinated_micro": int,
    "saved_uncoordinated_micro": int,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One hour of three homes in which nothing happens, printed as JSON."""
    return run_demo(tmp_path_factory.mktemp("plain") / "out", *HOUR, "--json")


def types_of(document: dict[str, object]) -> dict[str, type]:
    return {key: type(value) for key, value in document.items()}


def test_a_run_ends_with_0_and_every_promised_field_of_the_report(plain: Outcome) -> None:
    assert plain.code == 0, plain.errors
    report = plain.report
    assert types_of(report) == HIVE_TYPES
    assert [types_of(home) for home in report["homes"]] == [HOME_TYPES] * 3
    assert set(report["settlement"]) == {"transactions", "onchain_matches"}
    transactions = report["settlement"]["transactions"]
    assert [types_of(one) for one in transactions] == [{"hash": str, "gas_used": int, "workers": int}]
    assert json.loads(plain.output) == report


def test_the_reports_figures_hold_together(plain: Outcome) -> None:
    report = plain.report
    assert (report["slots"], report["simulated_s"], report["conservation_pico"]) == (4, 3600, 0)
    assert report["settlement"]["onchain_matches"] is True
    assert sum(one["workers"] for one in report["settlement"]["transactions"]) == 3
    assert report["rounds"] > report["slots"]
    assert [home["meter"] for home in report["homes"]] == ["atm90e32as", "atm90e32as", "sdm630"]
    for home in report["homes"]:
        assert home["readings_signed"] == home["readings_verified"] == 5
        assert home["statements_both_signed"] >= 1
        assert home["import_milliwh"] > 0
        assert home["hive_micro"] <= home["standalone_micro"]


def test_a_stranger_verifies_the_evidence(plain: Outcome) -> None:
    told = hive("verify", str(plain.folder / "evidence"), *plain.pins(), "--json")
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert document["slots"] == 4
    bills = {home["serial"]: home["hive_micro"] for home in document["homes"]}
    assert bills == {home["serial"]: home["hive_micro"] for home in plain.report["homes"]}


@pytest.mark.parametrize("option", ["--queen", "--contract"])
def test_another_queen_or_contract_is_not_trusted(plain: Outcome, option: str) -> None:
    pins = plain.pins()
    pins[pins.index(option) + 1] = "ab" * 20
    told = hive("verify", str(plain.folder / "evidence"), *pins)
    assert told.returncode == 5
    assert "manifest.json" in told.stderr
    assert option.strip("-") in told.stderr


def test_a_changed_reading_is_named_by_file_field_slot_and_worker(plain: Outcome, tmp_path: Path) -> None:
    worker = plain.report["homes"][0]["address"]
    evidence = tmp_path / "evidence"
    shutil.copytree(plain.folder / "evidence", evidence)
    file = evidence / "readings" / f"{worker}.jsonl"
    lines = file.read_text().splitlines()
    reading = json.loads(lines[2])
    reading["import_milliwh"] += 1
    lines[2] = json.dumps(reading, sort_keys=True, separators=(",", ":"))
    file.write_text("\n".join(lines) + "\n")
    told = hive("verify", str(evidence), *plain.pins())
    assert told.returncode == 5
    for named in (f"readings/{worker}.jsonl", "import_milliwh", str(reading["slot"]), worker):
        assert named in told.stderr


@pytest.mark.parametrize("name", ["tariff.json", "slots.jsonl", "settlement.jsonl"])
def test_a_changed_digit_in_a_file_of_the_hive_is_named(plain: Outcome, tmp_path: Path, name: str) -> None:
    evidence = tmp_path / "evidence"
    shutil.copytree(plain.folder / "evidence", evidence)
    text = (evidence / name).read_text()
    place = next(k for k in range(len(text) // 2, len(text)) if text[k] in "12345678")
    (evidence / name).write_text(text[:place] + "9" + text[place + 1 :])
    told = hive("verify", str(evidence), *plain.pins())
    assert told.returncode == 5
    assert name in told.stderr
    assert "field" in told.stderr


def test_stuck_energy_registers_name_home_and_check_on_chip_and_modbus(tmp_path: Path) -> None:
    faults = ("--fault", f"energy-stuck@{CHIP}", "--fault", "energy-stuck@HP-000102")
    ended = run_demo(tmp_path / "out", "--homes", "2", "--hours", "0.75", *faults)
    assert ended.code == 1
    failed = [line for line in ended.errors.splitlines() if line.startswith("FAILED")]
    meters = {home["serial"]: home["meter"] for home in ended.report["homes"]}
    assert set(meters.values()) == {"atm90e32as", "sdm630"}
    for serial in meters:
        own = [line for line in failed if serial in line]
        assert any("energy-cross-check" in line for line in own)
        assert any("energy: the import counter" in line for line in own)


def test_a_late_reading_moves_only_its_own_bill_and_the_reserve(plain: Outcome, tmp_path: Path) -> None:
    ended = run_demo(tmp_path / "out", *HOUR, "--fault", f"late@{CHIP}")
    assert ended.code == 0, ended.errors
    late, punctual = ended.lines("slots.jsonl"), plain.lines("slots.jsonl")
    # Nobody sells in this hour: all there is to share is what the Hive's own meter shows less than the homes' meters.
    shared_pico = max(0, punctual[1]["bought"] - punctual[1]["pcc"]) * punctual[1]["price"]
    for home, before in zip(ended.report["homes"], plain.report["homes"], strict=True):
        assert home["import_milliwh"] == before["import_milliwh"]
        assert home["export_milliwh"] == before["export_milliwh"]
        if home["serial"] != CHIP:
            assert 0 <= home["hive_micro"] - before["hive_micro"] <= -(-shared_pico // 10**6)
    assert [slot["missing"] for slot in late] == [0, 1, 0, 0]
    assert [slot["missing"] for slot in punctual] == [0, 0, 0, 0]
    assert late[1]["reserve"] != punctual[1]["reserve"]


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGTERM, "slot 0"), (signal.SIGINT, "starting one Queen")],
    ids=["SIGTERM in the middle", "Ctrl-C at the start"],
)
def test_an_interrupted_run_ends_every_child(tmp_path: Path, number: int, moment: str) -> None:
    code, alive, started = _interrupted(tmp_path / "out", number, moment)
    assert code == 130
    assert alive == []
    assert started >= 2


@pytest.mark.deep
def test_a_killed_run_takes_its_children_along(tmp_path: Path) -> None:
    code, alive, started = _interrupted(tmp_path / "out", signal.SIGKILL, "slot 0")
    assert code == -signal.SIGKILL
    assert alive == []
    assert started == 5


def _interrupted(folder: Path, number: int, moment: str) -> tuple[int, list[int], int]:
    """Sends a signal when the progress reaches `moment`; exit code, children left, children there had been."""
    command = demo_command(folder, "--homes", "2", "--hours", "4")
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    with process.stderr:
        assert any(line.startswith(moment) for line in process.stderr), "the run ended before its moment"
        handles = children_of(process.pid)
        process.send_signal(number)
        process.stderr.read()
    code, alive = process.wait(30), still_alive(handles)
    return code, [*alive, *started_with(folder)], len(handles)


@pytest.mark.deep
@pytest.mark.parametrize(
    "fault",
    [
        f"kill-worker@{CHIP}:0",
        f"kill-worker@{BATTERY}:2",
        f"kill-worker@{MODBUS}:3",
        "kill-queen@0",
        "kill-queen@3",
        "kill-broker@1",
        "kill-broker@3",
        f"bit-flip@{CHIP}",
    ],
)
def test_what_befalls_processes_and_bits_leaves_the_bills_alone(plain: Outcome, tmp_path: Path, fault: str) -> None:
    ended = run_demo(tmp_path / "out", *HOUR, "--fault", fault)
    assert ended.code == 0, ended.errors
    assert ended.bills == plain.bills


@pytest.mark.deep
def test_all_kills_in_one_run_leave_the_bills_alone(plain: Outcome, tmp_path: Path) -> None:
    faults = (f"kill-worker@{BATTERY}:1", "kill-queen@2", "kill-broker@3", f"kill-worker@{MODBUS}:3", "kill-queen@4")
    options = [part for fault in faults for part in ("--fault", fault)]
    ended = run_demo(tmp_path / "out", *HOUR, *options)
    assert ended.code == 0, ended.errors
    assert ended.bills == plain.bills


@pytest.mark.deep
@pytest.mark.parametrize("broker", ["mosquitto", "nats"])
def test_the_same_seed_gives_the_same_evidence_byte_by_byte(plain: Outcome, tmp_path: Path, broker: str) -> None:
    if broker == "mosquitto" and not shutil.which(
        "mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
    ):
        pytest.skip("SKIPPED LOUDLY: mosquitto is not installed")
    ended = run_demo(tmp_path / "out", *HOUR, "--broker", broker)
    assert ended.code == 0, ended.errors
    assert ended.bills == plain.bills
    assert _contents(ended) == _contents(plain)


def _contents(outcome: Outcome) -> dict[str, bytes]:
    evidence = outcome.folder / "evidence"
    return {str(file.relative_to(evidence)): file.read_bytes() for file in evidence.rglob("*") if file.is_file()}


@pytest.mark.deep
def test_another_seed_gives_other_keys(plain: Outcome, tmp_path: Path) -> None:
    ended = run_demo(tmp_path / "out", *HOUR, "--seed", "2")
    assert ended.code == 0, ended.errors
    assert {home["address"] for home in ended.report["homes"]}.isdisjoint(
        home["address"] for home in plain.report["homes"]
    )
    assert {home["meter"] for home in ended.report["homes"]} == {"atm90e32as", "sdm630"}


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_a_day_of_six_homes_takes_at_most_three_minutes(tmp_path: Path) -> None:
    ended = run_demo(tmp_path / "out", "--homes", "6", "--hours", "24", limit_s=500)
    assert ended.code == 0, ended.errors
    report = ended.report
    assert (report["slots"], len(report["homes"])) == (96, 6)
    assert report["surplus_micro"] > 0
    assert report["wall_s"] <= 180
