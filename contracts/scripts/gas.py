"""Measure the gas of `settle` as real transactions on a local node, and keep the figures in gas-snapshot.json.

    python contracts/scripts/gas.py            measure and compare with the snapshot (1 when it differs by over 2 %)
    python contracts/scripts/gas.py --write    measure and renew the snapshot, on purpose

Real transactions include the 21,000 base and the calldata; the node follows the Osaka rules. Every account was
settled once before (so its words go from non-zero to non-zero), the platform fee is 20 basis points, and every
Worker pays. Needs `npm ci` (anvil) and the Queen's Python packages. Keys are 1, 2, 3, ...: for tests only.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from export_abi import source_hash
from web3 import HTTPProvider, Web3
from web3.types import TxReceipt

CONTRACTS = Path(__file__).resolve().parents[1]
SNAPSHOT = CONTRACTS / "gas-snapshot.json"
GOALS = {"10": 18_500, "100": 13_500, "1000": 13_000}
ALLOWED_CHANGE = 0.02
HIVE = 1
START = 2_000_000_000 // 900
STATEMENT = [
    ("hive", "uint32"),
    ("worker", "address"),
    ("slot", "uint32"),
    ("net", "int64"),
    ("imported", "uint48"),
    ("exported", "uint48"),
    ("readings", "bytes32"),
]


def node_path() -> Path:
    """The native anvil from npm for this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    folder = CONTRACTS / "node_modules" / "@foundry-rs" / f"anvil-{platform.system().lower()}-{machine}"
    return folder / "bin" / "anvil"


@contextmanager
def local_node() -> Iterator[str]:
    """Run anvil on a free loopback port under the Osaka rules; yields its address."""
    command = [
        str(node_path()),
        "--port",
        "0",
        "--hardfork",
        "osaka",
        "--accounts",
        "1",
        "--gas-limit",
        "60000000",
        "--timestamp",
        str(START * 900),
        "--host",
        "127.0.0.1",
    ]
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


class Bench:
    """A deployed Hive with `count` funded Workers on a node that has unlocked its first account."""

    def __init__(self, rpc: str, count: int) -> None:
        self.web3 = Web3(HTTPProvider(rpc, request_kwargs={"timeout": 120}))
        self.me = self.web3.eth.accounts[0]
        self.keys = [PrivateKey.from_int(number) for number in range(1, count + 1)]
        self.workers = [Account.from_key(key.secret).address for key in self.keys]
        self.meter_list = self.deploy("MeterList", self.me)
        self.settlement = self.deploy("EnergySettlement", self.meter_list.address, self.me, self.me, 20)
        self.coin = self.deploy("TestCoin", self.me, 6)
        self.send(self.meter_list.functions.setSettlement(self.settlement.address))
        terms = (HIVE, 1, 0, b"\1" * 32, 500, 20, 20, 1_000_000, 20_000, 1_000_000, 2)
        self.send(self.meter_list.functions.createHive(HIVE, self.me, self.coin.address, self.me, 259_200, terms))
        for start in range(0, count, 200):
            part = self.workers[start : start + 200]
            self.send(self.meter_list.functions.listMeters(HIVE, part, [self.me] * len(part)))
        self.send(self.coin.functions.mint(self.me, 10**15))
        self.send(self.coin.functions.approve(self.settlement.address, 10**15))
        self.deposit(self.workers[0])
        self.first_deposit = self.deposit(self.workers[1])
        for worker in self.workers[2:]:
            self.deposit(worker)
        self.top_up = self.deposit(self.workers[0])
        self.send(self.settlement.functions.fundPool(HIVE, 10**9))

    def deploy(self, name: str, *arguments: Any) -> Any:
        """Deploy a committed artifact."""
        artifact = json.loads((CONTRACTS / "abi" / f"{name}.json").read_text("utf-8"))
        factory = self.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        receipt = self.web3.eth.wait_for_transaction_receipt(
            factory.constructor(*arguments).transact({"from": self.me}), poll_latency=0.01
        )
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=artifact["abi"])

    def send(self, call: Any, gas: int = 16_777_216) -> TxReceipt:
        """Send one call and give its receipt; RuntimeError when it reverted."""
        sent = call.transact({"from": self.me, "gas": gas})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        if receipt["status"] != 1:
            raise RuntimeError(f"{call.fn_name} reverted")
        return receipt

    def deposit(self, worker: str) -> int:
        """Deposit 1,000 coins; gives the gas used."""
        return int(self.send(self.settlement.functions.deposit(HIVE, worker, 10**9), 300_000)["gasUsed"])

    def leaf(self, index: int, slot: int, net: int) -> bytes:
        """One packed leaf, 140 bytes, signed by its Worker; hashed by eth-account."""
        readings = keccak(bytes([1, index % 256]))
        values = (HIVE, self.workers[index], slot, net, 5_000_000 + net, 1_000_000 + net, readings)
        typed = encode_typed_data(
            {
                "name": "Hive Settlement",
                "version": "1",
                "chainId": self.web3.eth.chain_id,
                "verifyingContract": self.settlement.address,
            },
            {"Statement": [{"name": name, "type": kind} for name, kind in STATEMENT]},
            {name: value for (name, _), value in zip(STATEMENT, values, strict=True)},
        )
        signature = self.keys[index].sign_recoverable(keccak(b"\x19\x01" + typed.header + typed.body), hasher=None)
        vs = int.from_bytes(signature[32:64], "big") | signature[64] << 255
        return (
            bytes.fromhex(self.workers[index][2:])
            + slot.to_bytes(4, "big")
            + net.to_bytes(8, "big", signed=True)
            + values[4].to_bytes(6, "big")
            + values[5].to_bytes(6, "big")
            + values[6]
            + signature[:32]
            + vs.to_bytes(32, "big")
        )

    def settle(self, count: int, slot: int, net: int) -> int:
        """Settle the first `count` Workers; gives the gas used, RuntimeError when a leaf was skipped."""
        self.web3.provider.make_request("evm_setNextBlockTimestamp", [(slot + 1) * 900])  # type: ignore[arg-type]
        packed = b"".join(self.leaf(index, slot, net) for index in range(count))
        receipt = self.send(self.settlement.functions.settle(HIVE, slot, packed))
        if len(receipt["logs"]) != 1:
            raise RuntimeError(f"{len(receipt['logs']) - 1} of {count} leaves were skipped")
        return int(receipt["gasUsed"])


