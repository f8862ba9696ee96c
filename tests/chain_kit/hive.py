"""A Hive on Foundry's node: contracts from the committed ABI files, open accounts, and the sum of all coins.

Keys are small numbers published here, for tests only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import Domain, digest
from queen_node.chain import Call, Nodes, SettleLeaf, SettlementChain, TxPolicy, queen_policy
from queen_node.chain.artifacts import artifact
from queen_node.chain.calls import CONSTRUCTOR, decode_result
from queen_node.chain.intents import IntentStore

from .anvil import Anvil, running_anvil
from .memory import MemoryIntents

HIVE = 1
START_UNIX_S = 2_222_222 * 900
SLOT = START_UNIX_S // 900 + 95
QUEEN_SECRET = (11).to_bytes(32, "big")
DEPOSIT_MICRO, POOL_MICRO = 50_000_000, 10_000_000
FEE_BPS = 20
_WEI = 10**18
_MANY = 100


def worker_secret(number: int) -> bytes:
    """The key of Worker 0, 1, 2, ...; well known, worth nothing."""
    return (1_000 + number).to_bytes(32, "big")


@dataclass
class ChainHive:
    """Addresses are 40 hex digits; `workers` in the order of their numbers."""

    anvil: Anvil
    owner: str
    coin: str
    settlement: str
    workers: list[str]
    chain_id: int
    intents: MemoryIntents = field(default_factory=MemoryIntents)

    def chain(
        self,
        urls: Sequence[str] = (),
        intents: IntentStore | None = None,
        timeout_s: float = 5.0,
        secret: bytes = QUEEN_SECRET,
        **limits: Any,
    ) -> SettlementChain:
        """A Queen's process that has just started; `limits` are fields of TxPolicy."""
        nodes = Nodes(tuple(urls) or (self.anvil.url,), self.chain_id, timeout_s=timeout_s)
        return SettlementChain(
            (), self.chain_id, self.settlement, secret, intents or self.intents, self.policy(**limits), nodes=nodes
        )

    def policy(self, **limits: Any) -> TxPolicy:
        """Looks often and gives up soon: the node answers at once."""
        return queen_policy(self.settlement, **{"poll_s": 0.01, "mined_within_s": 1.0, **limits})

    def leaf(self, number: int, slot: int = SLOT, net_micro: int = 5_000_000, energy: int = 1_000) -> SettleLeaf:
        """A Statement signed by a Worker."""
        signer = KeySigner(worker_secret(number))
        readings = number.to_bytes(32, "big")
        statement = Statement(HIVE, signer.address, slot, net_micro, energy, energy // 2, readings)
        signature = signer.sign(digest(Domain(self.chain_id, bytes.fromhex(self.settlement)), statement))
        return SettleLeaf(signer.address, slot, net_micro, energy, energy // 2, readings, signature)

    def read(self, target: str, contract: str, function: str, *arguments: Any) -> Any:
        """A view function's answer, straight from the node."""
        call = Call(target, contract, function, arguments)
        answer = self.anvil.rpc("eth_call", {"to": "0x" + target, "data": "0x" + call.data.hex()}, "latest")
        return decode_result(call, bytes.fromhex(answer[2:]))

    def net_micro(self, number: int) -> int:
        """What a Worker owes on the chain."""
        info = self.read(self.settlement, "EnergySettlement", "account", HIVE, self.workers[number])
        return int(info["net"])

    def batches(self) -> int:
        """How many `settle` were carried out, in all periods."""
        topic = artifact_topic("BatchSettled")
        query = {"address": "0x" + self.settlement, "fromBlock": "0x0", "toBlock": "latest", "topics": [topic]}
        return len(self.anvil.rpc("eth_getLogs", query))

    def books(self) -> tuple[int, int]:
        """(coins the contract holds, what it owes to all) in micro-coins; equal when no coin was lost or made."""
        held = self.read(self.coin, "TestCoin", "balanceOf", self.settlement)
        pool = self.read(self.settlement, "EnergySettlement", "poolOf", HIVE)
        owed = pool["pool"] + pool["fees"] + pool.get("bond", 0) + pool.get("claimsFunded", 0)
        for worker in self.workers:
            info = self.read(self.settlement, "EnergySettlement", "account", HIVE, worker)
            owed += info["funding"] - info["net"]
        return int(held), int(owed)

    def check_books(self) -> None:
        """All coins that were paid in are there, and each belongs to somebody."""
        paid_in = DEPOSIT_MICRO * len(self.workers) + POOL_MICRO
        assert self.books() == (paid_in, paid_in)


def artifact_topic(event: str) -> str:
    """An event's first topic as 0x text."""
    from queen_node.chain.calls import event_topic

    return "0x" + event_topic("EnergySettlement", event).hex()


class Deployer:
    """Sends as the node's first account, which the node has unlocked."""

    def __init__(self, anvil: Anvil) -> None:
        self._anvil = anvil
        self.address = str(anvil.rpc("eth_accounts")[0])[2:].lower()

    def create(self, contract: str, *arguments: Any) -> str:
        """Deploys a contract; its address."""
        receipt = self._done(Call("", contract, CONSTRUCTOR, arguments), 16_000_000)
        return str(receipt["contractAddress"])[2:].lower()

    def send(self, target: str, contract: str, function: str, *arguments: Any, gas: int = 16_000_000) -> Any:
        """Calls a function in a transaction; its receipt."""
        return self._done(Call(target, contract, function, arguments), gas)

    def send_many(self, calls: Sequence[Call], gas: int = 300_000) -> None:
        """Sends calls, a hundred a block."""
        self._anvil.automine(False)
        for start in range(0, len(calls), _MANY):
            sent = [self._sent(call, gas) for call in calls[start : start + _MANY]]
            self._anvil.mine()
            for one in sent:
                self._check(one)
        self._anvil.automine(True)

    def pay(self, address: str, wei: int) -> None:
        """Native coin for gas."""
        self._anvil.set_balance(address, wei)

    def _done(self, call: Call, gas: int) -> Any:
        return self._check(self._sent(call, gas))

    def _sent(self, call: Call, gas: int) -> str:
        message = {"from": "0x" + self.address, "data": "0x" + call.data.hex(), "gas": hex(gas)}
        return str(
            self._anvil.rpc("eth_sendTransaction", message | ({"to": "0x" + call.target} if call.target else {}))
        )

    def _check(self, tx_hash: str) -> Any:
        receipt = self._anvil.receipt(tx_hash)
        assert int(receipt["status"], 16) == 1, receipt
        return receipt


def deployed(anvil: Anvil, count: int) -> ChainHive:
    """A Hive with `count` open accounts; the time stands 96 slots after they opened."""
    me = Deployer(anvil)
    coin, meters = me.create("TestCoin", me.address, 6), me.create("MeterList", me.address)
    settlement = _settlement(me, meters)
    me.send(meters, "MeterList", "setSettlement", settlement)
    queen = KeySigner(QUEEN_SECRET).address.hex()
    terms = (HIVE, 1, 0, bytes(32), 0, 0, FEE_BPS, 1_000_000, 20_000, 0, 2)
    me.send(meters, "MeterList", "createHive", HIVE, me.address, coin, queen, 259_200, terms)
    workers = [KeySigner(worker_secret(number)).address.hex() for number in range(count)]
    for start in range(0, count, _MANY):
        part = workers[start : start + _MANY]
        me.send(meters, "MeterList", "listMeters", HIVE, part, [me.address] * len(part))
    total = DEPOSIT_MICRO * count + POOL_MICRO
    me.send(coin, "TestCoin", "mint", me.address, total)
    me.send(coin, "TestCoin", "approve", settlement, total)
    me.send(settlement, "EnergySettlement", "fundPool", HIVE, POOL_MICRO)
    me.send_many([Call(settlement, "EnergySettlement", "deposit", (HIVE, worker, DEPOSIT_MICRO)) for worker in workers])
    me.pay(queen, 9 * _WEI)
    anvil.set_time(START_UNIX_S + 96 * 900)
    return ChainHive(anvil, me.address, coin, settlement, workers, int(anvil.rpc("eth_chainId"), 16))


def _settlement(me: Deployer, meters: str) -> str:
    """EnergySettlement, with its second piece where it has one."""
    authorities = (meters, me.address, me.address, FEE_BPS)
    made = next(entry for entry in artifact("EnergySettlement").abi if entry["type"] == "constructor")
    if len(made["inputs"]) == len(authorities):
        return me.create("EnergySettlement", *authorities)
    return me.create("EnergySettlement", *authorities, me.create("SettlementClosing", *authorities))


@contextmanager
def anvil_hive(count: int = 3, *options: str) -> Iterator[ChainHive]:
    """A node and a Hive on it for the length of a block."""
    with running_anvil(START_UNIX_S - 900, *options) as anvil:
        yield deployed(anvil, count)
