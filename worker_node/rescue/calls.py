"""The contract functions that close an account, and the errors they refuse with, as tables; a test compares both with
the committed ABI.

All arguments are static structures, so a call is its selector and one word per member.
"""

from dataclasses import dataclass, fields

from honey_edge.wire.keccak import keccak
from honey_edge.wire.structs import CloseRequest, Statement
from worker_node.both_signed import BothSigned
from worker_node.chain_eye.views import Value, encode_word

_SIGNATURE = "(bytes32,bytes32)"
_REQUEST = "(uint32,address,uint32,uint48)"
_STATEMENT = "(uint32,address,uint32,int64,uint48,uint48,bytes32)"
_BOTH = f"{_STATEMENT},{_SIGNATURE},{_SIGNATURE}"

START = f"startClose({_REQUEST},{_SIGNATURE},{_BOTH})"
START_BARE = f"startClose({_REQUEST},{_SIGNATURE})"
CONTEST = f"contest({_BOTH})"
FINISH = "finishClose(uint32,address)"
CLAIM = "claim(uint32,address)"
CLAIM_LATE = f"claimLate({_BOTH})"
FUNCTIONS = (START, START_BARE, CONTEST, FINISH, CLAIM, CLAIM_LATE)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A CloseRequest with its signature, 64 bytes (r, vs)."""

    request: CloseRequest
    signature: bytes


def _data(signature: str, *values: Value) -> bytes:
    kinds = signature[signature.index("(") :].replace("(", "").replace(")", "").split(",")
    words = (encode_word(kind, value) for kind, value in zip(kinds, values, strict=True))
    return keccak(signature.encode())[:4] + b"".join(words)


def _members(value: CloseRequest | Statement) -> list[Value]:
    return [getattr(value, one.name) for one in fields(value)]


def _halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]


def _of_both(both: BothSigned) -> list[Value]:
    return [*_members(both.statement), *_halves(both.worker_signature), *_halves(both.queen_signature)]


def start_close(signed: SignedRequest, both: BothSigned | None) -> bytes:
    """Starts a close on a both-signed state, or on what the contract has stored."""
    values = [*_members(signed.request), *_halves(signed.signature)]
    return _data(START_BARE, *values) if both is None else _data(START, *values, *_of_both(both))


def contest(both: BothSigned) -> bytes:
    """Puts a newer state in the place of the one shown in a running close."""
    return _data(CONTEST, *_of_both(both))


def claim_late(both: BothSigned) -> bytes:
    """Records as a claim what a newer state gives beyond the one an account was closed on."""
    return _data(CLAIM_LATE, *_of_both(both))


def finish_close(hive: int, worker: bytes) -> bytes:
    """Ends a close whose window is over."""
    return _data(FINISH, hive, worker)


def claim(hive: int, worker: bytes) -> bytes:
    """Pays a recorded claim as far as money was put aside."""
    return _data(CLAIM, hive, worker)
