"""A Queen on a faulty chain: killed at every arrow, reorganised, lied to, out of gas, doubled. One settlement each.

Foundry's node makes the blocks. After every story the contract holds every coin that was paid in, to the unit.
"""

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from queen_node.app.intent_rows import IntentRows
from queen_node.chain import (
    ChainUnreachable,
    FeeCapExceeded,
    GasAccountEmpty,
    IntentState,
    NodesDisagree,
    NonceTaken,
    NotMinedYet,
    SettlementChain,
    WriterBusy,
    WrongChain,
)
from queen_node.chain.panel import Fault
from queen_node.store import Store
from tests.chain_kit.child import FINALITY_BLOCKS
from tests.chain_kit.faulty import FaultyRpc, faulty_rpc
from tests.chain_kit.hive import HIVE, QUEEN_SECRET, SLOT, ChainHive, anvil_hive
from tests.chain_kit.memory import MemoryIntents

KEY = f"settle/{HIVE}/{SLOT}/0"
REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def running() -> Iterator[ChainHive]:
    """A Hive with three Workers."""
    with anvil_hive() as hive:
        yield hive


@pytest.fixture
def hive(running: ChainHive) -> Iterator[ChainHive]:
    """The same Hive as it was at the start, with an empty table, under blocks enough to reorganise away."""
    snapshot = running.anvil.rpc("evm_snapshot")
    running.anvil.mine(12)
    running.intents = MemoryIntents()
    yield running
    running.check_books()
    running.anvil.automine(True)
    running.anvil.drop_all()
    assert running.anvil.rpc("evm_revert", snapshot) is True


@pytest.fixture
def fresh() -> Iterator[ChainHive]:
    """A node of its own: Foundry's loses states when it has gone back to a snapshot and is then reorganised deeply."""
    with anvil_hive() as hive:
        hive.anvil.mine(12)
        yield hive
        hive.check_books()


def finished(hive: ChainHive, queen: SettlementChain) -> None:
    """Takes the period to its end and checks that the Statement was applied once, and every coin is there."""
    receipt = queen.settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    assert receipt.status == 1
    hive.anvil.mine(FINALITY_BLOCKS)
    assert queen.follow(HIVE, SLOT) == (IntentState.FINAL,)
    assert all(row.state is IntentState.FINAL for row in queen.transactions.follow())
    assert (hive.batches(), hive.net_micro(0)) == (1, 5_000_000)
    hive.check_books()


def at_state(hive: ChainHive, queen: SettlementChain, state: str) -> None:
    """Takes a settlement to a state and no further; nothing is mined unless the state is MINED."""
    hive.anvil.automine(False)
    if state == "planned":
        queen.transactions.plan(KEY, queen.call("settle", HIVE, SLOT, hive.leaf(0).packed))
        return
    queen.sign_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    if state == "signed":
        return
    assert queen.transactions.step(KEY).state is IntentState.SENT
    if state == "replaced":
        hive.anvil.drop_all()
        hive.anvil.mine(queen.transactions.policy.replace_after_blocks)
        assert queen.transactions.step(KEY).state is IntentState.REPLACED
    if state == "mined":
        hive.anvil.mine()
        assert queen.transactions.step(KEY).state is IntentState.MINED


# ---- Killed ------------------------------------------------------------------

PLAIN = [
    f"{when}:{state}"
    for state in ("planned", "signed", "broadcast", "sent", "mined", "final")
    for when in ("before", "after")
]
REPLACED = [
    (f"{when}:{state}", time)
    for state, time in (("replaced", 1), ("signed", 2), ("broadcast", 2), ("sent", 2), ("mined", 1), ("final", 1))
    for when in ("before", "after")
]
REORGANISED = [
    (f"{when}:{state}", time)
    for state, time in (("sent", 2), ("broadcast", 2), ("mined", 2), ("final", 1))
    for when in ("before", "after")
]


def killed(hive: ChainHive, db: Path, story: str, arrow: str, time: int = 1) -> int:
    """Runs a Queen in a process of its own; how it ended."""
    asked = {"db": str(db), "rpc": hive.anvil.url, "settlement": hive.settlement, "chain_id": hive.chain_id}
    asked |= {"packed": hive.leaf(0).packed.hex(), "story": story, "arrow": arrow, "time": time}
    command = [sys.executable, "-m", "tests.chain_kit.child", json.dumps(asked)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=60, check=False).returncode


