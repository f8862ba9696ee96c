"""The Queen's view of one Hive contract, and settling its periods on top of `transactions.py`.

A period is settled in batches of at most 1,000 leaves, one row each under the key settle/<hive>/<slot>/<batch>. The
contract skips Statements it has applied, so even a double send moves no money twice.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain
from queen_node.chain.artifacts import artifact
from queen_node.chain.calls import Call, allowed_calls, decode_event
from queen_node.chain.errors import NotMinedYet, UnexpectedOutcome
from queen_node.chain.expectation import expected_skips, rules_of
from queen_node.chain.intents import Intent, IntentState, IntentStore
from queen_node.chain.leaves import SettleLeaf, batches, payers_first, unpack_leaves
from queen_node.chain.nodes import Nodes
from queen_node.chain.policy import TxPolicy
from queen_node.chain.records import (
    AccountState,
    BlockInfo,
    LeafOutcome,
    OnchainAccount,
    PoolState,
    SettlementReceipt,
    TxReceipt,
)
from queen_node.chain.signer import ListedSigner
from queen_node.chain.transactions import Simulation, Transactions

CONTRACT = "EnergySettlement"
CLOSING = "SettlementClosing"
SLOT_S = 900
#: What the Queen's daemon sends by herself.
QUEEN_CALLS = ("settle", "contest", "finishClose", "showObjection")
_SETTLE_ARGUMENTS_BYTES = 4 + 4 * 32


def queen_policy(contract: str, **limits: Any) -> TxPolicy:
    """The policy of the Queen's daemon for a contract (40 hex digits); `limits` are fields of TxPolicy."""
    known = {entry["name"] for entry in artifact(CONTRACT).abi if entry["type"] == "function"}
    return TxPolicy(allowed_calls(contract, CONTRACT, *(name for name in QUEEN_CALLS if name in known)), **limits)


