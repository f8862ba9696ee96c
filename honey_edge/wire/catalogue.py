"""Writes docs/topics.md: every topic and every message field, taken from the code that speaks them.

`python -m honey_edge.wire.catalogue` prints the page; a test fails when the committed one differs.
"""

import sys
from collections.abc import Iterator

from msgspec import inspect

from honey_edge.wire.codec import MAX_BYTES
from honey_edge.wire.messages import Message
from honey_edge.wire.topics import KINDS, TopicKind, topic
from honey_edge.wire.typed_data import TYPE_STRINGS

_ADDRESS = "0" * 40
_HEAD = """# Topics and messages

Generated from `honey_edge/wire` by `python -m honey_edge.wire.catalogue`; change the code, then this page.

MQTT 3.1.1. Payloads are one flat JSON object each; a message of another version, too long, with a field too many, too
few, or of a wrong type or range is refused with a named error. Energy in milliwatt-hours, money in micro-coins
(`_micro`) or pico-coins (`_pico`), power in watts (import positive), prices in micro-coins per kWh, in rounds 10^-7
coin per kWh. Addresses, hashes and signatures (64 bytes: r, vs) are lower-case hex without 0x. `<hive>` is the Hive's
number, `<address>` a Worker's address of 40 lower-case hex digits. What is signed is the EIP-712 digest of the
structure named at the end, never the JSON.

| topic | from | QoS | retained | message | at most |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD + "\n".join(map(_row, KINDS)), *_messages(), *_structures()]) + "\n"


def topic_pattern(kind: TopicKind) -> str:
    """A kind's topic with placeholders for Hive and Worker."""
    text = topic(kind, 0, _ADDRESS if kind.addressed else "")
    return text.replace("/0/", "/<hive>/", 1).replace(_ADDRESS, "<address>")


def _row(kind: TopicKind) -> str:
    name = kind.message.__name__
    cells = (
        f"`{topic_pattern(kind)}`",
        "Queen" if kind.from_queen else "Worker",
        str(kind.qos),
        "yes" if kind.retained else "no",
        f"[{name}](#{name.lower()})",
        f"{MAX_BYTES[kind.message]:,} bytes",
    )
    return f"| {' | '.join(cells)} |"


def _messages() -> Iterator[str]:
    for kind in MAX_BYTES:
        yield f"\n## {kind.__name__}\n\n{_doc(kind)}\n\n| field | value |\n|---|---|"
        yield "\n".join(_field(field) for field in _fields(kind))


def _structures() -> Iterator[str]:
    yield "\n## Signed structures\n\nEIP-712, domain `Hive Settlement`, version `1`.\n"
    for text in sorted(TYPE_STRINGS.values()):
        yield f"- `{text}`"


def _doc(kind: type[Message]) -> str:
    return "\n".join(line.strip() for line in (kind.__doc__ or "").strip().splitlines())


def _fields(kind: type[Message]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _field(field: inspect.Field) -> str:
    optional = "" if field.required or field.name == "v" else ", may be left out"
    return f"| `{field.name}` | {_value(field.type)}{optional} |"


def _value(kind: inspect.Type) -> str:
    """A type and its limits in words."""
    if isinstance(kind, inspect.VarTupleType):
        low, high = kind.min_length or 0, kind.max_length
        return f"list of {low} to {high}: {_value(kind.item_type)}"
    if isinstance(kind, inspect.UnionType):
        return " or ".join(map(_value, kind.types))
    if isinstance(kind, inspect.NoneType):
        return "null"
    if isinstance(kind, inspect.IntType):
        return "integer of any size" if kind.ge is None else f"integer, {kind.ge} to {kind.le}"
    if isinstance(kind, inspect.StrType):
        return f"text of at most {kind.max_length} characters" if kind.pattern is None else f"text `{kind.pattern}`"
    return "true or false"


if __name__ == "__main__":
    sys.stdout.write(page())
