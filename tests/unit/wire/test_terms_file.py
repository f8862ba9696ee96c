"""Terms files: round trip, both signatures, the tariff they name, and named refusals."""

import json
from typing import Any

import pytest

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import HiveTerms
from honey_edge.wire.terms_file import Signers, TermsError, TermsFile, parse_terms, terms_document
from honey_edge.wire.typed_data import Domain, digest

QUEEN, OWNER = KeySigner(b"\1" * 32), KeySigner(b"\2" * 32)
DOMAIN, SIGNERS = Domain(31337, b"\5" * 20), Signers(QUEEN.address, OWNER.address)
TARIFF = b'{"some": "tariff"}'
TERMS = HiveTerms(7, 1, 5, keccak(TARIFF), 250, 20, 10, 10**6, 10_000, 2**40, 2)
FILE = TermsFile.of(TERMS, QUEEN.sign(digest(DOMAIN, TERMS)), OWNER.sign(digest(DOMAIN, TERMS)))


def document(**changes: Any) -> bytes:
    return json.dumps({**json.loads(terms_document(FILE)), **changes}).encode()


def test_signed_terms_survive_their_file() -> None:
    assert parse_terms(terms_document(FILE), DOMAIN, SIGNERS, TARIFF) == TERMS


@pytest.mark.parametrize("field", [n for n in HiveTerms.__slots__ if n != "tariff"])
def test_every_field_is_under_both_signatures(field: str) -> None:
    with pytest.raises(TermsError, match="not signed by the Queen"):
        parse_terms(document(**{field: getattr(TERMS, field) + 1}), DOMAIN, SIGNERS, TARIFF)


@pytest.mark.parametrize(
    ("data", "tariff", "named"),
    [
        (document(queen_signature="00" * 64), TARIFF, "Queen"),
        (document(owner_signature="00" * 64), TARIFF, "owner"),
        (document(owner_signature=FILE.queen_signature), TARIFF, "owner"),
        (document(), TARIFF + b" ", "tariff"),
        (b" " * 8_193, TARIFF, "8193 bytes"),
        (b"{", TARIFF, "terms file"),
        (document(v=2), TARIFF, "terms file"),
        (document(theta=1001), TARIFF, "theta"),
        (document(extra=1), TARIFF, "extra"),
    ],
)
def test_everything_else_is_refused_by_name(data: bytes, tariff: bytes, named: str) -> None:
    with pytest.raises(TermsError, match=named):
        parse_terms(data, DOMAIN, SIGNERS, tariff)


def test_terms_of_another_contract_are_refused() -> None:
    with pytest.raises(TermsError):
        parse_terms(document(), Domain(31337, b"\6" * 20), SIGNERS, TARIFF)
