"""JSON files that a person hands over: certificates, terms, agreements; every refusal starts with the file's name."""

import json
import os
from pathlib import Path
from typing import Any

from queen_node.operator.errors import InputError, NotFound


def json_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file; NotFound or InputError."""
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"{file} is not there") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON that can be read: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{file} must hold one JSON object")
    return document


def write_object(file: Path, document: dict[str, Any]) -> None:
    """Writes a JSON file; InputError when the place will not do."""
    try:
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out: {file}: {error.strerror}") from error


def check_writable(file: Path) -> None:
    """InputError when a file could not be written, before anything is signed for it."""
    if file.exists() or not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise InputError(f"--out: {file} is there already, or its folder cannot be written")


def hex_field(document: dict[str, Any], name: str, length: int, file: Path) -> bytes:
    """A field of so many bytes in hex."""
    try:
        value = bytes.fromhex(str(document[name]))
    except ValueError as error:
        raise InputError(f"{file}: {name} is not hex") from error
    if len(value) != length:
        raise InputError(f"{file}: {name} has {len(value)} bytes, {length} are needed")
    return value
