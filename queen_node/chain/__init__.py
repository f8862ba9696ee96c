"""The Queen's way to the chain; the only part of the Queen that knows web3 and the ABI files.

Importing this package loads no web3: it is loaded by the first call of a `SettlementChain`.
"""

from queen_node.chain.errors import (
    CallReverted,
    ChainError,
    ChainUnreachable,
    CodeMismatch,
    FeeCapExceeded,
    NonceTaken,
    NotMinedYet,
    WrongChain,
)
from queen_node.chain.intents import Intent, IntentState, IntentStore
from queen_node.chain.leaves import MAX_LEAVES, SettleLeaf, batches, pack_leaf, payers_first, unpack_leaves
from queen_node.chain.records import BlockInfo, LeafOutcome, OnchainAccount, PoolState, SettlementReceipt
from queen_node.chain.settlement import SettlementChain

__all__ = [
    "MAX_LEAVES",
    "BlockInfo",
    "CallReverted",
    "ChainError",
    "ChainUnreachable",
    "CodeMismatch",
    "FeeCapExceeded",
    "Intent",
    "IntentState",
    "IntentStore",
    "LeafOutcome",
    "NonceTaken",
    "NotMinedYet",
    "OnchainAccount",
    "PoolState",
    "SettleLeaf",
    "SettlementChain",
    "SettlementReceipt",
    "WrongChain",
    "batches",
    "pack_leaf",
    "payers_first",
    "unpack_leaves",
]
