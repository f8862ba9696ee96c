"""A whole platform on a local node for the life tests: who owns what, signatures by hand, and where every coin is.

Calls are encoded by web3 and digests by the core; the contract is the judge of both. Time is the node's and only moves
when a test says so. Keys are small numbers, known to everybody: for tests only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.types import RPCEndpoint, TxReceipt

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import (
    CloseAgreement,
    CloseRequest,
    HiveTerms,
    MeterCertificate,
    Reading,
    Signed,
    SlotTotals,
    Statement,
    WithdrawPermit,
)
from honey_edge.wire.typed_data import Domain, digest
from queen_node.chain.artifacts import artifact
from queen_node.chain.leaves import pack_leaf

SLOT_S = 900
SLOTS_A_DAY = 96
COIN = 10**6
"""One coin in micro-coins; the test coin has six decimals, so that is also its smallest unit."""
MAX_GAS = 16_000_000
NONE, OPEN, CLOSING, CLOSED = range(4)


def secret(number: int) -> bytes:
    """A published test key."""
    return number.to_bytes(32, "big")


def compact(signature: bytes) -> tuple[bytes, bytes]:
    """r and vs as the contracts take them."""
    return signature[:32], signature[32:]


def words(value: Signed) -> tuple[Any, ...]:
    """A signed structure as web3 takes a tuple; 20-byte members are addresses."""
    members = (getattr(value, name) for name in value.__slots__)
    return tuple(Web3.to_checksum_address(m) if isinstance(m, bytes) and len(m) == 20 else m for m in members)


@dataclass(frozen=True, slots=True)
class Home:
    """A Worker: its device key, its owner's key, and the newest Statement both have signed."""

    device: KeySigner
    owner_secret: bytes
    newest: Statement | None = None

    @property
    def address(self) -> str:
        """Checksummed, as web3 wants it."""
        return Web3.to_checksum_address(self.device.address)

    @property
    def owner(self) -> str:
        """Who is paid."""
        return str(Account.from_key(self.owner_secret).address)


