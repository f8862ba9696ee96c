"""Faults that an emulated ATM90E32AS can be given, singly, by plan or drawn from a seed.

    Fault(kind, at_transfer=None, at_ms=None, length=1, bit=0)

| kind | counted by | what happens |
|---|---|---|
| flip | transfer | bit `bit` of the answer is inverted, LastSPIData keeps the right word |
| flip-mosi | transfer | bit `bit` (31 = first on the wire) of the request is inverted on its way to the chip |
| ones, zeros | transfer | `length` transfers are answered by a line stuck at one, zero; the chip sees them |
| drop | transfer | the bus raises BusFault, the chip saw nothing |
| drop-answer | transfer | the bus raises BusFault, the chip carried it out |
| short, long | transfer | 31 or 33 clocks instead of 32 |
| delay | transfer | the transfer takes `bit` milliseconds of the driver's clock |
| stuck-high, stuck-low | ms | the line stays so (length ms; default: for good) |
| energy-stuck | ms | energy registers accumulate nothing |
| energy-frozen | ms | energy registers answer the same count for ever, neither cleared nor accumulated |
| bit-flip | ms | one answer in `bit` (0: 200) has a random bit inverted |
| brown-out | ms | all registers back to reset, MeterEn 0 |
| busy | ms | one transfer in four meets another sender: the request is garbled, the answer is random |
| poke | ms | one configuration bit changes by itself: `bit` of UgainA (0x61) |
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

BY_TRANSFER = ("flip", "flip-mosi", "ones", "zeros", "drop", "drop-answer", "short", "long", "delay")
MODES = ("stuck-high", "stuck-low", "energy-stuck", "energy-frozen", "bit-flip", "busy")
BY_TIME = (*MODES, "brown-out", "poke")
DEFAULT_FLIP_ONE_IN = 200
BUSY_ONE_IN = 4


class Fault(NamedTuple):
    """One planned fault; the table in the module's docstring says what each kind does."""

    kind: str
    at_transfer: int | None = None
    at_ms: int | None = None
    length: int = 1
    bit: int = 0


class FaultPlan:
    """Planned faults sorted by their trigger. Raises ValueError for an unknown kind or a missing trigger."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        """Sort `faults` into those counted by transfers and those at a time."""
        self.by_transfer: dict[int, Fault] = {}
        self.by_time: list[Fault] = []
        for fault in faults:
            if fault.kind in BY_TRANSFER and fault.at_transfer is not None:
                for number in range(fault.at_transfer, fault.at_transfer + fault.length):
                    self.by_transfer[number] = fault
            elif fault.kind in BY_TIME and fault.at_ms is not None:
                self.by_time.append(fault)
                if fault.kind in MODES and fault.length > 1:
                    self.by_time.append(fault._replace(at_ms=fault.at_ms + fault.length, length=-1))
            else:
                raise ValueError(f"{fault}: unknown kind or missing trigger; one of {BY_TRANSFER + BY_TIME}")
        self.by_time.sort(key=lambda fault: fault.at_ms or 0)


def seeded_plan(seed: int, transfers: int, per_thousand: int, kinds: Iterable[str] = BY_TRANSFER) -> list[Fault]:
    """Random transfer faults: about `per_thousand` in each 1000 of the first `transfers`; same seed, same plan."""
    draw = random.Random(seed)
    choices = tuple(kinds)
    plan = []
    for number in range(transfers):
        if draw.randrange(1000) < per_thousand:
            kind = draw.choice(choices)
            bits = 32 if kind == "flip-mosi" else 16
            length = draw.randrange(1, 6) if kind in ("ones", "zeros") else 1
            plan.append(Fault(kind, at_transfer=number, length=length, bit=draw.randrange(bits)))
    return plan
