"""How the system tests run the demo: as its own process, as a person would start it."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 280
END_S = 15.0


@dataclass(frozen=True)
class Outcome:
    """One run that has ended."""

    folder: Path
    code: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        """The content of report.json."""
        document: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return document

    @property
    def bills(self) -> dict[str, dict[str, Any]]:
        """Energy and money of each home by serial: what must not depend on what befell the processes."""
        parts = ("import_milliwh", "export_milliwh", "standalone_micro", "hive_micro")
        return {home["serial"]: {part: home[part] for part in parts} for home in self.report["homes"]}

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The documents of a file of the evidence, one per line."""
        return [json.loads(line) for line in (self.folder / "evidence" / name).read_text().splitlines()]

    def pins(self) -> list[str]:
        """The options that say whom to trust, as the run's settings have them."""
        manifest = json.loads((self.folder / "evidence" / "manifest.json").read_text())
        return ["--queen", manifest["queen"], "--contract", manifest["contract"]]


def demo_command(folder: Path, *options: str) -> list[str]:
    """The command line of one run."""
    return [sys.executable, "-m", "provisioning.demo.cli", "--out", str(folder), *options]


def run_demo(folder: Path, *options: str, limit_s: float = LIMIT_S) -> Outcome:
    """Runs the demo to its end."""
    ended = subprocess.run(
        demo_command(folder, *options), cwd=REPOSITORY, capture_output=True, text=True, timeout=limit_s, check=False
    )
    return Outcome(folder, ended.returncode, ended.stdout, ended.stderr)


def hive(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the operator's `hive`."""
    command = [sys.executable, "-m", "queen_node.cli", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def children_of(parent: int) -> dict[int, int]:
    """Ids of a process's children, each with a handle that tells when it has ended (pidfd_open(2))."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _parent_of(folder) == parent:
            found[int(folder.name)] = os.pidfd_open(int(folder.name))
    return found


def _parent_of(folder: Path) -> int | None:
    """The parent's id: the second field after the name in brackets (proc(5), stat)."""
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def started_with(folder: Path) -> list[int]:
    """Ids of processes whose command line names something in the folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and str(folder) in (process / "cmdline").read_text(errors="replace"):
                found.append(int(process.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def still_alive(handles: dict[int, int], wait_s: float = END_S) -> list[int]:
    """Process ids that have not ended after `wait_s` seconds in all; closes the handles."""
    deadline = time.monotonic() + wait_s
    alive = []
    for process_id, handle in handles.items():
        if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
            alive.append(process_id)
        os.close(handle)
    return alive
