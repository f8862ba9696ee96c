"""The demo's local chain: it deploys a Hive, follows the granted time, refuses as nodes do, repeats itself exactly."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, Web3RPCError

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import HiveTerms, Statement
from honey_edge.wire.typed_data import Domain, digest, struct_hash
from provisioning.demo import chain_deploy as chain
from provisioning.demo.broker import free_port
from provisioning.demo.chain_deploy import FAUCET_SECRET, ChainError, Rpc
from provisioning.demo.chain_server import CHAIN_ID, FAUCET

REPOSITORY = Path(__file__).resolve().parents[3]
SLOT = 1_900_000
AT = SLOT * 900 + 840
HIVE = 1
QUEEN_SECRET, OWNER_SECRET = (11).to_bytes(32, "big"), (12).to_bytes(32, "big")
QUEEN = KeySigner(QUEEN_SECRET)
WORKERS = tuple(KeySigner((100 + number).to_bytes(32, "big")) for number in range(3))
TERMS = HiveTerms(HIVE, 1, SLOT + 1, keccak(b"tariff"), 250, 30, 20, 540_000, 25_000, 0, 2)


def deployment(count: int = len(WORKERS)) -> chain.Deployment:
    workers = tuple((signer.address, f"HP-{number}") for number, signer in enumerate(WORKERS[:count]))
    return chain.Deployment(
        QUEEN.address, OWNER_SECRET, workers, 50_000_000, 200_000_000, AT, 540_000, 25_000, 20, TERMS
    )


@contextmanager
def served(unix_s: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "provisioning.demo.chain_server",
        "--port",
        str(port),
        "--time",
        str(unix_s),
    ]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.communicate(timeout=10)


class Bench:
    """A deployed Hive seen through web3, as the Queen sees it."""

    def __init__(self, rpc: str) -> None:
        self.rpc = rpc
        self.book = chain.deploy(rpc, deployment())
        self.web3 = Web3(HTTPProvider(rpc))
        abi = json.loads((REPOSITORY / "contracts/abi/EnergySettlement.json").read_text())["abi"]
        self.settlement = self.web3.eth.contract(address=Web3.to_checksum_address(self.book.settlement), abi=abi)

    def view(self, function: str, *arguments: object) -> dict[str, object]:
        call = getattr(self.settlement.functions, function)(*arguments)
        names = [part["name"] for part in call.abi["outputs"][0]["components"]]
        return dict(zip(names, call.call(), strict=True))

    def account(self, signer: KeySigner) -> dict[str, object]:
        return self.view("account", HIVE, Web3.to_checksum_address(signer.address))

    def packed(self, signer: KeySigner, statement: Statement) -> bytes:
        signature = signer.sign(digest(Domain(self.book.chain_id, self.book.settlement), statement))
        counters = statement.imported.to_bytes(6, "big") + statement.exported.to_bytes(6, "big")
        place = statement.worker + statement.slot.to_bytes(4, "big") + statement.net.to_bytes(8, "big", signed=True)
        return place + counters + statement.readings + signature

    def signed(self, **fields: object) -> bytes:
        nonce = self.web3.eth.get_transaction_count(Web3.to_checksum_address(QUEEN.address))
        fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": self.web3.eth.max_priority_fee}
        full = {"type": 2, "chainId": CHAIN_ID, "nonce": nonce, "value": 0, **fees, **fields}
        return bytes(Account.sign_transaction(full, QUEEN_SECRET).raw_transaction)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with served(AT - 900) as (rpc, _):
        yield Bench(rpc)


def test_accounts_open_together_at_the_time_asked_for(bench: Bench):
    block = bench.web3.eth.get_block(bench.book.blocks)
    assert block["timestamp"] == AT
    assert len(block["transactions"]) == len(WORKERS)
    for signer in WORKERS:
        account = bench.account(signer)
        assert (account["funding"], account["slot"], account["net"]) == (50_000_000, SLOT, 0)


def test_the_hive_has_pool_terms_fee_and_a_queen_with_gas(bench: Bench):
    info = bench.view("hiveInfo", HIVE)
    assert bench.view("poolOf", HIVE)["pool"] == 200_000_000
    assert info["terms"] == struct_hash(TERMS)
    assert info["queen"] == Web3.to_checksum_address(QUEEN.address)
    assert bench.settlement.functions.feeBps().call() == 20
    assert bench.web3.eth.get_balance(Web3.to_checksum_address(QUEEN.address)) > 10**20
    assert KeySigner(FAUCET_SECRET).address == FAUCET


def test_a_statement_settles_once_its_slot_has_come(bench: Bench):
    statement = Statement(HIVE, WORKERS[0].address, SLOT + 2, 1_000, 5_000, 0, keccak(b"readings"))
    call = bench.settlement.functions.settle(HIVE, SLOT + 2, bench.packed(WORKERS[0], statement))
    queen = Web3.to_checksum_address(QUEEN.address)
    with pytest.raises(ContractCustomError):
        call.call({"from": queen})
    chain.set_time(bench.rpc, (SLOT + 3) * 900)
    call.call({"from": queen})
    gas = call.estimate_gas({"from": queen})
    raw = bench.signed(to=bench.settlement.address, data=call._encode_transaction_data(), gas=gas)
    receipt = bench.web3.eth.wait_for_transaction_receipt(bench.web3.eth.send_raw_transaction(raw))
    assert receipt["status"] == 1
    assert receipt["gasUsed"] <= gas
    assert bench.web3.eth.get_block("finalized")["timestamp"] == (SLOT + 3) * 900 + 1
    account = bench.account(WORKERS[0])
    assert (account["slot"], account["net"], account["imported"]) == (SLOT + 2, 1_000, 5_000)
    found = bench.settlement.events.BatchSettled().get_logs(from_block=receipt["blockNumber"])
    assert [log["transactionHash"] for log in found] == [receipt["transactionHash"]]


def test_time_never_goes_back_and_calls_see_it(bench: Bench):
    head = bench.web3.eth.get_block("latest")["timestamp"]
    with Rpc(bench.rpc) as rpc:
        ahead = max(int(rpc.call("hive_setTime", head), 16), head) + 5_000
        assert int(rpc.call("hive_setTime", ahead), 16) == ahead
        assert int(rpc.call("hive_setTime", head), 16) == ahead
        # TIMESTAMP; PUSH0; MSTORE; MSIZE; PUSH0; RETURN as creation code answers the block's time.
        assert int(rpc.call("eth_call", {"data": "0x425f52595ff3"}, "latest"), 16) == ahead
    for expected in (ahead, ahead + 1):
        raw = bench.signed(to=WORKERS[0].address, gas=21_000)
        receipt = bench.web3.eth.wait_for_transaction_receipt(bench.web3.eth.send_raw_transaction(raw))
        assert bench.web3.eth.get_block(receipt["blockHash"])["timestamp"] == expected


def test_a_transaction_is_taken_once(bench: Bench):
    raw = bench.signed(to=WORKERS[0].address, gas=21_000, value=1)
    sent = bench.web3.eth.send_raw_transaction(raw)
    shown = bench.web3.eth.get_transaction(sent)
    old = bench.signed(to=WORKERS[0].address, gas=21_000, value=2, nonce=shown["nonce"])
    early = bench.signed(to=WORKERS[0].address, gas=21_000, nonce=shown["nonce"] + 9)
    head = bench.web3.eth.block_number
    for refused, words in ((raw, "already known"), (old, "nonce too low"), (early, "nonce too high")):
        with pytest.raises(Web3RPCError, match=words):
            bench.web3.eth.send_raw_transaction(refused)
    assert bench.web3.eth.block_number == head
    assert bench.web3.eth.get_transaction_receipt(sent)["transactionIndex"] == 0
    assert bench.web3.eth.get_block("latest", full_transactions=True)["transactions"][0]["hash"] == sent


def test_transactions_sent_together_are_all_taken_or_none(bench: Bench):
    nonce = bench.web3.eth.get_transaction_count(Web3.to_checksum_address(QUEEN.address))
    good = bench.signed(to=WORKERS[1].address, gas=21_000, nonce=nonce)
    gap = bench.signed(to=WORKERS[1].address, gas=21_000, nonce=nonce + 2)
    head = bench.web3.eth.block_number
    with Rpc(bench.rpc) as rpc, pytest.raises(ChainError, match="nonce too high"):
        rpc.call("hive_sendRawTransactions", ["0x" + good.hex(), "0x" + gap.hex()])
    assert bench.web3.eth.block_number == head
    bench.web3.eth.send_raw_transaction(good)
    assert bench.web3.eth.block_number == head + 1


def test_a_revert_answers_its_bytes(bench: Bench):
    call = bench.settlement.encode_abi("deposit", [99, bench.settlement.address, 1])
    answer = bench.web3.provider.make_request("eth_call", [{"to": bench.settlement.address, "data": call}, "latest"])
    selector = keccak(b"UnknownHive(uint32)")[:4]
    assert answer["error"]["code"] == 3
    assert answer["error"]["data"] == "0x" + (selector + (99).to_bytes(32, "big")).hex()


def test_what_the_chain_does_not_know_is_named(bench: Bench):
    with Rpc(bench.rpc) as rpc:
        with pytest.raises(ChainError, match="eth_sign does not exist"):
            rpc.call("eth_sign")
        with pytest.raises(ChainError, match="eth_getBalance"):
            rpc.call("eth_getBalance", "0xnothex")
        with pytest.raises(ChainError, match="not a signed transaction"):
            rpc.call("eth_sendRawTransaction", "0x02")
        assert rpc.call("eth_getTransactionReceipt", "0x" + "00" * 32) is None
        assert rpc.call("eth_getBlockByNumber", "0xffffff", False) is None


def test_fees_are_told_as_nodes_tell_them(bench: Bench):
    history = bench.web3.eth.fee_history(3, "latest", [50.0])
    assert len(history["baseFeePerGas"]) == len(history["reward"]) + 1 == 4
    assert bench.web3.eth.gas_price == history["baseFeePerGas"][-1] + bench.web3.eth.max_priority_fee


def test_the_same_inputs_give_the_same_chain_and_sigterm_ends_it(bench: Bench):
    first = bench.web3.eth.get_block(bench.book.blocks)["hash"]
    with served(AT - 900) as (rpc, process):
        assert chain.deploy(rpc, deployment()) == bench.book
        with Rpc(rpc) as connection:
            assert connection.call("eth_getBlockByNumber", "latest", False)["hash"] == "0x" + first.hex()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == -signal.SIGTERM
        assert process.communicate() == (b"", b"")


def test_a_chain_already_past_the_opening_slot_is_refused():
    with (
        served(AT + 900) as (rpc, _),
        pytest.raises(ChainError, match=f"opened in slot {SLOT + 1} instead of {SLOT}"),
    ):
        chain.deploy(rpc, deployment(1))


def test_an_address_where_nothing_listens_is_named():
    with pytest.raises(ChainError, match="nothing listens"):
        chain.set_time(f"http://127.0.0.1:{free_port()}", AT)
