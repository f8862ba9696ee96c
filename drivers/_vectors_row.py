"""One row of a vector file, and how its `key=value` lists are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SkippedRow(Exception):
    """This program does not serve the row's quantity."""


class Row(NamedTuple):
    """A vector: `inputs` and `args` as dictionaries of text, `expected` empty when only the value is wanted."""

    id: str
    part: str
    quantity: str
    inputs: dict[str, str]
    args: dict[str, str]
    expected: str


def pairs(text: str) -> dict[str, str]:
    """`a=1 b=2-3` as a dictionary. Raises ValueError for a word without `=`."""
    found = {}
    for word in text.split():
        key, separator, value = word.partition("=")
        if not separator:
            raise ValueError(f"{word!r} is not key=value")
        found[key] = value
    return found


def parse_row(record: Mapping[str, str | None]) -> Row:
    """A row of the CSV reader. Raises KeyError for a missing column, ValueError for a malformed list."""
    return Row(
        record["id"] or "",
        record["part"] or "",
        record["quantity"] or "",
        pairs(record["inputs"] or ""),
        pairs(record["args"] or ""),
        record.get("expected") or "",
    )
