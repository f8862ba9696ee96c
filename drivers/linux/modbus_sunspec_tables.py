"""The SunSpec models' tables, read from the package's file when first asked for."""

import csv
from functools import cache
from pathlib import Path

from drivers.errors import ValueOutOfRange
from drivers.modbus.sunspec import Group, Table, TablePoint

FILE = Path(__file__).resolve().parent.parent / "modbus" / "data" / "sunspec-models.csv"


@cache
def tables() -> dict[int, Table]:
    """Every known model by its number."""
    found: dict[int, Table] = {}
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number = int(row["model"])
            if number not in found:
                found[number] = Table(number, Group("", "", []))
            _add(found[number].root, row["point"], row)
    return found


def table(number: int) -> Table:
    """One model. Raises ValueOutOfRange for one that the file lacks."""
    if number not in tables():
        raise ValueOutOfRange(f"SunSpec model {number} has no table; add it with drivers.linux.modbus_sunspec_models")
    return tables()[number]


def _add(root: Group, name: str, row: dict[str, str]) -> None:
    """Hang one row into the tree of groups."""
    group = root
    while group.members and isinstance(group.members[-1], Group) and name.startswith(group.members[-1].name + "[]."):
        group = group.members[-1]
        name = name[len(group.name) + 3 :]
    if row["type"] == "group":
        group.members.append(Group(name[:-2], row["symbols"].partition("=")[2], []))
        return
    symbols = {}
    for symbol in row["symbols"].split():
        word, _, value = symbol.partition("=")
        symbols[int(value)] = word
    writable = "W" in row["access"]
    group.members.append(TablePoint(name, row["type"], int(row["registers"]), row["scale_factor"], writable, symbols))
