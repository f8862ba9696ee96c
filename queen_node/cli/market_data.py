"""Measured Hives from a folder: `homes.csv` and series per home, as a world for `hive market simulate`.

The folder holds `homes.csv` (home, ..., battery_kwh, battery_kw) and one `load_kwh_*.csv.gz` and one
`pv_kwh_*.csv.gz`: a time column and one column per home, kWh per slot; an empty cell was not measured.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from honey_edge.billing.tariff import parse_tariff
from honey_edge.model.slots import SLOTS_PER_DAY
from queen_node.cli.markets import CaseFileError
from queen_node.cli.output import NotFound

if TYPE_CHECKING:
    from honey_edge.market.simulate.world import PriceSeries, World

_SUFFIX_MINUTES = {"1h": 60, "30min": 30, "15min": 15}
_SELL_MICRO = 50_000


def read_series(file: Path) -> tuple[list[str], list[list[float]]]:
    """Names and rows of a series (NaN for an empty cell); NotFound or CaseFileError with the line."""
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            rows = list(csv.reader(text))
    except FileNotFoundError as error:
        raise NotFound(f"{file} is not there") from error
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise CaseFileError(f"{file}: {error}") from error
    if len(rows) < 2:
        raise CaseFileError(f"{file} holds no series")
    names = rows[0][1:]
    values = []
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(names) + 1:
            raise CaseFileError(f"{file} line {line} has {len(row)} cells, the header {len(names) + 1}")
        try:
            values.append([float(cell) if cell else float("nan") for cell in row[1:]])
        except ValueError as error:
            raise CaseFileError(f"{file} line {line}: {error}") from error
    return names, values


def _one(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise NotFound(f"{folder} holds {len(files)} files {pattern}; exactly one is read")
    return files[0]


def _minutes(file: Path) -> int:
    for suffix, minutes in _SUFFIX_MINUTES.items():
        if file.name.removesuffix(".csv.gz").endswith(suffix):
            return minutes
    raise CaseFileError(f"{file.name} does not say its step: {', '.join(_SUFFIX_MINUTES)}")


def _batteries(folder: Path, names: list[str]) -> list[tuple[float, float]]:
    try:
        with (folder / "homes.csv").open(newline="", encoding="utf-8") as text:
            homes = {row["home"]: row for row in csv.DictReader(text)}
        return [(float(homes[name]["battery_kwh"]), float(homes[name]["battery_kw"])) for name in names]
    except FileNotFoundError as error:
        raise NotFound(f"{folder / 'homes.csv'} is not there") from error
    except (KeyError, ValueError) as error:
        raise CaseFileError(f"{folder / 'homes.csv'}: home or field {error}") from error


def measured_world(
    folder: Path, tariff: str, homes: int | None, days: int, start_day: int | None, batteries: bool
) -> World:
    """The Hive measured in a folder, its run `days` long from `start_day`.

    `homes` takes only the first so many. Without `start_day` the run begins after 28 days of history, or at the series'
    beginning where it is too short for that.
    """
    from honey_edge.market.simulate.world import world_of_series

    load_file, pv_file = _one(folder, "load_kwh_*.csv.gz"), _one(folder, "pv_kwh_*.csv.gz")
    names, load = read_series(load_file)
    pv_names, pv = read_series(pv_file)
    if pv_names != names or len(pv) != len(load):
        raise CaseFileError(f"{load_file.name} and {pv_file.name} differ in homes or slots")
    count = len(names) if homes is None else homes
    if not 1 <= count <= len(names):
        raise CaseFileError(f"{folder} holds {len(names)} homes, not {count}")
    minutes = _minutes(load_file)
    per_day = 1440 // minutes
    total = len(load) // per_day
    start = (28 if total >= 28 + days else 0) if start_day is None else start_day
    if not 0 <= start <= total - days:
        raise CaseFileError(f"{folder} holds {total} days; {days} days from day {start} do not fit")
    own = _batteries(folder, names)[:count] if batteries else [(0.0, 0.0)] * count
    end = (start + days) * per_day
    return world_of_series(
        names[:count],
        [row[:count] for row in load[:end]],
        [row[:count] for row in pv[:end]],
        own,
        prices_of(tariff, end, per_day),
        minutes,
        start * per_day,
    )


def prices_of(tariff: str, slots: int, per_day: int) -> PriceSeries:
    """Prices for `flat`, `tou`, `peak`, a tariff file (JSON) or a series (CSV.GZ, first column of numbers = buy)."""
    from honey_edge.market.simulate.world import PriceSeries, named_prices

    if tariff in ("flat", "tou", "peak"):
        return named_prices(tariff, slots, per_day)
    file = Path(tariff)
    if file.name.endswith(".csv.gz"):
        _, rows = read_series(file)
        buy = tuple(round(row[0] * 1e6) for row in rows[:slots])
        if len(buy) < slots:
            raise CaseFileError(f"{file} has {len(buy)} prices, the run needs {slots}")
        return PriceSeries(buy, tuple(min(one, _SELL_MICRO) for one in buy))
    try:
        parsed = parse_tariff(file.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"{file} is not there; a tariff is flat, tou, peak or a file") from error
    places = [(slot % per_day) * SLOTS_PER_DAY // per_day for slot in range(slots)]
    return PriceSeries(tuple(parsed.buy[k] for k in places), tuple(parsed.sell[k] for k in places))
