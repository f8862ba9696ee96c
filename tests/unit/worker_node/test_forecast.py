"""The Worker's forecast: nothing heavy at the start, the same after a restart, corrected by what was measured."""

import subprocess
import sys

import pytest

from worker_node.agent.forecast import BaseForecaster

MIDNIGHT = 20_000 * 96


def month(now: int) -> dict[int, int]:
    """What the journal holds at a slot: 28 days, 0.4 kW with 2 kW in the evening."""
    return {slot: 500_000 if slot % 96 >= 72 else 100_000 for slot in range(now - 28 * 96, now)}


def test_the_daemon_starts_without_numpy() -> None:
    program = "import sys, worker_node.agent.service as s; print('numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("into_the_day", [0, 1, 40, 95])
def test_a_restarted_worker_forecasts_the_same(into_the_day: int) -> None:
    living = BaseForecaster()
    for step in range(0, into_the_day, 13):
        living.expected_kw(month(MIDNIGHT + step), MIDNIGHT + step, 96)
    now = MIDNIGHT + into_the_day
    made = living.expected_kw(month(now), now + 1, 96)
    assert made == BaseForecaster().expected_kw(month(now), now + 1, 96)
    assert len(made) == 96
    assert made[(80 - into_the_day - 1) % 96] == pytest.approx(2.0, rel=0.1)


def test_what_was_just_measured_lifts_the_next_hours_only() -> None:
    now = MIDNIGHT + 40
    usual = month(now)
    high = usual | dict.fromkeys(range(now - 4, now), 750000)
    before, after = (BaseForecaster().expected_kw(history, now, 96) for history in (usual, high))
    assert after[0] > before[0] + 1.0
    assert after[30] == pytest.approx(before[30], abs=0.1)


def test_the_first_slots_of_a_home_already_give_a_forecast() -> None:
    made = BaseForecaster().expected_kw({MIDNIGHT: 500_000}, MIDNIGHT + 1, 96)
    assert len(made) == 96
    assert 0.3 < sum(made) / 96 < 8.0
