"""How fast a Queen with 10,000 pending events catches up on Foundry's node, against reading the same logs bare.

The events are the contract's own: 1,000 accounts opened and funded, settled once, and the same 1,000 Statements handed
in again, each of which the contract skips with an event. The Queen reads with her usual checks, decodes, stores and
reads all accounts again; the reference asks the same node for the same ranges with `eth_getLogs` and parses the JSON,
in the same run. Prints JSON lines. Bar: 1,000 events a second.
"""

import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from honey_edge.wire.signing import KeySigner
from queen_node.app.chain_follow import LARGEST_SPAN, ChainFollower
from queen_node.app.chain_source import SettlementSource
from queen_node.chain.calls import Call
from queen_node.settings import EnrolledWorker
from queen_node.store import Store, chain_events
from tests.chain_kit.hive import HIVE, QUEEN_SECRET, SLOT, ChainHive, anvil_hive

WORKERS = 1_000
SKIPPED = 8
RUNS = 3
BAR_PER_S = 1_000
_GAS = 16_700_000


def settle_again_and_again(hive: ChainHive) -> None:
    """One settlement of all Workers and SKIPPED more of the same leaves, sent by the Queen's account."""
    anvil, queen = hive.anvil, KeySigner(QUEEN_SECRET).address.hex()
    anvil.rpc("anvil_impersonateAccount", "0x" + queen)
    anvil.set_balance(queen, 10**21)
    packed = b"".join(hive.leaf(number, SLOT, 1).packed for number in range(WORKERS))
    call = Call(hive.settlement, "EnergySettlement", "settle", (HIVE, SLOT, packed))
    message = {"from": "0x" + queen, "to": "0x" + call.target, "data": "0x" + call.data.hex(), "gas": hex(_GAS)}
    for _ in range(1 + SKIPPED):
        assert int(anvil.receipt(anvil.rpc("eth_sendTransaction", message))["status"], 16) == 1


def reference_s(hive: ChainHive) -> float:
    """Seconds to fetch and parse the same logs without doing anything with them."""
    started = time.perf_counter()
    for first in range(0, hive.anvil.number + 1, LARGEST_SPAN):
        query = {
            "address": "0x" + hive.settlement, "fromBlock": hex(first), "toBlock": hex(first + LARGEST_SPAN - 1),
            "topics": [None, f"0x{HIVE:064x}"],
        }  # fmt: skip
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [query]}).encode()
        request = urllib.request.Request(hive.anvil.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            assert json.loads(response.read())["result"]
    return time.perf_counter() - started


def catch_up_s(hive: ChainHive) -> tuple[float, int]:
    """Seconds for a Queen who has been away from the start, and how many events she then has stored."""
    chain = hive.chain()
    enrolled = [EnrolledWorker(worker, f"HW-{number}", 0, 0) for number, worker in enumerate(hive.workers)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'bench.sqlite'}")
        follower = ChainFollower(store, SettlementSource(chain.nodes, hive.settlement, HIVE, 2), enrolled)
        started = time.perf_counter()
        while not follower.step(0).at_head:
            pass
        took = time.perf_counter() - started
        with store.begin() as tx:
            count = sum(chain_events.events_counted(tx).values())
        store.close()
    return took, count


def main() -> int:
    """Prints the figures; 1 when the bar is missed, 0 otherwise."""
    with anvil_hive(WORKERS) as hive:
        settle_again_and_again(hive)
        references, runs = [], []
        for _ in range(RUNS):
            references.append(reference_s(hive))
            runs.append(catch_up_s(hive))
    took, count = sorted(runs)[RUNS // 2]
    reference = sorted(references)[RUNS // 2]
    held = count >= 10_000 and count / took >= BAR_PER_S
    line = {
        "bench": "queen chain events",
        "figure": "pending events stored",
        "events": count,
        "seconds": round(took, 2),
        "events_per_s": round(count / took),
        "reference": "eth_getLogs and JSON only",
        "reference_s": round(reference, 2),
        "ratio": round(took / reference, 2),
        "bar_events_per_s": BAR_PER_S,
        "held": held,
    }
    print(json.dumps(line), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
