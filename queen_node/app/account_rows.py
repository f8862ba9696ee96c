"""Accounts as a block shows them, and what the Queen keeps of them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from queen_node.chain import OnchainAccount
from queen_node.chain.records import AccountState
from queen_node.settings import EnrolledWorker
from queen_node.store import accounts, books, chain_events, permits
from queen_node.store.chain_events import CloseRow
from queen_node.store.records import WorkerRow

_LOG = logging.getLogger(__name__)
#: Reason of an Objection: the pool does not cover what the Hive owes (chain-design section 3).
POOL_REASON = 7


@dataclass(frozen=True, slots=True)
class SeenAccount:
    """An account at a block: the contract's view, the newest permit serial it has taken, and its running close."""

    account: OnchainAccount
    permit_serial: int
    close: CloseRow | None


def account_row(
    worker: EnrolledWorker,
    account: OnchainAccount,
    known: WorkerRow | None,
    opened_slot: int | None = None,
    held_micro: int = 0,
) -> WorkerRow:
    """What is kept of an account.

    Its opening slot is that of the chain's event (`opened_slot`); where none is stored, the account's own slot when
    it was not open before. Permits that may still be used (`held_micro`) count as taken out.
    """
    is_open = account.state is AccountState.OPEN
    opens_now = is_open and (known is None or not known.is_open)
    opening = 0 if known is None else known.opening_slot
    if opened_slot is not None:
        opening = opened_slot
    elif account.state is AccountState.NONE:
        opening = 0
    elif opens_now and account.slot > opening:
        opening = account.slot
    return WorkerRow(
        worker.address,
        worker.serial,
        is_open,
        opening,
        account.funding_micro - held_micro,
        chain_slot=account.slot,
        chain_net_micro=account.net_micro,
    )


def put_seen(
    tx: Connection, workers: Mapping[str, EnrolledWorker], seen: Mapping[str, SeenAccount], final_unix_s: int
) -> None:
    """Stores accounts, their running closes and which permits are used up; all of one block.

    A permit whose deadline is before `final_unix_s`, the time of the newest final block, no longer counts.
    """
    known = {row.worker: row for row in accounts.all_workers(tx)}
    opened, held = chain_events.opened_slots(tx, seen), dict.fromkeys(seen, 0)
    for name in permits.holders(tx) & set(seen):
        permits.mark_spent(tx, name, seen[name].permit_serial)
        held[name] = permits.held_micro(tx, name, final_unix_s)
    for name, one in seen.items():
        row = account_row(workers[name], one.account, known.get(name), opened.get(name), held[name])
        accounts.put_worker(tx, row)
        _thaw(tx, row, known.get(name))
    chain_events.put_closes(tx, seen, [one.close for one in seen.values() if one.close is not None])


def _thaw(tx: Connection, row: WorkerRow, known: WorkerRow | None) -> None:
    """Frees an account whose reason for being frozen is over; any other Objection waits for the operator.

    One frozen for want of cover is free once a newer settlement has reached it. One that `hive channel close` has
    frozen, so that no Statement is signed after the request, is free once the close is seen: being closed stops it now.
    """
    if known is None or not known.frozen:
        return
    newest = books.newest_statement(tx, row.worker)
    reason = 0 if newest is None or newest.reason is None else newest.reason
    settled = reason == POOL_REASON and row.chain_slot > known.chain_slot
    if settled or (reason == 0 and not row.is_open):
        accounts.freeze(tx, row.worker, False)
        _LOG.info("account_thawed worker=%s settled_slot=%d open=%s", row.worker, row.chain_slot, row.is_open)
