"""What the evidence says about the reputation on each booked line (market-design section 9).

The powers that Workers declared are not in the folder, so the factor cannot be recomputed from it. What must hold of
it whatever was declared is checked: its range, that it is the same all through a UTC day, that it is full in a home's
first seven days, and that a reading settled alone has none. How many lines it was taken as told for is reported. The
Worker itself does recompute it, from what it declared, before it signs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.billing.account import ALONE
from honey_edge.market.fairplay.reputation import FLOOR, FREE_DAYS, FULL
from honey_edge.model.slots import day_of
from queen_node import evidence_format as form
from queen_node.evidence_format import EvidenceError, LineRecord


@dataclass(frozen=True, slots=True)
class ToldFactors:
    """Pooled lines whose factor follows from nothing in the folder, and how many of them are below the full one."""

    as_told: int
    below_full: int


def check_factors(worker: str, lines: Sequence[LineRecord]) -> ToldFactors:
    """Judges the factor on every line of a Worker, in order; EvidenceError names the line."""
    told: dict[int, int] = {}
    as_told = below = 0
    for line in lines:
        day = day_of(line.slot)
        if line.kind == ALONE:
            _expect(worker, line, line.reputation == FULL, f"a reading settled alone has {FULL}")
            continue
        _expect(worker, line, FLOOR <= line.reputation <= FULL, f"must be {FLOOR} to {FULL}")
        told.setdefault(day, line.reputation)
        if day < min(told) + FREE_DAYS:
            _expect(worker, line, line.reputation == FULL, f"is {FULL} in the first {FREE_DAYS} days")
            continue
        _expect(worker, line, told[day] == line.reputation, "changed within a UTC day")
        as_told += 1
        below += line.reputation < FULL
    return ToldFactors(as_told, below)


def _expect(worker: str, line: LineRecord, holds: bool, rule: str) -> None:
    if not holds:
        message = f"is {line.reputation}: {rule}"
        raise EvidenceError(form.lines_file(worker), "reputation", message, slot=line.slot, worker=worker)
