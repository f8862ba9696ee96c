"""The whole platform on a local node, for measuring gas: Beekeeper, votes, one Hive, helpers that sign and send.

Everything is the committed artifacts, deployed in the order that Beekeeper.sol names. Keys are 1, 2, 3, ...: for
tests only. The node follows the Osaka rules.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from coincurve import PrivateKey
from eth_account import Account
from eth_utils.crypto import keccak
from export_abi import CONTRACTS, native_path
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.types import TxReceipt

from honey_edge.wire import structs
from honey_edge.wire.typed_data import Domain, digest

START = 2_000_000_000 // 900
DAY_SLOTS = 96
FEE_BPS = 20
WINDOW_S = 259_200
COIN = 10**6
HVT = 10**18
HIVE_PRICE, METER_PRICE = 1000 * HVT, 10 * HVT
CERTIFIER = 0xCE47
PER_CALL = 200
# The cap of one transaction under Osaka's rules (EIP-7825).
TX_GAS_CAP = 16_777_216


@contextmanager
def local_node() -> Iterator[str]:
    """Run anvil on a free loopback port under the Osaka rules; yields its address."""
    command = [
        str(native_path("anvil")),
        "--port",
        "0",
        "--hardfork",
        "osaka",
        "--accounts",
        "3",
        "--host",
        "127.0.0.1",
    ]
    command += ["--gas-limit", "60000000", "--timestamp", str(START * 900)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            found = re.match(r"Listening on (\S+)", line)
            if found:
                # The node logs every request: an unread pipe would fill up and stop it.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield f"http://{found.group(1)}"
                return
        raise RuntimeError(f"{command[0]} ended before it listened")
    finally:
        process.terminate()
        process.wait(timeout=10)


class Platform:
    """Deployed contracts and their one user, `me`: owner, Queen, treasury and voter at once.

    Args:
        rpc: address of a fresh node that has unlocked its first account.
    """

    def __init__(self, rpc: str) -> None:
        self.web3 = Web3(HTTPProvider(rpc, request_kwargs={"timeout": 120}))
        accounts = [str(account) for account in self.web3.eth.accounts]
        self.me, self.others = accounts[0], accounts[1:]
        self.chain_id = self.web3.eth.chain_id
        self._keys: dict[str, PrivateKey] = {}
        self.coin = self.deploy("TestCoin", self.me, 6)
        self.hvt = self.deploy("HVT", self.me)
        self.timelock = self.deploy("HiveTimelock")
        implementation = self.deploy("Beekeeper", self.deploy("BeekeeperHives").address)
        certifier = self.key(CERTIFIER)
        limits = (HIVE_PRICE // 10, HIVE_PRICE * 10, METER_PRICE // 10, METER_PRICE * 10)
        arguments = (self.hvt.address, self.timelock.address, self.me, (certifier, self.me, self.me, self.me))
        begin = implementation.encode_abi("initialize", args=[*arguments, HIVE_PRICE, METER_PRICE, limits])
        proxy = self.deploy("ERC1967Proxy", implementation.address, begin).address
        self.beekeeper = self.web3.eth.contract(address=proxy, abi=implementation.abi)
        self.votes = self.deploy("StakeVotes", proxy)
        self.governor = self.deploy("HiveGovernor", self.votes.address, self.timelock.address)
        self.send(self.timelock.functions.handOver(self.governor.address))
        authorities = (proxy, self.me, self.timelock.address, FEE_BPS)
        closing = self.deploy("SettlementClosing", *authorities)
        self.settlement = self.deploy("EnergySettlement", *authorities, closing.address)
        self.send(self.beekeeper.functions.wire(self.votes.address, self.settlement.address))
        self.send(self.beekeeper.functions.addCoin(self.coin.address, "TEST", 1_000_000))
        self.send(self.coin.functions.mint(self.me, 10**16))
        self.send(self.coin.functions.approve(self.settlement.address, 2**256 - 1))
        self.send(self.hvt.functions.approve(proxy, 10**26))

    def deploy(self, name: str, *arguments: Any) -> Any:
        """Deploy a committed artifact."""
        artifact = json.loads((CONTRACTS / "abi" / f"{name}.json").read_text("utf-8"))
        factory = self.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        sent = factory.constructor(*arguments).transact({"from": self.me})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=artifact["abi"])

    def post(self, call: Any, gas: int = TX_GAS_CAP, sender: str | None = None) -> str:
        """Send one call from an unlocked account without waiting for it; gives the transaction's hash."""
        # Everything is named, so that the library asks the node for nothing: setting up takes thousands of these.
        fixed = {"from": sender or self.me, "gas": gas, "gasPrice": 0, "nonce": 0, "value": 0, "chainId": self.chain_id}
        built = call.build_transaction(fixed)
        order = {"from": built["from"], "to": built["to"], "data": built["data"], "gas": hex(gas)}
        return str(self._ask("eth_sendTransaction", order))

    def send(self, call: Any, gas: int = TX_GAS_CAP, sender: str | None = None) -> TxReceipt:
        """Send one call and give its receipt; RuntimeError when it reverted."""
        return self.done(self.post(call, gas, sender), str(call.fn_name))

    def done(self, sent: str, name: str) -> TxReceipt:
        """Wait for a transaction; RuntimeError when it reverted."""
        receipt = self.web3.eth.wait_for_transaction_receipt(HexBytes(sent), poll_latency=0.005)
        if receipt["status"] != 1:
            raise RuntimeError(f"{name} reverted")
        return receipt

    def send_all(self, calls: Iterable[Any], gas: int) -> None:
        """Send many calls, one transaction each, and wait for all."""
        sent = [(self.post(call, gas), str(call.fn_name)) for call in calls]
        for transaction, name in sent:
            self.done(transaction, name)

    def _ask(self, method: str, argument: Any) -> Any:
        answer = self.web3.provider.make_request(method, [argument])  # type: ignore[arg-type]
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def gas(self, call: Any, sender: str | None = None) -> int:
        """Gas used by one call as a transaction."""
        return int(self.send(call, sender=sender)["gasUsed"])

    def move_to(self, unix_s: int) -> None:
        """The next block is made at this time."""
        self._ask("evm_setNextBlockTimestamp", unix_s)

    def now_s(self) -> int:
        """Unix seconds of the newest block."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def key(self, number: int) -> str:
        """Remember a test key; gives its address."""
        key = PrivateKey.from_int(number)
        address: str = Account.from_key(key.secret).address
        self._keys[address] = key
        return address

    def sign(self, signer: str, contract: Any, message: structs.Signed) -> tuple[bytes, bytes]:
        """Signature (r, vs) of a message to a contract, by a remembered key, or by `me`, who is the Queen."""
        key = self._keys.get(signer) or PrivateKey.from_hex(QUEEN_KEY)
        hashed = digest(Domain(self.chain_id, to_bytes(contract.address)), message)
        signature = key.sign_recoverable(hashed, hasher=None)
        vs = int.from_bytes(signature[32:64], "big") | signature[64] << 255
        return signature[:32], vs.to_bytes(32, "big")

    def list_meters(self, meters: list[str]) -> None:
        """Put meters on the Meter List; `me` is their owner."""
        maker, model = keccak(text="Maker"), keccak(text="M1")
        not_after = self.now_s() + 10**8
        certifier, calls = self.key(CERTIFIER), []
        for number, meter in enumerate(meters):
            serial = f"SN-{number:06}"
            certificate = structs.MeterCertificate(to_bytes(meter), keccak(text=serial), maker, model, not_after)
            signature = self.sign(certifier, self.beekeeper, certificate)
            add = self.beekeeper.functions.addMeter
            calls.append(add(meter, self.me, serial, "Maker", "M1", not_after, signature))
        self.send_all(calls, 500_000)

    def terms(self, hive: int) -> tuple[Any, ...]:
        """Terms of a Hive: 1 coin a kWh and 20 kW at most."""
        return (hive, 1, 0, b"\1" * 32, 500, 20, FEE_BPS, 1_000_000, 20_000, 1_000_000, 2)

    def create_hive(self, meters: list[str], points: list[bytes], owner: str | None = None) -> int:
        """Make the next Hive with these meters, paid by `me`; gives the gas used."""
        required, _ = self.beekeeper.functions.priceOf(len(meters)).call()
        terms = self.terms(self.beekeeper.functions.nextHive().call())
        create = self.beekeeper.functions.createHive
        arguments = (required, owner or self.me, self.coin.address, meters, points, self.me, WINDOW_S, terms)
        return self.gas(create(*arguments))


# The first account of every anvil, published: for tests only.
QUEEN_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


def to_bytes(address: str) -> bytes:
    """The 20 bytes of an address."""
    return bytes.fromhex(address[2:])


def points_of(first: int, count: int) -> list[bytes]:
    """Hashes of connection points, numbered from `first`."""
    return [keccak(text=f"point {number}") for number in range(first, first + count)]
