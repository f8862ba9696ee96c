"""The terms file: HiveTerms as JSON with the signatures of Queen and owner, as settings name it for both nodes."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from honey_edge.model.errors import HiveError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import U8, U16, U32, Hex32, Hex64, Message
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import HiveTerms
from honey_edge.wire.typed_data import Domain, digest

U64 = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_MAX_BYTES = 8_192


class TermsError(HiveError, ValueError):
    """A terms file is malformed, unsigned, or stands for another tariff."""

    code = "E-TERMS"


class TermsFile(Message, frozen=True, kw_only=True):
    """The fields of HiveTerms and two signatures."""

    hive: U32
    version: U32
    from_slot: U32
    tariff: Hex32
    theta: Annotated[int, Meta(ge=0, le=1000)]
    fee: Annotated[int, Meta(ge=0, le=1000)]
    platform_bps: U16
    max_price: U64
    max_power_w: U32
    island_ceiling: U64
    cover_days: U8
    queen_signature: Hex64
    owner_signature: Hex64

    def signed(self) -> HiveTerms:
        """The structure under both signatures."""
        names = HiveTerms.__slots__
        values = {name: getattr(self, name) for name in names}
        return HiveTerms(**{**values, "tariff": bytes.fromhex(self.tariff)})

    @staticmethod
    def of(terms: HiveTerms, queen_signature: bytes, owner_signature: bytes) -> "TermsFile":
        """The file for signed terms."""
        values = {name: getattr(terms, name) for name in HiveTerms.__slots__}
        values["tariff"] = terms.tariff.hex()
        return TermsFile(**values, queen_signature=queen_signature.hex(), owner_signature=owner_signature.hex())


@dataclass(frozen=True, slots=True)
class Signers:
    """Whose signatures the terms must carry, 20-byte addresses."""

    queen: bytes
    owner: bytes


_DECODER = msgspec.json.Decoder(TermsFile)


def parse_terms(data: bytes, domain: Domain, signers: Signers, tariff_data: bytes) -> HiveTerms:
    """The terms in a terms file, when both have signed them and they name the tariff file given."""
    if len(data) > _MAX_BYTES:
        raise TermsError(f"the terms file has {len(data)} bytes, at most {_MAX_BYTES}")
    try:
        file = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TermsError(f"the terms file: {error}") from error
    terms = file.signed()
    hashed = digest(domain, terms)
    for who, address, signature in (
        ("Queen", signers.queen, file.queen_signature),
        ("owner", signers.owner, file.owner_signature),
    ):
        if not signed_by(address, hashed, bytes.fromhex(signature)):
            raise TermsError(f"the terms are not signed by the {who} {address.hex()}")
    if keccak(tariff_data) != terms.tariff:
        raise TermsError("the tariff file is not the one the terms were signed for")
    return terms


def terms_document(file: TermsFile) -> bytes:
    """The bytes of a terms file."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1)
