"""Every branch of the money paths is taken by a test, or contracts/audit/coverage.json says why the tool cannot see it.

    python contracts/scripts/branch_coverage.py          1 when a branch is neither taken nor explained
    python contracts/scripts/branch_coverage.py --list   the branches not taken in all of src/, one a line

Forge counts with the IR pipeline at its least optimisation. Of `if (x) revert` it counts the branch where x holds.
Branches are named by file and the text of their line, so that explanations survive lines that move.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit_build import AUDIT, AuditFailed, run
from export_abi import CONTRACTS, forge_path

EXPLAINED = AUDIT / "coverage.json"
REPORT = CONTRACTS / "cache" / "lcov.info"


@dataclass(frozen=True, slots=True)
class Branch:
    """One side of a decision: the file below contracts/, the line's number and text, which side."""

    file: str
    line: int
    text: str
    side: int

    @property
    def name(self) -> tuple[str, str]:
        """What an explanation names it by."""
        return self.file, self.text


def measure() -> str:
    """Forge's coverage report of all contracts' tests in lcov form.

    Raises:
        AuditFailed: a test failed or nothing was written.
    """
    command = [str(forge_path()), "coverage", "--ir-minimum", "--report", "lcov", "--report-file", str(REPORT)]
    ran = run(command, timeout_s=1800)
    if ran.returncode != 0:
        raise AuditFailed(ran.stdout[-3000:] + ran.stderr[-2000:])
    return REPORT.read_text("utf-8")


def missed(lcov: str, root: Path = CONTRACTS) -> tuple[int, list[Branch]]:
    """How many branches src/ has, and those no test takes."""
    total, found, file, lines = 0, [], "", [""]
    for row in lcov.splitlines():
        if row.startswith("SF:"):
            file = row[3:]
            lines = ["", *(root / file).read_text("utf-8").splitlines()] if file.startswith("src/") else [""]
        elif row.startswith("BRDA:") and file.startswith("src/"):
            line, _, side, hits = row[5:].split(",")
            total += 1
            if hits in ("-", "0"):
                text = re.sub(r"\s+", " ", lines[int(line)].strip())
                found.append(Branch(file, int(line), text, int(side)))
    return total, found


def problems(found: list[Branch], explained: dict[str, Any]) -> list[str]:
    """Branches of the money paths neither taken nor explained, and explanations that no branch needs."""
    money = tuple(explained["moneyPaths"])
    reasons = {(entry["file"], entry["line"]): str(entry["why"]) for entry in explained["unseen"]}
    names = {branch.name for branch in found}
    return [
        *(
            f"{branch.file}:{branch.line}: side {branch.side} is never taken: {branch.text}"
            for branch in found
            if branch.file.startswith(money) and branch.name not in reasons
        ),
        *(f"{file}: taken by now, or gone: {text}" for file, text in sorted(reasons.keys() - names)),
        *(f"{file}: no reason given for: {text}" for (file, text), why in sorted(reasons.items()) if len(why) < 20),
    ]


def main() -> int:
    """Command line; 0 when every branch of the money paths is taken or explained."""
    parser = argparse.ArgumentParser(description="Branch coverage of the money paths.")
    parser.add_argument("--list", action="store_true", help="only show the branches of src/ that no test takes")
    parser.add_argument("--report", type=Path, help="read this lcov report instead of running the tests")
    arguments = parser.parse_args()
    total, found = missed(arguments.report.read_text("utf-8") if arguments.report else measure())
    if arguments.list:
        print("\n".join(f"{branch.file}:{branch.line}:{branch.side}: {branch.text}" for branch in found))
        return 0
    wrong = problems(found, json.loads(EXPLAINED.read_text("utf-8")))
    print("\n".join(wrong) or f"coverage: {total} branches in src/, all of the money paths taken or explained")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
