"""The audits of the contracts: nothing found without an explanation, no branch of a money path untried, storage kept.

The judging is tested here without the tools; the tools themselves run under the marker deep, and are skipped loudly
where `make audit` has not installed them.
"""

import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
SCRIPTS = CONTRACTS / "scripts"
EXPLAINED = {
    "explained": [
        {"check": "timestamp", "why": "windows of hours only, never a price", "places": ["Hive.*"]},
        {"check": "unused-return", "why": "the old value of a checkpoint is not needed", "places": ["Votes._push()"]},
    ],
    "notAnalysed": {"why": "covered by unit tests and fuzzing", "places": ["Book._fee"]},
}


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        # Dataclasses look their own module up; the scripts import each other by these names.
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


def test_findings_need_an_explanation_and_explanations_a_finding() -> None:
    static = _script("static_checks")
    known = {("timestamp", "Hive.close()"): "Low", ("unused-return", "Votes._push()"): "Medium"}
    followed = frozenset({"Book._fee"})
    assert static.problems(static.Findings(known, followed), EXPLAINED) == []
    more = static.Findings({**known, ("reentrancy-eth", "Hive.pay()"): "High"}, followed | {"Book._pay"})
    assert static.problems(more, EXPLAINED) == [
        "not explained: reentrancy-eth (High) Hive.pay()",
        "slither cannot follow Book._pay: who looked?",
    ]
    less = static.Findings({("timestamp", "Hive.close()"): "Low"}, frozenset())
    assert static.problems(less, EXPLAINED) == [
        "no longer found: unused-return Votes._push()",
        "slither follows Book._fee by now",
    ]


def test_a_grave_finding_is_never_explained_by_a_pattern() -> None:
    static = _script("static_checks")
    assert static.explains("Hive.*", "Hive.close()", "Low")
    assert not static.explains("Hive.*", "Hive.close()", "Medium")
    assert static.explains("Hive.list(address[])", "Hive.list(address[])", "High")


def test_an_untaken_branch_of_a_money_path_is_noticed(tmp_path: Path) -> None:
    coverage = _script("branch_coverage")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "Pay.sol").write_text("a\n  if (x)   revert No();\n  if (y) pay();\n")
    (tmp_path / "src" / "Other.sol").write_text("if (z) log();\n")
    lcov = "SF:src/Pay.sol\nBRDA:2,0,0,-\nBRDA:3,1,0,0\nBRDA:3,1,1,4\nSF:src/Other.sol\nBRDA:1,0,0,0\nSF:test/T.sol\n"
    total, found = coverage.missed(lcov + "BRDA:1,0,0,0\n", tmp_path)
    assert total == 4
    unseen = [{"file": "src/Pay.sol", "line": "if (x) revert No();", "why": "the tool loses it in assembly"}]
    rules = {"moneyPaths": ["src/Pay.sol"], "unseen": unseen}
    assert coverage.problems(found, rules) == ["src/Pay.sol:3: side 0 is never taken: if (y) pay();"]
    stale = {**rules, "unseen": [*unseen, {**unseen[0], "line": "if (w) revert No();"}]}
    assert "src/Pay.sol: taken by now, or gone: if (w) revert No();" in coverage.problems(found, stale)


def test_every_release_is_whole() -> None:
    release = _script("release")
    assert release.newest() >= 1
    for folder in release.RELEASES.iterdir():
        record = json.loads((folder / "release.json").read_text())
        artifact = json.loads((folder / "Beekeeper.json").read_text())
        info = json.loads(gzip.decompress((folder / "build-info.json.gz").read_bytes()))
        made = info["output"]["contracts"][record["source"]]["Beekeeper"]["evm"]["bytecode"]["object"]
        assert artifact["bytecode"].removeprefix("0x") == made.removeprefix("0x")
        assert artifact["sourceHash"] == record["sourceHash"]


def test_a_check_without_a_witness_is_refused() -> None:
    symbolic = _script("symbolic")
    text = "function check_pay(uint256 a) external {}\nfunction witness_pay(uint256 a) external {}\n"
    assert symbolic.functions(text) == ["check_pay", "witness_pay"]
    with pytest.raises(symbolic.AuditFailed, match="close"):
        symbolic.functions(text + "function check_close() external {}\n")


