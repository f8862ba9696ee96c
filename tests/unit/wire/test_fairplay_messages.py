"""The messages of fair play: every number is under the signature; what is too large or of another form is refused."""

import msgspec
import pytest
from msgspec import structs

from honey_edge.model.errors import RangeError
from honey_edge.wire.codec import MAX_BYTES, MessageError, decode, encode
from honey_edge.wire.fairplay_messages import (
    AppealMessage,
    AuditAskMessage,
    DisclosureMessage,
    FairPlayMessage,
    StandingMessage,
)
from honey_edge.wire.fairplay_structs import fair_play_digest, packed
from honey_edge.wire.typed_data import Domain

DOMAIN = Domain(31337, bytes.fromhex("aa" * 20))
WHO = {"hive": 7, "worker": "ab" * 20, "signature": "00" * 64}
LARGE = 2**53
ASK = AuditAskMessage(**WHO, round=3, iteration=4, why=0)
STANDING = StandingMessage(
    **WHO, serial=5, standing=1, since_day=20_000, why=0, side=(1, -1), from_day=(1, 4), to_day=(3, 6)
)
APPEAL = AppealMessage(**WHO, serial=5)
DISCLOSURE = DisclosureMessage(
    **WHO,
    round=3,
    iteration=4,
    first_slot=9,
    sigma_kw2_per_coin=50,
    state_mw=(-LARGE,) * 96,
    load_mw=(LARGE,) * 96,
    pv_mw=(LARGE,) * 96,
    curtailable=True,
    curtail_e9=500_000,
    battery=(LARGE,) * 11,
    thermal=(LARGE,) * 8,
    draw_mw=(LARGE,) * 96,
    car=(LARGE,) * 4,
    present_ppm=(LARGE,) * 96,
    shed=(LARGE,) * 2,
    shed_mw=(LARGE,) * 96,
)
MESSAGES = (ASK, STANDING, APPEAL, DISCLOSURE)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_the_largest_message_fits_and_comes_back(message: FairPlayMessage) -> None:
    payload = encode(message)
    assert len(payload) <= MAX_BYTES[type(message)]
    assert decode(type(message), payload) == message


def other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value[:-1], 0 if value[-1] else 1) if value else (1,)
    if isinstance(value, str):
        return "c" * len(value)
    assert isinstance(value, int)
    return value + 1 if value < 2 else value - 1


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_every_field_but_the_signature_is_under_it(message: FairPlayMessage) -> None:
    digests = {message.digest(DOMAIN)}
    names = [name for name in message.__struct_fields__ if name not in ("v", "signature")]
    for name in names:
        changed = structs.replace(message, **{name: other(getattr(message, name))})
        digests.add(changed.digest(DOMAIN))
    assert len(digests) == 1 + len(names)
    assert structs.replace(message, signature="11" * 64).digest(DOMAIN) == message.digest(DOMAIN)
    assert message.digest(Domain(1, DOMAIN.contract)) not in digests


def test_lists_cannot_be_moved_into_one_another() -> None:
    assert packed([(1, 2), (3,)]) != packed([(1,), (2, 3)])
    assert packed([(), (0, 0)]) != packed([(0,), (0,)])


def test_messages_of_different_kinds_never_share_a_digest() -> None:
    worker = bytes.fromhex(WHO["worker"])
    kinds = {fair_play_digest(DOMAIN, 7, worker, kind, [5]) for kind in ("AppealMessage", "AuditAskMessage")}
    assert len(kinds) == 2
    with pytest.raises(RangeError):
        fair_play_digest(DOMAIN, 2**32, worker, "AppealMessage", [5])
    with pytest.raises(RangeError):
        packed([2**63])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state_mw", [0] * 95),
        ("state_mw", [0] * 97),
        ("state_mw", [0.5] * 96),
        ("state_mw", [2**53 + 1] * 96),
        ("load_mw", [-1] * 96),
        ("battery", [1] * 17),
        ("draw_mw", [1] * 97),
        ("curtailable", 1),
        ("round", -1),
        ("more", 1),
    ],
)
def test_a_disclosure_of_another_form_is_refused(field: str, value: object) -> None:
    document = msgspec.json.decode(encode(DISCLOSURE)) | {field: value}
    with pytest.raises(MessageError):
        decode(DisclosureMessage, msgspec.json.encode(document))


def test_a_huge_disclosure_is_refused_before_it_is_read() -> None:
    with pytest.raises(MessageError, match="at most"):
        decode(DisclosureMessage, encode(DISCLOSURE) + b" " * 20_000)
