"""The same deployment and settlement on Foundry's node, whose answers are worded differently."""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from honey_edge.wire.signing import KeySigner
from queen_node.chain import CallReverted, IntentState
from queen_node.chain.artifacts import artifact

from .conftest import HIVE, QUEEN_SECRET, START_UNIX_S, WORKER_SECRETS, LocalHive, foundry_node

SLOT = START_UNIX_S // 900 + 95


class _Deployer:
    """Sends as the node's first account, which it has unlocked."""

    def __init__(self, web3: Web3) -> None:
        self.web3, self.me = web3, web3.eth.accounts[0]

    def create(self, name: str, *arguments: Any) -> Any:
        made = artifact(name)
        factory = self.web3.eth.contract(abi=made.abi, bytecode=made.bytecode)
        receipt = self.mined(factory.constructor(*arguments).transact({"from": self.me}))
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=made.abi)

    def send(self, call: Any) -> None:
        assert self.mined(call.transact({"from": self.me}))["status"] == 1

    def mined(self, tx_hash: Any) -> Any:
        return self.web3.eth.wait_for_transaction_receipt(tx_hash, poll_latency=0.01)


def _deployed(web3: Web3, rpc: str) -> LocalHive:
    """A Hive whose accounts opened in the slot before START_UNIX_S; the time stands 96 slots later."""
    node = _Deployer(web3)
    coin, meters = node.create("TestCoin", node.me, 6), node.create("MeterList", node.me)
    settlement = node.create("EnergySettlement", meters.address, node.me, node.me, 20)
    node.send(meters.functions.setSettlement(settlement.address))
    queen = web3.to_checksum_address(KeySigner(QUEEN_SECRET).address)
    terms = (HIVE, 1, 0, bytes(32), 0, 0, 20, 1_000_000, 20_000, 0, 2)
    node.send(meters.functions.createHive(HIVE, node.me, coin.address, queen, 259_200, terms))
    workers = [web3.to_checksum_address(KeySigner(secret).address) for secret in WORKER_SECRETS]
    node.send(meters.functions.listMeters(HIVE, workers, [node.me] * len(workers)))
    node.send(coin.functions.mint(node.me, 10**9))
    node.send(coin.functions.approve(settlement.address, 10**9))
    for worker in workers:
        node.send(settlement.functions.deposit(HIVE, worker, 50_000_000))
    node.mined(web3.eth.send_transaction({"from": node.me, "to": queen, "value": web3.to_wei(9, "ether")}))
    for method, parameters in (("evm_setNextBlockTimestamp", [START_UNIX_S + 96 * 900]), ("evm_mine", [])):
        assert "error" not in web3.provider.make_request(RPCEndpoint(method), parameters)
    plain = [bytes.fromhex(contract.address[2:]) for contract in (coin, settlement)]
    return LocalHive(rpc, web3.eth.chain_id, *plain)


@pytest.fixture
def foundry_hive() -> Iterator[LocalHive]:
    """A Hive on Foundry's node; skips loudly where it is not installed."""
    binary = foundry_node()
    if binary is None:
        pytest.skip("SKIPPED LOUDLY: no anvil (npm ci in contracts), so Foundry's node was not tried")
    command = [str(binary), "--port", "0", "--host", "127.0.0.1", "--timestamp", str(START_UNIX_S - 900)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.split()[-1] for line in process.stdout if line.startswith("Listening on"))
            threading.Thread(target=process.stdout.read, daemon=True).start()
            rpc = f"http://{address}"
            hive = _deployed(Web3(HTTPProvider(rpc)), rpc)
            yield hive
        finally:
            process.terminate()


def test_the_same_settlement_on_foundrys_node(foundry_hive: LocalHive) -> None:
    queen, leaf = foundry_hive.queen(), foundry_hive.leaf(0, SLOT, 5_000_000)
    assert queen.account(HIVE, leaf.worker).slot == START_UNIX_S // 900 - 1
    with pytest.raises(CallReverted, match="PeriodInFuture"):
        queen.simulate_settle(HIVE, SLOT + 1000, [leaf])
    (receipt,) = queen.settle(HIVE, SLOT, [leaf, replace(foundry_hive.leaf(1, SLOT, 7), signature=bytes(64))])
    assert receipt.applied == (leaf.worker.hex(),)
    assert list(receipt.skipped.values()) == [5]
    assert receipt.outcomes[0].before.net_micro == 0
    assert receipt.outcomes[0].after.net_micro == 5_000_000
    (row,) = foundry_hive.intents.intents(HIVE, SLOT)
    foundry_hive.intents.save(replace(row, state=IntentState.SIGNED, block_hash=""))
    assert foundry_hive.queen().settle(HIVE, SLOT, [leaf]) == (receipt,)
    assert queen.pool(HIVE).next_batch == 1
