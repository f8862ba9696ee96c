"""Settling a period: one row per batch, one writer, the same bytes after every restart (chain-design section 10).

A restart at any state goes on from the row: PLANNED signs, SIGNED sends, SENT waits, MINED becomes FINAL or, when its
block is gone, SENT again. The contract skips Statements it has applied, so even a double send moves no money twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from queen_node.chain.errors import FeeCapExceeded, NonceTaken, NotMinedYet
from queen_node.chain.intents import Intent, IntentState, IntentStore
from queen_node.chain.leaves import SettleLeaf, batches, payers_first, unpack_leaves
from queen_node.chain.node import ContractNode
from queen_node.chain.records import (
    AccountState,
    BlockInfo,
    LeafOutcome,
    OnchainAccount,
    PoolState,
    SettlementReceipt,
)

if TYPE_CHECKING:
    from web3 import Web3

DEFAULT_FEE_CAP_WEI = 10**18
TIP_WEI = 10**9
POLL_S = 0.2
MINED_WITHIN_S = 120.0


class SettlementChain:
    """The Queen's view of one Hive contract, and her only way to write to it."""

    def __init__(
        self,
        rpc_urls: Sequence[str],
        chain_id: int,
        contract: str,
        secret: bytes,
        intents: IntentStore,
        fee_cap_wei: int = DEFAULT_FEE_CAP_WEI,
        confirmations: int = 0,
        pause: Callable[[float], None] = time.sleep,
        connections: Sequence[Web3] = (),
    ) -> None:
        """`contract` is 40 hex digits, `secret` the 32 bytes of the sending key (the Queen's).

        `fee_cap_wei` bounds what one transaction may cost; a mined one is final after `confirmations` more blocks.
        `pause` is given the seconds between two looks for a receipt.
        """
        self._node = ContractNode(rpc_urls, chain_id, contract, connections)
        self._secret = secret
        self._intents = intents
        self._fee_cap_wei = fee_cap_wei
        self._confirmations = confirmations
        self._pause = pause
        self._sender = ""

    @property
    def sender(self) -> str:
        """The sending account, 40 hex digits."""
        if not self._sender:
            from eth_account import Account

            self._sender = str(Account.from_key(self._secret).address)[2:].lower()
        return self._sender

    def check(self) -> None:
        """WrongChain or CodeMismatch unless the node and the contract are those of the settings."""
        self._node.check()

    def account(self, hive: int, worker: bytes | str, block: int | None = None) -> OnchainAccount:
        """One Worker's account at a block or now; `worker` is 20 bytes or 40 hex digits."""
        plain = worker if isinstance(worker, str) else worker.hex()
        from eth_utils.address import to_checksum_address

        answer = self._node.view("account", hive, to_checksum_address("0x" + plain), block=block)
        funding, net, imported, exported, slot, state, owed, _, payout, _ = answer
        return OnchainAccount(
            funding, net, imported, exported, slot, AccountState(state), owed, str(payout)[2:].lower()
        )

    def pool(self, hive: int, block: int | None = None) -> PoolState:
        """The Hive's pool at a block or now."""
        pool, pending, fee_due, fees, _, owed, last_slot, next_batch = self._node.view("poolOf", hive, block=block)
        return PoolState(pool, pending, fee_due, fees, owed, last_slot, next_batch)

    def block(self) -> BlockInfo:
        """The newest block."""
        return self._node.block()

    def simulate_settle(self, hive: int, slot: int, leaves: Sequence[SettleLeaf]) -> int:
        """How many leaves `settle` would apply now, batch by batch; CallReverted when it would be refused."""
        self._node.check()
        return sum(
            int(self._node.simulate(self.sender, "settle", hive, slot, packed))
            for packed in batches(self._ordered(hive, leaves))
        )

    def settle(self, hive: int, slot: int, leaves: Sequence[SettleLeaf]) -> tuple[SettlementReceipt, ...]:
        """Settle a period once, whatever happened before; receipts by batch.

        A period with rows goes on with their bytes and ignores `leaves`. Raises the errors of this package; after a
        transient one the same call goes on where it stopped.
        """
        self._node.check()
        rows = list(self._intents.intents(hive, slot))
        if not rows and leaves:
            packed = batches(self._ordered(hive, leaves))
            rows = [Intent(hive, slot, number, content) for number, content in enumerate(packed)]
            self._intents.plan(rows)
        return tuple(self._drive(row) for row in rows)

    def receipts(self, hive: int, slot: int) -> tuple[SettlementReceipt, ...]:
        """What the mined batches of a period did, read from the chain again."""
        rows = self._intents.intents(hive, slot)
        found = ((row, self._node.receipt(row.tx_hash)) for row in rows if row.tx_hash)
        return tuple(self._read(row, receipt) for row, receipt in found if receipt)

    def follow(self, hive: int, slot: int) -> tuple[IntentState, ...]:
        """Look at a period's mined batches again: FINAL when deep enough, SENT again when their block is gone."""
        return tuple(self._settled(row).state for row in self._intents.intents(hive, slot))

    def _ordered(self, hive: int, leaves: Sequence[SettleLeaf]) -> list[SettleLeaf]:
        stored = {leaf.worker: self.account(hive, leaf.worker).net_micro for leaf in leaves}
        return payers_first(leaves, stored)

    def _drive(self, row: Intent) -> SettlementReceipt:
        if row.state is IntentState.PLANNED:
            row = self._sign(row)
        if row.state is IntentState.SIGNED:
            self._node.broadcast(row.raw)
            row = self._saved(replace(row, state=IntentState.SENT))
        if row.state is IntentState.SENT:
            row = self._mined(row)
        row = self._settled(row)
        receipt = self._node.receipt(row.tx_hash)
        if receipt is None:
            raise NotMinedYet(row.tx_hash, 0.0)
        return self._read(row, receipt)

    def _sign(self, row: Intent) -> Intent:
        from eth_account import Account

        self._node.simulate(self.sender, "settle", row.hive, row.slot, row.packed)
        nonce = max(self._intents.highest_nonce(self.sender) + 1, self._node.nonce(self.sender))
        fee = 2 * self._node.base_fee_wei() + TIP_WEI
        call = self._node.build(self.sender, nonce, (fee, TIP_WEI), "settle", row.hive, row.slot, row.packed)
        place, cost = f"settle of hive {row.hive}, slot {row.slot}, batch {row.batch}", int(call["gas"]) * fee
        limit = min(self._fee_cap_wei, self._node.balance_wei(self.sender))
        if cost > limit:
            raise FeeCapExceeded(place, cost, limit)
        signed = Account.sign_transaction(call, self._secret)
        raw, tx_hash = bytes(signed.raw_transaction), bytes(signed.hash).hex()
        row = replace(row, sender=self.sender, nonce=nonce, raw=raw, tx_hash=tx_hash)
        return self._saved(replace(row, state=IntentState.SIGNED))

    def _mined(self, row: Intent) -> Intent:
        """Wait for the receipt; while there is none the same bytes are sent again, which costs nothing.

        Bytes whose nonce another transaction has used can never be mined: the row is PLANNED again.
        """
        if self._node.receipt(row.tx_hash) is None:
            self._node.broadcast(row.raw)
        for _ in range(round(MINED_WITHIN_S / POLL_S)):
            receipt = self._node.receipt(row.tx_hash)
            if receipt is not None:
                return self._saved(replace(row, state=IntentState.MINED, block_hash=bytes(receipt["blockHash"]).hex()))
            if self._node.nonce(self.sender) > row.nonce and self._node.receipt(row.tx_hash) is None:
                self._saved(Intent(row.hive, row.slot, row.batch, row.packed))
                raise NonceTaken(row.tx_hash, row.nonce)
            self._pause(POLL_S)
        raise NotMinedYet(row.tx_hash, MINED_WITHIN_S)

    def _settled(self, row: Intent) -> Intent:
        """MINED to FINAL, or back to SENT when the chain no longer holds the block."""
        if row.state is not IntentState.MINED:
            return row
        receipt = self._node.receipt(row.tx_hash)
        if receipt is None or bytes(receipt["blockHash"]).hex() != row.block_hash:
            row = self._saved(replace(row, state=IntentState.SENT, block_hash=""))
            return self._settled(self._mined(row))
        if self._node.block().number - int(receipt["blockNumber"]) >= self._confirmations:
            row = self._saved(replace(row, state=IntentState.FINAL))
        return row

    def _saved(self, row: Intent) -> Intent:
        self._intents.save(row)
        return row

    def _read(self, row: Intent, receipt: Mapping[str, Any]) -> SettlementReceipt:
        number = int(receipt["blockNumber"])
        mined = self._node.block(number)
        done = self._node.events(dict(receipt), "BatchSettled")
        told: dict[str, Any] = done[0] if done else {"batch": row.batch, "root": bytes(32), "feeMicro": 0}
        reasons = [
            (str(event["worker"])[2:].lower(), int(event["reason"]))
            for event in self._node.events(dict(receipt), "Skipped")
        ]
        before, after = self.pool(row.hive, number - 1), self.pool(row.hive, number)
        return SettlementReceipt(
            tx_hash=row.tx_hash,
            status=int(receipt["status"]),
            gas_used=int(receipt["gasUsed"]),
            block=number,
            block_hash=mined.hash,
            block_unix_s=mined.at_unix_s,
            slot=row.slot,
            batch=int(told["batch"]),
            root=bytes(told["root"]).hex(),
            fee_micro=int(told["feeMicro"]),
            fee_taken_micro=after.fees_micro - before.fees_micro,
            pool_before_micro=before.pool_micro,
            pool_after_micro=after.pool_micro,
            packed=row.packed,
            outcomes=self._outcomes(row, dict(reasons), number),
        )

    def _outcomes(self, row: Intent, reasons: Mapping[str, int], block: int) -> tuple[LeafOutcome, ...]:
        return tuple(
            LeafOutcome(
                worker=leaf.worker.hex(),
                reason=reasons.get(leaf.worker.hex(), 0),
                before=self.account(row.hive, leaf.worker, block - 1),
                after=self.account(row.hive, leaf.worker, block),
            )
            for leaf in unpack_leaves(row.packed)
        )
