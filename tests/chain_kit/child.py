"""A Queen's settlement in a process of its own, which kills itself at a named arrow of the transaction diagram.

    python -m tests.chain_kit.child '{"db": ..., "rpc": ..., "settlement": ..., "chain_id": ..., "packed": hex,
                                      "story": "plain|replaced|reorganised", "arrow": "after:signed", "time": 1}'

Arrows are before:STATE and after:STATE (a row is stored) and before:broadcast, after:broadcast; `time` counts them.
Ends with SIGKILL at the arrow; with 0, and a line saying so, when the story is over before.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from queen_node.app.intent_rows import IntentRows
from queen_node.chain import ChainError, Intent, IntentState, Lease, Nodes, SettlementChain, SignedForm, queen_policy
from queen_node.chain.nodes import Broadcast
from queen_node.store import Store
from tests.chain_kit.anvil import Anvil
from tests.chain_kit.faulty import FaultyRpc
from tests.chain_kit.hive import HIVE, QUEEN_SECRET, SLOT

FINALITY_BLOCKS = 3


class Fuse:
    """Kills this process when an arrow is passed for the given time."""

    def __init__(self, arrow: str, time: int) -> None:
        self._arrow, self._time = arrow, time
        self._passed: Counter[str] = Counter()

    def passes(self, arrow: str) -> None:
        self._passed[arrow] += 1
        if arrow == self._arrow and self._passed[arrow] == self._time:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalRows(IntentRows):
    """The Queen's rows with a fuse at every store."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        super().__init__(store)
        self._fuse = fuse

    def plan(self, rows: Sequence[Intent]) -> None:
        self._fuse.passes("before:planned")
        super().plan(rows)
        self._fuse.passes("after:planned")

    def save(self, intent: Intent, lease: Lease, remark: str, form: SignedForm | None = None) -> bool:
        self._fuse.passes(f"before:{intent.state.value}")
        saved = super().save(intent, lease, remark, form)
        self._fuse.passes(f"after:{intent.state.value}")
        return saved


class MortalNodes(Nodes):
    """The RPC addresses with a fuse at every broadcast."""

    fuse: Fuse

    def broadcast(self, raw: bytes) -> Broadcast:
        self.fuse.passes("before:broadcast")
        told = super().broadcast(raw)
        self.fuse.passes("after:broadcast")
        return told


def open_queen(db: Path, urls: Sequence[str], settlement: str, chain_id: int, fuse: Fuse) -> SettlementChain:
    """A Queen that may die."""
    nodes = MortalNodes(urls, chain_id, timeout_s=10.0)
    nodes.fuse = fuse
    rows = MortalRows(Store(f"sqlite:///{db}"), fuse)
    policy = queen_policy(settlement, poll_s=0.01, mined_within_s=1.0)
    return SettlementChain((), chain_id, settlement, QUEEN_SECRET, rows, policy, nodes=nodes)


def plain(queen: SettlementChain, anvil: Anvil, _proxy: FaultyRpc, packed: bytes) -> None:
    """The usual way to FINAL."""
    queen.settle_batch(HIVE, SLOT, 0, packed)
    anvil.mine(FINALITY_BLOCKS)
    queen.transactions.follow()


def replaced(queen: SettlementChain, anvil: Anvil, proxy: FaultyRpc, packed: bytes) -> None:
    """Nobody mines the first form; the second, dearer one gets through."""
    key = f"settle/{HIVE}/{SLOT}/0"
    proxy.drop_broadcasts = True
    queen.sign_batch(HIVE, SLOT, 0, packed)
    queen.transactions.step(key)
    anvil.mine(FINALITY_BLOCKS)
    queen.transactions.step(key)
    queen.transactions.step(key)
    proxy.drop_broadcasts = False
    plain(queen, anvil, proxy, packed)


def reorganised(queen: SettlementChain, anvil: Anvil, proxy: FaultyRpc, packed: bytes) -> None:
    """The block with the settlement vanishes before it is final."""
    queen.settle_batch(HIVE, SLOT, 0, packed)
    anvil.reorg(1)
    anvil.drop_all()
    plain(queen, anvil, proxy, packed)


def both(queen: SettlementChain, anvil: Anvil, proxy: FaultyRpc, packed: bytes) -> None:
    """One of two Queens on one database: comes again while the other writes."""
    while True:
        try:
            plain(queen, anvil, proxy, packed)
        except ChainError as error:
            if error.transient:
                continue
            raise
        return


STORIES = {"plain": plain, "replaced": replaced, "reorganised": reorganised, "both": both}


def main(text: str) -> int:
    """Runs a story; 0 when it is told to the end."""
    asked: dict[str, Any] = json.loads(text)
    fuse = Fuse(asked["arrow"], asked["time"])
    proxy = FaultyRpc(asked["rpc"])
    queen = open_queen(Path(asked["db"]), [proxy.url], asked["settlement"], asked["chain_id"], fuse)
    STORIES[asked["story"]](queen, Anvil(asked["rpc"]), proxy, bytes.fromhex(asked["packed"]))
    states = [row.state for row in queen.rows(HIVE, SLOT)]
    print("told to the end", states == [IntentState.FINAL])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
