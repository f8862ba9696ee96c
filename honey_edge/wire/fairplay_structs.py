"""The signed structure of fair play: who says what about whom, by the hash of what is said (EIP-712).

    FairPlay(uint32 hive,address worker,bytes32 kind,bytes32 content)

`kind` is the keccak-256 of the message's name, `content` that of its numbers: each as 8 bytes, big-endian, two's
complement; every list is preceded by its length in the same form. No contract reads it. Domain as in `typed_data`.
"""

from collections.abc import Sequence

from honey_edge.model.errors import RangeError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.typed_data import Domain, digest_of_hash

FAIR_PLAY_TYPE = "FairPlay(uint32 hive,address worker,bytes32 kind,bytes32 content)"
_TYPE_HASH = keccak(FAIR_PLAY_TYPE.encode())
_LARGEST = 2**63 - 1

Content = Sequence[int | Sequence[int]]


def fair_play_digest(domain: Domain, hive: int, worker: bytes, kind: str, content: Content) -> bytes:
    """The 32 bytes that are signed; RangeError for a field that does not fit."""
    if len(worker) != 20 or not 0 <= hive < 1 << 32:
        raise RangeError("fair play is about a Hive (uint32) and a Worker (20 bytes)")
    hashed = _TYPE_HASH + hive.to_bytes(32, "big") + worker.rjust(32, b"\0")
    return digest_of_hash(domain, keccak(hashed + keccak(kind.encode()) + keccak(packed(content))))


def packed(content: Content) -> bytes:
    """The numbers as they are hashed."""
    parts = []
    for one in content:
        if isinstance(one, int):
            parts.append(_word(one))
        else:
            parts.append(_word(len(one)))
            parts.extend(_word(number) for number in one)
    return b"".join(parts)


def _word(number: int) -> bytes:
    if not -_LARGEST <= number <= _LARGEST:
        raise RangeError(f"{number} does not fit int64")
    return number.to_bytes(8, "big", signed=True)
