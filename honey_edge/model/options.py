"""Settings text (TOML) into frozen dataclasses: types, ranges, defaults, and errors that name file, line and key.

Each section of the file is one frozen dataclass; an option is declared by `option(...)` with its range and its
meaning, which the generated reference page prints. An unknown section or key, a wrong type or a value out of range
raises `SettingsError` with the nearest known name. Pure: the caller reads the file.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from honey_edge.model.errors import HiveError

T = TypeVar("T")


class SettingsError(HiveError, ValueError):
    """A settings file is refused; the message starts with file and line."""

    code = "E-SETTINGS"


@dataclass(frozen=True, slots=True)
class _Rule:
    meaning: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def option(
    meaning: str,
    default: Any = MISSING,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declares an option of a settings dataclass: its meaning, default, and range or choices."""
    metadata = {"rule": _Rule(meaning, low, high, choices)}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def read_settings(kind: type[T], text: str, file: str) -> T:
    """The settings dataclass `kind` (whose fields are sections) from TOML text; SettingsError names file and line."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}", next_step="correct the TOML syntax there") from error
    return _Reader(text, file).build(kind, document, "")


class _Reader:
    """Reads one file and knows the line of each key."""

    def __init__(self, text: str, file: str) -> None:
        self._lines = text.splitlines()
        self._file = file

    def build(self, kind: type[T], table: Mapping[str, Any], section: str) -> T:
        assert is_dataclass(kind)
        hints = get_type_hints(kind)
        known = {f.name: f for f in fields(kind)}
        for key in table:
            if key not in known:
                raise self._unknown(section, key, list(known))
        values = {}
        for name, declared in known.items():
            if name in table:
                values[name] = self._value(hints[name], declared, table[name], section)
            elif declared.default is MISSING and declared.default_factory is MISSING:
                what = f"[{name}]" if is_dataclass(hints[name]) else f"{name} in [{section}]" if section else name
                raise self._error(section, "", f"{what} is missing")
        return kind(**values)

    def _value(self, hint: Any, declared: Field[Any], value: Any, section: str) -> Any:
        name = declared.name
        for candidate in _alternatives(hint):
            if is_dataclass(candidate) and isinstance(candidate, type):
                if not isinstance(value, dict):
                    raise self._error(section, name, f"{name} must be a section")
                return self.build(candidate, value, f"{section}.{name}" if section else name)
        value = self._typed(hint, value, section, name)
        rule = declared.metadata.get("rule")
        if rule is not None:
            self._check(rule, value, section, name)
        return value

    def _typed(self, hint: Any, value: Any, section: str, name: str) -> Any:
        for candidate in _alternatives(hint):
            if candidate is float:
                if type(value) in (int, float) and math.isfinite(value):
                    return float(value)
                continue
            if get_origin(candidate) is tuple and isinstance(value, list):
                inner = get_args(candidate)[0]
                return tuple(self._typed(inner, item, section, name) for item in value)
            if isinstance(candidate, type) and type(value) is candidate:
                return value
        wanted = " or ".join(
            ("finite " if c is float else "") + getattr(c, "__name__", str(c)) for c in _alternatives(hint)
        )
        raise self._error(section, name, f"{name} = {value!r} is {type(value).__name__}, expected {wanted}")

    def _check(self, rule: _Rule, value: Any, section: str, name: str) -> None:
        if rule.choices and value not in rule.choices:
            near = difflib.get_close_matches(str(value), rule.choices, 1)
            hint = f" (nearest: {near[0]})" if near else ""
            raise self._error(section, name, f"{name} = {value!r} is none of {', '.join(rule.choices)}{hint}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if rule.low is not None and value < rule.low:
                raise self._error(section, name, f"{name} = {value} is below {rule.low:g}")
            if rule.high is not None and value > rule.high:
                raise self._error(section, name, f"{name} = {value} is above {rule.high:g}")

    def _unknown(self, section: str, key: str, known: list[str]) -> SettingsError:
        near = difflib.get_close_matches(key, known, 1, cutoff=0.5)
        where = f"in [{section}]" if section else "at the top"
        hint = f"; nearest known key: {near[0]}" if near else f"; known: {', '.join(known)}"
        return self._error(section, key, f"unknown key {key} {where}{hint}")

    def _error(self, section: str, key: str, message: str) -> SettingsError:
        line = self._line_of(section, key)
        place = f"{self._file}:{line}" if line else self._file
        return SettingsError(f"{place}: {message}")

    def _line_of(self, section: str, key: str) -> int:
        """Line number of a key in its section, of the section without the key, or 0."""
        header = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
        assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
        current, found = "", 0
        for number, line in enumerate(self._lines, 1):
            if match := header.match(line):
                current = match[1]
                full = f"{section}.{key}" if section else key
                if (current == section and not key) or (current == full and key):
                    found = number
            elif key and current == section and assignment.match(line):
                return number
        return found


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union, without None; TOML has no null."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for kind in get_args(hint) if kind is not type(None))
    return (hint,)


@dataclass(frozen=True, slots=True)
class OptionLine:
    """One option for the reference page."""

    section: str
    name: str
    kind: str
    default: str
    limits: str
    meaning: str


def describe_options(kind: Any, section: str = "") -> list[OptionLine]:
    """All options of a settings dataclass, in order, for documentation."""
    lines: list[OptionLine] = []
    hints = get_type_hints(kind)
    for declared in fields(kind):
        inner = [c for c in _alternatives(hints[declared.name]) if is_dataclass(c)]
        if inner:
            lines += describe_options(inner[0], f"{section}.{declared.name}" if section else declared.name)
            continue
        rule = declared.metadata.get("rule") or _Rule("", None, None, ())
        limits = ", ".join(rule.choices) or " .. ".join(
            f"{edge:g}" if edge is not None else ""
            for edge in (rule.low, rule.high)
            if (rule.low, rule.high) != (None, None)
        )
        names = " or ".join(getattr(c, "__name__", str(c)) for c in _alternatives(hints[declared.name]))
        default = "required" if declared.default is MISSING else repr(declared.default)
        lines.append(OptionLine(section, declared.name, names, default, limits, rule.meaning))
    return lines
