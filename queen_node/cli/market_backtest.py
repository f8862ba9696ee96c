"""`hive market backtest`: forecasts over a measured series, written line by line, and how good they were.

The series is a CSV (gzip or plain) with a column of time stamps and one column of energies (kWh per step) per home;
an empty cell was not measured. `honey_edge.market.forecast.backtest` does the arithmetic.
"""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from honey_edge.market.forecast import LocalClock, civil_changes
from honey_edge.market.forecast.backtest import Backtest, DayForecast, MeasuredHomes, backtest, measured_homes
from honey_edge.market.forecast.scores import Score
from honey_edge.model.errors import HiveError
from queen_node.cli.output import NotFound
from queen_node.operator.errors import InputError

TIME_COLUMNS = ("ts_utc", "ts_local", "ts_clock")
COLUMNS = ("home", "origin", "step", "point", *(f"q{level}" for level in range(10, 100, 10)))
_EPOCH = datetime(1970, 1, 1)
_DAY_MINUTES = 1440
_GZIP_MAGIC = b"\x1f\x8b"


class SeriesError(HiveError, ValueError):
    """A measured series is not of the agreed form; the message starts with file and line."""

    code = "E-SERIES"


@dataclass(frozen=True, slots=True)
class Request:
    """What to forecast: whole local days from `first_origin` on, every `every_days`, `origins` of them.

    `clock` is what to add to the time stamps to get local standard time; `zone` names the civil clock people there
    live by ("" where it is not known), for a series in UTC.
    """

    file: Path
    kind: str
    step_minutes: int
    first_origin: str
    every_days: int
    origins: int
    clock: str = "+00:00"
    zone: str = ""


def run(request: Request) -> tuple[dict[str, Any], tuple[DayForecast, ...]]:
    """The figures as a document, and the forecasts. NotFound, SeriesError, InputError; AssetError without any slot."""
    _check(request)
    clock = _clock(request.clock)
    series = read_series(request.file, request.step_minutes, clock)
    days = _days(request, series)
    result = backtest(series, request.kind, days, _civil(request, series, clock))
    return _document(request, days, result), result.forecasts


def _check(request: Request) -> None:
    if request.kind not in ("load", "pv"):
        raise InputError(f"--kind: {request.kind[:30]!r} is neither load nor pv")
    if request.step_minutes < 1 or 60 % request.step_minutes:
        raise InputError(f"--step-minutes: {request.step_minutes} does not divide an hour")
    for name, value in (("--every-days", request.every_days), ("--origins", request.origins)):
        if value < 1:
            raise InputError(f"{name}: {value} must be at least 1")


def _clock(text: str) -> timedelta:
    found = re.fullmatch(r"([+-]?)(\d{1,2}):([0-5]\d)", text)
    if not found or int(found[2]) > 14:
        raise InputError(f"--clock: {text[:30]!r} is not +HH:MM, at most 14 hours")
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size


def _days(request: Request, series: MeasuredHomes) -> list[int]:
    try:
        first = (datetime.combine(date.fromisoformat(request.first_origin), datetime.min.time()) - _EPOCH).days
    except ValueError as error:
        raise InputError(f"--first-origin: {request.first_origin[:30]!r} is not YYYY-MM-DD") from error
    days = [first + k * request.every_days for k in range(request.origins)]
    begins, ends = series.first_slot // series.slots_per_day, (series.first_slot + series.slots) / series.slots_per_day
    for name, day in (("--first-origin", days[0]), ("--origins", days[-1])):
        if not begins <= day < ends:
            raise InputError(
                f"{name}: {_date(day)} lies outside the series, {_date(begins)} to {_date(math.ceil(ends) - 1)}"
            )
    return days


def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).date().isoformat()


# -- the series


def read_series(file: Path, step_minutes: int, clock: timedelta) -> MeasuredHomes:
    """All homes of a file on local standard time. NotFound, SeriesError."""
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
        opener: Callable[..., Any] = gzip.open if packed else open
        with opener(file, "rt", encoding="utf-8", newline="") as lines:
            return _read(csv.reader(lines, strict=True), file, step_minutes, clock)
    except FileNotFoundError as error:
        raise NotFound(f"{file} is not there") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise SeriesError(f"{file}: cannot be read: {error}") from error


