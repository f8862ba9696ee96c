"""The stored reference answers: error, iterations, overshoot and time of direct solve and round, one line each."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from honey_edge.market.cases import HIVES, solve_case

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "oracles"
DIRECT, ROUND, OVERSHOOT = 1e-4, 1e-3, 5e-3


def lines_of(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """One line for the direct solve, and one for the round, of a case with an optimum."""
    expected = document["expected"]
    gain = expected.get("coordination_gain") or 0.0
    lines = []
    for how in ("direct", "distributed"):
        answer = solve_case(document, distributed=how == "distributed", clock=time.perf_counter)
        away = answer["objective"] - expected["objective"]
        compared = gain > 1e-3 and how == "distributed"
        share = away / gain if compared else away / max(1.0, abs(expected["objective"]))
        bar = DIRECT if how == "direct" else ROUND if compared else None
        kept = answer["limit_overshoot"] <= OVERSHOOT
        lines.append({
            "name": "oracle", "case": name, "how": how, "status": answer["status"], "objective_error": away,
            "error_share": share, "of": "gain" if compared else "objective", "bar": bar,
            "iterations": answer["iterations"], "limit_overshoot": answer["limit_overshoot"],
            "certificate_gap": answer["certificate_gap"], "messages_bytes": answer["messages_bytes"],
            "wall_s": round(answer["wall_s"], 4), "met": kept and (bar is None or abs(share) <= bar),
        })  # fmt: skip
    return lines


def main() -> int:
    """Print one line per figure; 1 when a bar is missed, 0 otherwise."""
    met = True
    files = sorted(FOLDER.glob("*.json")) if FOLDER.is_dir() else []
    if not files:
        print(json.dumps({"name": "oracle", "skipped": f"{FOLDER.name} is not there"}))
    for file in files:
        document = json.loads(file.read_text())
        if document["kind"] not in HIVES:
            continue
        if document["expected"]["status"] == "infeasible":
            answer = solve_case(document)
            lines = [{"name": "oracle", "case": file.stem, "status": answer["status"], "reason": answer["reason"],
                      "met": answer["status"] == "infeasible"}]  # fmt: skip
        else:
            lines = lines_of(document, file.stem)
        for line in lines:
            print(json.dumps(line))
            met = met and line["met"]
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
