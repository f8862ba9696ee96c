"""A chain in memory behind the Endpoint protocol: blocks, waiting transactions, reorganisations, and every answer a
node can give at the wrong time. Nothing is executed: a transaction's data lands in a block, and that is looked at.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from honey_edge.wire.keccak import keccak
from queen_node.chain.rpc import Refusal, Request, RpcDown
from queen_node.chain.signer import Unsigned

CHAIN_ID = 5
_BASE_FEE = 10**9
_BALANCE = 10**21
_START_UNIX_S = 2_000_000_000


class OpenSigner:
    """Signs nothing: the bytes are the transaction as JSON, so that the fake chain can read it."""

    address = "5e" * 20

    def sign(self, transaction: Unsigned) -> tuple[bytes, str]:
        raw = json.dumps({**asdict(transaction), "data": transaction.data.hex(), "from": self.address}).encode()
        return raw, keccak(raw).hex()


@dataclass
class FakeChain:
    """One chain; several endpoints may show it."""

    blocks: list[list[bytes]] = field(default_factory=lambda: [[]])
    hashes: list[str] = field(default_factory=lambda: ["00" * 32])
    forks: int = 0
    waiting: dict[int, bytes] = field(default_factory=dict)
    balance_wei: int = _BALANCE
    final_depth: int = 3
    result: bytes = bytes(31) + b"\x01"

    def head(self) -> int:
        return len(self.blocks) - 1

    def hash(self, number: int) -> str:
        return self.hashes[number]

    def mined(self) -> list[dict[str, Any]]:
        """All transactions in blocks, in order."""
        return [json.loads(raw) for block in self.blocks for raw in block]

    def count(self, address: str, number: int) -> int:
        return sum(json.loads(raw)["from"] == address for block in self.blocks[: number + 1] for raw in block)

    def take(self, raw: bytes) -> str | None:
        """Takes a transaction among the waiting; the words of a refusal, or None."""
        wanted = json.loads(raw)
        if wanted["nonce"] < self.count(wanted["from"], self.head()):
            return "nonce too low"
        held = self.waiting.get(wanted["nonce"])
        if held == raw:
            return "already known"
        if held is not None:
            before = json.loads(held)
            if (
                wanted["max_fee_wei"] * 10 < before["max_fee_wei"] * 11
                or wanted["tip_wei"] * 10 < before["tip_wei"] * 11
            ):
                return "replacement transaction underpriced"
        if wanted["gas"] * wanted["max_fee_wei"] > self.balance_wei:
            return "insufficient funds for gas"
        self.waiting[wanted["nonce"]] = raw
        return None

    def mine(self) -> None:
        """A block with what can be mined now."""
        block: list[bytes] = []
        nonces = {
            json.loads(raw)["from"]: self.count(json.loads(raw)["from"], self.head()) for raw in self.waiting.values()
        }
        for nonce, raw in sorted(self.waiting.items()):
            sender = json.loads(raw)["from"]
            if nonce == nonces[sender]:
                nonces[sender] += 1
                block.append(raw)
        self.idle(block)

    def idle(self, block: Sequence[bytes] = ()) -> None:
        """A block with nothing, or only this; what waits goes on waiting, be it in vain."""
        self.blocks.append(list(block))
        content = repr((self.hashes[-1], self.forks, self.blocks[-1])).encode()
        self.hashes.append(keccak(content).hex())

    def reorg(self, depth: int, keep: bool) -> None:
        """Replaces the newest blocks by as many empty ones; their transactions wait again, or are lost."""
        depth = min(depth, self.head())
        if not depth:
            return
        gone = [raw for block in self.blocks[-depth:] for raw in block]
        del self.blocks[-depth:], self.hashes[-depth:]
        self.forks += 1
        for _ in range(depth):
            self.idle()
        if keep:
            for raw in gone:
                self.waiting.setdefault(json.loads(raw)["nonce"], raw)


class FakeEndpoint:
    """One RPC address of a fake chain; faults are attributes."""

    def __init__(self, chain: FakeChain, name: str = "fake") -> None:
        self.chain, self.name = chain, name
        self.down = False
        self.loses = False
        self.lag = 0
        self.chain_id = CHAIN_ID
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

    def send(self, requests: Sequence[Request]) -> list[Any]:
        if self.down:
            raise RpcDown(f"{self.name} is down")
        self.asked += [one.method for one in requests]
        return [self._one(one.method, one.params) for one in requests]

    def _one(self, method: str, params: Sequence[Any]) -> Any:
        if method in self.answers:
            return self.answers[method]
        known = getattr(self, "_" + method, None)
        return Refusal(-32601, "method not found") if known is None else known(*params)

    def _head(self) -> int:
        return max(self.chain.head() - self.lag, 0)

    def _number(self, which: Any) -> int | None:
        if isinstance(which, dict):
            wanted = which["blockHash"].removeprefix("0x")
            return self.chain.hashes.index(wanted) if wanted in self.chain.hashes[: self._head() + 1] else None
        if which == "latest":
            return self._head()
        if which == "finalized":
            return max(self._head() - self.chain.final_depth, 0)
        return int(which, 16) if int(which, 16) <= self._head() else None

    def _eth_chainId(self) -> str:
        return hex(self.chain_id)

    def _eth_getBlockByNumber(self, which: Any, _full: bool) -> Any:
        number = self._number(which)
        if number is None:
            return None
        block = {"number": hex(number), "timestamp": hex(_START_UNIX_S + 12 * number), "baseFeePerGas": hex(_BASE_FEE)}
        return {**block, "hash": "0x" + self.chain.hash(number)}

    def _eth_getTransactionCount(self, address: str, which: Any) -> Any:
        number = self._number(which)
        if number is None:
            return Refusal(-32000, "header not found")
        return hex(self.chain.count(address.removeprefix("0x"), number))

    def _eth_getBalance(self, _address: str, _which: Any) -> str:
        return hex(self.chain.balance_wei)

    def _eth_call(self, _call: Any, which: Any) -> Any:
        return Refusal(-32000, "header not found") if self._number(which) is None else "0x" + self.chain.result.hex()

    def _eth_estimateGas(self, _call: Any) -> str:
        return hex(50_000)

    def _eth_getTransactionReceipt(self, wanted: str) -> Any:
        for number in range(self._head() + 1):
            for raw in self.chain.blocks[number]:
                if keccak(raw).hex() == wanted.removeprefix("0x"):
                    return {
                        "transactionHash": wanted,
                        "status": "0x1",
                        "gasUsed": hex(40_000),
                        "effectiveGasPrice": hex(_BASE_FEE),
                        "blockNumber": hex(number),
                        "blockHash": "0x" + self.chain.hash(number),
                        "contractAddress": None,
                        "logs": [],
                    }
        return None

    def _eth_sendRawTransaction(self, raw: str) -> Any:
        content = bytes.fromhex(raw.removeprefix("0x"))
        if self.loses:
            return "0x" + keccak(content).hex()
        words = self.chain.take(content)
        return Refusal(-32000, words) if words else "0x" + keccak(content).hex()
