"""Prove the checks in contracts/test/symbolic with halmos, on the released bytes of the contracts.

    python contracts/scripts/symbolic.py                 all; 1 when one is not proven or a witness is not reached
    python contracts/scripts/symbolic.py --quick         all but the slow ones, which name themselves below
    python contracts/scripts/symbolic.py settle          those whose name, after check_ or witness_, begins so
    python contracts/scripts/symbolic.py --mutants       plant each mistake of symbolic_mutants.py in a copy: all found
    python contracts/scripts/symbolic.py --mutants NAME  only the mistakes whose name begins so

A check is proven when the solver finds no input that breaks it, within the bounds the file's own comment names, with no
loop cut short. A timeout counts as not proven. Every `check_X` has a `witness_X` that claims X never gets where the
check could fail; the prover must refute it, else the check says nothing. A planted mistake is found when the prover has
an input for which the check fails; a timeout is no finding.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit_build import AuditFailed, run, tool
from export_abi import CONTRACTS, forge_path
from symbolic_mutants import MUTANTS, Mutant

CHECKS = Path("test") / "symbolic" / "Accounts.t.sol"
# Where the checks themselves look for the code they deploy.
BUILD = Path("cache") / "symbolic"
PIECES = ("EnergySettlement", "SettlementClosing")
# Sources the checks do not need; a copy without them compiles in a third of the time.
UNUSED = ("beekeeper", "governance", "HiveShares.sol", "ShareRevenue.sol", "FlexibilityPool.sol", "Reputation.sol")
# Takes minutes; check_finishClose goes the same way but for the penalty.
SLOW = frozenset({"finishCloseAfterALie"})
# Branches that the solver does not refute in time are followed: a busy machine would follow many that lead nowhere.
BOUNDS = ("--loop", "4", "--solver-timeout-branching", "50ms", "--solver-timeout-assertion", "300s")
LONGEST_S = 1800
# Solver queries at a time: a hard one that leads nowhere must not keep the others waiting.
QUERIES = 4
PASSED, REFUTED = 0, 1


@dataclass(frozen=True, slots=True)
class Proof:
    """One function run by halmos: its name, its exit code, loops cut short, paths explored, seconds taken."""

    name: str
    exitcode: int
    cut: int
    paths: int
    seconds: float

    @property
    def holds(self) -> bool:
        """A check is proven, a witness is refuted."""
        return self.refuted if self.name.startswith("witness_") else self.exitcode == PASSED and not self.cut

    @property
    def refuted(self) -> bool:
        """The solver has an input for which an assertion fails."""
        return self.exitcode == REFUTED

    @property
    def verdict(self) -> str:
        """In words."""
        if self.name.startswith("witness_"):
            return "reached" if self.holds else "NOT REACHED"
        return "proven" if self.holds else "NOT PROVEN"


def functions(text: str) -> list[str]:
    """The checks and witnesses in a file of checks, in its order.

    Raises:
        AuditFailed: a check has no witness, or a witness no check.
    """
    found = re.findall(r"function (check|witness)_(\w+)\(", text)
    checks, witnesses = ({name for kind, name in found if kind == which} for which in ("check", "witness"))
    if alone := sorted(checks ^ witnesses):
        raise AuditFailed(f"a check and its witness belong together: {', '.join(alone)}")
    return [f"{kind}_{name}" for kind, name in found]


def settings(root: Path) -> dict[str, str]:
    """Foundry's settings for the checks below a root, in a build of their own."""
    build = root / BUILD
    return {
        "FOUNDRY_TEST": "test/symbolic",
        "FOUNDRY_OUT": str(build / "out"),
        "FOUNDRY_CACHE_PATH": str(build / "cache"),
    }


def compile_checks(root: Path) -> None:
    """Build the checks and the contracts they run against, just as halmos does itself: it then finds all up to date.

    Raises:
        AuditFailed: they do not compile.
    """
    command = [str(forge_path()), "build", "--ast", "--root", str(root), "--extra-output", "storageLayout", "metadata"]
    built = run(command, settings(root), cwd=root)
    if built.returncode != 0:
        raise AuditFailed(built.stdout[-2000:] + built.stderr[-2000:])


def same_bytes(root: Path) -> None:
    """Refuse to prove something about other bytes than the committed ones.

    Raises:
        AuditFailed: the build made another code than the one in contracts/abi.
    """
    for name in PIECES:
        made = json.loads((root / BUILD / "out" / f"{name}.sol" / f"{name}.json").read_text("utf-8"))
        committed = json.loads((CONTRACTS / "abi" / f"{name}.json").read_text("utf-8"))
        if made["bytecode"]["object"] != committed["bytecode"]:
            raise AuditFailed(f"the checks were built with another {name} than contracts/abi has: export_abi.py")