def goes_on(hive: ChainHive, db: Path) -> None:
    """A Queen that starts after the kill ends the period with one settlement and one nonce."""
    store = Store(f"sqlite:///{db}")
    queen = hive.chain(intents=IntentRows(store))
    finished(hive, queen)
    assert hive.anvil.nonce(queen.sender) == 1
    states = [line.state for line in queen.transactions.history(KEY)]
    assert states[0] is IntentState.PLANNED
    assert states[-1] is IntentState.FINAL
    store.close()


@pytest.mark.parametrize("arrow", PLAIN)
def test_killed_on_the_usual_way(hive: ChainHive, tmp_path: Path, arrow: str) -> None:
    db = tmp_path / "queen.sqlite"
    assert killed(hive, db, "plain", arrow) == -signal.SIGKILL
    goes_on(hive, db)


@pytest.mark.deep
@pytest.mark.parametrize(("arrow", "time"), REPLACED)
def test_killed_around_a_replacement(hive: ChainHive, tmp_path: Path, arrow: str, time: int) -> None:
    db = tmp_path / "queen.sqlite"
    assert killed(hive, db, "replaced", arrow, time) == -signal.SIGKILL
    goes_on(hive, db)


@pytest.mark.deep
@pytest.mark.parametrize(("arrow", "time"), REORGANISED)
def test_killed_around_a_reorganisation(hive: ChainHive, tmp_path: Path, arrow: str, time: int) -> None:
    db = tmp_path / "queen.sqlite"
    assert killed(hive, db, "reorganised", arrow, time) == -signal.SIGKILL
    goes_on(hive, db)


def test_a_story_that_is_not_cut_short_ends_final(hive: ChainHive, tmp_path: Path) -> None:
    assert killed(hive, tmp_path / "queen.sqlite", "replaced", "after:nothing") == 0
    goes_on(hive, tmp_path / "queen.sqlite")


# ---- Reorganised -------------------------------------------------------------


DEPTHS = [pytest.param(depth, marks=[] if depth in (1, 10) else pytest.mark.deep) for depth in range(1, 11)]


