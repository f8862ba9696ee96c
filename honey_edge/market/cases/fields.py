"""Fields of a case document: every value is checked, and what is wrong is named by its path."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from honey_edge.market.errors import CaseError
from honey_edge.market.homes.assets import FloatArray

Json = dict[str, Any]

_MAX_SLOTS = 2976


@dataclass(frozen=True)
class Frame:
    """What all cases of a document share: slots T, slot length, and the path for messages."""

    slots: int
    dt_h: float
    path: str


def read_frame(case: Json, path: str) -> Frame:
    """Read T and dt_h."""
    slots = case.get("T")
    if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= _MAX_SLOTS:
        raise CaseError(f"{path}T is {slots!r}", next_step=f"give the number of slots, 1 to {_MAX_SLOTS}")
    dt_h = number(case, "dt_h", path)
    if not 0.0 < dt_h <= 24.0:
        raise CaseError(f"{path}dt_h is {dt_h}", next_step="give the length of a slot in hours, above 0 up to 24")
    return Frame(slots, dt_h, path)


def obj(value: object, path: str) -> Json:
    """Return an object of the document, or name what is in its place."""
    if not isinstance(value, dict):
        raise CaseError(f"{path} is {type(value).__name__}, not an object", next_step="give it as a JSON object")
    return value


def entries(value: object, path: str) -> list[object]:
    """Return a list of the document that is not empty, or name what is in its place."""
    if not isinstance(value, list) or not value:
        raise CaseError(f"{path} is not a list with entries", next_step="give at least one entry")
    return value


def known(given: Json, names: Collection[str], path: str) -> None:
    """Refuse a field that nobody would read."""
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise CaseError(f"{path}{unknown[0]} is not a known field", next_step=f"known: {', '.join(sorted(names))}")


def number(given: Json, name: str, path: str, default: float | None = None) -> float:
    """Return a finite number."""
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise CaseError(f"{path}{name} is {value!r}", next_step="give a finite number")
    return float(value)


def numbers(value: object, path: str, size: int, each: str) -> FloatArray:
    """Return a list of `size` finite numbers, one for each `each`."""
    if not isinstance(value, list) or len(value) != size:
        found = len(value) if isinstance(value, list) else "no list"
        raise CaseError(f"{path} has {found}", next_step=f"give one number for each of the {size} {each}")
    for place, entry in enumerate(value):
        if isinstance(entry, bool) or not isinstance(entry, (int, float)) or not math.isfinite(entry):
            raise CaseError(f"{path}[{place}] is {entry!r}", next_step="give a finite number")
    return np.array(value, dtype=np.float64)


def vector(given: Json, name: str, path: str, slots: int) -> FloatArray:
    """Return one finite number per slot."""
    return numbers(given.get(name), f"{path}{name}", slots, "slots")


def bound(given: Json, name: str, path: str, slots: int) -> FloatArray | None:
    """Return a limit: null or missing is none, one number holds for all slots, a list gives one for each."""
    value = given.get(name)
    if value is None:
        return None
    return vector(given, name, path, slots) if isinstance(value, list) else np.full(slots, number(given, name, path))


def text(given: Json, name: str, path: str) -> str:
    """Return a text that is not empty."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise CaseError(f"{path}{name} is {value!r}", next_step="give a text")
    return value
