"""Settling on a local chain: results, skips, and the same single settlement wherever the Queen is killed."""

from dataclasses import replace

import pytest

from honey_edge.wire.merkle import merkle_root
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import struct_hash
from provisioning.demo import chain_deploy
from queen_node.chain import (
    CallReverted,
    ChainUnreachable,
    CodeMismatch,
    FeeCapExceeded,
    IntentState,
    NonceTaken,
    SettlementChain,
    WrongChain,
)
from queen_node.chain.records import AccountState
from tests.chain_kit.memory import Killed, MemoryIntents

from .conftest import HIVE, QUEEN_SECRET, START_UNIX_S, LocalHive

SLOT = START_UNIX_S // 900 + 95


def test_a_period_is_settled_with_payers_first(local_hive: LocalHive) -> None:
    queen = local_hive.queen()
    leaves = [local_hive.leaf(1, SLOT, -14_000_000), local_hive.leaf(0, SLOT, 5_000_000)]
    assert queen.simulate_settle(HIVE, SLOT, leaves) == 2
    (receipt,) = queen.settle(HIVE, SLOT, leaves)
    assert receipt.status == 1
    assert receipt.skipped == {}
    assert receipt.batch == 0
    assert receipt.applied == (leaves[1].worker.hex(), leaves[0].worker.hex())
    assert (receipt.fee_micro, receipt.fee_taken_micro) == (10_000, 10_000)
    assert (receipt.pool_before_micro, receipt.pool_after_micro) == (10_000_000, 990_000)
    assert receipt.block_unix_s >= SLOT * 900
    hashes = [
        struct_hash(Statement(HIVE, x.worker, x.slot, x.net_micro, x.import_milliwh, x.export_milliwh, x.readings))
        for x in (leaves[1], leaves[0])
    ]
    assert receipt.root == merkle_root(hashes).hex()
    account = queen.account(HIVE, leaves[0].worker)
    assert (account.net_micro, account.spendable_micro, account.slot) == (-14_000_000, 64_000_000, SLOT)
    assert account.state is AccountState.OPEN
    assert not account.owed
    assert receipt.outcomes[1].after == account
    assert receipt.outcomes[1].before.net_micro == 0


def test_skipped_leaves_are_told_with_their_reason(local_hive: LocalHive) -> None:
    queen = local_hive.queen()
    leaves = [
        local_hive.leaf(0, SLOT, 1_000_000),
        replace(local_hive.leaf(1, SLOT, 7), signature=bytes(64)),
        local_hive.leaf(2, SLOT, -40_000_000),
    ]
    assert queen.simulate_settle(HIVE, SLOT, leaves) == 1
    (receipt,) = queen.settle(HIVE, SLOT, leaves)
    assert receipt.applied == (leaves[0].worker.hex(),)
    assert receipt.skipped == {leaves[1].worker.hex(): 5, leaves[2].worker.hex(): 7}
    assert queen.account(HIVE, leaves[2].worker.hex()).owed
    assert queen.pool(HIVE).short


ARROWS = [
    f"{when}:{state}" for state in ("planned", "signed", "sent", "mined", "final") for when in ("before", "after")
]


@pytest.mark.parametrize("arrow", ARROWS)
def test_a_kill_at_any_state_ends_in_exactly_one_settlement(local_hive: LocalHive, arrow: str) -> None:
    leaf = local_hive.leaf(0, SLOT, 5_000_000)
    local_hive.intents.die_at(arrow)
    with pytest.raises(Killed):
        local_hive.queen().settle(HIVE, SLOT, [leaf])
    local_hive.intents.live()
    queen = local_hive.queen()
    planned = [leaf] if arrow == "before:planned" else [leaf, local_hive.leaf(1, SLOT, 1)]
    (receipt,) = queen.settle(HIVE, SLOT, planned)
    assert receipt.applied == (leaf.worker.hex(),)
    assert queen.pool(HIVE).next_batch == 1
    (row,) = queen.rows(HIVE, SLOT)
    assert row.state is IntentState.FINAL
    assert row.nonce == 0
    assert queen.settle(HIVE, SLOT, [leaf]) == (receipt,) == queen.receipts(HIVE, SLOT)
    assert queen.pool(HIVE).next_batch == 1


def test_the_bytes_are_stored_before_they_are_sent(local_hive: LocalHive) -> None:
    local_hive.intents.die_at("after:signed")
    queen = local_hive.queen()
    with pytest.raises(Killed):
        queen.settle(HIVE, SLOT, [local_hive.leaf(0, SLOT, 5)])
    (row,) = queen.rows(HIVE, SLOT)
    assert row.raw
    assert row.sender == queen.sender
    assert queen.receipts(HIVE, SLOT) == ()
    assert queen.pool(HIVE).next_batch == 0


