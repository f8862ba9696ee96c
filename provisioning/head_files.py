"""Which files a sensor head needs: those that its program imports, found by reading their import lines."""

import ast
from importlib.util import find_spec
from pathlib import Path

_ENTRY = "drivers.head.main"
_BOARDS_OWN = {
    "machine",
    "micropython",
    "time",
    "sys",
    "select",
    "json",
    "os",
    "struct",
    "hashlib",
    "math",
    "collections",
}
_PARTS = {"atm90e32as", "ade7878", "ade9000"}


class HeadFilesError(ValueError):
    """A file of the head imports what the board does not have."""


def files_of(part: str) -> dict[str, Path]:
    """Path on the board -> file, for a head with this chip; the program itself is main.py."""
    modules: dict[str, Path] = {}
    _collect(_ENTRY, part, modules)
    files = {name.replace(".", "/") + ".py": path for name, path in modules.items() if path.name != "__init__.py"}
    files |= {name.replace(".", "/") + "/__init__.py": p for name, p in modules.items() if p.name == "__init__.py"}
    files["main.py"] = files.pop(_ENTRY.replace(".", "/") + ".py")
    return files


def _collect(name: str, part: str, modules: dict[str, Path]) -> None:
    """Adds a module, its packages, and what it imports."""
    if name in modules or name in _BOARDS_OWN:
        return
    modules[name] = path = _path(name)
    package = name.rpartition(".")[0]
    if package:
        _collect(package, part, modules)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _collect(alias.name, part, modules)
        elif isinstance(node, ast.ImportFrom) and node.module and not _other_chip(node.module, part):
            _collect(node.module, part, modules)
            for alias in node.names:
                if _is_module(f"{node.module}.{alias.name}"):
                    _collect(f"{node.module}.{alias.name}", part, modules)


def _other_chip(module: str, part: str) -> bool:
    """Whether the program imports it for another chip only."""
    return any(module.startswith(f"drivers.chips.{other}") for other in _PARTS - {part})


def _is_module(name: str) -> bool:
    folder = Path(__file__).resolve().parent.parent / name.replace(".", "/")
    return folder.with_suffix(".py").is_file() or (folder / "__init__.py").is_file()


def _path(name: str) -> Path:
    """The file of one of our modules. Raises HeadFilesError for any other."""
    spec = find_spec(name) if name.split(".")[0] == "drivers" else None
    if spec is None or spec.origin is None:
        raise HeadFilesError(f"the head's program imports {name}, which the board does not have")
    return Path(spec.origin)
