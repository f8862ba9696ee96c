"""Which accounts are open and what funds them: from the chain where there is one, else from the workers file."""

import asyncio
from typing import Protocol

from drivers.clock import Clock
from honey_edge.model.slots import slot_at
from queen_node.app.chain_accounts import ChainAccounts, open_chain
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


def build_accounts_view(loaded: Loaded, store: Store, clock: Clock) -> AccountsView:
    """The view that the settings ask for."""
    if loaded.settings.chain.rpc_urls:
        return ChainAccounts(loaded, store, clock, open_chain(loaded, store))
    return FileAccounts(loaded, store, clock)
