"""Before and during a round with a voltage band: the estimate it rests on, and the way of its prices.

Iteration 0 goes to all; from then on every home is told the price of its own electrical node, on its own topic. Without
an estimate that leaves a band, and on an island, rounds are plain ones.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from msgspec import structs

from drivers.clock import Clock
from honey_edge.market.errors import AssetError
from honey_edge.market.grid.feeder import read_estimate
from honey_edge.wire.messages import RoundMessage
from queen_node.coordinator.answers import Collector, Frame, RoundAnswers
from queen_node.coordinator.nodes import Feeder, NodeAnswers
from queen_node.store import Store, islands, voltages

_LOG = logging.getLogger(__name__)
_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class BandRules:
    """The allowed voltages, thousandths of nominal."""

    low_permille: int
    high_permille: int


class FeederDesk:
    """Makes the collectors of rounds with a band and sends their prices.

    `to_all` and `to_one` publish, `members` are the enrolled homes (40 hex digits each).
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        rules: BandRules,
        to_all: Callable[[RoundMessage], Awaitable[None]],
        to_one: Callable[[RoundMessage, str], Awaitable[None]],
        members: Callable[[], Collection[str]],
    ) -> None:
        self._clock, self._store, self._rules = clock, store, rules
        self._to_all, self._to_one, self._members = to_all, to_one, members
        self._answers: NodeAnswers | None = None
        self._said = ""

    async def collector(self, frame: Frame, online: set[str]) -> Collector:
        """The collector of a round; a plain one where no band can be kept."""
        feeder = self._feeder()
        self._answers = None if feeder is None else NodeAnswers(frame, feeder, self._clock)
        return self._answers or RoundAnswers(frame)

    def _feeder(self) -> Feeder | None:
        """The band of the newest estimate."""
        with self._store.begin() as tx:
            row = voltages.newest_estimate(tx)
            if islands.island_now(tx) is not None:
                return None
        try:
            if row is None:
                raise AssetError("there is no estimate of the feeder yet")
            told = read_estimate(row.document)
            feeder = Feeder(
                told.band(self._rules.low_permille / _PERMILLE, self._rules.high_permille / _PERMILLE), told.workers
            )
        except AssetError as error:
            if str(error) != self._said:
                _LOG.warning("voltage_band_none reason=%r", str(error))
            self._said = str(error)
            return None
        self._said = ""
        return feeder

    async def publish(self, message: RoundMessage) -> None:
        """One broadcast of a round: to all, or to each home with its own price."""
        answers = self._answers
        shared = message.import_share_ppm or message.export_share_ppm
        if answers is None or not message.iteration or shared:
            await self._to_all(message)
            return
        for worker in sorted(self._members()):
            price = answers.asked_of(worker, final=message.final)
            if price is None:
                await self._to_all(message)
                return
            await self._to_one(structs.replace(message, price_e7_per_kwh=price), worker)
