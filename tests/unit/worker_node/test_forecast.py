"""The Worker's forecast: nothing heavy at the start, the same after a restart, corrected by what was measured."""

import subprocess
import sys

import pytest

from drivers.sim.profile import load_profile
from honey_edge.market.fairplay.reputation import Reputation, observe
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


def declared_and_known(name: str, days: int) -> list[tuple[int, int, int, int]]:
    """Day, measured, declared and last known reading (mWh) of a measured home's last slots, forecast as a Worker does.

    While slot n runs, the last reading is that of n - 1, and n + 1 is declared.
    """
    home = load_profile(name)
    past = home.history()
    sun = home.pv.energies_milliwh() if home.pv else [0] * 96
    load, produced = past.load_milliwh + home.load.energies_milliwh(), past.pv_milliwh + sun
    net = [own - made for own, made in zip(load, produced, strict=True)]
    journal = {past.first_slot + k: energy for k, energy in enumerate(net)}
    forecaster, told = BaseForecaster(), []
    for slot in range(past.first_slot + len(net) - 96 * days, past.first_slot + len(net)):
        known = {k: energy for k, energy in journal.items() if slot - 28 * 96 <= k < slot - 1}
        declared = round(forecaster.expected_kw(known, slot, 1)[0] * 250_000)
        told.append((slot // 96, journal[slot], declared, journal[slot - 2]))
    return told


@pytest.mark.parametrize(
    "name",
    [
        "uci",
        "ca07",
        *(pytest.param(f"ca{k}", marks=pytest.mark.deep) for k in ("01", "03", "05", "09", "11", "13", "15", "17")),
    ],
)
def test_an_honest_home_keeps_its_reputation_by_forecasting(name: str) -> None:
    told = declared_and_known(name, 14)
    state, seen = Reputation(), []
    for day, measured, declared, reference in told:
        state = observe(state, day, measured=measured, declared=declared, reference=reference)
        seen.append(state.rho)
    after_a_week = seen[7 * 96 :]
    assert sum(after_a_week) / len(after_a_week) >= 950
    assert min(after_a_week) >= 900
    error = sum(abs(measured - declared) for _, measured, declared, _ in told)
    assert error <= 1.15 * sum(abs(measured - reference) for _, measured, _, reference in told)


def test_without_a_reading_of_the_last_hour_the_first_slot_is_what_was_expected() -> None:
    now = MIDNIGHT + 40
    gap = {slot: energy for slot, energy in month(now).items() if slot < now - 4}
    high = gap | {now - 5: 750_000}
    assert BaseForecaster().expected_kw(high, now, 1)[0] < 0.6
    near = gap | {now - 2: 750_000}
    assert BaseForecaster().expected_kw(near, now, 1)[0] > 2.0
