"""Settles every UTC day by itself, once its last slot is closed and the countersignatures had their time.

A day that could not be settled is tried again every hour, and the next day's Statements, being cumulative, carry what
it did not bring. After a restart the rows of the plan are gone on with; an unfinished day is never settled.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from drivers.clock import Clock
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import day_of, last_slot_of_day, slot_at, slot_end_unix_s
from queen_node.app.chain_accounts import ChainAway
from queen_node.app.settle_day import Settlement, plan_of, settle_period, skipped_of
from queen_node.chain import SettlementChain, SettlementReceipt
from queen_node.settings import Loaded
from queen_node.store import Store, books, settlement_days
from queen_node.store.settlement_days import NOTHING, DayRow

_LOG = logging.getLogger(__name__)
RETRY_S = 3_600
CLOSING_RETRY_S = 60


def due_day(now_unix_s: float, wait_s: int, newest_done: int | None) -> int:
    """The day to settle next: the newest one that is over for `wait_s` seconds, or the one after it when done."""
    finished = day_of(slot_at(now_unix_s - wait_s)) - 1
    return finished if newest_done is None or newest_done < finished else newest_done + 1


def due_unix_s(day: int, wait_s: int) -> int:
    """When a day may be settled: after its last slot's end and the time for countersignatures."""
    return slot_end_unix_s(last_slot_of_day(day)) + wait_s


@dataclass(frozen=True, slots=True)
class SettlementTools:
    """What a settlement needs besides its day; `refresh` reads all accounts again before money moves."""

    loaded: Loaded
    store: Store
    chain: SettlementChain
    refresh: Callable[[int], object]


class DailySettlement:
    """The Queen's settlement of every day; `turn` keeps it apart from others that send."""

    def __init__(self, clock: Clock, tools: SettlementTools, turn: asyncio.Lock) -> None:
        self._clock, self._tools, self._turn = clock, tools, turn
        self._wait_s = tools.loaded.settings.times.countersigned_after_s
        self._told = ""

    async def run(self) -> None:
        """Day after day."""
        while True:
            with self._tools.store.begin() as tx:
                done = settlement_days.newest_done(tx)
            day = due_day(self._clock.now_unix_s(), self._wait_s, done)
            await self._clock.sleep_until(due_unix_s(day, self._wait_s))
            if not self.closed(day):
                await self._clock.sleep_until(self._clock.now_unix_s() + CLOSING_RETRY_S)
            elif not await self.attempt(day):
                await self._clock.sleep_until(self._clock.now_unix_s() + RETRY_S)

    def closed(self, day: int) -> bool:
        """Whether every slot of the day is closed."""
        with self._tools.store.begin() as tx:
            last = books.last_closed(tx)
        return last is not None and last.totals.slot >= last_slot_of_day(day)

    async def attempt(self, day: int) -> bool:
        """Settles a closed day, and before it what earlier days have left; whether the day is done."""
        async with self._turn:
            now = int(self._clock.now_unix_s())
            try:
                await asyncio.to_thread(self.settle, day, now)
            except HiveError as error:
                waits = isinstance(error, ChainAway) or error.transient
                if f"{day} {error}" != self._told:
                    _LOG.log(
                        logging.WARNING if waits else logging.ERROR,
                        "day_not_settled day=%d retry_s=%d reason=%r", day, RETRY_S, str(error),
                    )  # fmt: skip
                self._told = f"{day} {error}"
                return False
        return True

    def settle(self, day: int, now_unix_s: int) -> None:
        """Settles a day; blocks on the network. Raises ChainAway or ChainRefused with the day left waiting."""
        tools = self._tools
        with tools.store.begin() as tx:
            earlier = [row for row in settlement_days.waiting_days(tx) if row.day < day]
        for row in earlier:
            self._go_on(row, now_unix_s)
        tools.refresh(now_unix_s)
        plan = plan_of(tools.loaded, tools.store, day)
        if not plan.leaves and not self._planned(plan.slot):
            with tools.store.begin() as tx:
                settlement_days.put_day(tx, DayRow(day, plan.slot, NOTHING, now_unix_s))
            _LOG.info("day_settled day=%d slot=%d workers=0", day, plan.slot)
            return
        _tell(plan, settle_period(tools.store, tools.chain, plan, now_unix_s))

    def _planned(self, slot: int) -> bool:
        with self._tools.store.begin() as tx:
            return bool(settlement_days.plan_at(tx, slot))

    def _go_on(self, row: DayRow, now_unix_s: int) -> None:
        """Brings an earlier day's rows to their end; one that the contract no longer takes is given up.

        Its Statements are older than those of the day that follows, so nothing is lost by that.
        """
        tools = self._tools
        hive = tools.loaded.settings.hive
        plan = Settlement(hive.hive, row.day, row.slot, hive.contract, hive.chain_id, (), {})
        try:
            _tell(plan, settle_period(tools.store, tools.chain, plan, now_unix_s))
        except HiveError as error:
            if isinstance(error, ChainAway) or error.transient:
                raise
            _LOG.error("day_given_up day=%d slot=%d reason=%r", row.day, row.slot, str(error))
            with tools.store.begin() as tx:
                settlement_days.put_day(tx, DayRow(row.day, row.slot, NOTHING, now_unix_s, str(error)))


def _tell(plan: Settlement, receipts: tuple[SettlementReceipt, ...]) -> None:
    """One line for the day, one alarm for every Worker left out."""
    skipped = skipped_of(receipts)
    _LOG.info(
        "day_settled day=%d slot=%d workers=%d skipped=%d batches=%d gas=%d transactions=%s",
        plan.day, plan.slot, sum(len(one.applied) for one in receipts), len(skipped), len(receipts),
        sum(one.gas_used for one in receipts), ",".join(one.tx_hash for one in receipts),
    )  # fmt: skip
    for worker, why in sorted(skipped.items()):
        _LOG.warning("settlement_skipped day=%d worker=%s reason=%r", plan.day, worker, why)
    for one in receipts:
        if not one.status:
            _LOG.error("settlement_reverted day=%d batch=%d transaction=%s", plan.day, one.batch, one.tx_hash)


__all__ = ["DailySettlement", "SettlementTools", "due_day", "due_unix_s"]
