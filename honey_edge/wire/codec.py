"""Flat JSON both ways, with limits on size and version and a named error for every refusal."""

from typing import TypeVar

import msgspec

from honey_edge.model.errors import HiveError
from honey_edge.wire.fairplay_messages import AppealMessage, AuditAskMessage, DisclosureMessage, StandingMessage
from honey_edge.wire.flex_messages import AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.grid_messages import GridMessage
from honey_edge.wire.mask_messages import MaskAskMessage, MaskKeyMessage, MaskRevealMessage, MaskRosterMessage
from honey_edge.wire.messages import (
    VERSION,
    CertificateMessage,
    CountersignMessage,
    CursorMessage,
    DeclareMessage,
    Message,
    ReadingMessage,
    RoundMessage,
    SlotTotalsMessage,
    StatusMessage,
)
from honey_edge.wire.period_messages import PeakTotalsMessage, ReserveTotalsMessage
from honey_edge.wire.statement_message import StatementMessage

M = TypeVar("M", bound=Message)

MAX_BYTES: dict[type[Message], int] = {
    ReadingMessage: 1_024,
    DeclareMessage: 12_288,
    CountersignMessage: 1_024,
    StatusMessage: 512,
    MaskKeyMessage: 1_024,
    MaskRevealMessage: 12_288,
    PowerMessage: 256,
    OfferMessage: 1_024,
    AcceptMessage: 1_024,
    GridMessage: 512,
    DisclosureMessage: 16_384,
    AppealMessage: 512,
    RoundMessage: 4_096,
    MaskRosterMessage: 65_536,
    MaskAskMessage: 12_288,
    OrderMessage: 1_024,
    AuditAskMessage: 512,
    StandingMessage: 1_024,
    CertificateMessage: 512,
    SlotTotalsMessage: 2_048,
    PeakTotalsMessage: 512,
    ReserveTotalsMessage: 512,
    CursorMessage: 1_024,
    StatementMessage: 512_000,
}
_DECODERS = {kind: msgspec.json.Decoder(kind) for kind in MAX_BYTES}
_ENCODER = msgspec.json.Encoder()


class MessageError(HiveError, ValueError):
    """A message is refused."""

    code = "E-MESSAGE"


class OversizeError(MessageError):
    """A message is longer than its kind may be."""

    code = "E-MESSAGE-SIZE"


class VersionError(MessageError):
    """A message is of a version that is not spoken here."""

    code = "E-MESSAGE-VERSION"


class MalformedError(MessageError):
    """A message is not JSON, lacks a field, has one too many, or one of a wrong type or range."""

    code = "E-MESSAGE-FORM"


class _VersionOnly(msgspec.Struct):
    v: int


_VERSION_DECODER = msgspec.json.Decoder(_VersionOnly)


def encode(message: Message) -> bytes:
    """The message as one JSON object; OversizeError beyond its kind's limit."""
    payload = _ENCODER.encode(message)
    limit = MAX_BYTES[type(message)]
    if len(payload) > limit:
        raise OversizeError(f"{type(message).__name__} of {len(payload)} bytes, at most {limit}")
    return payload


def decode(kind: type[M], payload: bytes) -> M:
    """The message of the expected kind.

    OversizeError, VersionError or MalformedError name the kind and what is wrong.
    """
    limit = MAX_BYTES[kind]
    if len(payload) > limit:
        raise OversizeError(f"{kind.__name__} of {len(payload)} bytes, at most {limit}")
    try:
        version = _VERSION_DECODER.decode(payload).v
        if version != VERSION:
            raise VersionError(f"{kind.__name__} of version {version}; version {VERSION} is spoken here")
        message = _DECODERS[kind].decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{kind.__name__}: {error}") from error
    assert isinstance(message, kind)
    return message
