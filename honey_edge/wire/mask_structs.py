"""The signed structure of masked rounds: a Worker's word that a key for masks is its own (EIP-712).

    MaskKey(uint32 hive,address worker,uint32 round,uint32 firstSlot,bytes32 key)

`key` is the keccak-256 of the compressed public key (33 bytes). Domain and packing as in `typed_data`.
"""

from dataclasses import dataclass

from honey_edge.model.errors import RangeError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.typed_data import Domain, digest_of_hash

MASK_KEY_TYPE = "MaskKey(uint32 hive,address worker,uint32 round,uint32 firstSlot,bytes32 key)"
_TYPE_HASH = keccak(MASK_KEY_TYPE.encode())
PUBLIC_KEY_BYTES = 33


@dataclass(frozen=True, slots=True)
class MaskKey:
    """A key for the masks of one round (33 bytes, compressed), announced by a Worker (20 bytes)."""

    hive: int
    worker: bytes
    round: int
    first_slot: int
    public_key: bytes


def mask_key_digest(domain: Domain, key: MaskKey) -> bytes:
    """The 32 bytes that the device key signs; RangeError for a field that does not fit."""
    if len(key.worker) != 20 or len(key.public_key) != PUBLIC_KEY_BYTES:
        raise RangeError("a mask key has an address of 20 and a public key of 33 bytes")
    return digest_of_hash(
        domain,
        keccak(
            _TYPE_HASH
            + _uint32("hive", key.hive)
            + key.worker.rjust(32, b"\0")
            + _uint32("round", key.round)
            + _uint32("firstSlot", key.first_slot)
            + keccak(key.public_key)
        ),
    )


def _uint32(name: str, value: int) -> bytes:
    if not 0 <= value < 1 << 32:
        raise RangeError(f"{name} = {value} does not fit uint32")
    return value.to_bytes(32, "big")
