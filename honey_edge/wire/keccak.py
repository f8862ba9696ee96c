"""keccak-256 as Ethereum uses it (not NIST SHA-3), from the C routine of safe-pysha3."""

from sha3 import keccak_256


def keccak(data: bytes) -> bytes:
    """The 32-byte keccak-256 of `data`."""
    digest: bytes = keccak_256(data).digest()
    return digest
