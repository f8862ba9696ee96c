"""What the emulated ADE chips share: their register tables, and a bus that can be disturbed.

    Fault(kind, at_transfer=None, at_ms=None, length=1, bit=0)

| kind | counted by | what happens |
|---|---|---|
| flip | transfer | bit `bit` of the answer is inverted |
| flip-mosi | transfer | bit `bit` of the request is inverted on its way to the chip (from the end) |
| ones, zeros | transfer | `length` transfers are answered by a line stuck at one, zero; the chip sees them |
| drop | transfer | the bus raises BusFault, the chip saw nothing |
| drop-answer | transfer | the bus raises BusFault, the chip carried it out |
| abort | transfer | the transfer breaks off with BusFault; a write leaves garbage in its target |
| short, long | transfer | a byte less, a byte more reaches the chip |
| contention | transfer | another sender: the request is garbled, the answer is random |
| delay | transfer | the transfer takes `bit` milliseconds of the driver's clock |
| stuck-high, stuck-low | ms | the line stays so (length ms; default: for good) |
| bit-flip | ms | one answer in `bit` (0: 200) has a random bit inverted |
| busy | ms | one transfer in four meets contention |
| energy-stuck | ms | energy registers accumulate nothing |
| brown-out | ms | all registers back to reset |
| poke | ms | one configuration bit changes by itself: `bit` of the gain of phase A's voltage |
| select-glitch | ms | three pulses on the select line (ADE7878) |
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from drivers.bus import Clock
from drivers.errors import BusFault

BY_TRANSFER = (
    "flip", "flip-mosi", "ones", "zeros", "drop", "drop-answer", "abort", "short", "long", "contention", "delay",
)  # fmt: skip
MODES = ("stuck-high", "stuck-low", "bit-flip", "busy", "energy-stuck")
BY_TIME = (*MODES, "brown-out", "poke", "select-glitch")
DEFAULT_FLIP_ONE_IN = 200
BUSY_ONE_IN = 4


class Register(NamedTuple):
    """One row of a chip's table; `access` is R, RW or W."""

    name: str
    address: int
    wire_bytes: int
    access: str
    reset: int | None


