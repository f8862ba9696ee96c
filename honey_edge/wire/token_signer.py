"""A Signer whose key never leaves a security token: what a token answers, made into Hive's signatures.

Tokens (PKCS#11, secure elements) sign a digest with plain ECDSA: 64 bytes r and s, s high or low as it happens, no
recovery id. Hive needs a low s (EIP-2) and the parity of the point (EIP-2098). Public points come as 65 bytes, as 33,
or wrapped in a DER octet string (PKCS#11 v2.40, 2.3.3, CKA_EC_POINT), whichever the maker chose.
"""

from typing import Protocol, runtime_checkable

from coincurve import PublicKey
from coincurve.utils import GROUP_ORDER_INT

from honey_edge.wire.signing import KeySigner, SignatureError, Signer, address_of, secret_of, signed_by

_OCTET_STRING = 0x04
_RAW_SIGNATURE = 64
_DIGEST = 32
_POINT_SIZES = (33, 65)
_HALF_ORDER = GROUP_ORDER_INT // 2
_PARITY = 1 << 255


class TokenAnswerError(SignatureError):
    """A token's answer is no key or signature of the curve, or is of another key than it showed."""

    code = "E-TOKEN-ANSWER"


class Token(Protocol):
    """A key on a token: its public point as the token tells it, and plain ECDSA over a digest."""

    @property
    def place(self) -> str:
        """Which key of which token, for messages; no secrets."""

    @property
    def point(self) -> bytes:
        """The public point: 65 or 33 bytes, or either in a DER octet string."""

    def sign_raw(self, digest: bytes) -> bytes:
        """r and s, 32 bytes each."""


@runtime_checkable
class KeyText(Protocol):
    """A secret as a file or a credential holds it."""

    @property
    def text(self) -> str:
        """64 hex digits."""

    @property
    def mode(self) -> int:
        """Who may read the file."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""


def signer_of(key: KeyText | Token) -> Signer:
    """The signer of a key wherever it is; KeyFileError or TokenAnswerError when it will not do."""
    if isinstance(key, KeyText):
        return KeySigner(secret_of(key.text, key.mode, key.place))
    return TokenSigner(key)


class TokenSigner:
    """Signs with a token's key; `TokenAnswerError` when the token's answer cannot be used."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._public = public_key_of(token.point, token.place)
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
        """64 bytes (r, vs) over a 32-byte digest, low s; checked against the key before it is given out."""
        if len(digest) != _DIGEST:
            raise TokenAnswerError(f"{self._token.place}: a digest has {_DIGEST} bytes, not {len(digest)}")
        r, s = split_raw(self._token.sign_raw(digest), self._token.place)
        for vs in (s, s | _PARITY):
            signature = r + vs.to_bytes(32, "big")
            if signed_by(self._address, digest, signature):
                return signature
        raise TokenAnswerError(
            f"{self._token.place}: the signature is not of the key that the token showed",
            next_step="check that private and public key of this name belong together",
        )


def split_raw(raw: bytes, place: str) -> tuple[bytes, int]:
    """r and the low form of s; TokenAnswerError for another length or numbers that are none of the curve."""
    if len(raw) != _RAW_SIGNATURE:
        raise TokenAnswerError(f"{place}: a signature of {len(raw)} bytes, not {_RAW_SIGNATURE}")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if not 0 < r < GROUP_ORDER_INT or not 0 < s < GROUP_ORDER_INT:
        raise TokenAnswerError(f"{place}: r or s of the signature is no number of secp256k1")
    return raw[:32], min(s, GROUP_ORDER_INT - s)


def public_key_of(point: bytes, place: str) -> bytes:
    """The compressed public key in what a token tells as its point; TokenAnswerError when there is none."""
    wrapped = len(point) >= 2 and point[0] == _OCTET_STRING and point[1] == len(point) - 2
    bare = point[2:] if wrapped and point[1] in _POINT_SIZES else point
    try:
        if len(bare) not in _POINT_SIZES:
            raise ValueError(f"{len(point)} bytes")
        return PublicKey(bare).format(compressed=True)
    except ValueError as error:
        raise TokenAnswerError(
            f"{place}: the public point is none of secp256k1 ({error})", next_step="make the key on curve secp256k1"
        ) from error
