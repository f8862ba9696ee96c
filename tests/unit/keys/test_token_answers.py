"""A token's answer that is no signature of its key never leaves as one."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey
from coincurve.utils import GROUP_ORDER_INT

from honey_edge.wire.token_signer import TokenAnswerError, TokenSigner, public_key_of, split_raw

KEY = PrivateKey(b"\x07" * 32)  # a key for tests
OTHER = PrivateKey(b"\x08" * 32)  # a key for tests
FULL = KEY.public_key.format(compressed=False)
SHORT = KEY.public_key.format(compressed=True)


class Answering:
    """A token that shows KEY's point and answers what it is told to."""

    place = "pkcs11:token=t;object=o"
    point = FULL

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def sign_raw(self, digest: bytes) -> bytes:
        """The prepared answer."""
        return self._raw


@pytest.mark.parametrize("point", [FULL, SHORT, b"\x04\x41" + FULL, b"\x04\x21" + SHORT])
def test_a_point_is_understood_wrapped_and_bare(point: bytes) -> None:
    assert public_key_of(point, "t") == SHORT


@pytest.mark.parametrize(
    "point", [b"", FULL[:-1], b"\x04\x40" + FULL[1:], b"\x04\x41" + FULL[:-1], b"\x04" + bytes(64), b"\x04\x41" * 40]
)
def test_a_point_that_is_none_of_the_curve_is_refused(point: bytes) -> None:
    with pytest.raises(TokenAnswerError, match="none of secp256k1"):
        public_key_of(point, "t")


@pytest.mark.parametrize("length", [0, 32, 63, 65, 70, 72])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(TokenAnswerError, match=f"{length} bytes"):
        split_raw(b"\x01" * length, "t")


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (GROUP_ORDER_INT, 1), (1, GROUP_ORDER_INT), (1, 2**256 - 1)])
def test_numbers_outside_the_curve_are_refused(r: int, s: int) -> None:
    with pytest.raises(TokenAnswerError, match="no number of secp256k1"):
        split_raw(r.to_bytes(32, "big") + s.to_bytes(32, "big"), "t")


def test_a_signature_of_another_key_or_digest_is_refused() -> None:
    digest = b"\x05" * 32
    for raw in (OTHER.sign_recoverable(digest, hasher=None), KEY.sign_recoverable(b"\x06" * 32, hasher=None)):
        with pytest.raises(TokenAnswerError, match="not of the key"):
            TokenSigner(Answering(raw[:64])).sign(digest)
    assert len(TokenSigner(Answering(KEY.sign_recoverable(digest, hasher=None)[:64])).sign(digest)) == 64
