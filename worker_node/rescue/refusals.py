"""What the contract says when it refuses a close, in words: a table of its errors that a test compares with the ABI."""

from honey_edge.wire.keccak import keccak
from worker_node.chain_eye.rpc import NodeRefused
from worker_node.chain_eye.views import WORD

ERRORS = {
    "UnknownHive(uint32)": "the contract does not know this Hive",
    "WrongHive(uint32,uint32)": "request and Statement are of two Hives",
    "WrongWorker(address,address)": "request and Statement are of two Workers",
    "InvalidSignature(address)": "a signature is not that of the expected key",
    "TooEarly(uint256)": "the window is not over yet",
    "WindowOver(uint256)": "the window for a newer Statement is over",
    "AccountNotOpen(uint32,address)": "the account is not open",
    "AccountNotClosed(uint32,address)": "the account is not closed",
    "AccountClosing(uint32,address)": "a close runs already",
    "NoCloseRunning(uint32,address)": "no close runs for this account",
    "NothingToClaim(uint32)": "the pool has put nothing aside for this claim yet",
    "Expired(uint256)": "the time for this has passed",
    "DeadlineTooFar(uint256,uint256)": "the request's deadline is too far ahead: sign it anew with a smaller --valid-h",
    "SlotInFuture(uint32,uint256)": "the Statement's slot has not come yet",
    "StatementNotNewer(uint32,uint32)": "the Statement is not newer than the one the contract has",
    "StatementNotNamed(uint32,uint32)": "the Statement is not the one the request names",
    "StatementMissing(uint32,uint32)": "the request names a newer Statement, which is missing",
    "StatementDiffers(uint32)": "the contract has another Statement for this slot",
    "CounterWentDown(uint32,address)": "a counter of the Statement is below the stored one",
    "NotFunded(int64,int64)": "the Statement's net is above what was paid in",
    "ChangeTooLarge(int256,uint256)": "the Statement moves more than the terms allow",
    "NotInFavour(int64,int64)": "the newer Statement gives this home nothing more",
}
_BY_SELECTOR = {keccak(signature.encode())[:4]: signature for signature in ERRORS}


def refusal_text(error: NodeRefused) -> str:
    """Why the contract refuses: the error's name, its numbers and a sentence; else what the node said."""
    signature = _BY_SELECTOR.get(error.data[:4])
    if signature is None:
        return f"{error}" if not error.data else f"{error} (0x{error.data[:4].hex()})"
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    words = [error.data[at : at + WORD] for at in range(4, len(error.data), WORD)]
    shown = ", ".join(_shown(kind, word) for kind, word in zip(kinds, words, strict=False))
    return f"{ERRORS[signature]} ({signature[: signature.index('(')]}: {shown})"


def _shown(kind: str, word: bytes) -> str:
    if kind == "address":
        return word[-20:].hex()
    return str(int.from_bytes(word, "big", signed=kind.startswith("int")))