@pytest.mark.parametrize("state", ["planned", "signed", "sent", "replaced", "mined"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_reorganisation_at_any_state_ends_in_one_settlement(fresh: ChainHive, state: str, depth: int) -> None:
    at_state(fresh, fresh.chain(finality="depth:12"), state)
    fresh.anvil.reorg(depth)
    fresh.anvil.drop_all()
    fresh.anvil.automine(True)
    finished(fresh, fresh.chain(finality=f"depth:{FINALITY_BLOCKS}"))
    assert fresh.intents.rows[KEY].nonce == 0
    if state == "mined":
        assert len(fresh.intents.forms(KEY)) == 1
        assert any("is gone" in line.remark for line in fresh.intents.history(KEY))


def test_a_settlement_that_moved_to_another_block_is_followed_there(hive: ChainHive) -> None:
    queen = hive.chain(finality="depth:5")
    at_state(hive, queen, "mined")
    row = hive.intents.rows[KEY]
    hive.anvil.reorg(2, [("0x" + row.raw.hex(), 1)])
    moved = queen.transactions.step(KEY)
    assert moved.state is IntentState.MINED
    assert (moved.block_hash, moved.tx_hash) != (row.block_hash, "")
    assert moved.block_hash != row.block_hash
    hive.anvil.automine(True)
    hive.anvil.mine(2)
    finished(hive, hive.chain())


# ---- Replaced ----------------------------------------------------------------


def test_a_replaced_transaction_whose_old_form_is_mined_counts_once(hive: ChainHive) -> None:
    queen = hive.chain()
    at_state(hive, queen, "replaced")
    assert queen.transactions.step(KEY).state is IntentState.SIGNED
    old, new = hive.intents.forms(KEY)
    assert old.nonce == new.nonce
    assert new.max_fee_wei * 8 >= old.max_fee_wei * 9
    assert new.tip_wei * 8 >= old.tip_wei * 9
    hive.anvil.rpc("eth_sendRawTransaction", "0x" + old.raw.hex())
    hive.anvil.mine()
    assert queen.transactions.step(KEY).state is IntentState.SENT
    mined = queen.transactions.step(KEY)
    assert (mined.state, mined.tx_hash, mined.raw) == (IntentState.MINED, old.tx_hash, old.raw)
    hive.anvil.automine(True)
    finished(hive, hive.chain())


def test_a_replacement_above_the_cap_leaves_the_old_bytes_waiting(
    hive: ChainHive, caplog: pytest.LogCaptureFixture
) -> None:
    queen = hive.chain()
    at_state(hive, queen, "replaced")
    (form,) = hive.intents.forms(KEY)
    capped = hive.chain(fee_cap_tx_wei=form.cost_wei)
    with caplog.at_level(logging.WARNING):
        assert capped.transactions.step(KEY).state is IntentState.SENT
    assert "replacement_capped" in caplog.text
    assert len(hive.intents.forms(KEY)) == 1
    hive.anvil.automine(True)
    finished(hive, capped)


# ---- RPC addresses -----------------------------------------------------------


def lies_about_code(rpc: FaultyRpc) -> None:
    rpc.lie_about("eth_getCode", "0x6001")


def lies_about_block(rpc: FaultyRpc) -> None:
    def other_hash(method: str, _params: list[Any], truth: Any) -> Any:
        return {**truth, "hash": "0x" + "ab" * 32} if method == "eth_getBlockByNumber" and truth else truth

    rpc.lie = other_hash


def lies_about_calls(rpc: FaultyRpc) -> None:
    rpc.lie_about("eth_call", "0x" + "00" * 384)


def lies_about_receipts(rpc: FaultyRpc) -> None:
    rpc.lie_about("eth_getTransactionReceipt", None)


def is_of_another_chain(rpc: FaultyRpc) -> None:
    rpc.chain_id = 1


def lags(rpc: FaultyRpc) -> None:
    rpc.lag_blocks = 9


def is_dead(rpc: FaultyRpc) -> None:
    rpc.dead = True


def times_out(rpc: FaultyRpc) -> None:
    rpc.hang()


def drops_broadcasts(rpc: FaultyRpc) -> None:
    rpc.drop_broadcasts = True


FAULTS = [
    (lies_about_code, Fault.LIES),
    (lies_about_block, Fault.LIES),
    (lies_about_calls, Fault.LIES),
    (lies_about_receipts, Fault.NONE),
    (is_of_another_chain, Fault.OTHER_CHAIN),
    (lags, Fault.LAGS),
    (is_dead, Fault.DOWN),
    (times_out, Fault.DOWN),
    (drops_broadcasts, Fault.NONE),
]


@pytest.mark.parametrize(("break_it", "fault"), FAULTS)
def test_one_bad_address_of_three_is_set_aside_and_settlement_goes_on(
    hive: ChainHive, caplog: pytest.LogCaptureFixture, break_it: Callable[[FaultyRpc], None], fault: Fault
) -> None:
    with faulty_rpc(hive.anvil.url, 3) as rpcs, caplog.at_level(logging.INFO):
        queen = hive.chain([one.url for one in rpcs], timeout_s=0.5)
        break_it(rpcs[1])
        finished(hive, queen)
        assert list(queen.nodes.panel.faults().values()) == [Fault.NONE, fault, Fault.NONE]
    told = [record for record in caplog.records if record.message.startswith("rpc_aside")]
    assert len(told) == (fault is not Fault.NONE)


@pytest.mark.parametrize("break_it", [is_dead, times_out, lies_about_block, lies_about_calls, is_of_another_chain])
def test_one_bad_address_of_two_stops_settlement_until_it_is_healed(
    hive: ChainHive, break_it: Callable[[FaultyRpc], None]
) -> None:
    with faulty_rpc(hive.anvil.url, 2) as rpcs:
        urls = [one.url for one in rpcs]
        break_it(rpcs[0])
        with pytest.raises((ChainUnreachable, NodesDisagree)) as waits:
            hive.chain(urls, timeout_s=0.5).settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
        assert waits.value.transient
        assert not hive.intents.kept
        rpcs[0].heal()
        finished(hive, hive.chain(urls))


def test_addresses_that_all_belong_to_another_chain_are_refused(hive: ChainHive) -> None:
    with faulty_rpc(hive.anvil.url, 2) as rpcs:
        for rpc in rpcs:
            is_of_another_chain(rpc)
        with pytest.raises(WrongChain, match="chain id 1"):
            hive.chain([one.url for one in rpcs]).check()


def test_an_address_that_died_and_came_back_is_used_again(hive: ChainHive, caplog: pytest.LogCaptureFixture) -> None:
    with faulty_rpc(hive.anvil.url, 2) as rpcs, caplog.at_level(logging.INFO):
        queen = hive.chain([one.url for one in rpcs])
        at_state(hive, queen, "signed")
        rpcs[0].dead = True
        with pytest.raises(ChainUnreachable):
            queen.transactions.step(KEY)
        rpcs[0].heal()
        hive.anvil.automine(True)
        finished(hive, queen)
    assert [record.message.split()[0] for record in caplog.records if "rpc_" in record.message] == [
        "rpc_aside",
        "rpc_back",
    ]


def test_broadcasts_that_are_lost_are_sent_again_with_the_same_bytes(hive: ChainHive) -> None:
    with faulty_rpc(hive.anvil.url) as (rpc,):
        queen = hive.chain([rpc.url])
        rpc.drop_broadcasts = True
        at_state(hive, queen, "sent")
        hive.anvil.automine(True)
        hive.anvil.mine()
        rpc.drop_broadcasts = False
        finished(hive, queen)
        assert len(set(rpc.broadcasts)) == 1
        assert len(rpc.broadcasts) >= 2


def test_every_address_gets_the_broadcast(hive: ChainHive) -> None:
    with faulty_rpc(hive.anvil.url, 3) as rpcs:
        rpcs[2].lag_blocks = 9
        finished(hive, hive.chain([one.url for one in rpcs]))
        assert all(rpc.broadcasts for rpc in rpcs)


# ---- Gas ---------------------------------------------------------------------


def test_an_empty_gas_account_is_told_and_nothing_is_lost(hive: ChainHive) -> None:
    queen = hive.chain()
    hive.anvil.set_balance(queen.sender, 1)
    with pytest.raises(GasAccountEmpty, match=r"has 1 wei, the transaction may cost .* send at least") as empty:
        queen.settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    assert empty.value.place == f"account {queen.sender}"
    assert hive.intents.rows[KEY].state is IntentState.PLANNED
    hive.anvil.set_balance(queen.sender, 10**18)
    finished(hive, hive.chain())


def test_an_account_emptied_after_signing_goes_on_when_it_is_filled(
    hive: ChainHive, caplog: pytest.LogCaptureFixture
) -> None:
    queen = hive.chain()
    at_state(hive, queen, "signed")
    hive.anvil.set_balance(queen.sender, 1)
    with caplog.at_level(logging.WARNING):
        assert queen.transactions.step(KEY).state is IntentState.SENT
    assert "broadcast_refused" in caplog.text
    with pytest.raises(NotMinedYet) as waits:
        queen.transactions.drive(KEY)
    assert waits.value.transient
    hive.anvil.set_balance(queen.sender, 10**18)
    hive.anvil.automine(True)
    hive.anvil.mine()
    finished(hive, queen)
    assert len(hive.intents.forms(KEY)) == 1


def test_the_days_cap_stops_signing(hive: ChainHive) -> None:
    queen = hive.chain()
    finished(hive, queen)
    spent = queen.transactions.spent_today_wei()
    capped = hive.chain(fee_cap_day_wei=spent + 1)
    hive.anvil.set_time((SLOT + 97) * 900)
    with pytest.raises(FeeCapExceeded, match=r"chain\.fee_cap_day_wei"):
        capped.settle_batch(HIVE, SLOT + 96, 0, hive.leaf(1, SLOT + 96).packed)


# ---- Two Queens --------------------------------------------------------------


def test_two_queens_with_one_key_and_two_databases_move_the_money_once(hive: ChainHive) -> None:
    ours, theirs = hive.chain(), hive.chain(intents=MemoryIntents())
    at_state(hive, ours, "signed")
    theirs.sign_batch(HIVE, SLOT, 0, hive.leaf(1).packed)
    hive.anvil.automine(True)
    theirs.transactions.drive(KEY)
    with pytest.raises(NonceTaken, match="nonce 0"):
        ours.transactions.drive(KEY)
    assert hive.intents.rows[KEY].state is IntentState.SENT
    hive.anvil.mine(FINALITY_BLOCKS)
    with pytest.raises(NonceTaken):
        ours.transactions.drive(KEY)
    assert hive.intents.rows[KEY].state is IntentState.PLANNED
    receipt = ours.settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    assert receipt.applied == (hive.workers[0],)
    assert hive.intents.rows[KEY].nonce == 1
    assert (hive.net_micro(0), hive.net_micro(1)) == (5_000_000, 5_000_000)
    hive.check_books()


def test_two_queens_that_settle_the_same_statement_move_the_money_once(hive: ChainHive) -> None:
    ours, theirs = hive.chain(), hive.chain(intents=MemoryIntents())
    theirs.settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    receipt = ours.settle_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    assert receipt.skipped == {hive.workers[0]: 2}
    assert hive.net_micro(0) == 5_000_000
    hive.check_books()


def test_a_nonce_that_nobody_holds_is_filled(hive: ChainHive) -> None:
    """A foreign transaction took our nonce, became final for us, and then the block it was in vanished after all."""
    queen = hive.chain(finality="depth:0")
    at_state(hive, queen, "signed")
    stranger = hive.chain(intents=MemoryIntents())
    stranger.sign_batch(HIVE, SLOT, 0, hive.leaf(1).packed)
    stranger.transactions.step(KEY)
    hive.anvil.mine()
    with pytest.raises(NonceTaken):
        queen.transactions.drive(KEY)
    queen.sign_batch(HIVE, SLOT, 0, hive.leaf(0).packed)
    assert hive.intents.rows[KEY].nonce == 1
    hive.anvil.reorg(1)
    hive.anvil.drop_all()
    hive.anvil.automine(True)
    queen.transactions.follow()
    assert hive.intents.rows[f"gap/{queen.sender}/0"].state is IntentState.SENT
    finished(hive, hive.chain())
    assert hive.anvil.nonce(queen.sender) == 2


def test_two_processes_on_one_database_settle_once(hive: ChainHive, tmp_path: Path) -> None:
    db = tmp_path / "queen.sqlite"
    Store(f"sqlite:///{db}").close()
    asked = {"db": str(db), "rpc": hive.anvil.url, "settlement": hive.settlement, "chain_id": hive.chain_id}
    asked |= {"packed": hive.leaf(0).packed.hex(), "story": "both", "arrow": "", "time": 1}
    command = [sys.executable, "-m", "tests.chain_kit.child", json.dumps(asked)]
    queens = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [queen.communicate(timeout=60)[0].strip() for queen in queens] == ["told to the end True"] * 2
    goes_on(hive, db)


def test_a_process_that_lost_its_lease_can_store_and_send_nothing(hive: ChainHive) -> None:
    queen = hive.chain()
    queen.transactions._holder = "elsewhere:1:a"
    at_state(hive, queen, "signed")
    held = hive.intents.lease(queen.sender)
    assert held is not None
    with queen.transactions._writer().hold() as stale:
        other = hive.chain()
        other.transactions._holder = "elsewhere:2:b"
        with pytest.raises(WriterBusy, match="elsewhere:1:a"):
            other.transactions.step(KEY)
        other.transactions._now = lambda: float(stale.until_unix_s + 1)
        assert other.transactions.step(KEY).state is IntentState.SENT
        row = hive.intents.rows[KEY]
        with pytest.raises(WriterBusy, match="elsewhere:2:b"):
            queen.transactions._saved(row, stale, "too late")
    assert hive.intents.rows[KEY] == row
    assert QUEEN_SECRET not in repr(hive.intents.rows).encode()
