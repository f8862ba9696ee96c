"""A day's both-signed Statements onto the chain, and what came of it into the store.

The daemon does it by itself after the day's end (`daily_settlement`), `hive period settle` on the operator's word; both
call the functions here. A period is planned once, all batches in one database transaction, and every later call goes
on with that plan: the key (Hive, period, batch) has one transaction, whatever dies in between.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import last_slot_of_day
from queen_node.app.chain_accounts import look, open_chain, translated
from queen_node.chain import SettleLeaf, SettlementChain, SettlementReceipt, batches, payers_first
from queen_node.chain.records import OnchainAccount
from queen_node.evidence_format import AccountState, AppliedRecord, SettlementRecord
from queen_node.settings import Loaded
from queen_node.store import Store, accounts, books, settlement_days, settlements
from queen_node.store.settlement_days import NOTHING, PARTLY, SETTLED, WAITING, DayRow

GAS_PER_WORKER_AT_MOST = 18_500
SKIP_REASONS = {
    1: "no open account",
    2: "slot not newer than the chain's, or in the future",
    3: "a counter would go down",
    4: "more owed than was paid in",
    5: "signature not the Worker's",
    6: "a close is running",
    7: "the pool cannot pay it",
    8: "more money than price, power and time allow",
}
_EPOCH = date(1970, 1, 1)


class DayError(HiveError, ValueError):
    """A text names no day that can be settled, or the Hive has no chain."""

    code = "E-DAY"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a day's settlement would send: leaves in calldata order, and what each changes (micro-coins)."""

    hive: int
    day: int
    slot: int
    contract: str
    chain_id: int
    leaves: tuple[SettleLeaf, ...]
    stored_net_micro: dict[bytes, int]

    @property
    def whole_day(self) -> bool:
        """Whether the period ends with its UTC day; otherwise the day still runs."""
        return self.slot == last_slot_of_day(self.day)

    def changes(self) -> list[int]:
        """What each leaf pays in (positive) or takes out."""
        return [leaf.net_micro - self.stored_net_micro.get(leaf.worker, 0) for leaf in self.leaves]

    def document(self) -> dict[str, Any]:
        """The plan for people and machines."""
        changes = self.changes()
        return {
            "day": self.day,
            "date": datetime.fromtimestamp(self.day * 86_400, UTC).date().isoformat(),
            "slot": self.slot,
            "contract": self.contract,
            "chain_id": self.chain_id,
            "pays_in_micro": sum(change for change in changes if change > 0),
            "pays_out_micro": -sum(change for change in changes if change < 0),
            "gas_at_most": GAS_PER_WORKER_AT_MOST * len(self.leaves),
            "leaves": [
                {"worker": leaf.worker.hex(), "slot": leaf.slot, "net_micro": leaf.net_micro, "change_micro": change}
                for leaf, change in zip(self.leaves, changes, strict=True)
            ],
        }

    def remark(self) -> str:
        """From, to, amount, chain and cost, before anything is sent."""
        plan = self.document()
        return (
            f"settle {plan['date']} (day {self.day}) of Hive {self.hive} on chain {self.chain_id}, contract "
            f"{self.contract}: {len(self.leaves)} Workers, {plan['pays_in_micro']} micro-coins into the pool, "
            f"{plan['pays_out_micro']} out of it, about {plan['gas_at_most']} gas at most"
        )


def day_number(text: str) -> int:
    """The UTC day a text names: its number since 1970 or YYYY-MM-DD."""
    if text.isdecimal() and len(text) <= 6:
        return int(text)
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError as error:
        raise DayError(f"{text!r} is neither a day number nor YYYY-MM-DD") from error


def refresh(loaded: Loaded, store: Store) -> None:
    """Looks at the accounts on the chain before money moves; nothing in a Hive without a chain."""
    if loaded.settings.chain.rpc_urls:
        look(loaded, store, open_chain(loaded, store), int(time.time()))


def plan_of(loaded: Loaded, store: Store, day: int) -> Settlement:
    """The newest both-signed Statement of every Worker up to the day's end, where the chain has an older one.

    A day that still runs is settled up to its newest closed slot: the contract refuses a period in the future.
    """
    leaves, stored = [], {}
    with store.begin() as tx:
        last = books.last_closed(tx)
        slot = last_slot_of_day(day) if last is None else min(last_slot_of_day(day), last.totals.slot)
        for row in accounts.all_workers(tx):
            signed = books.both_signed(tx, row.worker, slot)
            if signed is None or signed.statement.slot <= row.chain_slot or not row.is_open:
                continue
            s = signed.statement
            leaf = SettleLeaf(s.worker, s.slot, s.net, s.imported, s.exported, s.readings, signed.worker_signature)
            leaves.append(leaf)
            stored[s.worker] = row.chain_net_micro
    hive = loaded.settings.hive
    ordered = tuple(payers_first(leaves, stored))
    return Settlement(hive.hive, day, slot, hive.contract, hive.chain_id, ordered, stored)


