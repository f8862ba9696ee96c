"""What every home's meter has shown, for the cut of forecasts that nobody can check (`market.fairplay.plausible`).

Built from the stored readings at the start, continued as slots close. A meter of less than a day counts as declared:
its home would otherwise be steered around its own sun through its first day.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from honey_edge.market.fairplay.plausible import DAYS, ShownRange
from honey_edge.model.slots import SLOT_S, SLOTS_PER_DAY
from queen_node.store import fairplay

_SLOT_H = SLOT_S / 3600
_W_PER_KW = 1000


class ShownRanges:
    """The range of every home, by Worker."""

    def __init__(self) -> None:
        self._ranges: dict[str, ShownRange] = {}
        self._slots: dict[str, int] = {}

    def load(self, tx: Connection, workers: Iterable[str], last_slot: int) -> None:
        """Takes what is stored of the last 28 days up to a slot."""
        for worker in workers:
            stored = fairplay.energies(tx, worker, last_slot - DAYS * SLOTS_PER_DAY + 1, last_slot)
            for slot in sorted(stored):
                self._see(worker, stored[slot])

    def after_close(self, tx: Connection, workers: Iterable[str], slot: int) -> None:
        """Takes what the meters showed in a slot."""
        for worker in workers:
            for energy in fairplay.energies(tx, worker, slot, slot).values():
                self._see(worker, energy)

    def _see(self, worker: str, energy_milliwh: int) -> None:
        if worker not in self._ranges:
            self._ranges[worker] = ShownRange(1)
        self._ranges[worker].see([energy_milliwh])
        self._slots[worker] = self._slots.get(worker, 0) + 1

    def believed(self, worker: str) -> tuple[int, int] | None:
        """The least and the largest power (W) that is believed of a home; None before its meter has shown a day."""
        if self._slots.get(worker, 0) < SLOTS_PER_DAY:
            return None
        low, high = self._ranges[worker].bounds_kw(_SLOT_H)
        return round(float(low[0]) * _W_PER_KW), round(float(high[0]) * _W_PER_KW)
