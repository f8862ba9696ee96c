"""Bench: from `period settle` of 1,000 Workers to a signed transaction, on Foundry's node. Prints one JSON line.

Counted from an opened database and planned leaves: reading all accounts, sorting, packing, simulating, comparing every
leaf, fees, nonce, signing, and the row on disk (a database file with a sync at each commit). Bar: 2 s (issue, Figures).
Reference in the same run: reading the same 1,000 accounts by one request each.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from queen_node.app.intent_rows import IntentRows
from queen_node.chain import IntentState, SettleLeaf, SettlementChain
from queen_node.chain.leaves import batches
from queen_node.store import Store
from tests.chain_kit.anvil import anvil_path
from tests.chain_kit.hive import HIVE, SLOT, ChainHive, anvil_hive

WORKERS = 1_000
DAYS = 3
BAR_S = 2.0


def signed_after_s(queen: SettlementChain, slot: int, leaves: Sequence[SettleLeaf]) -> float:
    """Seconds until the batch is signed and stored; ends the settlement outside of the measured time."""
    start = time.perf_counter()
    (packed,) = batches(queen.ordered(HIVE, leaves))
    row = queen.sign_batch(HIVE, slot, 0, packed)
    took = time.perf_counter() - start
    receipt = queen.settle_batch(HIVE, slot, 0, packed)
    if row.state is not IntentState.SIGNED or len(receipt.applied) != WORKERS:
        raise RuntimeError(f"state {row.state}, {len(receipt.applied)} of {WORKERS} applied")
    return took


def measured(hive: ChainHive, folder: Path) -> dict[str, float]:
    """Best of several days, each by a Queen that has just started, and the reference."""
    times = []
    for day in range(DAYS):
        slot, energy = SLOT + 96 * day, 1_000 * (day + 1)
        leaves = [hive.leaf(number, slot, 1_000_000 * (day + 1), energy) for number in range(WORKERS)]
        hive.anvil.set_time((slot + 1) * 900)
        store = Store(f"sqlite:///{folder}/queen.sqlite")
        times.append(signed_after_s(hive.chain(intents=IntentRows(store), timeout_s=30.0), slot, leaves))
        store.close()
    queen = hive.chain()
    start = time.perf_counter()
    for worker in hive.workers:
        queen.nodes.read(queen.call("account", HIVE, worker), money=False)
    return {"best": min(times), "first": times[0], "one_by_one": time.perf_counter() - start}


def main() -> int:
    """Prints the figure; 1 when the bar is missed, 0 without a node (and says so)."""
    if anvil_path() is None:
        print(json.dumps({"bench": "chain_settle", "skipped": "no anvil: npm ci in contracts"}))
        return 0
    with anvil_hive(WORKERS) as hive, tempfile.TemporaryDirectory() as folder:
        found = measured(hive, Path(folder))
    print(
        json.dumps(
            {
                "bench": "chain_settle",
                "what": f"period settle of {WORKERS} Workers until signed and stored, wall time",
                "own_s": round(found["best"], 3),
                "first_s": round(found["first"], 3),
                "reference": "reading the 1,000 accounts alone, one request each",
                "reference_s": round(found["one_by_one"], 3),
                "bar_s": BAR_S,
                "holds": found["best"] <= BAR_S,
            }
        )
    )
    return 0 if found["best"] <= BAR_S else 1


if __name__ == "__main__":
    sys.exit(main())
