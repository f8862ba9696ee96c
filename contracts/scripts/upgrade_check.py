"""Check with OpenZeppelin's tool that the Beekeeper is safe to upgrade to, and keeps the last release's storage.

    python contracts/scripts/upgrade_check.py

Invariant 12 of the chain design. The reference is the newest folder below contracts/releases/.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path

from audit_build import AuditFailed, audit_out, run
from export_abi import CONTRACTS
from release import RELEASES, UPGRADEABLE, build_info, newest, source_of

CHECKER = CONTRACTS / "node_modules" / "@openzeppelin" / "upgrades-core" / "dist" / "cli" / "cli.js"


def problems(out: Path, number: int) -> list[str]:
    """What the checker says against going from release `number` to the build in `out`; empty when nothing.

    Raises:
        AuditFailed: the checker itself failed.
    """
    release = RELEASES / str(number)
    source = json.loads((release / "release.json").read_text("utf-8"))["source"]
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / f"release-{number}"
        reference.mkdir()
        info = gzip.decompress((release / "build-info.json.gz").read_bytes())
        (reference / "build-info.json").write_bytes(info)
        command = ["node", str(CHECKER), "validate", str(out / "build-info")]
        command += ["--contract", f"{source_of(build_info(out), UPGRADEABLE)}:{UPGRADEABLE}"]
        command += ["--reference", f"{reference.name}:{source}:{UPGRADEABLE}", "--requireReference"]
        ran = run([*command, "--referenceBuildInfoDirs", str(reference)])
    said = (ran.stdout + ran.stderr).strip()
    if ran.returncode == 0 and "SUCCESS" in said:
        return []
    if "FAILED" not in said:
        raise AuditFailed(said)
    return said.splitlines()


def main() -> int:
    """Command line; 0 when the upgrade is safe."""
    number = newest()
    if number == 0:
        print("there is no release to compare with: contracts/scripts/release.py 1", file=sys.stderr)
        return 1
    found = problems(audit_out(), number)
    print("\n".join(found) or f"upgrade: the Beekeeper keeps the storage of release {number}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
