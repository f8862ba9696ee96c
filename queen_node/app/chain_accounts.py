"""The chain that the settings name, opened for daemon and commands, and one look at all accounts and the pool."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from honey_edge.model.errors import HiveError
from queen_node.app.account_rows import put_seen
from queen_node.app.chain_source import SettlementSource
from queen_node.app.intent_rows import IntentRows
from queen_node.chain import ChainError, OnchainAccount, SettlementChain
from queen_node.chain.nodes import Nodes
from queen_node.chain.policy import parse_finality
from queen_node.chain.settlement import queen_policy
from queen_node.settings import Loaded, sender_key
from queen_node.store import Store, accounts, chain_events
from queen_node.store.records import CoverRow


class ChainAway(HiveError):
    """No node of the chain answers, or a transaction is not mined yet."""

    code = "E-CHAIN"
    transient = True


class ChainRefused(HiveError):
    """The chain, the contract or a cap refuses what was to be done."""

    code = "E-CHAIN-TX"


@contextmanager
def translated() -> Iterator[None]:
    """Turns the chain's errors into Hive's own; those that are Hive's own already pass."""
    try:
        yield
    except (ChainAway, ChainRefused):
        raise
    except ChainError as error:
        if error.transient:
            raise ChainAway(str(error), next_step="try again; the same transaction is used") from error
        raise ChainRefused(str(error), next_step="read the reason; nothing was sent twice") from error


def open_chain(loaded: Loaded, store: Store, pause: Callable[[float], None] = time.sleep) -> SettlementChain:
    """The chain that the settings name, with the sender's key; `pause` is given seconds between two looks."""
    settings = loaded.settings
    chain, contract = settings.chain, settings.hive.contract
    policy = queen_policy(
        contract,
        fee_cap_tx_wei=chain.fee_cap_tx_wei,
        fee_cap_day_wei=chain.fee_cap_day_wei,
        replace_after_blocks=chain.replace_after_blocks,
        finality=chain.finality,
    )
    return SettlementChain(
        chain.rpc_urls,
        settings.hive.chain_id,
        contract,
        sender_key(loaded),
        IntentRows(store),
        policy,
        pause,
        nodes=Nodes(chain.rpc_urls, settings.hive.chain_id, chain.agreement, chain.max_lag_blocks),
    )


def open_source(loaded: Loaded, chain: SettlementChain) -> SettlementSource:
    """The same chain as the watcher asks for it."""
    settings = loaded.settings
    depth = parse_finality(settings.chain.finality)
    return SettlementSource(chain.nodes, settings.hive.contract, settings.hive.hive, depth)


def look(loaded: Loaded, store: Store, chain: SettlementChain, at_unix_s: int) -> dict[str, OnchainAccount]:
    """Reads every enrolled Worker's account and the pool, and stores what they say; blocks on the network."""
    source, workers = open_source(loaded, chain), {worker.address: worker for worker in loaded.workers}
    with translated():
        head = source.head()
        seen, pool = source.accounts(list(workers), head), source.pool(head)
    with store.begin() as tx:
        cursor = chain_events.read_cursor(tx)
        put_seen(tx, workers, seen, 0 if cursor is None else cursor.final_unix_s)
        accounts.put_cover(tx, CoverRow(pool.pool_micro, pool.pending_micro, head.number, at_unix_s))
    return {name: one.account for name, one in seen.items()}
