"""The Queen's way to the chain; the only part of the Queen that knows the contracts' ABI files.

It speaks plain JSON-RPC. Importing it loads neither eth-abi nor eth-account: the first call does.
"""

from queen_node.chain.calls import Call
from queen_node.chain.errors import (
    BadCall,
    CallReverted,
    ChainError,
    ChainUnreachable,
    CodeMismatch,
    FeeCapExceeded,
    GasAccountEmpty,
    NodesDisagree,
    NonceTaken,
    NoSuchIntent,
    NotAllowed,
    NotMinedYet,
    UnexpectedOutcome,
    WriterBusy,
    WrongChain,
)
from queen_node.chain.intents import HistoryLine, Intent, IntentState, IntentStore, Lease, SignedForm
from queen_node.chain.leaves import MAX_LEAVES, SettleLeaf, batches, pack_leaf, payers_first, unpack_leaves
from queen_node.chain.nodes import Nodes
from queen_node.chain.policy import TxPolicy
from queen_node.chain.records import (
    BlockInfo,
    LeafOutcome,
    LogEntry,
    OnchainAccount,
    PoolState,
    SettlementReceipt,
    TxReceipt,
)
from queen_node.chain.settlement import SettlementChain, queen_policy
from queen_node.chain.transactions import Simulation, Transactions

__all__ = [
    "MAX_LEAVES",
    "BadCall",
    "BlockInfo",
    "Call",
    "CallReverted",
    "ChainError",
    "ChainUnreachable",
    "CodeMismatch",
    "FeeCapExceeded",
    "GasAccountEmpty",
    "HistoryLine",
    "Intent",
    "IntentState",
    "IntentStore",
    "LeafOutcome",
    "Lease",
    "LogEntry",
    "NoSuchIntent",
    "Nodes",
    "NodesDisagree",
    "NonceTaken",
    "NotAllowed",
    "NotMinedYet",
    "OnchainAccount",
    "PoolState",
    "SettleLeaf",
    "SettlementChain",
    "SettlementReceipt",
    "SignedForm",
    "Simulation",
    "Transactions",
    "TxPolicy",
    "TxReceipt",
    "UnexpectedOutcome",
    "WriterBusy",
    "WrongChain",
    "batches",
    "pack_leaf",
    "payers_first",
    "queen_policy",
    "unpack_leaves",
]