def prove(root: Path, name: str, early: bool) -> Proof:
    """Run halmos over one function of the build below a root.

    Raises:
        AuditFailed: halmos gave no report.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "halmos.json"
        command = [str(tool("halmos")), "--root", str(root), "--forge-build-out", str(root / BUILD / "out")]
        command += ["--match-test", rf"^{name}\(", "--no-status", "--solver-threads", str(QUERIES)]
        command += ["--json-output", str(report), *BOUNDS, *(["--early-exit"] if early else [])]
        ran = run(command, settings(root), timeout_s=LONGEST_S, cwd=root)
        if not report.exists():
            raise AuditFailed(ran.stdout[-3000:] + ran.stderr[-3000:])
        answer = json.loads(report.read_text("utf-8"))
    tests = [test for found in answer["test_results"].values() for test in found]
    if len(tests) != 1:
        raise AuditFailed(f"halmos ran {len(tests)} functions for {name}")
    test = tests[0]
    cut, paths, seconds = test["num_bounded_loops"] or 0, (test["num_paths"] or [0])[0], (test["time"] or [0.0])[0]
    return Proof(name, int(test["exitcode"]), int(cut), int(paths), float(seconds))


def prove_all(root: Path, names: list[str]) -> Iterator[Proof]:
    """Run halmos over each function, on all processors, in the order of the names.

    Raises:
        AuditFailed: halmos gave no report.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda name: prove(root, name, early=name.startswith("witness_")), names)


# ---- Planted mistakes


@contextmanager
def planted(mutant: Mutant) -> Iterator[Path]:
    """A copy of the contracts with one mistake; yields its root.

    Raises:
        AuditFailed: the text to replace is not in the sources exactly once.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(CONTRACTS / "src", root / "src", ignore=shutil.ignore_patterns(*UNUSED))
        shutil.copytree(CONTRACTS / "test" / "symbolic", root / "test" / "symbolic")
        shutil.copy(CONTRACTS / "foundry.toml", root)
        for name in ("node_modules", "scripts"):
            (root / name).symlink_to(CONTRACTS / name)
        for edit in mutant.edits:
            path = root / "src" / edit.file
            text = path.read_text("utf-8")
            if text.count(edit.old) != 1:
                raise AuditFailed(f"{mutant.name}: {edit.file} has {text.count(edit.old)} times: {edit.old}")
            path.write_text(text.replace(edit.old, edit.new), "utf-8")
        yield root


def hunt(mutant: Mutant) -> list[Proof]:
    """Build a planted mistake and run the checks that must find it.

    Raises:
        AuditFailed: it does not compile, or halmos gave no report.
    """
    with planted(mutant) as root:
        compile_checks(root)
        return [prove(root, f"check_{check}", early=True) for check in mutant.found_by]


def hunt_all(prefix: str) -> int:
    """Run the planted mistakes whose name begins so; 0 when each is found and there is at least one."""
    chosen = [mutant for mutant in MUTANTS if mutant.name.startswith(prefix)]
    lost = 0
    for mutant in chosen:
        for proof in hunt(mutant):
            lost += not proof.refuted
            show("found" if proof.refuted else "NOT FOUND", proof, f"{mutant.name} by {proof.name}")
    return 0 if chosen and not lost else 1


def show(verdict: str, proof: Proof, what: str) -> None:
    """Print one line of a report at once."""
    print(f"{verdict:11} {proof.paths:6} paths {proof.seconds:7.1f} s  {what}", flush=True)


def main() -> int:
    """Command line; 0 when everything chosen holds and there is at least one."""
    parser = argparse.ArgumentParser(description="Symbolic proofs of invariants 2 and 3.")
    parser.add_argument("prefix", nargs="?", default="", help="only what begins so")
    parser.add_argument("--quick", action="store_true", help="leave the slow ones out")
    parser.add_argument("--mutants", action="store_true", help="plant mistakes, which must be found")
    arguments = parser.parse_args()
    if arguments.mutants:
        return hunt_all(arguments.prefix)
    names = functions((CONTRACTS / CHECKS).read_text("utf-8"))
    wanted = [name for name in names if name.partition("_")[2].startswith(arguments.prefix)]
    if arguments.quick:
        wanted = [name for name in wanted if name.partition("_")[2] not in SLOW]
    compile_checks(CONTRACTS)
    same_bytes(CONTRACTS)
    failed = 0
    for proof in prove_all(CONTRACTS, wanted):
        failed += not proof.holds
        show(proof.verdict, proof, proof.name)
    return 0 if wanted and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
