"""Device and Queen signatures: secp256k1 over a 32-byte digest, 64 bytes compact (r, yParity and s; EIP-2098).

High s is refused (EIP-2). A `Signer` hides where the key is; verification is against the enrolled address.
"""

from typing import Protocol

from coincurve import PrivateKey, PublicKey
from coincurve.utils import GROUP_ORDER_INT

from honey_edge.model.errors import HiveError
from honey_edge.wire.keccak import keccak

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_S_MASK = (1 << 255) - 1


class SignatureError(HiveError, ValueError):
    """A signature is malformed, has a high s, or is not of the expected key."""

    code = "E-SIGNATURE"


class KeyFileError(HiveError, ValueError):
    """A key file is readable by others or does not hold a secret."""

    code = "E-KEY-FILE"


class Signer(Protocol):
    """Signs digests with a key that stays where it is."""

    @property
    def address(self) -> bytes:
        """The 20-byte address of the key."""

    @property
    def public_key(self) -> bytes:
        """The 33-byte compressed public key."""

    def sign(self, digest: bytes) -> bytes:
        """64 bytes (r, vs) over a 32-byte digest, low s."""


class KeySigner:
    """A Signer whose private key is in this process's memory (key file, tests)."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self._public = self._key.public_key.format(compressed=True)
        self._address = address_of(self._public)

    @property
    def address(self) -> bytes:
        """The 20-byte address of the key."""
        return self._address

    @property
    def public_key(self) -> bytes:
        """The 33-byte compressed public key."""
        return self._public

    def sign(self, digest: bytes) -> bytes:
        """64 bytes (r, vs) over a 32-byte digest; libsecp256k1 yields low s, deterministic by RFC 6979."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        s = int.from_bytes(raw[32:64], "big") | raw[64] << 255
        return raw[:32] + s.to_bytes(32, "big")


def secret_of(text: str, mode: int, place: str) -> bytes:
    """The 32 bytes that a key file holds as 64 hex digits; KeyFileError when its `mode` lets others read it."""
    if mode & 0o077:
        raise KeyFileError(f"{place}: others may read this key", next_step=f"chmod 600 {place}")
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < GROUP_ORDER_INT:
        raise KeyFileError(f"{place}: a key is 64 hex digits of a number of the curve")
    return secret


def address_of(public_key: bytes) -> bytes:
    """The address of a public key: last 20 bytes of keccak over its uncompressed point."""
    return keccak(PublicKey(public_key).format(compressed=False)[1:])[-20:]


def _split(signature: bytes) -> tuple[bytes, bytes, int]:
    """r, s, yParity of a compact signature; SignatureError for a wrong length or a high s."""
    if len(signature) != 64:
        raise SignatureError(f"a signature has 64 bytes, not {len(signature)}")
    vs = int.from_bytes(signature[32:], "big")
    s = vs & _S_MASK
    if s > _HALF_ORDER:
        raise SignatureError("the signature has a high s")
    return signature[:32], s.to_bytes(32, "big"), vs >> 255


def recover_address(digest: bytes, signature: bytes) -> bytes:
    """The 20-byte address that signed the digest; SignatureError when there is none."""
    r, s, parity = _split(signature)
    try:
        key = PublicKey.from_signature_and_message(r + s + bytes([parity]), digest, hasher=None)
    except ValueError as error:
        raise SignatureError("the signature belongs to no key") from error
    return keccak(key.format(compressed=False)[1:])[-20:]


def signed_by(address: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether the key enrolled under `address` signed the digest.

    The parity bit counts too: a contract recovers the signer and would meet another address with it flipped.
    """
    try:
        return recover_address(digest, signature) == address
    except SignatureError:
        return False
