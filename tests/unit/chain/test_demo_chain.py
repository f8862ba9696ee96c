"""The demo's local chain: its time follows what it is told, its refusals read as a node's, deployment is complete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from provisioning.demo import chain as demo_chain
from queen_node.chain import SettlementChain

from .conftest import HIVE, QUEEN_SECRET, START_UNIX_S, LocalHive, MemoryIntents

REPOSITORY = Path(__file__).resolve().parents[3]


def test_block_times_follow_the_granted_time_and_never_go_back(local_hive: LocalHive) -> None:
    queen = local_hive.queen()
    later = START_UNIX_S + 200 * 900
    demo_chain.set_time(local_hive.rpc, later)
    assert queen.block().at_unix_s == later
    number = queen.block().number
    demo_chain.set_time(local_hive.rpc, later - 900)
    demo_chain.set_time(local_hive.rpc, later)
    assert (queen.block().at_unix_s, queen.block().number) == (later, number)


def test_every_account_is_open_and_funded_in_the_slot_before_the_day(local_hive: LocalHive) -> None:
    queen = local_hive.queen()
    assert local_hive.book.opening_slot == START_UNIX_S // 900 - 1
    for number in range(3):
        account = queen.account(HIVE, local_hive.leaf(number, 1, 0).worker)
        assert (account.funding_micro, account.slot) == (50_000_000, START_UNIX_S // 900 - 1)
        assert account.payout == local_hive.book.owner.hex()
    pool = queen.pool(HIVE)
    assert (pool.pool_micro, pool.pending_micro, pool.fee_due_micro, pool.short) == (10_000_000, 0, 0, False)
    queen.check()


def test_a_refusal_is_a_json_rpc_error(local_hive: LocalHive) -> None:
    with pytest.raises(demo_chain.RpcRefused, match="eth_noSuchThing"):
        demo_chain.request(local_hive.rpc, "eth_noSuchThing")
    web3 = Web3(HTTPProvider(local_hive.rpc))
    transaction = {
        "to": web3.eth.accounts[1],
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10**12,
        "nonce": 5,
        "maxPriorityFeePerGas": 1,
        "chainId": web3.eth.chain_id,
        "type": 2,
    }
    raw = web3.eth.account.sign_transaction(transaction, QUEEN_SECRET).raw_transaction
    with pytest.raises(demo_chain.RpcRefused, match="nonce too high"):
        demo_chain.request(local_hive.rpc, "eth_sendRawTransaction", "0x" + raw.hex())


def test_answers_are_written_as_json_rpc_writes_them() -> None:
    answer = {"a": 5, "b": b"\x01", "c": [True, None, "x"], "d": (2**70,)}
    assert demo_chain.plain(answer) == {"a": "0x5", "b": "0x01", "c": [True, None, "x"], "d": [hex(2**70)]}


def test_it_runs_as_a_process_and_says_its_address() -> None:
    command = [sys.executable, "-m", "provisioning.demo.chain", "--port", "0", "--time", str(START_UNIX_S)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            rpc = process.stdout.readline().strip()
            queen = SettlementChain((rpc,), 0, "00" * 20, QUEEN_SECRET, MemoryIntents())
            assert queen.block().at_unix_s == START_UNIX_S
        finally:
            process.terminate()
        assert process.wait(timeout=10) != 0


def test_a_day_of_the_past_stays_in_the_past() -> None:
    chain = demo_chain.LocalChain(1_400_000_000)
    accounts = chain.answer("eth_accounts", [])["result"]
    chain.answer("eth_sendTransaction", [{"from": accounts[0], "to": accounts[1], "value": "0x1", "gas": "0x5208"}])
    assert chain.answer("eth_getBlockByNumber", ["latest", False])["result"]["timestamp"] == 1_400_000_001
    assert chain.answer("hive_setTime", [1_400_000_900]) == {"result": 1_400_000_900}
    assert chain.answer("eth_getBlockByNumber", ["latest", False])["result"]["timestamp"] == 1_400_000_900
