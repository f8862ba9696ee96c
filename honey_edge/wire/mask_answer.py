"""A masked answer as text: the masked vector, a check of the home's own mask, and its shares under keys of the others.

    base64( vector 872 | check 16 | for each home of the list in order: share + key of that home 16, check 4 )

The checks are hashes: the first tells whether the shares gave the right secret, the others which of them is wrong.
"""

import base64
import binascii
from dataclasses import dataclass

from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_errors import MaskFormError
from honey_edge.wire.mask_field import ELEMENT_BYTES, PRIME
from honey_edge.wire.mask_keys import element_bytes
from honey_edge.wire.mask_vector import VECTOR_BYTES

SECRET_CHECK_BYTES, SHARE_CHECK_BYTES = 16, 4
_SHARE_BYTES = ELEMENT_BYTES + SHARE_CHECK_BYTES
_HEAD_BYTES = VECTOR_BYTES + SECRET_CHECK_BYTES


@dataclass(frozen=True, slots=True)
class LockedShare:
    """A share with the key of its holder added (modulo PRIME), and the check of the bare share."""

    locked: int
    check: bytes


@dataclass(frozen=True, slots=True)
class MaskedAnswer:
    """A masked vector (bytes) and what opens the home's own mask; `shares` in the order of the list."""

    vector: bytes
    secret_check: bytes
    shares: tuple[LockedShare, ...]

    def text(self) -> str:
        """The answer as base64."""
        shares = b"".join(element_bytes(share.locked) + share.check for share in self.shares)
        return base64.b64encode(self.vector + self.secret_check + shares).decode()

    @staticmethod
    def of_text(text: str, homes: int) -> "MaskedAnswer":
        """The answer for a list of `homes`; MaskFormError names what is wrong with the text."""
        data = unbase64(text)
        if len(data) != _HEAD_BYTES + homes * _SHARE_BYTES:
            raise MaskFormError(f"a masked answer among {homes} homes is not {len(data)} bytes long")
        starts = range(_HEAD_BYTES, len(data), _SHARE_BYTES)
        shares = tuple(_share(data[start : start + _SHARE_BYTES]) for start in starts)
        return MaskedAnswer(data[:VECTOR_BYTES], data[VECTOR_BYTES:_HEAD_BYTES], shares)


def secret_check(context: bytes, owner: bytes, iteration: int, secret: int) -> bytes:
    """The hash that tells the right secret of a home's own mask."""
    place = context + owner + iteration.to_bytes(2, "big")
    return keccak(b"Hive mask secret check" + place + element_bytes(secret))[:SECRET_CHECK_BYTES]


def share_check(context: bytes, owner: bytes, iteration: int, x: int, share: int) -> bytes:
    """The hash that tells the right share of home `x`."""
    place = context + owner + iteration.to_bytes(2, "big") + x.to_bytes(2, "big")
    return keccak(b"Hive mask share check" + place + element_bytes(share))[:SHARE_CHECK_BYTES]


def base64_text(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


def unbase64(text: str) -> bytes:
    """Bytes of canonical base64; MaskFormError for anything else, so that a value has one text only."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MaskFormError("a masked text is no base64") from error
    if base64.b64encode(data).decode() != text:
        raise MaskFormError("a masked text is base64 in no canonical form")
    return data


def elements(data: bytes) -> tuple[int, ...]:
    """Field elements of 16 bytes each; MaskFormError for one beyond the field or a broken length."""
    if len(data) % ELEMENT_BYTES:
        raise MaskFormError(f"{len(data)} bytes are no whole number of field elements")
    return tuple(_element(data[k : k + ELEMENT_BYTES]) for k in range(0, len(data), ELEMENT_BYTES))


def _element(data: bytes) -> int:
    value = int.from_bytes(data, "big")
    if value >= PRIME:
        raise MaskFormError("a share lies beyond the field")
    return value


def _share(data: bytes) -> LockedShare:
    return LockedShare(_element(data[:ELEMENT_BYTES]), data[ELEMENT_BYTES:])
