"""The daily estimate of the feeder from published voltages, and how long those are kept."""

import asyncio
import logging

from drivers.clock import Clock
from honey_edge.market.errors import MarketError
from honey_edge.market.grid.feeder import FeederEstimate, SlotVoltage, estimate_feeder
from honey_edge.model.slots import SLOTS_PER_DAY, slot_at
from queen_node.settings import VoltageSection
from queen_node.store import Store, voltages
from queen_node.store.voltages import EstimateRow

_LOG = logging.getLogger(__name__)
DAY_S = 86_400
KEPT_DAYS = 60
"""Days of voltages that are kept: what an estimate rests on at most."""


class VoltageWatch:
    """Estimates once a day while the Queen runs, the first time a day after the last attempt."""

    def __init__(self, clock: Clock, store: Store, section: VoltageSection) -> None:
        self._clock, self._store, self._section = clock, store, section

    async def run(self) -> None:
        """Estimates for ever."""
        while True:
            with self._store.begin() as tx:
                last = voltages.newest_attempt(tx)
            if last is not None:
                await self._clock.sleep_until(last.at_unix_s + DAY_S)
            await self.once()

    async def once(self) -> None:
        """One estimate of all that is kept; it runs in a thread."""
        now = int(self._clock.now_unix_s())
        with self._clock.hold("feeder estimate"):
            row = await asyncio.to_thread(self._attempt, now)
        with self._store.begin() as tx:
            voltages.add_estimate(tx, row)
            voltages.forget_before(tx, slot_at(now) - KEPT_DAYS * SLOTS_PER_DAY)

    def _attempt(self, now: int) -> EstimateRow:
        section = self._section
        rows: list[SlotVoltage] = []
        with self._store.begin() as tx:
            meters = list(voltages.counted(tx))
        for worker in meters:
            # One transaction a meter: nobody else waits for the database longer than that.
            with self._store.begin() as tx:
                rows += voltages.voltages_of(tx, worker)
        try:
            found = estimate_feeder(rows, section.source_worker, section.nominal_v, section.feeder)
            self._leaves_a_band(found)
        except MarketError as error:
            _LOG.info("feeder_not_estimated rows=%d reason=%r", len(rows), str(error))
            return EstimateRow(now, str(error), "")
        _LOG.info("feeder_estimated meters=%d margin_pu=%.5f", len(found.workers), found.margin_pu)
        return EstimateRow(now, "", found.document())

    def _leaves_a_band(self, found: FeederEstimate) -> None:
        found.band(self._section.low_permille / 1000, self._section.high_permille / 1000)