def keep_plan(store: Store, plan: Settlement, now_unix_s: int) -> list[bytes]:
    """Commits the batches of a period once; those committed before win over the ones given."""
    with store.begin() as tx:
        kept = settlement_days.plan_at(tx, plan.slot)
        if not kept:
            kept = list(batches(plan.leaves))
            settlement_days.put_plan(tx, plan.slot, kept)
        if plan.whole_day:
            outcome = WAITING if kept else NOTHING
            settlement_days.put_day(tx, DayRow(plan.day, plan.slot, outcome, now_unix_s))
    return kept


def settle_period(
    store: Store, chain: SettlementChain, plan: Settlement, now_unix_s: int
) -> tuple[SettlementReceipt, ...]:
    """Sends a period's batches in order and stores each receipt; goes on where it stopped.

    ChainAway and ChainRefused leave the day waiting, with every batch that was mined before stored.
    """
    kept = keep_plan(store, plan, now_unix_s)
    receipts = []
    for number, packed in enumerate(kept):
        with translated():
            receipt = chain.settle_batch(plan.hive, plan.slot, number, packed)
        with store.begin() as tx:
            settlements.put_settlement(tx, plan.slot, receipt.batch, msgspec.json.encode(record_of(receipt)))
        receipts.append(receipt)
    if plan.whole_day and kept:
        outcome = PARTLY if any(one.skipped or not one.status for one in receipts) else SETTLED
        with store.begin() as tx:
            settlement_days.put_day(tx, DayRow(plan.day, plan.slot, outcome, now_unix_s))
    return tuple(receipts)


def renew_evidence(store: Store, chain: SettlementChain, hive: int, slot: int) -> None:
    """Stores a period's receipts again as the chain has them now: after a reorganisation, or a death before storing.

    Only of a period that this Queen has planned.
    """
    with store.begin() as tx:
        planned = settlement_days.plan_at(tx, slot)
    if planned:
        receipts = chain.receipts(hive, slot)
        with store.begin() as tx:
            for receipt in receipts:
                settlements.put_settlement(tx, slot, receipt.batch, msgspec.json.encode(record_of(receipt)))


def send(loaded: Loaded, store: Store, plan: Settlement) -> dict[str, Any]:
    """Settles on the chain, stores the receipts and the accounts as they are now; what was done, by transaction."""
    if not loaded.settings.chain.rpc_urls:
        raise DayError("this Hive has no chain", next_step="name [chain] rpc_urls in the settings")
    chain, now = open_chain(loaded, store), int(time.time())
    receipts = settle_period(store, chain, plan, now)
    found = look(loaded, store, chain, now)
    return {
        "day": plan.day,
        "slot": plan.slot,
        "transactions": [_transaction(receipt) for receipt in receipts],
        "accounts": {
            worker: {key: value for key, value in asdict(account).items() if key != "payout"}
            for worker, account in found.items()
        },
    }


def _transaction(receipt: SettlementReceipt) -> dict[str, Any]:
    return {
        "hash": receipt.tx_hash,
        "status": receipt.status,
        "block": receipt.block,
        "gas_used": receipt.gas_used,
        "workers": len(receipt.applied),
        "skipped": receipt.skipped,
    }


def partly_done(document: dict[str, Any]) -> bool:
    """Whether a transaction left Workers out."""
    return any(one["skipped"] or not one["status"] for one in document["transactions"])


def skipped_of(receipts: Sequence[SettlementReceipt]) -> dict[str, str]:
    """Workers left out, with the reason in words."""
    return {
        worker: SKIP_REASONS.get(reason, f"reason {reason}")
        for receipt in receipts
        for worker, reason in receipt.skipped.items()
    }


def record_of(receipt: SettlementReceipt) -> SettlementRecord:
    """The evidence record of one transaction."""
    return SettlementRecord(
        v=1,
        slot=receipt.slot,
        batch=receipt.batch,
        transaction=receipt.tx_hash,
        status=receipt.status,
        block=receipt.block,
        block_unix_s=receipt.block_unix_s,
        gas_used=receipt.gas_used,
        packed=receipt.packed.hex(),
        root=receipt.root,
        fee_micro=receipt.fee_micro,
        fee_taken_micro=receipt.fee_taken_micro,
        pool_before_micro=receipt.pool_before_micro,
        pool_after_micro=receipt.pool_after_micro,
        accounts=tuple(
            AppliedRecord(worker=one.worker, reason=one.reason, before=_state(one.before), after=_state(one.after))
            for one in receipt.outcomes
        ),
    )


def _state(account: OnchainAccount) -> AccountState:
    return AccountState(
        funding_micro=account.funding_micro,
        net_micro=account.net_micro,
        import_milliwh=account.import_milliwh,
        export_milliwh=account.export_milliwh,
        slot=account.slot,
        state=int(account.state),
        owed=account.owed,
    )
