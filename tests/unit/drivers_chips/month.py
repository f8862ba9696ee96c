"""A month of a home with random glitches, for any chip's bench: what happens when, drawn from a seed.

    Glitches(seed).step(bench) -> None      one poll with whatever goes wrong around it
    Glitches(seed).calm(bench) -> None      everything sound again, and long enough for a check of all registers

A bench offers `chip.set_fault`, `advance`, `look`, `restart`. Powers change every few minutes; import, export and both
at once on different phases occur.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

POLL_MS = 1000
QUIET = (0.0, 0.0, 0.0)
CALM_POLLS = 120


class Bench(Protocol):
    """What a month needs of a bench."""

    chip: Any

    def advance(self, power_w: tuple[float, ...], milliseconds: int) -> None:
        """Let the house live on."""

    def look(self) -> Any:
        """Read and book; None if that failed for now."""

    def restart(self) -> bool:
        """Kill and start the daemon."""


class Glitches:
    """Draws powers and glitches; `one_in` polls something goes wrong."""

    def __init__(self, seed: int, one_in: int = 100, poll_ms: int = POLL_MS) -> None:
        self._draw = random.Random(seed)
        self._one_in = one_in
        self._poll_ms = poll_ms
        self._power = (500.0, 300.0, 200.0)
        self._until_change = 0
        self._mode: tuple[str, int] | None = None
        self.happened: dict[str, int] = {}

    def step(self, bench: Bench) -> None:
        """One poll."""
        draw = self._draw
        self._until_change -= 1
        if self._until_change <= 0:
            self._until_change = draw.randrange(20, 600)
            self._power = (draw.uniform(-4000, 7000), draw.uniform(-2000, 5000), draw.uniform(-1000, 9000))
        if self._mode is not None:
            kind, left = self._mode
            self._mode = (kind, left - 1) if left else None
            if not left:
                bench.chip.set_fault(kind, on=False)
        elif draw.randrange(self._one_in) == 0:
            self._glitch(bench)
        bench.advance(self._power, self._poll_ms)
        bench.look()

    def _glitch(self, bench: Bench) -> None:
        draw = self._draw
        kind = draw.choice(("stuck-high", "stuck-low", "bit-flip", "busy", "brown-out", "restart", "restart", "outage"))
        self.happened[kind] = self.happened.get(kind, 0) + 1
        if kind in ("stuck-high", "stuck-low", "bit-flip", "busy"):
            bench.chip.set_fault(kind, bit=draw.randrange(20, 300) if kind == "bit-flip" else 0)
            self._mode = (kind, draw.randrange(1, 15))
        elif kind == "brown-out":
            bench.advance(self._power, draw.randrange(1, self._poll_ms))
            bench.chip.set_fault("brown-out")
        else:
            if kind == "outage":
                bench.advance(self._power, draw.randrange(2, 9) * self._poll_ms)
            bench.advance(self._power, draw.randrange(1, self._poll_ms))
            bench.restart()

    def calm(self, bench: Bench) -> None:
        """Nothing goes wrong and nothing flows: what is doubtful comes to light."""
        if self._mode is not None:
            bench.chip.set_fault(self._mode[0], on=False)
            self._mode = None
        for _ in range(CALM_POLLS):
            bench.advance(QUIET, self._poll_ms)
            bench.look()
