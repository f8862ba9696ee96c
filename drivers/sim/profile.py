"""The measured homes that ship with Hive, re-dated onto a simulated day.

Homes and files are described in ``drivers/sim/data/README.md``. A source's wall clock is read as UTC and
the last day of the excerpt becomes the simulated day, so one UTC day is one measured day. A home's numbers
are read when they are asked for, and only that home's, because a Worker must stay small.

Not for: cutting the excerpts (``provisioning.data_excerpts``).
"""

import csv
import gzip
import io
from array import array
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from drivers.sim.house import EVEN_SHARES, HOME_SHARES, SINGLE_PHASE, HouseSpec, Shares
from drivers.sim.house_battery import NO_BATTERY, BatterySpec
from drivers.sim.profile_series import Series

DAY_S = 86_400
SLOT_S = 900
LEAD_S = 3_600
DEMO_DAY_UNIX_S = 1_778_025_600
"""Wednesday 2026-05-06T00:00:00Z, the simulated day unless another is asked for."""

_DATA = resources.files("drivers.sim") / "data"
_SHARES: tuple[Shares, ...] = (
    HOME_SHARES,
    (250, 420, 330),
    (330, 250, 420),
    (500, 300, 200),
    (200, 500, 300),
)


class ProfileError(ValueError):
    """A home or a file that does not fit; the message names it and what would fit."""


@dataclass(frozen=True)
class SlotHistory:
    """Energies per slot before the simulated day: slot numbers run on from `first_slot`, energies in mWh."""

    first_slot: int
    load_milliwh: list[int]
    pv_milliwh: list[int]