def test_only_a_refuted_witness_and_an_uncut_proof_hold() -> None:
    symbolic = _script("symbolic")
    passed, refuted, timeout = 0, 1, 2

    def verdict(name: str, exitcode: int, cut: int = 0) -> str:
        return str(symbolic.Proof(name, exitcode, cut, 5, 1.0).verdict)

    assert [verdict("check_pay", code) for code in (passed, refuted, timeout)] == ["proven", "NOT PROVEN", "NOT PROVEN"]
    assert verdict("check_pay", passed, cut=1) == "NOT PROVEN"
    reached = [verdict("witness_pay", code) for code in (passed, refuted, timeout)]
    assert reached == ["NOT REACHED", "reached", "NOT REACHED"]


def test_every_check_finds_a_planted_mistake_that_fits_the_sources() -> None:
    symbolic = _script("symbolic")
    names = symbolic.functions((CONTRACTS / symbolic.CHECKS).read_text("utf-8"))
    checks = {name.removeprefix("check_") for name in names if name.startswith("check_")}
    assert {check for mutant in symbolic.MUTANTS for check in mutant.found_by} == checks
    for mutant in symbolic.MUTANTS:
        for edit in mutant.edits:
            assert (CONTRACTS / "src" / edit.file).read_text("utf-8").count(edit.old) == 1, mutant.name


def _or_skip(name: str, *arguments: str, needs: str = "slither") -> str:
    audit = _script("audit_build")
    try:
        audit.forge_path()
        audit.tool(needs)
    except (FileNotFoundError, audit.ToolMissing) as error:
        pytest.skip(f"SKIPPED LOUDLY: {error}")
    ran = subprocess.run([sys.executable, SCRIPTS / name, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_slither_finds_nothing_unexplained() -> None:
    assert "all explained" in _or_skip("static_checks.py")


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_the_beekeeper_keeps_the_storage_of_the_last_release() -> None:
    assert "keeps the storage of release" in _or_skip("upgrade_check.py")


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_every_branch_of_the_money_paths_is_taken() -> None:
    assert "taken or explained" in _or_skip("branch_coverage.py")


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_invariants_2_and_3_are_proven_for_any_account() -> None:
    told = _or_skip("symbolic.py", "--quick", needs="halmos")
    assert told.count("proven ") == told.count("reached ") >= 10
    assert "NOT" not in told


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mistake", ["settle-funding", "shown-funding"])
def test_a_loosened_funding_check_is_found_by_the_proofs(mistake: str) -> None:
    told = _or_skip("symbolic.py", "--mutants", mistake, needs="halmos")
    assert told.count("found ") == 2
    assert "NOT" not in told


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_a_moved_member_of_the_beekeepers_storage_is_refused(tmp_path: Path) -> None:
    upgrade = _script("upgrade_check")
    if not upgrade.CHECKER.exists() or shutil.which("node") is None:
        pytest.skip("SKIPPED LOUDLY: no OpenZeppelin checker (npm ci in contracts)")
    info = upgrade.build_info(upgrade.audit_out())
    storage = next(_nodes(info["output"]["sources"], "BeekeeperStorage"))
    storage["members"][0], storage["members"][5] = storage["members"][5], storage["members"][0]
    (tmp_path / "build-info").mkdir()
    (tmp_path / "build-info" / "changed.json").write_text(json.dumps(info))
    found = upgrade.problems(tmp_path, upgrade.newest())
    assert sum("of incompatible type" in line for line in found) == 2


def _nodes(tree: Any, name: str) -> Iterator[dict[str, Any]]:
    """Structures of a name anywhere in a syntax tree."""
    if isinstance(tree, dict):
        if tree.get("nodeType") == "StructDefinition" and tree.get("name") == name:
            yield tree
        for part in tree.values():
            yield from _nodes(part, name)
    elif isinstance(tree, list):
        for part in tree:
            yield from _nodes(part, name)
