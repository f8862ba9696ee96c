"""What a meter shows over some seconds: means by phase, and how much they moved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.bus import Clock
from drivers.errors import DriverError
from drivers.sample import MeterSample
from honey_edge.model.errors import HiveError

Three = tuple[float, float, float]
PHASES = ("A", "B", "C")
_FEWEST = 3


class LookError(HiveError):
    """A meter could not be looked at long enough."""

    code = "E-COMMISSION-LOOK"


class Meter(Protocol):
    """A driver, as far as commissioning uses it."""

    def start(self) -> MeterSample | None:
        """Bring it into service. Raises DriverError."""

    def read(self) -> MeterSample:
        """Counters and measurements. Raises DriverError."""


@dataclass(frozen=True, slots=True)
class Means:
    """Means of a window by phase: V, A, W (import positive), var; `spread_permille` is that of the total power."""

    voltage_v: Three
    current_a: Three
    power_w: Three
    reactive_var: Three | None
    looks: int
    spread_permille: int
    power_factor: Three | None = None

    @property
    def total_w(self) -> float:
        """Power of all phases."""
        return sum(self.power_w)

    @property
    def alive(self) -> tuple[bool, bool, bool]:
        """Phases with a voltage."""
        return (self.voltage_v[0] > 20, self.voltage_v[1] > 20, self.voltage_v[2] > 20)


def means_of(samples: Sequence[MeterSample]) -> Means:
    """The means of samples that hold measurements. Raises LookError when there are too few."""
    useful = [one for one in samples if one.power_w is not None and one.voltage_v is not None and one.current_a]
    if len(useful) < _FEWEST:
        raise LookError(
            f"only {len(useful)} of {len(samples)} looks held measurements; {_FEWEST} are needed",
            next_step="check the meter's wiring and settings, then try again",
        )
    powers = [one.power_w[1:4] for one in useful]
    reactive = [one.reactive_power_var for one in useful]
    whole = all(var is not None and None not in var[1:4] for var in reactive)
    totals = [sum(power) for power in powers]
    middle = sum(totals) / len(totals)
    spread = (max(totals) - min(totals)) / max(abs(middle), 1.0)
    return Means(
        _three([one.voltage_v for one in useful]),
        _three([one.current_a for one in useful]),
        _three(powers),
        _three([var[1:4] for var in reactive]) if whole else None,
        len(useful),
        round(1000 * spread),
        _factors([one.power_factor for one in useful]),
    )


def look(meter: Meter, clock: Clock, seconds: int, told: Callable[[str], None]) -> Means:
    """Looks once a second. Raises LookError; a look that fails is told and not counted."""
    samples = []
    for _ in range(seconds):
        clock.sleep_ms(1000)
        try:
            samples.append(meter.read())
        except DriverError as error:
            if not error.transient:
                raise
            told(str(error))
    return means_of(samples)


def _factors(rows: Sequence[tuple[float, ...] | None]) -> Three | None:
    """Mean power factors by phase; None where the meter does not tell them with every look."""
    known = [row[1:4] for row in rows if row is not None]
    return _three(known) if len(known) == len(rows) else None


def _three(rows: Sequence[Sequence[float]]) -> Three:
    count = len(rows)
    a, b, c = (sum(float(row[place]) for row in rows) / count for place in range(3))
    return a, b, c