def _read(rows: Iterator[list[str]], file: Path, step_minutes: int, clock: timedelta) -> MeasuredHomes:
    names = _header(next(rows, []), file)
    places: list[int] = []
    columns: list[list[float]] = [[] for _ in names]
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        place = f"{file}:{number}"
        if len(row) != len(names) + 1:
            raise SeriesError(f"{place}: {len(row)} cells, the header has {len(names) + 1}")
        places.append(_slot(row[0], place, step_minutes, clock))
        for name, column, cell in zip(names, columns, row[1:], strict=True):
            column.append(_energy(cell, place, name))
    if not places:
        raise SeriesError(f"{file}: has no line of measurements")
    if max(places) - min(places) > 100 * len(places) + _DAY_MINUTES:
        raise SeriesError(f"{file}: its stamps span {max(places) - min(places)} steps, for {len(places)} lines")
    return measured_homes(places, dict(zip(names, columns, strict=True)), _DAY_MINUTES // step_minutes)


def _header(cells: list[str], file: Path) -> list[str]:
    if not cells or cells[0] not in TIME_COLUMNS:
        given = cells[0][:30] if cells else ""
        raise SeriesError(f"{file}:1: the first column is {given!r}; it must be one of {', '.join(TIME_COLUMNS)}")
    names = cells[1:]
    if not names or not all(names) or len(set(names)) != len(names):
        raise SeriesError(f"{file}:1: needs one column per home, each with a name of its own")
    return names


def _slot(text: str, place: str, step_minutes: int, clock: timedelta) -> int:
    """Steps of local standard time since its 1 January 1970."""
    try:
        stamp = datetime.fromisoformat(text)
        if stamp.tzinfo is not None:
            stamp = stamp.astimezone(UTC).replace(tzinfo=None)
        since = stamp + clock - _EPOCH
    except (ValueError, OverflowError) as error:
        raise SeriesError(f"{place}: {text[:30]!r} is not a time stamp such as 2016-08-01T00:00") from error
    slot, rest = divmod(since, timedelta(minutes=step_minutes))
    if rest:
        raise SeriesError(f"{place}: {text[:30]!r} is not at the start of a step of {step_minutes} minutes")
    return slot


def _energy(cell: str, place: str, name: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        value = float(cell)
    except ValueError as error:
        raise SeriesError(f"{place}: column {name}: {cell[:30]!r} is not a number") from error
    if not math.isfinite(value):
        raise SeriesError(f"{place}: column {name}: {cell[:30]!r} is not a finite number; leave a gap empty")
    return value


# -- the civil clock


def _civil(request: Request, series: MeasuredHomes, clock: timedelta) -> LocalClock | None:
    """How far people's clock runs ahead of standard time, in steps; None where no zone was named."""
    if not request.zone:
        return None
    try:
        zone: tzinfo = ZoneInfo(request.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"--zone: {request.zone[:40]!r} is not known here, e.g. Australia/Sydney") from error
    step = timedelta(minutes=request.step_minutes)

    def ahead(slot: int) -> int:
        offset = (_EPOCH + slot * step - clock).replace(tzinfo=UTC).astimezone(zone).utcoffset()
        return ((offset or timedelta()) - clock) // step

    last = series.first_slot + series.slots + 2 * series.slots_per_day
    return LocalClock(civil=civil_changes(ahead, series.first_slot, last, series.slots_per_day))


# -- results


def _document(request: Request, days: list[int], result: Backtest) -> dict[str, Any]:
    own, plain = result.score, result.reference
    return {
        "file": request.file.name,
        "kind": request.kind,
        "homes": len(own.per_home),
        "origins": [_date(day) for day in days],
        "slots": own.slots,
        **_figures(own),
        "reference": {"name": "same slot over 28 days", **_figures(plain)},
        "per_home": {
            home: {
                "nrmse": round(nrmse, 6),
                "pinball": round(pinball, 6),
                "reference_nrmse": round(plain.per_home[home][0], 6),
                "reference_pinball": round(plain.per_home[home][1], 6),
            }
            for home, (nrmse, pinball) in own.per_home.items()
        },
    }


def _figures(score: Score) -> dict[str, float]:
    return {
        "nrmse": round(score.nrmse, 6),
        "pinball": round(score.pinball, 6),
        "nrmse_sum": round(score.nrmse_sum, 6),
    }


def write_forecasts(forecasts: Iterable[DayForecast], out: Path) -> int:
    """Writes one line per home, origin and step; returns their number. InputError when the file cannot be written."""
    lines = 0
    try:
        with out.open("w", encoding="utf-8", newline="") as target:
            writer = csv.writer(target, lineterminator="\n")
            writer.writerow(COLUMNS)
            for made in forecasts:
                for step, values in enumerate(zip(made.point, *made.quantiles, strict=True)):
                    numbers = (f"{float(value):.6f}" for value in values)
                    writer.writerow(chain((made.home, _date(made.day), step), numbers))
                    lines += 1
    except OSError as error:
        raise InputError(f"--out: {out}: {error.strerror}") from error
    return lines
