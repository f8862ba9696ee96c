"""`hive market backtest`: what it writes, that it sees no future, and how it refuses files and options."""

import csv
import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from honey_edge.market.forecast.backtest import measured_homes, reference_day
from queen_node.cli.commands import app

HEADER = ["home", "origin", "step", "point", *(f"q{level}" for level in range(10, 100, 10))]


def series(
    file: Path, days: int = 40, *, column: str = "ts_local", start: str = "2016-09-01T00:00", seed: int = 1
) -> Path:
    """Two homes by the hour; the second has gaps."""
    rng = np.random.default_rng(seed)
    at = datetime.fromisoformat(start)
    with gzip.open(file, "wt", newline="") as target:
        writer = csv.writer(target)
        writer.writerow([column, "a1", "b2"])
        for hour in range(days * 24):
            load = 1.0 + np.sin((hour % 24) * np.pi / 12) + 0.3 * rng.random()
            stamp = (at + timedelta(hours=hour)).isoformat(timespec="minutes")
            writer.writerow(
                [stamp + ("Z" if column == "ts_utc" else ""), f"{load:.4f}", "" if hour % 7 == 0 else "0.5"]
            )
    return file


def command(file: Path, out: Path, **changed: str) -> list[str]:
    options = {
        "kind": "load",
        "step-minutes": "60",
        "first-origin": "2016-10-01",
        "every-days": "3",
        "origins": "3",
        "out": str(out),
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ["market", "backtest", str(file), *words]


def written(out: Path) -> list[dict[str, str]]:
    with out.open(newline="") as source:
        return list(csv.DictReader(source))


def test_every_home_origin_and_step_is_written_and_scored(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    result = CliRunner().invoke(app, [*command(series(tmp_path / "s.csv.gz"), out), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["origins"] == ["2016-10-01", "2016-10-04", "2016-10-07"]
    assert document["lines"] == 2 * 3 * 24
    assert 0 < document["nrmse"] <= 1.1 * document["reference"]["nrmse"]
    assert set(document["per_home"]) == {"a1", "b2"}
    assert out.read_text().splitlines()[0].split(",") == HEADER
    lines = written(out)
    assert [line["step"] for line in lines[:24]] == [str(step) for step in range(24)]
    for line in lines:
        levels = [float(line[name]) for name in HEADER[4:]]
        assert levels == sorted(levels)
        assert min(levels) >= 0


def test_the_figures_are_printed_beside_the_reference(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, command(series(tmp_path / "s.csv.gz"), tmp_path / "out.csv"))
    assert result.exit_code == 0, result.output
    assert "28 days" in result.stdout
    assert "nrmse_sum" in result.stdout


def test_nothing_at_or_after_an_origin_changes_its_forecast(tmp_path: Path) -> None:
    outs = []
    for days in (40, 31):
        out = tmp_path / f"{days}.csv"
        file = series(tmp_path / f"{days}.csv.gz", days)
        assert CliRunner().invoke(app, command(file, out, origins="1")).exit_code == 0
        outs.append(written(out))
    assert outs[0] == outs[1]


def test_the_clock_moves_stamps_to_local_standard_time(tmp_path: Path) -> None:
    """The same hours stamped in UTC, with --clock, give the same forecast."""
    local = series(tmp_path / "local.csv.gz")
    utc = series(tmp_path / "utc.csv.gz", column="ts_utc", start="2016-08-31T14:00")
    forecasts = []
    for file, clock in ((local, "+00:00"), (utc, "+10:00")):
        out = tmp_path / "out.csv"
        assert CliRunner().invoke(app, command(file, out, clock=clock)).exit_code == 0
        forecasts.append(written(out))
    assert forecasts[0] == forecasts[1]


def test_a_zone_says_when_people_change_their_clocks(tmp_path: Path) -> None:
    utc = series(tmp_path / "utc.csv.gz", column="ts_utc", start="2016-08-31T14:00")
    out = tmp_path / "out.csv"
    options = command(utc, out, clock="+10:00", zone="Australia/Sydney", first_origin="2016-10-02")
    assert CliRunner().invoke(app, options).exit_code == 0
    assert len(written(out)) == 2 * 3 * 24


def test_a_day_of_25_hours_averages_the_hour_that_came_twice_and_one_of_23_has_a_gap() -> None:
    twice = measured_homes([0, 1, 1, 3], {"a": [1.0, 2.0, 4.0, 5.0]}, 24)
    assert twice.day("a", 0)[:4] == pytest.approx([1.0, 3.0, np.nan, 5.0], nan_ok=True)
    assert np.isnan(twice.day("a", 1)).all()


def test_the_reference_is_the_mean_and_the_quantiles_of_the_28_days_before() -> None:
    values = [float(day) for day in range(40) for _ in range(24)]
    homes = measured_homes(list(range(960)), {"a": values}, 24)
    reference = reference_day(homes, "a", 30)
    assert reference.point == pytest.approx(np.full(24, np.mean(range(2, 30))))
    assert reference.quantiles[4] == pytest.approx(np.full(24, 15.5))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1: the first column is ''"),
        ("time,a\n2016-09-01T00:00,1\n", "must be one of ts_utc"),
        ("ts_utc\n2016-09-01T00:00Z\n", "one column per home"),
        ("ts_utc,a,a\n", "name of its own"),
        ("ts_utc,a\n", "no line of measurements"),
        ("ts_utc,a\n2016-09-01T00:00Z,1,2\n", ":2: 3 cells"),
        ("ts_utc,a\n2016-09-01T00:00Z,1\nyesterday,1\n", ":3: 'yesterday'"),
        ("ts_utc,a\n2016-09-01T00:20Z,1\n", "start of a step"),
        ("ts_utc,a\n2016-09-01T00:00Z,much\n", "column a: 'much'"),
        ("ts_utc,a\n2016-09-01T00:00Z,inf\n", "not a finite number"),
        ("ts_utc,a\n0016-09-01T00:00Z,1\n2016-09-01T00:00Z,1\n", "stamps span"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "s.csv"
    file.write_text(content)
    result = CliRunner().invoke(app, command(file, tmp_path / "out.csv"))
    assert result.exit_code == 5
    assert "E-SERIES" in result.stderr
    assert said in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_broken_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    whole = series(tmp_path / "s.csv.gz").read_bytes()
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in CliRunner().invoke(app, command(broken, tmp_path / "o")).stderr
    missing = CliRunner().invoke(app, command(tmp_path / "none.csv", tmp_path / "o"))
    assert missing.exit_code == 4


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "wind"}, "--kind"),
        ({"step_minutes": "7"}, "--step-minutes"),
        ({"first_origin": "2016-13-01"}, "--first-origin"),
        ({"first_origin": "2015-01-01"}, "lies outside the series"),
        ({"origins": "30"}, "--origins: 2016-12-27"),
        ({"every_days": "0"}, "--every-days"),
        ({"clock": "ten"}, "--clock"),
        ({"zone": "Mars/North"}, "--zone"),
        ({"target": "/nowhere/at/all.csv"}, "--out"),
    ],
)
def test_an_option_that_does_not_fit_is_named(tmp_path: Path, changed: dict[str, str], said: str) -> None:
    options = dict(changed)
    out = Path(options.pop("target", str(tmp_path / "out.csv")))
    result = CliRunner().invoke(app, command(series(tmp_path / "s.csv.gz"), out, **options))
    assert result.exit_code == 2
    assert said in result.stderr
