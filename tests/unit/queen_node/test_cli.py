"""What must hold for `hive`: data on standard output, all else on standard error, exit codes, no question asked."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from honey_edge.billing.tariff import tariff_document
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import digest
from queen_node.cli.commands import app
from queen_node.daemon import main as daemon_main
from queen_node.store import Store, accounts, readings
from queen_node.store.records import WorkerRow

OWNER = KeySigner(b"\x61" * 32)


def hive(*arguments, **environment):
    return CliRunner().invoke(app, list(arguments), env={"NO_COLOR": "1", "COLUMNS": "200", **environment})


@pytest.fixture
def config(world, first_slot, tmp_path):
    """A Queen's folder whose database holds two closed slots."""
    domain = world.agreement.domain
    hashed = digest(domain, world.terms)
    queen = KeySigner(b"\x51" * 32)
    (tmp_path / "tariff.json").write_bytes(tariff_document(world.tariff))
    terms = TermsFile.of(world.terms, queen.sign(hashed), OWNER.sign(hashed))
    (tmp_path / "terms.json").write_bytes(terms_document(terms))
    workers = [
        {"address": w.name, "serial": f"HW-{k}", "opening_slot": first_slot} for k, w in enumerate(world.workers)
    ]
    (tmp_path / "workers.json").write_text(json.dumps(workers))
    (tmp_path / "queen.key").write_text("51" * 32)
    (tmp_path / "queen.key").chmod(0o600)
    world.store.close()
    world.store = Store(f"sqlite:///{tmp_path / 'queen.sqlite'}")
    with world.store.begin() as tx:
        for k, w in enumerate(world.workers):
            accounts.put_worker(tx, WorkerRow(w.name, f"HW-{k}", True, first_slot, 10**9))
    world.restart()
    for step in range(3):
        world.now_unix_s = (first_slot + step + 1) * 900.0
        for k, worker in enumerate(world.workers):
            world.send(worker, worker.read(first_slot + step, 400_000 * step * k, 100_000 * step))
        if step:
            world.closer.close(first_slot + step)
            world.countersign_all()
    world.send(world.workers[0], b"{}")
    world.store.close()
    path = tmp_path / "queen.toml"
    path.write_text(
        f'[hive]\nhive = 7\nchain_id = 31337\ncontract = "{domain.contract.hex()}"\n'
        f'queen_address = "{queen.address.hex()}"\nowner_address = "{OWNER.address.hex()}"\n'
        'terms_file = "terms.json"\ntariff_file = "tariff.json"\nworkers_file = "workers.json"\n'
        'key_file = "queen.key"\n[broker]\nhost = "localhost"\nport = 8883\nclient_id = "queen"\n'
        'ca_file = "ca.pem"\ncertificate_file = "queen.pem"\nkey_file = "queen-tls.key"\n'
    )
    return path


def test_status_tells_the_hive_as_json_and_as_text(config, first_slot):
    result = hive("status", "--config", str(config), "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["hive"], document["slots_closed"], document["last_slot"]) == (7, 2, first_slot + 2)
    assert (document["workers"], document["readings"], document["refused"]) == (3, 9, 1)
    assert document["last_slot_end"].endswith("Z")
    text = hive("status", HIVE_CONFIG=str(config))
    assert text.exit_code == 0
    assert "slots_closed" in text.stdout
    assert "\x1b[" not in text.stdout


def test_workers_are_listed_and_shown_by_serial_or_address(config, world):
    rows = json.loads(hive("worker", "list", "--config", str(config), "--json").stdout)
    assert {row["serial"] for row in rows} == {"HW-0", "HW-1", "HW-2"}
    assert all(row["both_signed"] == 2 for row in rows)
    by_serial = json.loads(hive("worker", "show", "HW-1", "--config", str(config), "--json").stdout)
    by_address = hive("worker", "show", world.workers[1].name, "--config", str(config), "--json")
    assert json.loads(by_address.stdout) == by_serial
    assert [line["kind"] for line in by_serial["lines"]] == ["pooled", "pooled"]
    refused = json.loads(hive("worker", "show", "HW-0", "--config", str(config), "--json").stdout)["refused"]
    assert refused[0]["reason"] == "malformed"
    assert "HW-1" in hive("worker", "list", "--config", str(config)).stdout
    assert hive("worker", "show", "HW-0", "--config", str(config)).exit_code == 0


def test_a_slot_shows_totals_that_add_up(config, first_slot):
    document = json.loads(hive("slot", "show", "--config", str(config), "--json").stdout)
    assert document["slot"] == first_slot + 2
    assert sum(line["amount_pico"] for line in document["lines"]) == document["pooled_pico"] + document["alone_pico"]
    assert hive("slot", "show", str(first_slot + 1), "--config", str(config)).exit_code == 0


def test_a_slot_can_be_named_by_an_instant_in_it(config, first_slot):
    instant = datetime.fromtimestamp((first_slot + 1) * 900 + 600, UTC).strftime("%Y-%m-%dT%H:%M")
    named = hive("slot", "show", instant, "--config", str(config), "--json").stdout
    assert named == hive("slot", "show", str(first_slot + 1), "--config", str(config), "--json").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("worker", "show", "HW-9"), 4, "E-NOT-FOUND"),
        (("slot", "show", "12"), 4, "E-NOT-FOUND"),
        (("channel", "resume", "HW-9"), 4, "E-NOT-FOUND"),
        (("period", "settle", "yesterday"), 5, "E-DAY"),
        (("period", "settle", "19800", "--no-input"), 5, "E-NOT-CONFIRMED"),
        (("period", "settle", "19800", "--confirm", "19800"), 5, "E-DAY"),
    ],
)
def test_what_is_refused_says_why_on_standard_error_only(config, arguments, code, word):
    result = hive(*arguments, "--config", str(config))
    assert (result.exit_code, result.stdout) == (code, "")
    assert word in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("status", "--colour"), ("worker",), ("worker", "show"), ("slot", "show", "now"), ("fly",), ("period", "settle")],
)
def test_wrong_usage_exits_2_and_prints_no_data(arguments):
    result = hive(*arguments)
    assert result.exit_code == 2


