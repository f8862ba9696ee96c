"""Run test vectors through the real driver code: `python -m drivers.vectors FILE.csv...`.

Prints `id,computed` per row in the notation of the column `expected` (a part or quantity not served here:
`id,skipped`) and a closing count line. Where `expected` is present and differs, a note follows on stderr, the
closing line counts it and the exit code is 1; 2 means that a file could not be read. Rows have the columns
id,part,quantity,inputs,args,expected,unit,note (reference/README.md); `expected` and `note` may be empty.
Floats count as equal within 1e-6 x max(1, |expected|), everything else exactly.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from drivers import _vectors_ade7878, _vectors_ade9000, _vectors_atm90e32as, _vectors_modbus
from drivers._vectors_row import Row, SkippedRow, parse_row
from drivers.errors import DriverError

PARTS = {
    "ATM90E32AS": _vectors_atm90e32as.compute,
    "ADE7878": _vectors_ade7878.compute,
    "ADE9000": _vectors_ade9000.compute,
}
SKIPPED = "skipped"
FLOAT_TOLERANCE = 1e-6


def compute(row: Row) -> str:
    """The computed value in the notation of `expected`, or "skipped"."""
    serve = PARTS.get(row.part)
    try:
        if serve is None:
            return _vectors_modbus.compute(row.part, row.quantity, row.inputs, row.args)
        return serve(row)
    except SkippedRow:
        return SKIPPED
    except (DriverError, KeyError, ValueError) as error:
        print(f"{row.id}: {error}", file=sys.stderr)
        return f"refused: {type(error).__name__}"


def agrees(computed: str, expected: str) -> bool:
    """Whether a computed value is the expected one: floats within tolerance, everything else exactly."""
    if computed == expected:
        return True
    if "." not in expected and "." not in computed:
        try:
            return int(computed, 0) == int(expected, 0)
        except ValueError:
            return False
    try:
        wanted, got = float(expected), float(computed)
    except ValueError:
        return False
    return abs(wanted - got) <= FLOAT_TOLERANCE * max(1.0, abs(wanted))


def read_rows(path: Path) -> list[Row]:
    """All rows of one vector file. Raises OSError, ValueError naming file and line."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = []
        for record in reader:
            try:
                rows.append(parse_row(record))
            except (KeyError, ValueError) as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
        return rows


def run(rows: Iterable[Row]) -> int:
    """Print every row's value and the closing counts; the exit code."""
    total = computed_rows = mismatched = 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row in rows:
        total += 1
        computed = compute(row)
        writer.writerow((row.id, computed))
        if computed == SKIPPED:
            continue
        computed_rows += 1
        if row.expected and not agrees(computed, row.expected):
            mismatched += 1
            print(f"{row.id}: computed {computed}, expected {row.expected}", file=sys.stderr)
    skipped = total - computed_rows
    print(f"{total} rows: {computed_rows} computed, {skipped} skipped, {mismatched} mismatched")
    return 1 if mismatched else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the files named on the command line; the exit code."""
    names = sys.argv[1:] if arguments is None else list(arguments)
    if not names or names[0] in ("-h", "--help"):
        print("usage: python -m drivers.vectors FILE.csv...", file=sys.stderr)
        return 0 if names else 2
    rows: list[Row] = []
    for name in names:
        try:
            rows += read_rows(Path(name))
        except (OSError, ValueError) as error:
            print(f"drivers.vectors: {error}", file=sys.stderr)
            return 2
    return run(rows)


if __name__ == "__main__":
    sys.exit(main())
