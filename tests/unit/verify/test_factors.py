"""What must hold for the reputation on booked lines: what can be checked is, and what is taken as told is counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queen_node.evidence_format import LineRecord
from queen_node.verify import EvidenceError, verify_evidence
from queen_node.verify_reputation import ToldFactors, check_factors

WORKER = "ab" * 20
DAY = 20_000


def line(slot: int, reputation: int, kind: int = 0) -> LineRecord:
    return LineRecord(
        v=1,
        slot=slot,
        closed_slot=slot,
        kind=kind,
        energy_milliwh=1,
        reputation=reputation,
        amount_pico=0,
        net_pico=0,
        funding_micro=0,
        path=(),
    )


def at(day: int, reputation: int, kind: int = 0) -> list[LineRecord]:
    return [line((DAY + day) * 96 + k, reputation, kind) for k in range(3)]


def test_factors_after_the_first_week_are_taken_as_told_and_counted() -> None:
    lines = [*at(0, 1000), *at(6, 1000), *at(7, 1000), *at(8, 700), *at(9, 1000, kind=1), *at(10, 500, kind=2)]
    assert check_factors(WORKER, lines) == ToldFactors(as_told=9, below_full=6)
    assert check_factors(WORKER, []) == ToldFactors(0, 0)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*at(0, 1000), *at(6, 999)], "first 7 days"),
        ([*at(0, 1000), *at(7, 499)], "must be 500 to 1000"),
        ([*at(0, 1000), *at(7, 1001)], "must be 500 to 1000"),
        ([*at(0, 1000), *at(7, 900)[:2], *at(7, 901)[2:]], "changed within a UTC day"),
        ([*at(0, 1000), *at(7, 900, kind=1)], "settled alone"),
    ],
)
def test_a_factor_that_no_declaration_explains_is_named(lines: list[LineRecord], words: str) -> None:
    with pytest.raises(EvidenceError, match=words) as error:
        check_factors(WORKER, lines)
    wrong = next(one for one in reversed(lines) if one.reputation != 1000)
    assert (error.value.field, error.value.worker) == ("reputation", WORKER)
    assert error.value.slot is not None
    assert error.value.slot // 96 == wrong.slot // 96


def test_a_young_hive_has_nothing_taken_as_told(folder: Path) -> None:
    report = verify_evidence(folder)
    assert (report.reputation_as_told, report.reputation_below_full) == (0, 0)


def test_a_factor_signed_by_the_queen_alone_does_not_pass_in_the_first_week(
    day: Any, folder: Path, reseal: Callable[..., None]
) -> None:
    name = f"lines/{day.homes[0].address}.jsonl"
    reseal(name, 2, lambda document: document.update(reputation=900))
    with pytest.raises(EvidenceError, match="first 7 days"):
        verify_evidence(folder)