def test_a_missing_database_is_unreachable_and_missing_settings_are_refused(config, tmp_path):
    (tmp_path / "queen.sqlite").unlink()
    for left in tmp_path.glob("queen.sqlite-*"):
        left.unlink()
    result = hive("status", "--config", str(config))
    assert (result.exit_code, result.stdout) == (3, "")
    assert hive("status", "--config", str(tmp_path / "no.toml")).exit_code == 5


def test_a_wrong_key_in_the_settings_is_named_with_line_and_nearest_key(config):
    config.write_text(config.read_text().replace("chain_id", "chain_di"))
    result = hive("status", "--config", str(config))
    assert result.exit_code == 5
    assert "queen.toml:3" in result.stderr
    assert "chain_id" in result.stderr


def test_a_dry_run_shows_leaves_payers_first_and_sends_nothing(config, first_slot):
    day = str(first_slot // 96)
    result = hive("period", "settle", day, "--dry-run", "--json", "--config", str(config))
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    changes = [leaf["change_micro"] for leaf in document["leaves"]]
    assert len(changes) == 3
    assert changes == sorted(changes, reverse=True)
    assert document["pays_in_micro"] - document["pays_out_micro"] == sum(changes)
    by_date = hive("period", "settle", document["date"], "--dry-run", "--json", "--config", str(config))
    assert json.loads(by_date.stdout) == document
    assert hive("period", "settle", day, "--dry-run", "--config", str(config)).exit_code == 0


def test_a_frozen_account_is_resumed_only_after_its_serial_is_given(config, world, tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'queen.sqlite'}")
    with store.begin() as tx:
        accounts.freeze(tx, world.workers[0].name, True)
    assert hive("channel", "resume", "HW-0", "--config", str(config)).exit_code == 5
    assert hive("channel", "resume", "HW-0", "--confirm", "HW-0", "--config", str(config)).exit_code == 0
    with store.begin() as tx:
        assert not accounts.worker_named(tx, "HW-0").frozen
        assert readings.readings_counted(tx)[world.workers[0].name] == 3
    store.close()
    assert "not frozen" in hive("channel", "resume", "HW-0", "--config", str(config)).stderr


def test_standings_are_shown_and_a_good_one_needs_no_pardon(config, world):
    rows = json.loads(hive("standing", "show", "--config", str(config), "--json").stdout)["workers"]
    assert {(row["worker"], row["standing"]) for row in rows} == {(one.name, "good") for one in world.workers}
    worker = world.workers[0].name
    assert hive("standing", "show", worker, "--config", str(config)).exit_code == 0
    refused = hive("standing", "restore", worker, "--reason", "none", "--config", str(config))
    assert refused.exit_code == 5
    assert "is good" in refused.stderr


def test_the_settlement_oracle_is_met_exactly(shared_dir):
    file = shared_dir / "oracles" / "14_settlement_integer.json"
    result = hive("market", "settle", str(file), "--json")
    assert result.exit_code == 0
    expected = [case["expected"] for case in json.loads(file.read_text())["cases"]]
    assert json.loads(result.stdout) == {"cases": expected}


def test_cases_of_another_form_are_refused_by_name(tmp_path):
    file = tmp_path / "case.json"
    for content, code in (("{", 5), ("[]", 5), ('{"kind":"tree","cases":[]}', 5), ('{"cases":[{"input":{}}]}', 5)):
        file.write_text(content)
        assert hive("market", "settle", str(file)).exit_code == code
    assert hive("market", "settle", str(tmp_path / "none.json")).exit_code == 4
    assert hive("market", "solve", str(tmp_path / "none.json")).exit_code == 4


def test_a_code_is_explained_and_an_unknown_one_not_found():
    assert json.loads(hive("help", "e-settings", "--json").stdout)["code"] == "E-SETTINGS"
    assert hive("help", "E-NOPE").exit_code == 4


def test_verify_wants_a_folder(tmp_path):
    assert hive("verify", str(tmp_path / "none")).exit_code == 4
    assert hive("verify", str(tmp_path)).exit_code == 5


def test_evidence_written_by_the_command_verifies(config, tmp_path):
    assert hive("evidence", str(tmp_path / "evidence"), "--config", str(config)).exit_code == 0
    result = hive("verify", str(tmp_path / "evidence"), "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["conservation_pico"] == 0


def test_the_daemon_checks_its_settings_without_showing_secrets(config, capsys):
    assert daemon_main(["check", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "close_after_s = 20" in shown
    assert "51" * 32 not in shown
    config.with_name("queen.key").chmod(0o644)
    assert daemon_main(["check", "--config", str(config)]) == 5
    assert "chmod 600" in capsys.readouterr().err


def test_reading_commands_load_neither_web3_nor_the_solver():
    program = (
        "import sys\nfrom typer.testing import CliRunner\nfrom queen_node.cli.commands import app\n"
        "CliRunner().invoke(app, ['status', '--config', '/nowhere.toml'])\n"
        "assert not {'web3', 'eth_account', 'osqp', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
