"""What every Signer must hold, wherever its key is; judged by eth-keys, which has curve arithmetic of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from coincurve import PrivateKey
from coincurve.utils import GROUP_ORDER_INT
from eth_keys import keys as judge

from drivers.linux.key_source import find_key
from honey_edge.wire.signing import Signer, recover_address, signed_by
from honey_edge.wire.token_signer import Token, signer_of


class HighToken:
    """A token that wraps its point and answers with the high s whenever there is one."""

    place = "token under test"

    def __init__(self) -> None:
        self._key = PrivateKey(secrets.token_bytes(32))

    @property
    def point(self) -> bytes:
        """65 bytes in a DER octet string."""
        return b"\x04\x41" + self._key.public_key.format(compressed=False)

    def sign_raw(self, digest: bytes) -> bytes:
        """r, and n - s."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:32] + (GROUP_ORDER_INT - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")


def _in_file(tmp_path: Path) -> Signer:
    (tmp_path / "device.key").write_text(secrets.token_hex(32))
    (tmp_path / "device.key").chmod(0o600)
    return signer_of(find_key("device.key", tmp_path))


def _in_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signer:
    (tmp_path / "device-key").write_text(secrets.token_hex(32))
    (tmp_path / "device-key").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return signer_of(find_key("credential:device-key", tmp_path))


@pytest.fixture(params=["file", "credential", "token-emulated", "token-softhsm"])
def signer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signer:
    """Every kind of Signer."""
    made: dict[str, Callable[[], Signer]] = {
        "file": lambda: _in_file(tmp_path),
        "credential": lambda: _in_credential(tmp_path, monkeypatch),
        "token-emulated": lambda: signer_of(_token(HighToken())),
    }
    if request.param == "token-softhsm":
        token = request.getfixturevalue("soft_token")
        return signer_of(find_key(token.address("device"), tmp_path))
    return made[request.param]()


def _token(token: Token) -> Token:
    return token


def test_address_and_public_key_belong_together(signer: Signer) -> None:
    assert len(signer.public_key) == 33
    assert judge.PublicKey.from_compressed_bytes(signer.public_key).to_canonical_address() == signer.address


def test_signatures_recover_to_the_address_for_any_digest(signer: Signer) -> None:
    for digest in (bytes(32), b"\xff" * 32, *(secrets.token_bytes(32) for _ in range(40))):
        signature = signer.sign(digest)
        vs = int.from_bytes(signature[32:], "big")
        r, s, parity = int.from_bytes(signature[:32], "big"), vs & ((1 << 255) - 1), vs >> 255
        assert len(signature) == 64
        assert 0 < s <= GROUP_ORDER_INT // 2
        recovered = judge.Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest)
        assert recovered.to_canonical_address() == signer.address == recover_address(digest, signature)


def test_a_signature_is_of_its_digest_only(signer: Signer) -> None:
    signature = signer.sign(b"\x01" * 32)
    assert signed_by(signer.address, b"\x01" * 32, signature)
    assert not signed_by(signer.address, b"\x02" * 32, signature)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_anything_but_a_digest_is_refused(signer: Signer, length: int) -> None:
    with pytest.raises(ValueError, match=r"32|digest"):
        signer.sign(bytes(length))
