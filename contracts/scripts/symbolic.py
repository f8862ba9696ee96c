"""Prove the checks in contracts/test/symbolic with halmos, on the released bytes of the contracts.

    python contracts/scripts/symbolic.py                 all; 1 when one is not proven
    python contracts/scripts/symbolic.py check_settle    those whose name begins so

A check is proven when the solver finds no input that breaks it, within the bounds the check's own comment names.
A timeout counts as not proven.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from audit_build import AuditFailed, run, tool
from export_abi import CONTRACTS, forge_path

SYMBOLIC = CONTRACTS / "test" / "symbolic"
BUILD = CONTRACTS / "cache" / "symbolic"
BOUNDS = ("--loop", "4", "--solver-timeout-assertion", "300s")
FOUNDRY = {
    "FOUNDRY_TEST": "test/symbolic",
    "FOUNDRY_OUT": str(BUILD / "out"),
    "FOUNDRY_CACHE_PATH": str(BUILD / "cache"),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """One check: its name, whether it is proven, paths explored, seconds taken."""

    name: str
    proven: bool
    paths: int
    seconds: float


def prove(prefix: str = "check_") -> list[Proof]:
    """Run halmos over every check whose name begins with the prefix.

    Raises:
        ToolMissing: halmos is not installed.
        AuditFailed: the checks do not compile, or halmos gave no report.
    """
    built = run([str(forge_path()), "build", "--ast"], FOUNDRY)
    if built.returncode != 0:
        raise AuditFailed(built.stdout[-2000:] + built.stderr[-2000:])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "halmos.json"
        command = [str(tool("halmos")), "--function", prefix, "--forge-build-out", str(BUILD / "out"), "--no-status"]
        ran = run([*command, "--json-output", str(report), *BOUNDS], FOUNDRY, timeout_s=3000)
        if not report.exists():
            raise AuditFailed(ran.stdout[-3000:] + ran.stderr[-3000:])
        answer = json.loads(report.read_text("utf-8"))
    return [
        Proof(test["name"], test["exitcode"] == 0, (test["num_paths"] or [0])[0], (test["time"] or [0.0])[0])
        for tests in answer["test_results"].values()
        for test in tests
    ]


def main() -> int:
    """Command line; 0 when every check is proven and there is at least one."""
    proofs = prove(sys.argv[1] if len(sys.argv) > 1 else "check_")
    for proof in proofs:
        verdict = "proven" if proof.proven else "NOT PROVEN"
        print(f"{verdict:10} {proof.paths:6} paths {proof.seconds:7.1f} s  {proof.name}")
    return 0 if proofs and all(proof.proven for proof in proofs) else 1


if __name__ == "__main__":
    sys.exit(main())
