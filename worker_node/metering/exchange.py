"""A confirmed exchange of the meter: when the quarantine that it causes lasts, the books go on from the new register.

Nothing is asked of the journal while all is well. Three quarantined samples in a row are needed, so that a single
garbled frame after the confirmation is not taken for the new meter.
"""

import logging
from collections.abc import Awaitable, Callable

from drivers.sample import ABSOLUTE, FLAG_QUARANTINED
from worker_node.journal import JournalThread
from worker_node.metering.meter import MeterThread, Taken

_LOG = logging.getLogger(__name__)
SAMPLES_IN_ROW = 3
NANOWH_PER_MILLIWH = 1_000_000

InThread = Callable[[Callable[[], None]], Awaitable[None]]


class ExchangeWatch:
    """Looks at every sample; `after` is called by the metering task, one at a time."""

    def __init__(self, journal: JournalThread, meter: MeterThread, in_thread: InThread) -> None:
        """`in_thread` runs a call in the meter thread."""
        self._journal = journal
        self._meter = meter
        self._in_thread = in_thread
        self._row = 0
        self._number: int | None = None

    async def after(self, taken: Taken) -> None:
        """Takes the confirmed exchange up, and writes down where the new register began."""
        sample, at = taken.sample, taken.at_unix_s
        if sample.counter_kind != ABSOLUTE:
            return
        if not sample.flags & FLAG_QUARANTINED:
            self._row = 0
            if self._number is not None:
                await self._write_down(self._number, taken)
            return
        self._row += 1
        if self._row < SAMPLES_IN_ROW or self._number is not None:
            return
        number = await self._journal.call(lambda journal: journal.exchanges.pending(at))
        if number is not None:
            await self._in_thread(self._meter.confirm_exchange)
            self._number = number
            _LOG.warning("meter_exchange_taken_up number=%d", number)

    async def _write_down(self, number: int, taken: Taken) -> None:
        step, at = taken.sample.counter_step_nanowh, taken.at_unix_s
        totals = [one * step // NANOWH_PER_MILLIWH for one in (taken.sample.import_counts, taken.sample.export_counts)]
        await self._journal.call(lambda journal: journal.exchanges.taken(number, at, totals[0], totals[1]))
        self._number = None
        _LOG.info("meter_exchanged number=%d import_milliwh=%d export_milliwh=%d", number, totals[0], totals[1])