def parse_table(text: str) -> dict[int, Register]:
    """Registers by address out of `name:address:bits:access:reset` words."""
    table = {}
    for word in text.split():
        name, address, bits, access, reset = word.split(":")
        register = Register(name, int(address, 16), int(bits) // 8, access, None if reset == "-" else int(reset, 16))
        table[register.address] = register
    return table


class Fault(NamedTuple):
    """One planned fault; the table in the module's docstring says what each kind does."""

    kind: str
    at_transfer: int | None = None
    at_ms: int | None = None
    length: int = 1
    bit: int = 0


def seeded_plan(
    seed: int, transfers: int, per_thousand: int, kinds: Iterable[str] = BY_TRANSFER, start: int = 0
) -> list[Fault]:
    """Random transfer faults from transfer `start` on; same seed, same plan."""
    draw = random.Random(seed)
    choices = tuple(kinds)
    plan = []
    for number in range(start, start + transfers):
        if draw.randrange(1000) < per_thousand:
            kind = draw.choice(choices)
            length = draw.randrange(1, 6) if kind in ("ones", "zeros") else 1
            plan.append(Fault(kind, at_transfer=number, length=length, bit=draw.randrange(32)))
    return plan


class DisturbedBus:
    """Carries transfers to a chip, through whatever faults are planned or set. Subclasses know the chip."""

    def __init__(self, faults: Iterable[Fault], seed: int, clock: Clock | None, record: bool) -> None:
        """Sort `faults`. Raises ValueError for an unknown kind or a missing trigger."""
        self._by_transfer: dict[int, Fault] = {}
        self._by_time: list[Fault] = []
        self._draw = random.Random(seed)
        self._clock = clock
        self._line = ""
        self._flip_one_in = 0
        self._busy = False
        self.energy_stuck = False
        self.transfers = 0
        self.transcript: list[tuple[bytes, bytes]] | None = [] if record else None
        self.add_faults(faults)

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Plan more of them."""
        for fault in faults:
            if fault.kind in BY_TRANSFER and fault.at_transfer is not None:
                for number in range(fault.at_transfer, fault.at_transfer + fault.length):
                    self._by_transfer[number] = fault
            elif fault.kind in BY_TIME and fault.at_ms is not None:
                self._by_time.append(fault)
                if fault.kind in MODES and fault.length > 1:
                    self._by_time.append(fault._replace(at_ms=fault.at_ms + fault.length, length=-1))
            else:
                raise ValueError(f"{fault}: unknown kind or missing trigger; one of {BY_TRANSFER + BY_TIME}")
        self._by_time.sort(key=lambda fault: fault.at_ms or 0)
        self._refresh()

    def _refresh(self) -> None:
        self._special = bool(
            self._by_transfer or self._line or self._flip_one_in or self._busy or self.transcript is not None
        )

    def set_fault(self, kind: str, on: bool = True, bit: int = 0) -> None:
        """Start or end a fault now. Raises ValueError for an unknown kind."""
        if kind in ("stuck-high", "stuck-low"):
            self._line = kind if on else ""
        elif kind == "bit-flip":
            self._flip_one_in = (bit or DEFAULT_FLIP_ONE_IN) if on else 0
        elif kind == "busy":
            self._busy = on
        elif kind == "energy-stuck":
            self.energy_stuck = on
        elif kind == "brown-out":
            self.brown_out()
        elif kind == "poke":
            self.disturb(bit)
        elif kind == "select-glitch":
            self.pulse_select(3)
        else:
            raise ValueError(f"unknown fault {kind!r}")
        self._refresh()

    def brown_out(self) -> None:
        """All registers back to their reset values, as after a dip of the supply."""
        raise NotImplementedError

    def disturb(self, bit: int) -> None:
        """Change one configuration bit behind the bus's back."""
        raise NotImplementedError

    def pulse_select(self, times: int) -> None:
        """Pulses on the select line without a clock; nothing to most chips."""

    def carry(self, tx: bytes, serve: Callable[[bytes], bytes]) -> bytes:
        """One transfer. Raises BusFault where a fault says so."""
        number = self.transfers
        self.transfers = number + 1
        if not self._special:
            return serve(tx)
        fault = self._by_transfer.get(number)
        kind = fault.kind if fault else ""
        if self._busy and self._draw.randrange(BUSY_ONE_IN) == 0:
            kind = "contention"
        if kind == "drop":
            raise BusFault(f"transfer {number} was dropped (fault plan)")
        if fault and kind == "delay" and self._clock is not None:
            self._clock.sleep_ms(fault.bit)
        rx = serve(self._as_sent(tx, kind, fault.bit if fault else 0))
        if kind in ("drop-answer", "abort"):
            raise BusFault(f"transfer {number} broke off (fault plan)")
        rx = self._as_received(rx, len(rx), kind, fault.bit if fault else 0)
        if self.transcript is not None:
            self.transcript.append((bytes(tx), rx))
        return rx

    def _as_sent(self, tx: bytes, kind: str, bit: int) -> bytes:
        if kind == "flip-mosi":
            return (int.from_bytes(tx, "big") ^ 1 << bit % (8 * len(tx))).to_bytes(len(tx), "big")
        if kind == "contention":
            return bytes(byte & self._draw.randrange(256) for byte in tx)
        if kind == "abort":
            return tx[:-1] + bytes((tx[-1] ^ 0xFF,))
        if kind == "short":
            return tx[:-1]
        return tx + b"\x00" if kind == "long" else tx

    def _as_received(self, rx: bytes, size: int, kind: str, bit: int) -> bytes:
        if kind == "ones" or self._line == "stuck-high":
            return b"\xff" * size
        if kind == "zeros" or self._line == "stuck-low":
            return bytes(size)
        if kind == "contention":
            return bytes(self._draw.randrange(256) for _ in range(size))
        bits = 1 << bit % (8 * size) if kind == "flip" and size else 0
        if self._flip_one_in and size and self._draw.randrange(self._flip_one_in) == 0:
            bits ^= 1 << self._draw.randrange(8 * size)
        return (int.from_bytes(rx, "big") ^ bits).to_bytes(size, "big") if bits else rx


class PhaseCounter:
    """Exact energy of one phase: micro-joules in, whole counts out, the rest kept. Opposite directions cancel."""

    __slots__ = ("metered", "rest")

    def __init__(self) -> None:
        self.metered = 0
        self.rest = 0

    def add(self, microjoule: int, count_microjoule: tuple[int, int]) -> int:
        """Counts (signed) that `microjoule` complete; a count is a fraction of micro-joules."""
        self.rest += microjoule * count_microjoule[1]
        if -count_microjoule[0] < self.rest < count_microjoule[0]:
            return 0
        counts = abs(self.rest) // count_microjoule[0]
        if self.rest < 0:
            counts = -counts
        self.rest -= counts * count_microjoule[0]
        self.metered += counts
        return counts