@dataclass(slots=True)
class World:
    """The contracts behind one RPC address, and helpers that act as everybody."""

    rpc: str
    book: dict[str, str]
    coin_address: str
    holders: list[str] = field(default_factory=list)
    web3: Web3 = field(init=False)

    def __post_init__(self) -> None:
        self.web3 = Web3(HTTPProvider(self.rpc, request_kwargs={"timeout": 60}))
        self.settlement = self.at("EnergySettlement", self.book["EnergySettlement"])
        self.keeper = self.at("Beekeeper", self.book["Beekeeper"])
        self.hvt = self.at("HVT", self.book["HVT"])
        self.votes = self.at("StakeVotes", self.book["StakeVotes"])
        self.governor = self.at("HiveGovernor", self.book["HiveGovernor"])
        self.timelock = self.at("HiveTimelock", self.book["HiveTimelock"])
        self.coin = self.at("TestCoin", self.coin_address)
        self.domain = Domain(self.web3.eth.chain_id, bytes.fromhex(self.book["EnergySettlement"]))

    settlement: Any = field(init=False)
    keeper: Any = field(init=False)
    hvt: Any = field(init=False)
    votes: Any = field(init=False)
    governor: Any = field(init=False)
    timelock: Any = field(init=False)
    coin: Any = field(init=False)
    domain: Domain = field(init=False)

    def at(self, name: str, address: str) -> Any:
        """A contract by its committed ABI."""
        place = Web3.to_checksum_address("0x" + address.removeprefix("0x"))
        return self.web3.eth.contract(address=place, abi=artifact(name).abi)

    # ---- Time

    def now(self) -> int:
        """Time of the newest block, unix seconds."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def slot(self) -> int:
        """Slot of the newest block."""
        return self.now() // SLOT_S

    def at_time(self, unix_s: int) -> None:
        """Mines a block at an instant."""
        self._cheat("evm_setNextBlockTimestamp", unix_s)
        self._cheat("evm_mine")

    def after(self, seconds: int) -> None:
        """Lets time pass."""
        self.at_time(self.now() + seconds)

    def snapshot(self) -> str:
        """Remembers the whole chain."""
        return str(self._cheat("evm_snapshot"))

    def revert(self, name: str) -> None:
        """Goes back to a remembered chain."""
        assert self._cheat("evm_revert", name)

    def _cheat(self, method: str, *arguments: Any) -> Any:
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(arguments))
        assert "error" not in answer, answer
        return answer["result"]

    # ---- Transactions

    def give_gas(self, *secrets: bytes) -> None:
        """Native coin for accounts that send."""
        for key in secrets:
            address = Account.from_key(key).address
            self._cheat("anvil_setBalance", address, hex(10**20))

    def send(self, key: bytes, call: Any, gas: int = MAX_GAS) -> TxReceipt:
        """Sends one call or creation as the holder of a key; AssertionError when it reverts."""
        sender = Account.from_key(key)
        if hasattr(call, "call"):
            call.call({"from": sender.address})
        made = call.build_transaction(
            {
                "from": sender.address,
                "nonce": self.web3.eth.get_transaction_count(sender.address),
                "gas": gas,
                "maxFeePerGas": 10**11,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        sent = self.web3.eth.send_raw_transaction(sender.sign_transaction(made).raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        assert receipt["status"] == 1, f"{call} reverted"
        return receipt

    def refusal(self, key: bytes, call: Any) -> str:
        """Name of the error a call is refused with; empty when it would be accepted."""
        try:
            call.call({"from": Account.from_key(key).address})
        except (ContractCustomError, ContractLogicError) as error:
            return self.error_name(str(error.data))
        return ""

    def error_name(self, data: str) -> str:
        """The custom error whose selector revert data begin with."""
        for contract in ("EnergySettlement", "Beekeeper", "HiveGovernor"):
            for entry in artifact(contract).abi:
                if entry["type"] == "error":
                    types = ",".join(item["type"] for item in entry["inputs"])
                    if data[2:10] == keccak(f"{entry['name']}({types})".encode())[:4].hex():
                        return str(entry["name"])
        return data

    # ---- Money

    def mint(self, key: bytes, *receivers: str, amount: int) -> None:
        """Makes test coins; every receiver is watched by `total`."""
        for receiver in receivers:
            self.send(key, self.coin.functions.mint(receiver, amount))
            if receiver not in self.holders:
                self.holders.append(receiver)

    def approve(self, *secrets: bytes) -> None:
        """Lets the settlement contract pull from everybody."""
        for key in secrets:
            self.send(key, self.coin.functions.approve(self.settlement.address, 2**256 - 1))

    def balance(self, address: str) -> int:
        """Coins of an address."""
        return int(self.coin.functions.balanceOf(Web3.to_checksum_address(address)).call())

    def assert_conserved(self, hives: Sequence[int], homes: Sequence[Home]) -> None:
        """Invariant 1 and 2 to the unit: coins held equal what is owed to everybody, and no coin came or went."""
        owed = 0
        for hive in hives:
            pool = self.pool(hive)
            owed += pool["pool"] + pool["fees"] + pool["claimsFunded"] + pool["bond"]
            for home in homes:
                account = self.account(hive, home)
                assert account["funding"] - account["net"] >= 0
                owed += account["funding"] - account["net"]
        assert self.balance(self.settlement.address) == owed
        everywhere = {self.settlement.address, *self.holders, *(home.owner for home in homes)}
        assert sum(self.balance(address) for address in everywhere) == self.coin.functions.totalSupply().call()

    # ---- What the contract says

    def _named(self, view: str, *arguments: Any) -> dict[str, Any]:
        value = self.settlement.functions[view](*arguments).call()
        output = next(e for e in artifact("EnergySettlement").abi if e.get("name") == view)["outputs"][0]
        return {part["name"]: item for part, item in zip(output["components"], value, strict=True)}

    def account(self, hive: int, home: Home) -> dict[str, Any]:
        """`account` by field names."""
        return self._named("account", hive, home.address)

    def pool(self, hive: int) -> dict[str, Any]:
        """`poolOf` by field names."""
        return self._named("poolOf", hive)

    def close_of(self, hive: int, home: Home) -> dict[str, Any]:
        """`closeOf` by field names."""
        return self._named("closeOf", hive, home.address)

    def events(self, receipt: TxReceipt, name: str) -> list[dict[str, Any]]:
        """Arguments of one kind of the settlement contract's events in a receipt."""
        from web3.logs import DISCARD

        found = self.settlement.events[name]().process_receipt(receipt, errors=DISCARD)
        return [dict(event["args"]) for event in found]

    # ---- Signatures

    def signed(self, signer: KeySigner, value: Signed, contract: str = "EnergySettlement") -> tuple[bytes, bytes]:
        """A compact signature, valid for one of the contracts."""
        domain = replace(self.domain, contract=bytes.fromhex(self.book[contract]))
        return compact(signer.sign(digest(domain, value)))

    def certificate(self, certifier: KeySigner, meter: str, serial: str, maker: str, model: str, until: int) -> Any:
        """A certifier's signature for `addMeter`."""
        hashes = [keccak(text.encode()) for text in (serial, maker, model)]
        value = MeterCertificate(bytes.fromhex(meter[2:]), hashes[0], hashes[1], hashes[2], until)
        return self.signed(certifier, value, "Beekeeper")

    def leaf(self, state: Statement, home: Home) -> bytes:
        """A packed leaf for `settle`."""
        r, vs = self.signed(home.device, state)
        return pack_leaf(state.worker, state.slot, state.net, state.imported, state.exported, state.readings, r + vs)


def statement(hive: int, home: Home, slot: int, net: int, opened: int) -> Statement:
    """A Statement whose counters grow with its slot."""
    energy = (slot - opened) * 1_000
    return Statement(hive, home.device.address, slot, net, energy, energy // 2, keccak(slot.to_bytes(4, "big")))


def request(hive: int, home: Home, newest_slot: int, deadline: int) -> CloseRequest:
    """What starts a close."""
    return CloseRequest(hive, home.device.address, newest_slot, deadline)


def agreement(state: Statement, payout: int, deadline: int) -> CloseAgreement:
    """What both sign to close at once."""
    return CloseAgreement(*(getattr(state, name) for name in state.__slots__), payout, deadline)


def terms(hive: int, version: int = 1, from_slot: int = 0) -> HiveTerms:
    """One coin per kWh and 20 kW: five coins a slot at most."""
    return HiveTerms(hive, version, from_slot, b"\1" * 32, 500, 20, 20, COIN, 20_000, COIN, 2)


__all__ = [
    "CLOSED",
    "CLOSING",
    "COIN",
    "NONE",
    "OPEN",
    "SLOTS_A_DAY",
    "SLOT_S",
    "Home",
    "Reading",
    "SlotTotals",
    "WithdrawPermit",
    "World",
    "agreement",
    "request",
    "secret",
    "statement",
    "terms",
    "words",
]