def measure() -> dict[str, Any]:
    """Gas figures: settle per Worker and in total for each batch size, first deposit, top-up."""
    with local_node() as rpc:
        bench = Bench(rpc, 1000)
        figures: dict[str, Any] = {"first_deposit": bench.first_deposit, "top_up": bench.top_up, "settle": {}}
        bench.settle(1000, START + 96, 1_000_000)
        for day, count in enumerate((10, 100, 1000), start=2):
            total = bench.settle(count, START + 96 * day, 1_000_000 * day + 1234)
            figures["settle"][str(count)] = {"total": total, "per_worker": -(-total // count)}
    return figures


def problems(measured: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """What is wrong with a measurement: a goal missed, or over 2 % away from the snapshot."""
    found = []
    for count, goal in GOALS.items():
        now, before = measured["settle"][count]["per_worker"], stored["settle"][count]["per_worker"]
        if now > goal:
            found.append(f"settle of {count}: {now} gas per Worker, the goal is {goal}")
        if abs(now - before) > ALLOWED_CHANGE * before:
            found.append(f"settle of {count}: {now} gas per Worker, the snapshot has {before}: explain, then --write")
    for name in ("first_deposit", "top_up"):
        if abs(measured[name] - stored[name]) > ALLOWED_CHANGE * stored[name]:
            found.append(f"{name}: {measured[name]} gas, the snapshot has {stored[name]}: explain, then --write")
    return found


def main() -> int:
    """Command line; 0 when the figures hold, 1 when not."""
    parser = argparse.ArgumentParser(description="Gas of settle as real transactions.")
    parser.add_argument("--write", action="store_true", help="renew the snapshot")
    arguments = parser.parse_args()
    measured = measure()
    print(json.dumps(measured, indent=1, sort_keys=True))
    if arguments.write:
        measured["sourceHash"] = source_hash()
        SNAPSHOT.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", "utf-8")
    found = problems(measured, json.loads(SNAPSHOT.read_text("utf-8")))
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
