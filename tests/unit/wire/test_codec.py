"""The codec: what goes in comes out, and everything else is a named MessageError, whatever the bytes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.wire import codec, messages, structs
from honey_edge.wire.codec import MAX_BYTES, MalformedError, MessageError, OversizeError, VersionError, decode, encode
from honey_edge.wire.messages import Message
from honey_edge.wire.statement_message import (
    CoverTold,
    LinesError,
    StatementLine,
    StatementMessage,
    statement_message,
)

W, H, S = bytes(range(20)), b"\xab" * 32, b"\xcd" * 64
BIG = 2**48 - 1
TOTALS = structs.SlotTotals(1, 9, BIG, 1, -5, 3, -2, 1, 1000, 0, 2, 1, -(2**63), H, H)
LINES = [
    StatementLine(TOTALS, S, (H, H), 0, -7, 1000, -(10**20), 10**25),
    StatementLine(TOTALS, S, (), 1, 7, 1000, 1, 2),
]
STATEMENT = structs.Statement(1, W, 9, -(2**63), BIG, 0, H)
SAMPLES: list[Message] = [
    messages.ReadingMessage.of(structs.Reading(W, 9, BIG, 0, 3, H, H), S),
    messages.SlotTotalsMessage.of(TOTALS, S),
    messages.CursorMessage.of(structs.Receipt(1, W, 9, 5, 6, H), S),
    messages.StatusMessage(online=True, version="1.0", at_unix_s=5),
    messages.RoundMessage(
        hive=1,
        round=2,
        iteration=0,
        final=False,
        first_slot=9,
        price_e7_per_kwh=(1, -2),
        sigma_kw2_per_coin=3,
        deadline_unix_s=4,
    ),
    messages.DeclareMessage(
        worker=W.hex(), round=1, iteration=2, first_slot=3, flexible=True, power_w=(1, -1), cost_e9_coin=-4
    ),
    messages.DeclareMessage(
        worker=W.hex(),
        round=1,
        iteration=2,
        first_slot=3,
        flexible=True,
        power_w=(),
        cost_e9_coin=0,
        profile=H.hex(),
        signature=S.hex(),
    ),
    messages.CountersignMessage(worker=W.hex(), slot=9, statement=H.hex(), net_micro=-1, reason=4, signature=S.hex()),
    statement_message(STATEMENT, S, CoverTold(5, 6, 7, 8), LINES),
]
SAMPLE_IDS = [f"{k}-{type(s).__name__}" for k, s in enumerate(SAMPLES)]


@pytest.mark.parametrize("message", SAMPLES, ids=SAMPLE_IDS)
def test_every_message_survives_the_wire(message: Message) -> None:
    payload = encode(message)
    assert decode(type(message), payload) == message
    assert json.loads(payload)["v"] == 1


def test_messages_carry_what_is_signed() -> None:
    assert messages.ReadingMessage.signed(SAMPLES[0]) == structs.Reading(W, 9, BIG, 0, 3, H, H)  # type: ignore[arg-type]
    assert messages.SlotTotalsMessage.signed(SAMPLES[1]) == TOTALS  # type: ignore[arg-type]
    assert messages.CursorMessage.signed(SAMPLES[2]) == structs.Receipt(1, W, 9, 5, 6, H)  # type: ignore[arg-type]
    declared = messages.DeclareMessage.signed(SAMPLES[6])  # type: ignore[arg-type]
    assert declared == structs.Declaration(W, 3, 1, H)
    objection = messages.CountersignMessage.objection(SAMPLES[7])  # type: ignore[arg-type]
    assert objection == structs.Objection(H, -1, 4)
    statement = SAMPLES[8]
    assert isinstance(statement, StatementMessage)
    assert statement.signed() == STATEMENT
    assert statement.lines() == LINES


@pytest.mark.parametrize("message", SAMPLES, ids=SAMPLE_IDS)
def test_other_versions_missing_and_additional_fields_are_refused_by_name(message: Message) -> None:
    whole = json.loads(encode(message))
    for version in (0, 2, 2**70):
        with pytest.raises(VersionError, match=type(message).__name__):
            decode(type(message), json.dumps({**whole, "v": version}).encode())
    with pytest.raises(MalformedError, match="unknown field `extra`"):
        decode(type(message), json.dumps({**whole, "extra": 1}).encode())
    for name in [n for n in whole if n not in ("v", "profile", "signature")]:
        less = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(MalformedError, match=name):
            decode(type(message), json.dumps(less).encode())


@pytest.mark.parametrize("message", SAMPLES, ids=SAMPLE_IDS)
def test_wrong_types_and_ranges_are_refused_naming_the_field(message: Message) -> None:
    whole = json.loads(encode(message))
    for name, value in whole.items():
        wrong: list[Any] = [None, {}, 1.5, [None], [1.5]]
        if isinstance(value, str):
            wrong += [1, value + "\n", value + " "] if name != "version" else [1, "x" * 65]
            wrong += [value.upper()] if value != value.upper() else []
        elif isinstance(value, bool):
            wrong += [0, "true"]
        elif isinstance(value, int):
            wrong += ["1", True, 2**64, -(2**64)]
        for bad in wrong:
            with pytest.raises(MessageError, match="v" if name == "v" else name):
                decode(type(message), json.dumps({**whole, name: bad}).encode())


@pytest.mark.parametrize("kind", MAX_BYTES, ids=lambda kind: kind.__name__)
def test_too_long_a_payload_is_refused_before_it_is_read(kind: type[Message]) -> None:
    with pytest.raises(OversizeError, match=f"at most {MAX_BYTES[kind]}"):
        decode(kind, b" " * (MAX_BYTES[kind] + 1))


def test_nothing_is_sent_that_nobody_would_accept() -> None:
    long = messages.StatusMessage(online=True, version="x" * 600, at_unix_s=5)
    with pytest.raises(OversizeError):
        encode(long)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(MAX_BYTES)), st.binary(max_size=300))
def test_random_bytes_are_never_anything_but_a_named_error(kind: type[Message], payload: bytes) -> None:
    with pytest.raises(MessageError):
        decode(kind, payload)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_damaged_messages_are_read_or_refused_by_name(message: Message, data: st.DataObject) -> None:
    payload = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        read = decode(type(message), bytes(payload))
    except MessageError:
        return
    assert isinstance(read, type(message))
    assert decode(type(message), encode(read)) == read


@pytest.mark.parametrize(
    "payload",
    [b"[" * 1000, b'{"v":' * 150, b'{"v":1', b"\xff\xfe", b'{"v":"1"}', b'{"v":' + b"9" * 900 + b"}", b"null"],
)
def test_hostile_json_is_a_named_error(payload: bytes) -> None:
    for kind in (messages.ReadingMessage, StatementMessage):
        with pytest.raises(MessageError):
            decode(kind, payload)
    with pytest.raises(MessageError):
        decode(StatementMessage, b"[" * 500_000)


def test_lines_of_different_lengths_are_refused_by_the_name_of_the_array() -> None:
    whole = SAMPLES[8]
    assert isinstance(whole, StatementMessage)
    for name in (n for n in whole.__struct_fields__ if n.startswith("line_")):
        cut = msgspec.structs.replace(whole, **{name: getattr(whole, name)[:1]})
        with pytest.raises(LinesError, match=r"line_slot|" + name):
            cut.lines()


def test_a_statement_message_holds_192_lines_within_its_size_and_not_one_more() -> None:
    widest = StatementLine(
        structs.SlotTotals(2**32 - 1, 2**32 - 1, BIG, BIG, *[-(2**63)] * 4, 1000, 1000, 65535, 65535, -(2**63), H, H),
        S,
        (H,) * 16,
        2,
        -(2**63),
        1000,
        -(10**30),
        -(10**30),
    )
    payload = encode(statement_message(STATEMENT, S, CoverTold(5, 6, 7, 8), [widest] * 192))
    assert len(decode(StatementMessage, payload).lines()) == 192
    with pytest.raises(LinesError, match="192"):
        statement_message(STATEMENT, S, CoverTold(5, 6, 7, 8), [widest] * 193)


def test_a_reading_fits_one_small_packet() -> None:
    assert len(encode(SAMPLES[0])) < codec.MAX_BYTES[messages.ReadingMessage]
