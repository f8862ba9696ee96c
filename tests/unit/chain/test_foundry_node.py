"""The same deployment and settlement on Foundry's node, whose answers are worded differently."""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from honey_edge.wire.signing import KeySigner
from provisioning.demo import chain as demo_chain
from queen_node.chain import CallReverted, IntentState

from .conftest import HIVE, QUEEN_SECRET, START_UNIX_S, WORKER_SECRETS, LocalHive, foundry_node

SLOT = START_UNIX_S // 900 + 95


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
            workers = tuple((KeySigner(secret).address, "serial") for secret in WORKER_SECRETS)
            plan = demo_chain.Deployment(
                HIVE,
                KeySigner(QUEEN_SECRET).address,
                (99).to_bytes(32, "big"),
                workers,
                50_000_000,
                10_000_000,
                START_UNIX_S,
                1_000_000,
                20_000,
                20,
            )
            hive = LocalHive(rpc, demo_chain.deploy(rpc, plan))
            demo_chain.set_time(rpc, START_UNIX_S + 96 * 900)
            yield hive
        finally:
            process.terminate()


def test_the_same_settlement_on_foundrys_node(foundry_hive: LocalHive) -> None:
    queen, leaf = foundry_hive.queen(), foundry_hive.leaf(0, SLOT, 5_000_000)
    assert foundry_hive.book.opening_slot == START_UNIX_S // 900 - 1
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
