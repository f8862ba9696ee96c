"""Writes the table of SunSpec models from pysunspec2's model files: `python -m drivers.linux.modbus_sunspec_models`.

For developers, when a model is added; the package itself only reads the table. Taken are facts: numbers, offsets,
types, names, units and symbols of points. Descriptions are not copied. Columns as in reference/sunspec-points.csv, and
one row of type `group` before the points of a repeating group: `registers` is one repetition without groups inside,
`symbols` says which point holds the number of repetitions (`count=0`: as many as the model's length holds).
"""

import csv
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "modbus" / "data" / "sunspec-models.csv"
MODELS = (1, *range(101, 104), *range(111, 114), *range(120, 125), 160, *range(201, 205), *range(211, 215))
MODELS = (*MODELS, *range(701, 715), 802)
COLUMNS = (
    "model", "offset_from_ID", "point", "type", "registers", "scale_factor", "units", "access", "mandatory", "symbols",
)  # fmt: skip


def model_folder() -> Path:
    """Where pysunspec2 keeps its model files. Raises SystemExit when it is not installed."""
    found = find_spec("sunspec2")
    if found is None or found.origin is None:
        raise SystemExit("pysunspec2 is not installed; pip install pysunspec2 (development only)")
    return Path(found.origin).parent / "models" / "json"


def model_rows(number: int, folder: Path) -> list[list[str]]:
    """All rows of one model."""
    document = json.loads((folder / f"model_{number}.json").read_text(encoding="utf-8"))
    return [[str(number), *row] for row in _group_rows(document["group"], "", 0)[0]]


def _group_rows(group: dict[str, Any], prefix: str, offset: int) -> tuple[list[list[str]], int]:
    """Rows of a group and the offset behind its first repetition."""
    rows = []
    for point in group["points"]:
        symbols = " ".join(
            f"{symbol['name'].replace(' ', '_')}={symbol['value']}" for symbol in point.get("symbols", [])
        )
        rows.append(
            [
                str(offset),
                prefix + point["name"],
                point["type"],
                str(point["size"]),
                str(point.get("sf", "")),
                point.get("units", ""),
                point.get("access", "R"),
                "M" if point.get("mandatory") == "M" else "",
                symbols,
            ]
        )
        offset += int(point["size"])
    for inner in group.get("groups", []):
        count = inner.get("count", 1)
        name = prefix + inner["name"] + ("" if count == 1 else "[]")
        size = sum(int(point["size"]) for point in inner["points"])
        if count != 1:
            rows.append([str(offset), name, "group", str(size), "", "", "", "", f"count={count}"])
        more, offset = _group_rows(inner, name + ".", offset)
        rows += more
    return rows, offset


def all_rows() -> Iterator[list[str]]:
    """Rows of every model."""
    folder = model_folder()
    for number in MODELS:
        yield from model_rows(number, folder)


def main() -> int:
    """Write the table."""
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(all_rows())
    print(f"{TARGET.name}: {len(MODELS)} models", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