class SettlementChain:
    """Reads one contract with agreement, and settles."""

    def __init__(
        self,
        rpc_urls: Sequence[str],
        chain_id: int,
        contract: str,
        key: bytes | Signer,
        intents: IntentStore,
        policy: TxPolicy | None = None,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        nodes: Nodes | None = None,
    ) -> None:
        """`contract` is 40 hex digits, `key` the sending key (the Queen's) or its Signer.

        `nodes` takes the place of `rpc_urls` where agreement or time-outs are not the usual ones.
        """
        self.contract = contract.removeprefix("0x").lower()
        self.nodes = nodes or Nodes(rpc_urls, chain_id)
        chosen = policy or queen_policy(self.contract)
        sender = ListedSigner(key, chosen.allowed)
        self.transactions = Transactions(self.nodes, sender, intents, chosen, pause, now, {self.contract: CONTRACT})
        self._intents = intents
        self._domain = Domain(chain_id, bytes.fromhex(self.contract))
        self._closing_checked = False

    @property
    def sender(self) -> str:
        """The sending account, 40 hex digits."""
        return self.transactions.sender

    def check(self) -> None:
        """WrongChain or CodeMismatch unless nodes and both contracts are those of the settings and this release."""
        self.transactions.check()
        if not self._closing_checked and _has("closingPiece"):
            self.nodes.check_code(self.nodes.read(self.call("closingPiece")), CLOSING)
        self._closing_checked = True

    # ---- Reading ----------------------------------------------------------------------------------------------------

    def account(self, hive: int, worker: bytes | str, block: int | None = None) -> OnchainAccount:
        """One Worker's account at a block or now; `worker` is 20 bytes or 40 hex digits."""
        plain = worker if isinstance(worker, str) else worker.hex()
        return self.accounts(hive, [plain], block)[plain]

    def accounts(self, hive: int, workers: Sequence[str], block: int | None = None) -> dict[str, OnchainAccount]:
        """Many accounts (40 hex digits each) at one block, in few requests."""
        found = self.nodes.read_many([self.call("account", hive, worker) for worker in workers], block)
        return {worker: _account(one) for worker, one in zip(workers, found, strict=True)}

    def pool(self, hive: int, block: int | None = None) -> PoolState:
        """The Hive's pool at a block or now."""
        return _pool(self.nodes.read(self.call("poolOf", hive), block))

    def block(self) -> BlockInfo:
        """The newest block."""
        return self.nodes.head()

    def hive_info(self, hive: int, block: int | None = None) -> dict[str, Any]:
        """What the contract has copied about a Hive, by member of `HiveInfo`."""
        return dict(self.nodes.read(self.call("hiveInfo", hive), block))

    def close_of(self, hive: int, worker: str, block: int | None = None) -> dict[str, Any]:
        """A running close, by member of `CloseInfo`; `endsAt` 0 when there is none."""
        return dict(self.nodes.read(self.call("closeOf", hive, worker), block))

    def claim_of(self, hive: int, worker: str, block: int | None = None) -> int:
        """Micro-coins recorded as owed to a Worker."""
        return int(self.nodes.read(self.call("claimOf", hive, worker), block))

    # ---- Settling ---------------------------------------------------------------------------------------------------

    def simulate_settle(self, hive: int, slot: int, leaves: Sequence[SettleLeaf]) -> int:
        """How many leaves `settle` would apply now, batch by batch; CallReverted when it would be refused."""
        self.check()
        packed = batches(self.ordered(hive, leaves))
        return sum(int(self.simulate_batch(hive, slot, one).result) for one in packed)

    def simulate_batch(self, hive: int, slot: int, packed: bytes) -> Simulation:
        """What one batch would do now."""
        return self.transactions.simulate(self.call("settle", hive, slot, packed))

    def settle(self, hive: int, slot: int, leaves: Sequence[SettleLeaf]) -> tuple[SettlementReceipt, ...]:
        """Settle a period once, whatever happened before; receipts by batch.

        A period with rows goes on with their bytes and ignores `leaves`. Raises the errors of this package; after a
        transient one the same call goes on where it stopped.
        """
        rows = self.rows(hive, slot)
        if not rows and leaves:
            self.check()
            packed = enumerate(batches(self.ordered(hive, leaves)))
            planned = [(_key(hive, slot, number), self.call("settle", hive, slot, one), "") for number, one in packed]
            rows = self.transactions.plan_all(planned)
        return tuple(self.settle_batch(hive, slot, number, _packed(row)) for number, row in enumerate(rows))

    def settle_batch(self, hive: int, slot: int, batch: int, packed: bytes) -> SettlementReceipt:
        """Settle one batch once; bytes planned before win over `packed`. UnexpectedOutcome when a leaf would be
        skipped, or applied, that should not be: nothing is signed then.
        """
        key = _key(hive, slot, batch)
        row = self._intents.get(key)
        if row is None or row.state is IntentState.PLANNED:
            packed = _packed(row) if row else packed
            self._sign_unless_signed(hive, slot, batch, packed)
        receipt = self.transactions.drive(key)
        return self._read(hive, slot, batch, packed if row is None else _packed(row), receipt)

    def _sign_unless_signed(self, hive: int, slot: int, batch: int, packed: bytes) -> None:
        """Signs; when another process of this database settles the same batch meanwhile, its row is gone on with."""
        try:
            self.sign_batch(hive, slot, batch, packed)
        except UnexpectedOutcome:
            row = self._intents.get(_key(hive, slot, batch))
            if row is None or row.state is IntentState.PLANNED:
                raise

    def sign_batch(self, hive: int, slot: int, batch: int, packed: bytes) -> Intent:
        """Plans one batch, compares its simulation with the expectation, and takes it to SIGNED."""
        self.check()
        key, call = _key(hive, slot, batch), self.call("settle", hive, slot, packed)
        applied = self._expected(hive, packed, key, call)
        self.transactions.plan(key, call, str(applied))
        return self.transactions.step(key)

    def rows(self, hive: int, slot: int) -> list[Intent]:
        """The rows of a period, by batch."""
        found = self._intents.find(f"settle/{hive}/{slot}/")
        return sorted(found, key=lambda row: int(row.key.rpartition("/")[2]))

    def receipts(self, hive: int, slot: int) -> tuple[SettlementReceipt, ...]:
        """What the mined batches of a period did, read from the chain again."""
        found = ((row, self.nodes.receipt(row.tx_hash)) for row in self.rows(hive, slot) if row.tx_hash)
        return tuple(
            self._read(hive, slot, int(row.key.rpartition("/")[2]), _packed(row), receipt)
            for row, receipt in found
            if receipt
        )

    def follow(self, hive: int, slot: int) -> tuple[IntentState, ...]:
        """Look at a period's batches again: FINAL when deep enough, SENT again when their block is gone."""
        self.transactions.follow()
        return tuple(row.state for row in self.rows(hive, slot))

    def _expected(self, hive: int, packed: bytes, key: str, call: Call) -> int:
        """How many leaves will be applied; UnexpectedOutcome when simulation and own judgement differ."""
        leaves = unpack_leaves(packed)
        found = self.transactions.simulate(call)
        asked = [self.call("hiveInfo", hive), self.call("poolOf", hive)]
        asked += [self.call("account", hive, leaf.worker) for leaf in leaves]
        info, pool, *accounts = self.nodes.read_many(asked)
        head = self.nodes.head()
        rules = rules_of(info, self._domain, hive, self.sender, head.at_unix_s // SLOT_S, pool["pool"])
        told = None if found.events is None else _skipped((one.topics, one.data) for one in found.events)
        known = {leaf.worker: _account(one) for leaf, one in zip(leaves, accounts, strict=True)}
        skips = expected_skips(leaves, known, rules, told)
        if told is not None and told != skips:
            raise UnexpectedOutcome(key, f"skipped {_shown(skips)}", f"skipped {_shown(told)}")
        if found.result != len(leaves) - len(skips):
            raise UnexpectedOutcome(key, f"{len(leaves) - len(skips)} applied", f"{found.result} applied")
        return len(leaves) - len(skips)

    def ordered(self, hive: int, leaves: Sequence[SettleLeaf]) -> list[SettleLeaf]:
        """Leaves with payers first, by the accounts as the chain has them."""
        found = self.accounts(hive, [leaf.worker.hex() for leaf in leaves])
        return payers_first(leaves, {leaf.worker: found[leaf.worker.hex()].net_micro for leaf in leaves})

    def call(self, function: str, *arguments: Any) -> Call:
        """A call of this contract."""
        return Call(self.contract, CONTRACT, function, arguments)

    def _read(self, hive: int, slot: int, batch: int, packed: bytes, receipt: TxReceipt) -> SettlementReceipt:
        if receipt.block < 1:
            raise NotMinedYet(receipt.tx_hash, 0.0)
        leaves = unpack_leaves(packed)
        asked = [self.call("poolOf", hive), *(self.call("account", hive, leaf.worker) for leaf in leaves)]
        pool_before, *before = self.nodes.read_many(asked, receipt.block - 1)
        pool_after, *after = self.nodes.read_many(asked, receipt.block)
        own = [(log.topics, log.data) for log in receipt.logs if log.address == self.contract]
        told = _settled(own) or {"batch": batch, "root": bytes(32), "feeMicro": 0}
        reasons = _skipped(own)
        outcomes = [
            LeafOutcome(leaf.worker.hex(), reasons.get(leaf.worker.hex(), 0), _account(old), _account(new))
            for leaf, old, new in zip(leaves, before, after, strict=True)
        ]
        return SettlementReceipt(
            tx_hash=receipt.tx_hash,
            status=receipt.status,
            gas_used=receipt.gas_used,
            block=receipt.block,
            block_hash=receipt.block_hash,
            block_unix_s=self.nodes.block(receipt.block).at_unix_s,
            slot=slot,
            batch=int(told["batch"]),
            root=bytes(told["root"]).hex(),
            fee_micro=int(told["feeMicro"]),
            fee_taken_micro=pool_after["fees"] - pool_before["fees"],
            pool_before_micro=pool_before["pool"],
            pool_after_micro=pool_after["pool"],
            packed=packed,
            outcomes=tuple(outcomes),
        )


def _key(hive: int, slot: int, batch: int) -> str:
    return f"settle/{hive}/{slot}/{batch}"


def _packed(row: Intent) -> bytes:
    """The leaves in the call data of `settle(uint32,uint32,bytes)`."""
    length = int.from_bytes(row.data[_SETTLE_ARGUMENTS_BYTES - 32 : _SETTLE_ARGUMENTS_BYTES], "big")
    return row.data[_SETTLE_ARGUMENTS_BYTES : _SETTLE_ARGUMENTS_BYTES + length]


def _has(function: str) -> bool:
    return any(entry.get("name") == function for entry in artifact(CONTRACT).abi if entry["type"] == "function")


def _account(info: Mapping[str, Any]) -> OnchainAccount:
    return OnchainAccount(
        info["funding"],
        info["net"],
        info["imported"],
        info["exported"],
        info["slot"],
        AccountState(info["state"]),
        info["owed"],
        info["payout"],
    )


def _pool(info: Mapping[str, Any]) -> PoolState:
    return PoolState(
        info["pool"],
        info["pending"],
        info["feeDue"],
        info["fees"],
        info["owedAccounts"],
        info["lastSlot"],
        info["nextBatch"],
    )


def _settled(logs: Sequence[tuple[tuple[bytes, ...], bytes]]) -> dict[str, Any] | None:
    for topics, data in logs:
        found = decode_event(CONTRACT, topics, data)
        if found and found[0] == "BatchSettled":
            return found[1]
    return None


def _skipped(logs: Any) -> dict[str, int]:
    """Reason by Worker of the `Skipped` events among some logs."""
    found = (decode_event(CONTRACT, topics, data) for topics, data in logs)
    return {one[1]["worker"]: one[1]["reason"] for one in found if one and one[0] == "Skipped"}


def _shown(skips: Mapping[str, int]) -> str:
    return ", ".join(f"{worker} ({reason})" for worker, reason in sorted(skips.items())) or "none"
