"""Accounts and pool as the chain has them, looked at regularly, and the rows behind its transactions.

A chain that is away stops nothing: slots close and Statements go on with what was last seen; settlement waits.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from drivers.clock import Clock
from honey_edge.model.errors import HiveError
from queen_node.chain import ChainError, Intent, IntentState, OnchainAccount, SettlementChain
from queen_node.chain.records import AccountState
from queen_node.settings import EnrolledWorker, Loaded, read_secret
from queen_node.store import Store, accounts, intents
from queen_node.store.records import CoverRow, WorkerRow

_LOG = logging.getLogger(__name__)


class ChainAway(HiveError):
    """No node of the chain answers, or a transaction is not mined yet."""

    code = "E-CHAIN"
    transient = True


class ChainRefused(HiveError):
    """The chain, the contract or a cap refuses what was to be done."""

    code = "E-CHAIN-TX"


@contextmanager
def translated() -> Iterator[None]:
    """Turns the chain's errors into Hive's own."""
    try:
        yield
    except ChainError as error:
        if error.transient:
            raise ChainAway(str(error), next_step="try again; the same transaction is used") from error
        raise ChainRefused(str(error), next_step="read the reason; nothing was sent twice") from error


class IntentRows:
    """The chain's `IntentStore` in the Queen's database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def intents(self, hive: int, slot: int) -> Sequence[Intent]:
        """All rows of one period, by batch."""
        with self._store.begin() as tx:
            rows = intents.intents_of(tx, hive, slot)
        return [Intent(**row | {"state": IntentState(row["state"])}) for row in rows]

    def plan(self, rows: Sequence[Intent]) -> None:
        """Inserts the rows of a period in one transaction."""
        with self._store.begin() as tx:
            intents.add_intents(tx, [_row(row) for row in rows])

    def save(self, intent: Intent) -> None:
        """Replaces one row."""
        with self._store.begin() as tx:
            intents.replace_intent(tx, _row(intent))

    def highest_nonce(self, sender: str) -> int:
        """The highest nonce of a sender's rows; -1 when none."""
        with self._store.begin() as tx:
            return intents.highest_nonce(tx, sender)


def _row(intent: Intent) -> dict[str, object]:
    return asdict(intent) | {"state": intent.state.value}


def open_chain(loaded: Loaded, store: Store) -> SettlementChain:
    """The chain that the settings name, with the sender's key."""
    settings = loaded.settings
    key_file = settings.chain.sender_key_file or settings.hive.key_file
    return SettlementChain(
        settings.chain.rpc_urls,
        settings.hive.chain_id,
        settings.hive.contract,
        read_secret(loaded.path(key_file)),
        IntentRows(store),
        confirmations=settings.chain.confirmations,
    )


def look(loaded: Loaded, store: Store, chain: SettlementChain, at_unix_s: int) -> dict[str, OnchainAccount]:
    """Reads every enrolled Worker's account and the pool, and stores what they say; blocks on the network."""
    hive = loaded.settings.hive.hive
    with translated():
        found = {worker.address: chain.account(hive, worker.address) for worker in loaded.workers}
        pool, block = chain.pool(hive), chain.block()
    with store.begin() as tx:
        known = {row.worker: row for row in accounts.all_workers(tx)}
        for worker in loaded.workers:
            accounts.put_worker(tx, account_row(worker, found[worker.address], known.get(worker.address)))
        accounts.put_cover(tx, CoverRow(pool.pool_micro, pool.pending_micro, block.number, at_unix_s))
    return found


def account_row(worker: EnrolledWorker, account: OnchainAccount, known: WorkerRow | None) -> WorkerRow:
    """What is kept of an account; its opening slot is the stored one where the account was not open before."""
    is_open = account.state is AccountState.OPEN
    opens_now = is_open and (known is None or not known.is_open)
    before = 0 if known is None else known.opening_slot
    opening = account.slot if opens_now and account.slot > before else before
    return WorkerRow(
        worker.address,
        worker.serial,
        is_open,
        opening,
        account.funding_micro,
        chain_slot=account.slot,
        chain_net_micro=account.net_micro,
    )


class ChainAccounts:
    """Looks at start and every `poll_every_s`; one log line when the chain goes away, one when it is back."""

    def __init__(self, loaded: Loaded, store: Store, clock: Clock, chain: SettlementChain) -> None:
        self._loaded, self._store, self._clock, self._chain = loaded, store, clock, chain
        self._away = False

    async def refresh(self) -> None:
        """Looks once; an absent chain is only logged."""
        now = int(self._clock.now_unix_s())
        try:
            await asyncio.to_thread(look, self._loaded, self._store, self._chain, now)
        except ChainAway as error:
            if not self._away:
                _LOG.warning("chain_away reason=%r", str(error))
            self._away = True
            return
        if self._away:
            _LOG.info("chain_back")
        self._away = False

    async def run(self) -> None:
        """Looks again and again."""
        while True:
            await self._clock.sleep_until(self._clock.now_unix_s() + self._loaded.settings.chain.poll_every_s)
            await self.refresh()
