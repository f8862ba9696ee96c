"""Looks at the contact that tells whether the Hive is connected to the grid, and notes when that changes.

Two equal looks in a row count, so that a contact that bounces changes nothing. A contact that says nothing leaves
everything as it is. What the operator noted with `hive island on` only `hive island off` ends.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from drivers.clock import Clock
from queen_node.store import Store, islands

_LOG = logging.getLogger(__name__)
_LONGEST_BYTES = 64
NO_VOLTAGE_PERMILLE = 500
"""Below this part of the nominal voltage on every phase there is no grid."""

Look = Callable[[], bool | None]
"""Whether the connection is away; None where the contact does not say."""


def file_says(file: Path) -> bool | None:
    """What a contact file says: the word `island` or `grid`, written by whatever reads the switch."""
    try:
        with file.open("rb") as opened:
            word = opened.read(_LONGEST_BYTES).strip()
    except OSError:
        return None
    return {b"island": True, b"grid": False}.get(word)


def meter_says(highest_mv: int | None, nominal_v: int) -> bool | None:
    """What the Queen's own meter says, from the highest of its phase voltages (millivolts)."""
    return None if highest_mv is None else highest_mv < nominal_v * NO_VOLTAGE_PERMILLE


class IslandWatch:
    """`look` is asked every `every_s` seconds of Clock time; `source` is what is noted beside an island."""

    def __init__(self, clock: Clock, store: Store, look: Look, source: str, every_s: int) -> None:
        self._clock, self._store, self._look, self._source, self._every_s = clock, store, look, source, every_s
        self._last: bool | None = None
        self._silent = False

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            self.once()
            await self._clock.sleep_until(self._clock.now_unix_s() + self._every_s)

    def once(self) -> None:
        """One look, and what follows from it."""
        said = self._look()
        if (said is None) != self._silent:
            self._silent = said is None
            _LOG.warning("island_contact_%s source=%s", "silent" if self._silent else "back", self._source)
        if said is not None and said == self._last:
            self._note(away=said)
        self._last = said

    def _note(self, *, away: bool) -> None:
        now = int(self._clock.now_unix_s())
        with self._store.begin() as tx:
            row = islands.island_now(tx)
            if away and islands.begin_island(tx, now, self._source):
                _LOG.warning("island_begins source=%s", self._source)
            elif not away and row is not None and row.source == self._source:
                islands.end_island(tx, now)
                _LOG.warning("island_ends source=%s", self._source)
