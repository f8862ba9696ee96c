"""Runs every *.scenario file of this folder through the demo; adding one needs no Python.

A file holds lines of words; `#` starts a comment. What is run: `homes N`, `hours H`, `fault KIND@SERIAL:SLOT`, and
`deep` for a file that the short run leaves out. What must come of it (SLOT counts from 0 in the run, energies in mWh):

    exit CODE
    finding TEXT                      a line that the demo prints as failed contains the text
    no-finding SERIAL                 none names the home
    energy SERIAL IMPORT EXPORT       the sum of its slots
    readings SERIAL COUNT             verified, baseline included
    flags SERIAL SLOT [NAME ...]      exactly these flags in the reading that closes the slot
    missing SLOT COUNT                homes whose reading was not there when the slot was closed
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.sample import (
    FLAG_BROWN_OUT,
    FLAG_BUS_FAULTS,
    FLAG_CROSS_CHECK,
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    FLAG_QUARANTINED,
    FLAG_TAMPER,
)
from tests.system.demo_runs import Outcome, run_demo

FOLDER = Path(__file__).resolve().parent
FLAGS = {
    "gap": FLAG_GAP,
    "quarantined": FLAG_QUARANTINED,
    "cross-check": FLAG_CROSS_CHECK,
    "brown-out": FLAG_BROWN_OUT,
    "bus-faults": FLAG_BUS_FAULTS,
    "tamper": FLAG_TAMPER,
    "energy-lost": FLAG_ENERGY_LOST,
}
OPTIONS = {"homes", "hours", "fault"}


@dataclass
class Scenario:
    """One file: options of the demo, and expectations with the place where they stand."""

    name: str
    deep: bool = False
    options: list[str] = field(default_factory=list)
    expected: list[tuple[str, list[str]]] = field(default_factory=list)


def read_scenario(file: Path) -> Scenario:
    """The parsed file; ValueError names file, line and word."""
    scenario = Scenario(file.stem)
    for number, line in enumerate(file.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words == ["deep"]:
            scenario.deep = True
        elif words[0] in OPTIONS and len(words) == 2:
            scenario.options += [f"--{words[0]}", words[1]]
        elif words[0] in EXPECTATIONS and len(words) > 1:
            scenario.expected.append((f"{file.name}:{number}: {line}", words))
        else:
            known = ", ".join(sorted({"deep", *OPTIONS, *EXPECTATIONS}))
            raise ValueError(f"{file.name}:{number}: {line!r} is not understood; lines start with one of: {known}")
    return scenario


def failed_lines(outcome: Outcome) -> list[str]:
    return [line for line in outcome.errors.splitlines() if line.startswith("FAILED ")]


def home_of(outcome: Outcome, serial: str) -> dict[str, object]:
    homes: list[dict[str, object]] = outcome.report["homes"]
    return next(home for home in homes if home["serial"] == serial)


def flags_of(outcome: Outcome, serial: str, slot: int) -> int:
    """The flags of the reading that closes a slot of the run; the first reading is the baseline before slot 0."""
    readings = outcome.lines(f"readings/{home_of(outcome, serial)['address']}.jsonl")
    first = int(readings[0]["slot"]) + 1
    return int(next(reading["flags"] for reading in readings if reading["slot"] == first + slot))


def energy_of(outcome: Outcome, serial: str) -> list[object]:
    home = home_of(outcome, serial)
    return [home["import_milliwh"], home["export_milliwh"]]


EXPECTATIONS: dict[str, Callable[[Outcome, list[str]], bool]] = {
    "exit": lambda run, words: run.code == int(words[0]),
    "finding": lambda run, words: any(" ".join(words) in line for line in failed_lines(run)),
    "no-finding": lambda run, words: not any(words[0] in line for line in failed_lines(run)),
    "energy": lambda run, words: energy_of(run, words[0]) == [int(word) for word in words[1:]],
    "readings": lambda run, words: home_of(run, words[0])["readings_verified"] == int(words[1]),
    "flags": lambda run, words: flags_of(run, words[0], int(words[1])) == sum(FLAGS[word] for word in words[2:]),
    "missing": lambda run, words: run.lines("slots.jsonl")[int(words[0])]["missing"] == int(words[1]),
}
SCENARIOS = [read_scenario(file) for file in sorted(FOLDER.glob("*.scenario"))]


def marked(scenario: Scenario) -> object:
    marks = [pytest.mark.system, *([pytest.mark.deep] if scenario.deep else [])]
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [marked(scenario) for scenario in SCENARIOS])
def test_a_scenario_ends_as_its_file_says(scenario: Scenario, tmp_path: Path) -> None:
    outcome = run_demo(tmp_path / "out", *scenario.options)
    unmet = [place for place, (word, *rest) in scenario.expected if not EXPECTATIONS[word](outcome, rest)]
    assert unmet == [], outcome.errors


def test_a_line_that_is_not_understood_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "odd.scenario"
    file.write_text("homes 2\n\nexpect nothing\n")
    with pytest.raises(ValueError, match=r"odd\.scenario:3: 'expect nothing'"):
        read_scenario(file)
