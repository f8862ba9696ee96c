"""The shipped excerpts are the measured data, fall on the simulated days as documented, and stay small."""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.sim import profile as module
from drivers.sim.house_battery import NO_BATTERY
from drivers.sim.profile import (
    DAY_S,
    DEMO_DAY_UNIX_S,
    ProfileError,
    history,
    load_profile,
    load_profiles,
)

DATA = Path(module.__file__).parent / "data"
HOURLY = ["ca01", "ca03", "ca05", "ca07", "ca09", "ca11", "ca13", "ca15", "ca17"]


def shared_column(path: Path, column: str) -> dict[str, str]:
    """Clock to text of one column of a gzip CSV."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return {row["ts_local"]: row[column] for row in csv.DictReader(file)}


def test_one_minute_home_and_nine_hourly_homes_ship_with_licences_and_under_400_kb() -> None:
    assert [home.name for home in load_profiles()] == ["uci", *HOURLY]
    files = [file for file in DATA.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 400_000
    assert {"CityLearn-MIT.txt", "UCI-CC-BY-4.0.txt"} <= {file.name for file in files}


@pytest.mark.parametrize("name", HOURLY)
def test_hourly_homes_equal_the_measured_set(shared_dir: Path, name: str) -> None:
    home = load_profile(name, days=29)
    first = datetime.fromisoformat(home.first_clock)
    for kind, series in (("load", home.load), ("pv", home.pv)):
        assert series is not None
        measured = shared_column(shared_dir / "data" / "hive_ca" / f"{kind}_kwh_1h.csv.gz", name)
        for hour, milliwatts in enumerate(series.milliwatts):
            clock = (first + timedelta(hours=hour)).isoformat(timespec="minutes")
            assert abs(milliwatts - Decimal(measured[clock]) * 1_000_000) <= 100, clock


def test_sizes_are_those_of_the_source(shared_dir: Path) -> None:
    with (shared_dir / "data" / "hive_ca" / "homes.csv").open(newline="") as file:
        rows = {row["home"]: row for row in csv.DictReader(file)}
    for name in HOURLY:
        home = load_profile(name)
        assert home.pv_kwp == float(rows[name]["pv_kwp"])
        assert home.battery.capacity_milliwh == Decimal(rows[name]["battery_kwh"]) * 1_000_000
        assert home.battery.charge_w == Decimal(rows[name]["battery_kw"]) * 1000
    minute = load_profile("uci")
    assert minute.pv is None
    assert minute.battery == NO_BATTERY


@pytest.mark.parametrize("name", ["uci", *HOURLY])
def test_the_simulated_day_has_the_weekday_and_the_hours_of_the_measured_one(name: str) -> None:
    home = load_profile(name)
    measured_day = datetime.fromisoformat(home.first_clock) + timedelta(days=home.file_days - 1)
    simulated = datetime.fromtimestamp(home.day_unix_s, UTC)
    assert measured_day.weekday() == simulated.weekday() == 2
    assert home.load.start_unix_ms == DEMO_DAY_UNIX_S * 1000
    assert home.load.end_unix_ms == (DEMO_DAY_UNIX_S + DAY_S) * 1000
    if home.pv is not None and name != "ca15":
        noon, midnight = (
            home.pv.at((DEMO_DAY_UNIX_S + DAY_S // 2) * 1000)[0],
            home.pv.at(DEMO_DAY_UNIX_S * 1000)[0],
        )
        assert noon > 500_000
        assert midnight == 0


@pytest.mark.parametrize("name", ["uci", "ca01"])
@pytest.mark.parametrize("days", [1, 3, 29])
def test_history_and_replayed_days_are_the_whole_file_without_overlap(name: str, days: int) -> None:
    home = load_profile(name, days=days)
    past = home.history()
    assert len(past.load_milliwh) == len(past.pv_milliwh) == (29 - days) * 96
    assert past.first_slot + len(past.load_milliwh) == home.load.start_unix_ms // 900_000
    everything = load_profile(name, days=29).load.energies_milliwh()
    assert [*past.load_milliwh, *home.load.energies_milliwh()] == pytest.approx(everything, abs=1)


def test_history_of_a_home_without_sun_is_zero_sun() -> None:
    past = history("uci")
    assert len(past.load_milliwh) == 28 * 96
    assert set(past.pv_milliwh) == {0}
    assert min(past.load_milliwh) > 0


def test_another_day_moves_the_series_whole() -> None:
    later = load_profile("ca03", day_unix_s=DEMO_DAY_UNIX_S + 7 * DAY_S)
    assert later.load.milliwatts == load_profile("ca03").load.milliwatts
    assert later.load.start_unix_ms == (DEMO_DAY_UNIX_S + 7 * DAY_S) * 1000


def test_beyond_its_end_a_series_starts_again() -> None:
    load = load_profile("ca01").load
    assert load.at(load.end_unix_ms)[0] == load.at(load.start_unix_ms)[0]
    assert load.at(load.start_unix_ms - 1)[0] == load.milliwatts[-1]


def test_what_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ProfileError, match="ca99"):
        load_profile("ca99")
    with pytest.raises(ProfileError, match="midnight"):
        load_profiles(day_unix_s=DEMO_DAY_UNIX_S + 1)
    for days in (0, 30):
        with pytest.raises(ProfileError, match=r"1\.\.29"):
            load_profiles(days=days)
