"""Run every audit of the contracts, one after the other, and say how long each took.

    python contracts/scripts/audit.py                 all
    python contracts/scripts/audit.py static upgrade  those named

static: slither, each finding explained. upgrade: storage of the Beekeeper against the last release. coverage: every
branch of the money paths. symbolic: proofs of the invariants marked S. mutants: planted mistakes, which those proofs
must find. What is explained lies in contracts/audit/.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
AUDITS = {
    "static": ("static_checks.py",),
    "upgrade": ("upgrade_check.py",),
    "coverage": ("branch_coverage.py",),
    "symbolic": ("symbolic.py",),
    "mutants": ("symbolic.py", "--mutants"),
}


def main() -> int:
    """Command line; 0 when all audits pass."""
    names = sys.argv[1:] or list(AUDITS)
    if unknown := [name for name in names if name not in AUDITS]:
        print(f"unknown audit {unknown[0]}; known: {', '.join(AUDITS)}", file=sys.stderr)
        return 2
    failed = []
    for name in names:
        begun = time.monotonic()
        script, *arguments = AUDITS[name]
        ran = subprocess.run([sys.executable, str(SCRIPTS / script), *arguments], check=False)
        print(
            f"audit {name}: {'passed' if ran.returncode == 0 else 'FAILED'}, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        failed += [name] if ran.returncode else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
