"""`hive market solve`: options, exit codes, and errors with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from queen_node.cli.market import market
from queen_node.cli.output import EXIT_NOT_FOUND, EXIT_REFUSED

CASE = {
    "schema": "hive-oracle/1", "kind": "schedule", "T": 2, "dt_h": 0.25,
    "workers": [
        {"id": "a", "load_kw": [1.0, 1.0], "pv_kw": [0.0, 0.0]},
        {"id": "b", "load_kw": [0.0, 0.0], "pv_kw": [0.5, 3.0], "pv_curtailable": True},
    ],
    "tariff": {"buy_per_kwh": [0.2, 0.2], "sell_per_kwh": [0.05, 0.05]},
}  # fmt: skip


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    file = tmp_path / "case.json"
    file.write_text(json.dumps(CASE))
    return file


@pytest.mark.parametrize("options", [[], ["--distributed"], ["--solver", "osqp"]])
def test_a_case_is_answered_as_json(case_file: Path, options: list[str]) -> None:
    done = CliRunner().invoke(market, ["solve", str(case_file), "--json", *options])
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert answer["status"] == "optimal"
    assert answer["objective"] == pytest.approx(0.25 * (0.2 * 0.5 - 0.05 * 2.0), abs=1e-4)
    assert answer["wall_s"] > 0.0


def test_errors_name_their_place_and_leave_by_exit_code(case_file: Path, tmp_path: Path) -> None:
    run = CliRunner()
    unknown = run.invoke(market, ["solve", str(case_file), "--solver", "abacus"])
    assert (unknown.exit_code, "E-SOLVER" in unknown.output) == (EXIT_REFUSED, True)
    assert run.invoke(market, ["solve", str(tmp_path / "none.json")]).exit_code == EXIT_NOT_FOUND
    case_file.write_text(json.dumps({**CASE, "tariff": {"buy_per_kwh": [0.2]}}))
    wrong = run.invoke(market, ["solve", str(case_file)])
    assert (wrong.exit_code, "tariff.buy_per_kwh" in wrong.output) == (EXIT_REFUSED, True)
    case_file.write_text(json.dumps({**CASE, "kind": "settlement"}))
    assert run.invoke(market, ["solve", str(case_file)]).exit_code == EXIT_REFUSED
    case_file.write_text("{")
    broken = run.invoke(market, ["solve", str(case_file)])
    assert (broken.exit_code, "is not JSON" in broken.output) == (EXIT_REFUSED, True)
