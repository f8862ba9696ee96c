"""What the auditing scripts share: a build of src/ alone with syntax trees, and where their tools are.

The checkers want one build-info file that knows every source and no test. It is made once for each state of the
sources, below contracts/cache/, and found again by the source hash.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from export_abi import CONTRACTS, forge_path, source_hash

TOOLS = CONTRACTS.parent / ".venv-audit" / "bin"
AUDIT = CONTRACTS / "audit"


class ToolMissing(Exception):
    """A checker is not installed; the message says what installs it."""


class AuditFailed(Exception):
    """A checker ended without an answer; the message holds its last words."""


def tool(name: str) -> Path:
    """A checker from the auditors' own environment.

    Raises:
        ToolMissing: `make audit` has not installed it.
    """
    path = TOOLS / name
    if not path.exists():
        raise ToolMissing(f"{name} is not installed: `make audit` installs it")
    return path


def environment(settings: dict[str, str]) -> dict[str, str]:
    """The environment for Foundry and the checkers: forge on the path, no colours, and these settings."""
    return {
        **os.environ,
        "PATH": f"{forge_path().parent}{os.pathsep}{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        **settings,
    }


def run(
    command: list[str], settings: dict[str, str] | None = None, timeout_s: float = 900, cwd: Path = CONTRACTS
) -> subprocess.CompletedProcess[str]:
    """Run a checker in contracts/ and give what it printed; the caller judges the exit code."""
    return subprocess.run(
        command, cwd=cwd, env=environment(settings or {}), capture_output=True, text=True, timeout=timeout_s
    )


def audit_out() -> Path:
    """Forge's output folder of src/ alone, with its build-info file; compiled when the sources have changed.

    Raises:
        AuditFailed: the sources do not compile.
    """
    folder = CONTRACTS / "cache" / "audit" / source_hash()[:16]
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder.parent, ignore_errors=True)
    command = [str(forge_path()), "build", "--force", "--build-info", "--out", str(folder)]
    # A folder without tests: nothing of theirs gets into the build-info file.
    built = run(
        [*command, "--cache-path", str(folder / "cache")],
        {"FOUNDRY_TEST": "audit", "FOUNDRY_DYNAMIC_TEST_LINKING": "false"},
    )
    if built.returncode != 0:
        raise AuditFailed(built.stdout[-2000:] + built.stderr[-2000:])
    (folder / "done").touch()
    return folder