@dataclass(frozen=True)
class HomeProfile:
    """One measured home, `days` days long up to and including the simulated day; series are read on first
    use.

    `battery` and `pv_kwp` are the sizes that the source gives; `load_shares` is this project's split over
    the phases.
    """

    name: str
    source: str
    file: str
    step_s: int
    first_clock: str
    file_days: int
    pv_kwp: float
    battery: BatterySpec
    load_shares: Shares
    day_unix_s: int
    days: int

    @property
    def start_unix_s(self) -> int:
        """First second of the replayed days."""
        return self.day_unix_s - (self.days - 1) * DAY_S

    @cached_property
    def _whole(self) -> tuple[Series, Series | None]:
        """Return load and PV of the whole file, re-dated."""
        load, pv = _read_milliwatts(self.file, self.step_s)
        expected = self.file_days * DAY_S // self.step_s
        if len(load) != expected:
            raise ProfileError(f"{self.file} holds {len(load)} steps, homes.csv says {expected}; cut it again")
        start_ms = (self.day_unix_s + DAY_S - self.file_days * DAY_S) * 1000
        step_ms = self.step_s * 1000
        return Series(start_ms, step_ms, load), Series(start_ms, step_ms, pv) if self.pv_kwp else None

    @property
    def load(self) -> Series:
        """Load of the replayed days."""
        return self._whole[0].last(self.days * DAY_S // self.step_s)

    @property
    def pv(self) -> Series | None:
        """PV production of the replayed days; None for a home without PV."""
        whole = self._whole[1]
        return whole.last(self.days * DAY_S // self.step_s) if whole else None

    def history(self) -> SlotHistory:
        """Return the slots before the replayed days, at most 28 days of them."""
        steps = (self.file_days - self.days) * DAY_S // self.step_s
        first_slot = (self.start_unix_s - (self.file_days - self.days) * DAY_S) // SLOT_S
        if steps == 0:
            return SlotHistory(first_slot, [], [])
        load = self._whole[0].first(steps).energies_milliwh(SLOT_S)
        whole_pv = self._whole[1]
        pv = whole_pv.first(steps).energies_milliwh(SLOT_S) if whole_pv else [0] * len(load)
        return SlotHistory(first_slot, load, pv)

    def house_spec(self, battery: BatterySpec | None = None, shares: Shares | None = None) -> HouseSpec:
        """Return the house that replays this home; `battery` and `shares` replace the profile's own.

        With SINGLE_PHASE shares the inverter is on that phase too. It lives from an hour before the replayed days
        where the file reaches back so far, because daemons start before the first slot that they bill.
        """
        lead = LEAD_S // self.step_s if self.days < self.file_days else 0
        count = self.days * DAY_S // self.step_s + lead
        load, pv = self._whole
        return HouseSpec(
            load=load.last(count),
            pv=pv.last(count) if pv else None,
            start_unix_ms=(self.start_unix_s - lead * self.step_s) * 1000,
            battery=self.battery if battery is None else battery,
            load_shares=shares or self.load_shares,
            inverter_shares=SINGLE_PHASE if shares == SINGLE_PHASE else EVEN_SHARES,
        )


def _milliwatts_of_kwh(text: str, step_s: int) -> int:
    """Return the mean power (mW) of decimal kilowatt-hours in a step."""
    whole, _, part = text.partition(".")
    micro_kwh = int(whole + (part + "000000")[:6])
    return micro_kwh * 3600 // step_s


def _read_milliwatts(file: str, step_s: int) -> "tuple[array[int], array[int]]":
    """Read load and PV (mW per step) of one file; a file without PV gives an empty PV array."""
    load, pv = array("i"), array("i")
    raw = gzip.decompress((_DATA / file).read_bytes())
    rows = csv.reader(io.StringIO(raw.decode("ascii")))
    header = next(rows)
    if header[1:] == ["p_w"]:
        load.extend(int(row[1]) * 1000 for row in rows)
    elif header[1:] == ["load_kwh", "pv_kwh"]:
        for row in rows:
            load.append(_milliwatts_of_kwh(row[1], step_s))
            pv.append(_milliwatts_of_kwh(row[2], step_s))
    else:
        raise ProfileError(f"{file}: columns {header} are not those of an excerpt; cut it again")
    return load, pv


def _battery(capacity_kwh: str, power_kw: str) -> BatterySpec:
    """Return the source's battery, half full at the start; NO_BATTERY for size 0."""
    capacity_milliwh = _milliwatts_of_kwh(capacity_kwh, 3600)
    power_w = _milliwatts_of_kwh(power_kw, 3600) // 1000
    if not capacity_milliwh:
        return NO_BATTERY
    return BatterySpec(capacity_milliwh, power_w, power_w, initial_milliwh=capacity_milliwh // 2)


def load_profiles(day_unix_s: int = DEMO_DAY_UNIX_S, days: int = 1) -> list[HomeProfile]:
    """Return all homes that ship, in the order of homes.csv; the numbers of a home are read on first use.

    `day_unix_s` is midnight UTC of the simulated (last) day, `days` how many days are replayed; the rest is
    history. Raises ProfileError for a day that is not midnight UTC or for more days than the excerpts hold.
    """
    if day_unix_s % DAY_S:
        raise ProfileError(f"day_unix_s {day_unix_s} is not midnight UTC; give a multiple of {DAY_S}")
    text = (_DATA / "homes.csv").read_text(encoding="ascii")
    homes = []
    for index, row in enumerate(csv.DictReader(io.StringIO(text))):
        if not 1 <= days <= int(row["days"]):
            raise ProfileError(f"days must be 1..{row['days']} for {row['home']}, not {days}")
        homes.append(
            HomeProfile(
                name=row["home"],
                source=row["source"],
                file=row["file"],
                step_s=int(row["step_s"]),
                first_clock=row["first_clock"],
                file_days=int(row["days"]),
                pv_kwp=float(row["pv_kwp"]),
                battery=_battery(row["battery_kwh"], row["battery_kw"]),
                load_shares=_SHARES[index % len(_SHARES)],
                day_unix_s=day_unix_s,
                days=days,
            )
        )
    return homes


def load_profile(name: str, day_unix_s: int = DEMO_DAY_UNIX_S, days: int = 1) -> HomeProfile:
    """Return one home by name; an unknown name is a ProfileError that lists the known ones."""
    homes = {home.name: home for home in load_profiles(day_unix_s, days)}
    if name not in homes:
        raise ProfileError(f"no measured home {name!r}; known are {', '.join(homes)}")
    return homes[name]


def history(name: str, day_unix_s: int = DEMO_DAY_UNIX_S, days: int = 1) -> SlotHistory:
    """Return the slot energies (mWh) of a home before the simulated day, for the forecast."""
    return load_profile(name, day_unix_s, days).history()
