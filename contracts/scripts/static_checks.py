"""Run slither over src/ and compare its findings with contracts/audit/slither.json, where each one is explained.

    python contracts/scripts/static_checks.py          1 when a finding has no explanation, or an explanation no finding
    python contracts/scripts/static_checks.py --list   the findings, one a line

A finding is named by its check and the function, event or variable it is about, so that it stays the same when lines
move. `notAnalysed` names the functions the tool says it cannot follow: those need other eyes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from audit_build import AUDIT, AuditFailed, audit_out, run, tool

EXPLAINED = AUDIT / "slither.json"
GRAVE = frozenset({"High", "Medium"})


@dataclass(frozen=True, slots=True)
class Findings:
    """What slither said: (check, place) of every finding with its impact, and functions it could not follow."""

    found: dict[tuple[str, str], str]
    not_analysed: frozenset[str]


def place_of(element: dict[str, Any]) -> str:
    """Contract and signature of a function, or the name of anything else, without lines."""
    fields = element.get("type_specific_fields", {})
    name = str(fields.get("signature", element["name"]))
    parent = fields.get("parent", {})
    while parent and parent.get("type") != "contract":
        name = str(parent.get("type_specific_fields", {}).get("signature", parent["name"]))
        parent = parent.get("type_specific_fields", {}).get("parent", {})
    return f"{parent['name']}.{name}" if parent else name


def findings() -> Findings:
    """Run slither on the build of the present sources.

    Raises:
        ToolMissing: it is not installed.
        AuditFailed: it gave no report.
    """
    out = audit_out()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "slither.json"
        command = [str(tool("slither")), ".", "--ignore-compile", "--foundry-out-directory", str(out)]
        ran = run([*command, "--filter-paths", "node_modules", "--json", str(report)])
        if not report.exists():
            raise AuditFailed(ran.stdout[-1000:] + ran.stderr[-3000:])
        answer = json.loads(report.read_text("utf-8"))
    if not answer["success"]:
        raise AuditFailed(str(answer["error"]))
    found = {
        (result["check"], place_of(result["elements"][0]) if result["elements"] else "-"): result["impact"]
        for result in answer["results"].get("detectors", [])
    }
    skipped = re.findall(r"Impossible to generate IR for (\S+) \((\S+?)#", ran.stdout + ran.stderr)
    return Findings(found, frozenset(name for name, file in skipped if file.startswith("src/")))


def explains(pattern: str, place: str, impact: str) -> bool:
    """Whether an explanation covers a place; what is grave is named exactly, never by a pattern."""
    return pattern == place or (impact not in GRAVE and fnmatchcase(place, pattern.replace("[", "[[]")))


def problems(answer: Findings, explained: dict[str, Any]) -> list[str]:
    """Findings without an explanation, and explanations of what is no longer found."""
    reasons = [(entry["check"], place) for entry in explained["explained"] for place in entry["places"]]
    used, wrong = set(), []
    for (check, place), impact in sorted(answer.found.items()):
        covering = {(c, pattern) for c, pattern in reasons if c == check and explains(pattern, place, impact)}
        used |= covering
        if not covering:
            wrong.append(f"not explained: {check} ({impact}) {place}")
    wrong += [f"no longer found: {check} {place}" for check, place in reasons if (check, place) not in used]
    wrong += [f"{entry['check']}: no reason given" for entry in explained["explained"] if len(entry["why"]) < 20]
    known = explained["notAnalysed"]["places"]
    silent = [place for place in answer.not_analysed if not any(fnmatchcase(place, pattern) for pattern in known)]
    wrong += [f"slither cannot follow {place}: who looked?" for place in sorted(silent)]
    followed = [p for p in known if not any(fnmatchcase(place, p) for place in answer.not_analysed)]
    wrong += [f"slither follows {pattern} by now" for pattern in followed]
    return wrong


def main() -> int:
    """Command line; 0 when everything found is explained."""
    parser = argparse.ArgumentParser(description="Static checks with explained findings.")
    parser.add_argument("--list", action="store_true", help="only show the findings")
    arguments = parser.parse_args()
    answer = findings()
    if arguments.list:
        for (check, place), impact in sorted(answer.found.items()):
            print(f"{impact:14} {check:28} {place}")
        for place in sorted(answer.not_analysed):
            print(f"{'not analysed':14} {'':28} {place}")
        return 0
    found = problems(answer, json.loads(EXPLAINED.read_text("utf-8")))
    print("\n".join(found) or f"slither: {len(answer.found)} findings, all explained in audit/slither.json")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
