"""Which accounts are open and what funds them: from the chain where there is one, else from the workers file."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from drivers.clock import Clock
from honey_edge.model.slots import slot_at
from queen_node.app.chain_accounts import ChainAway, open_chain, open_source
from queen_node.app.chain_follow import ChainFollower
from queen_node.app.chain_watch import ChainWatch
from queen_node.app.daily_settlement import DailySettlement, SettlementTools
from queen_node.app.dispute_guard import DisputeGuard
from queen_node.app.settle_day import renew_evidence
from queen_node.settings import Loaded
from queen_node.store import Store, accounts
from queen_node.store.records import WorkerRow


class AccountsView(Protocol):
    """Keeps the Queen's view of accounts and pool fresh."""

    async def refresh(self) -> None:
        """Looks once."""

    async def run(self) -> None:
        """Looks again and again, for ever."""


class FileAccounts:
    """A Hive without a chain: every enrolled Worker's account is open with the funding its entry names."""

    def __init__(self, loaded: Loaded, store: Store, clock: Clock) -> None:
        self._loaded, self._store, self._clock = loaded, store, clock

    async def refresh(self) -> None:
        """Writes the workers file into the store; an entry without opening slot opens now, once."""
        with self._store.begin() as tx:
            known = {row.worker: row for row in accounts.all_workers(tx)}
            for worker in self._loaded.workers:
                before = known.get(worker.address)
                opening = worker.opening_slot or (before.opening_slot if before else slot_at(self._clock.now_unix_s()))
                accounts.put_worker(tx, WorkerRow(worker.address, worker.serial, True, opening, worker.funding_micro))

    async def run(self) -> None:
        """The file is read at start only."""
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class ChainWork:
    """What the Queen does about the chain: her view of accounts, and the daily settlement where she does it herself.

    `stopping` ends waits for a transaction when the Queen leaves; its row goes on at the next start.
    """

    view: AccountsView
    settlement: DailySettlement | None = None
    stopping: threading.Event = field(default_factory=threading.Event)


def pause_until(stopping: threading.Event) -> Callable[[float], None]:
    """The wait between two looks for a transaction; ChainAway when the Queen stops meanwhile."""

    def pause(seconds: float) -> None:
        if stopping.wait(seconds):
            raise ChainAway("the Queen stops while a transaction waits to be mined", next_step="start her again")

    return pause


def build_chain_work(loaded: Loaded, store: Store, clock: Clock) -> ChainWork:
    """The parts that the settings ask for; nothing is connected yet."""
    settings = loaded.settings
    if not settings.chain.rpc_urls:
        return ChainWork(FileAccounts(loaded, store, clock))
    stopping, turn = threading.Event(), asyncio.Lock()
    chain = open_chain(loaded, store, pause_until(stopping))
    follower = ChainFollower(store, open_source(loaded, chain), loaded.workers, settings.chain.start_block)
    guard = DisputeGuard(store, chain.transactions, settings.hive.hive, settings.hive.contract, settings.chain.contest)
    renew = partial(renew_evidence, store, chain, settings.hive.hive)
    poll_s = settings.chain.poll_every_s
    watch = ChainWatch(clock, follower, guard, chain.transactions, poll_s, turn, chain.check, renew)
    tools = SettlementTools(loaded, store, chain, watch.look_at_all)
    daily = DailySettlement(clock, tools, turn) if settings.chain.settle_daily else None
    return ChainWork(watch, daily, stopping)
