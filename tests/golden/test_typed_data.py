"""Digests packed by hand equal eth-account's encoder for every value of every field; signatures equal eth-keys'."""

import inspect
import re
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys import keys
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.model.errors import RangeError
from honey_edge.wire import structs
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner, SignatureError, address_of, recover_address, signed_by
from honey_edge.wire.typed_data import TYPE_STRINGS, Domain, digest, digest_of_hash, domain_separator, struct_hash

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KINDS = sorted(TYPE_STRINGS, key=lambda kind: kind.__name__)


def fields_of(kind: type) -> list[tuple[str, str]]:
    """(solidity type, solidity name) of a structure, parsed here from its type string."""
    inside = re.fullmatch(r"\w+\((.*)\)", TYPE_STRINGS[kind]).group(1)
    return [tuple(part.split(" ")) for part in inside.split(",")]


def values_of(solidity: str) -> st.SearchStrategy[Any]:
    if solidity == "address":
        return st.binary(min_size=20, max_size=20)
    if solidity == "bytes32":
        return st.binary(min_size=32, max_size=32)
    bits = int(re.sub(r"\D", "", solidity))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if solidity.startswith("int") else (0, 2**bits - 1)
    return st.one_of(st.sampled_from([low, high, 0, min(high, 1)]), st.integers(low, high))


def second_opinion(domain: Domain, kind: type, value: Any) -> bytes:
    layout = fields_of(kind)
    attributes = [getattr(value, name) for name in kind.__slots__]
    message = {
        name: ("0x" + v.hex() if solidity == "address" else v)
        for (solidity, name), v in zip(layout, attributes, strict=True)
    }
    signable = encode_typed_data(
        full_message={
            "domain": {
                "name": "Hive Settlement",
                "version": "1",
                "chainId": domain.chain_id,
                "verifyingContract": "0x" + domain.contract.hex(),
            },
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                kind.__name__: [{"name": name, "type": solidity} for solidity, name in layout],
            },
            "primaryType": kind.__name__,
            "message": message,
        }
    )
    assert signable.header == domain_separator(domain)
    assert signable.body == struct_hash(value)
    return keccak(b"\x19\x01" + signable.header + signable.body)


def test_every_signed_structure_of_the_module_has_a_type_string() -> None:
    declared = {c for _, c in inspect.getmembers(structs, inspect.isclass) if c.__module__ == structs.__name__}
    assert declared == set(TYPE_STRINGS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_digest_equals_eth_account_for_all_field_values(kind: type) -> None:
    @settings(max_examples=60, deadline=None)
    @given(
        st.tuples(*[values_of(solidity) for solidity, _ in fields_of(kind)]),
        st.integers(1, 2**63),
        st.binary(min_size=20, max_size=20),
    )
    def check(values: tuple[Any, ...], chain_id: int, contract: bytes) -> None:
        value, domain = kind(*values), Domain(chain_id, contract)
        expected = second_opinion(domain, kind, value)
        assert digest(domain, value) == expected
        assert digest_of_hash(domain, struct_hash(value)) == expected

    check()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_value_beyond_its_field_is_refused_by_name(kind: type) -> None:
    good = kind(*[bytes(20) if s == "address" else bytes(32) if s == "bytes32" else 0 for s, _ in fields_of(kind)])
    for (solidity, _), name in zip(fields_of(kind), kind.__slots__, strict=True):
        if solidity in ("address", "bytes32"):
            wrong: list[Any] = [b"", bytes(31), bytes(21), 7]
        else:
            bits = int(re.sub(r"\D", "", solidity))
            signed = solidity.startswith("int")
            wrong = [2 ** (bits - signed), -(2 ** (bits - 1)) - 1 if signed else -1, bytes(32)]
        for value in wrong:
            with pytest.raises(RangeError, match=name):
                struct_hash(replace(good, **{name: value}))


SECRETS = st.integers(1, ORDER - 1).map(lambda n: n.to_bytes(32, "big"))
DIGESTS = st.binary(min_size=32, max_size=32)


@settings(max_examples=80, deadline=None)
@given(SECRETS, DIGESTS)
def test_signature_is_the_compact_form_of_eth_keys(secret: bytes, hashed: bytes) -> None:
    signer, other = KeySigner(secret), keys.PrivateKey(secret)
    theirs = other.sign_msg_hash(hashed)
    s = theirs.s | theirs.v << 255
    assert signer.sign(hashed) == theirs.r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert signer.address == other.public_key.to_canonical_address() == address_of(signer.public_key)
    assert signer.address.hex() == Account.from_key(secret).address[2:].lower()
    assert recover_address(hashed, signer.sign(hashed)) == signer.address
    assert signed_by(signer.address, hashed, signer.sign(hashed))


@settings(max_examples=40, deadline=None)
@given(SECRETS, DIGESTS)
def test_high_s_flipped_parity_and_other_digests_are_refused(secret: bytes, hashed: bytes) -> None:
    signer = KeySigner(secret)
    signature = signer.sign(hashed)
    vs = int.from_bytes(signature[32:], "big")
    s, parity = vs & (2**255 - 1), vs >> 255
    high = signature[:32] + (ORDER - s).to_bytes(32, "big")
    assert not signed_by(signer.address, hashed, high)
    assert not signed_by(signer.address, hashed, signature[:32] + (s | (1 - parity) << 255).to_bytes(32, "big"))
    assert not signed_by(signer.address, keccak(hashed), signature)
    assert not signed_by(bytes(20), hashed, signature)


def test_the_smallest_high_s_is_refused_by_name() -> None:
    high = (ORDER // 2 + 1).to_bytes(32, "big")
    with pytest.raises(SignatureError, match="high s"):
        recover_address(bytes(32), b"\1" * 32 + high)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65)])
def test_a_signature_of_another_length_is_refused_by_name(signature: bytes) -> None:
    with pytest.raises(SignatureError, match="64 bytes"):
        recover_address(bytes(32), signature)


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 32 + bytes(31) + b"\1"])
def test_a_signature_of_no_key_is_refused_by_name(signature: bytes) -> None:
    with pytest.raises(SignatureError, match="no key"):
        recover_address(bytes(32), signature)
    assert not signed_by(bytes(20), bytes(32), signature)
