"""The index of the evidence folder: a short hash of every field, so that a change is named, not just noticed.

A file has one text for each of its documents (the lines of .jsonl, the whole of .json). It joins, with `|`, the
document's own record and that of every object in its lists; a record is `worker@slot:` and eight hex digits for each
field in sorted order.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DIGITS = 8
_MAX_SLOT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Indexed:
    """One record: whom and which slot it belongs to (empty texts for neither), and its fields with their hashes."""

    worker: str
    slot: str
    names: tuple[str, ...]
    hashes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The record as it stands in the index file."""
        return f"{self.worker}@{self.slot}:{''.join(self.hashes)}"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first field that differs from the index, of the Worker and slot that the index names."""

    field: str
    worker: str | None
    slot: int | None


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _owner(document: dict[str, Any], inherited: tuple[str, str]) -> tuple[str, str]:
    slot = document.get("slot", document.get("first_slot", inherited[1]))
    return str(document.get("worker", inherited[0])), str(slot)


def _fields(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(name, plain value) of a record, lists and inner objects opened."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _fields(value[key], f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield name, len(value)
        for k, inner in enumerate(value):
            if not isinstance(inner, dict):
                yield from _fields(inner, f"{name}[{k}]")
    else:
        yield name, value


def _inner(value: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the lists of an object."""
    for key in sorted(value):
        if isinstance(value[key], list):
            for k, inner in enumerate(value[key]):
                if isinstance(inner, dict):
                    yield (f"{name}.{key}[{k}]" if name else f"{key}[{k}]"), inner


def _indexed(document: dict[str, Any], name: str, inherited: tuple[str, str]) -> Iterator[Indexed]:
    owner = _owner(document, inherited)
    pairs = list(_fields(document, name))
    hashes = [hashlib.sha256(canonical([key, value])).hexdigest()[:_DIGITS] for key, value in pairs]
    yield Indexed(*owner, tuple(key for key, _ in pairs), tuple(hashes))
    for inner_name, inner in _inner(document, name):
        yield from _indexed(inner, inner_name, owner)


def index_of(document: dict[str, Any], worker: str = "") -> list[Indexed]:
    """The records of one document; `worker` is whose file it is."""
    return list(_indexed(document, "", (worker, "")))


def index_text(records: list[Indexed]) -> str:
    """A document's records as they stand in the index file."""
    return "|".join(record.text for record in records)


def first_difference(found: list[list[Indexed]], told: tuple[str, ...]) -> Difference | None:
    """Where a file's documents first differ from what the index tells."""
    for records, text in zip(found, told, strict=False):
        difference = document_difference(records, text)
        if difference is not None:
            return difference
    if len(found) > len(told):
        extra = found[len(told)][0]
        return _difference("line (one too many)", extra.worker, extra.slot)
    if len(found) < len(told):
        return _difference("line (missing)", *_owner_told(told[len(found)]))
    return None


def document_difference(records: list[Indexed], text: str) -> Difference | None:
    """The first field in which one document differs from its text in the index."""
    told = text.split("|")
    for record, own in zip(records, told, strict=False):
        if record.text != own:
            return _difference(_changed_field(record, own.partition(":")[2]), *_owner_told(own))
    if len(records) != len(told):
        return _difference("list", *_owner_told(told[0]))
    return None


def owner_told(text: str) -> Difference:
    """Whose record it is, as the index tells, when the record itself cannot be read."""
    return _difference("", *_owner_told(text))


def _owner_told(text: str) -> tuple[str, str]:
    worker, _, slot = text.partition(":")[0].partition("@")
    return worker, slot


def _changed_field(record: Indexed, digits: str) -> str:
    told = [digits[k : k + _DIGITS] for k in range(0, len(digits), _DIGITS)]
    for name, own, other in zip(record.names, record.hashes, told, strict=False):
        if own != other:
            return name
    return record.names[min(len(told), len(record.names) - 1)]


def _difference(field: str, worker: str, slot: str) -> Difference:
    return Difference(field, worker or None, int(slot) if slot.isdecimal() and len(slot) <= _MAX_SLOT_DIGITS else None)
