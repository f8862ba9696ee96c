"""Coordination of a daughter Hive: her mother's round where the mother is there, else a round of her own, as a root.

The mother decides slot by slot: away, silent, or silent in the middle of a round, and the daughter coordinates these
slots alone and says so in the log; what the mother says about them afterwards is not answered. With the next slots she
is waited for again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from drivers.clock import Clock
from honey_edge.model.slots import slot_start_unix_s
from queen_node.coordinator.guided import GuidedCoordinator
from queen_node.mother.answering import MotherRounds
from queen_node.store.records import RoundRow

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the mother is waited for (Clock time): until she begins, and while she says nothing in a round."""

    begin_s: float
    silent_s: float


class UnderMother:
    """Stands in the coordinator's place for the timetable."""

    def __init__(
        self,
        clock: Clock,
        own: GuidedCoordinator,
        mother: MotherRounds,
        there: Callable[[], bool],
        patience: Patience,
    ) -> None:
        self._clock, self._own, self._mother, self._there, self._patience = clock, own, mother, there, patience

    def interrupted(self, first_slot: int) -> bool:
        """Whether a round for these slots was begun and not ended, by a daemon that is no more."""
        return self._own.interrupted(first_slot)

    async def coordinate(self, first_slot: int, until_unix_s: float) -> RoundRow | None:
        """Waits for the mother's round to end, or coordinates first_slot .. first_slot + 95 without her."""
        if self._there():
            begin_by = min(until_unix_s, self._clock.now_unix_s() + self._patience.begin_s)
            if await self._mother.agreed(first_slot, begin_by, self._patience.silent_s):
                return None
            reason = "silent"
        else:
            reason = "away"
        self._mother.release(first_slot)
        if self._clock.now_unix_s() >= slot_start_unix_s(first_slot):
            return None
        _LOG.warning("coordinated_alone first_slot=%d mother=%s", first_slot, reason)
        return await self._own.coordinate(first_slot, until_unix_s)