def test_a_batch_is_final_at_the_depth_the_settings_name(local_hive: LocalHive) -> None:
    queen = local_hive.queen(finality="depth:3")
    queen.settle(HIVE, SLOT, [local_hive.leaf(0, SLOT, 5)])
    assert queen.follow(HIVE, SLOT) == (IntentState.MINED,)
    with chain_deploy.Rpc(local_hive.rpc) as rpc:
        faucet = chain_deploy.Sender(rpc, chain_deploy.FAUCET_SECRET)
        for number in range(3):
            faucet.send(f"block {number}", bytes(20), gas=21_000, value=1)
    assert queen.follow(HIVE, SLOT) == (IntentState.FINAL,)


def test_a_nonce_used_elsewhere_is_told_and_then_signed_anew(local_hive: LocalHive) -> None:
    leaf = local_hive.leaf(0, SLOT, 5)
    local_hive.intents.die_at("after:signed")
    with pytest.raises(Killed):
        local_hive.queen().settle(HIVE, SLOT, [leaf])
    local_hive.intents.live()
    with chain_deploy.Rpc(local_hive.rpc) as rpc:
        chain_deploy.Sender(rpc, QUEEN_SECRET).send("by another", bytes(20), gas=21_000, value=1)
    with pytest.raises(NonceTaken, match="nonce 0 was used by another one"):
        local_hive.queen().settle(HIVE, SLOT, [leaf])
    (receipt,) = local_hive.queen().settle(HIVE, SLOT, [leaf])
    assert receipt.applied == (leaf.worker.hex(),)
    assert local_hive.queen().rows(HIVE, SLOT)[0].nonce == 1


def test_two_periods_use_two_nonces(local_hive: LocalHive) -> None:
    queen = local_hive.queen()
    queen.settle(HIVE, SLOT - 1, [local_hive.leaf(0, SLOT - 1, 5)])
    queen.settle(HIVE, SLOT, [local_hive.leaf(0, SLOT, 6, energy=2000)])
    assert sorted(row.nonce for row in local_hive.intents.rows.values()) == [0, 1]
    assert queen.settle(HIVE, SLOT + 1, []) == ()


def test_what_the_contract_refuses_has_its_name(local_hive: LocalHive) -> None:
    leaf = local_hive.leaf(0, SLOT, 5)
    with pytest.raises(CallReverted, match="PeriodInFuture") as refused:
        local_hive.queen().settle(HIVE, SLOT + 1000, [leaf])
    assert refused.value.name == "PeriodInFuture"
    assert not refused.value.transient
    stranger = SettlementChain(
        (local_hive.rpc,), local_hive.chain_id, local_hive.settlement.hex(), bytes(31) + b"\x05", MemoryIntents()
    )
    with pytest.raises(CallReverted, match="NotQueen"):
        stranger.simulate_settle(HIVE, SLOT, [leaf])


def test_nothing_is_signed_above_the_fee_cap(local_hive: LocalHive) -> None:
    with pytest.raises(FeeCapExceeded, match="the cap is 1000"):
        local_hive.queen(fee_cap_tx_wei=1000).settle(HIVE, SLOT, [local_hive.leaf(0, SLOT, 5)])
    (row,) = local_hive.queen().rows(HIVE, SLOT)
    assert row.state is IntentState.PLANNED
    assert not row.raw


def test_another_chain_or_contract_is_refused_before_signing(local_hive: LocalHive) -> None:
    book, leaf = local_hive, local_hive.leaf(0, SLOT, 5)
    wrong = SettlementChain((local_hive.rpc,), 1, book.settlement.hex(), QUEEN_SECRET, local_hive.intents)
    with pytest.raises(WrongChain, match="the settings have 1"):
        wrong.settle(HIVE, SLOT, [leaf])
    for address, text in ((book.coin.hex(), "is not that of EnergySettlement"), ("0" * 39 + "7", "there is no code")):
        other = SettlementChain((local_hive.rpc,), book.chain_id, address, QUEEN_SECRET, local_hive.intents)
        with pytest.raises(CodeMismatch, match=text):
            other.settle(HIVE, SLOT, [leaf])
    assert not local_hive.intents.rows


def test_a_node_that_is_away_is_a_transient_error() -> None:
    queen = SettlementChain(("http://127.0.0.1:9",), 1, "00" * 20, QUEEN_SECRET, MemoryIntents())
    with pytest.raises(ChainUnreachable) as away:
        queen.block()
    assert away.value.transient
    assert isinstance(away.value, ConnectionError)
    with pytest.raises(ChainUnreachable, match="no RPC address"):
        SettlementChain((), 1, "00" * 20, QUEEN_SECRET, MemoryIntents()).block()
