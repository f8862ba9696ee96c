"""Calls, answers, events and errors of the contracts, encoded and decoded from the committed ABI files.

Encoding follows the contract ABI specification (docs.soliditylang.org, "Contract ABI Specification"). Addresses are
40 lower-case hex digits everywhere in Python, structures are dictionaries by member name, bytes stay bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from honey_edge.wire.keccak import keccak
from queen_node.chain.artifacts import artifact, artifact_names
from queen_node.chain.errors import BadCall

Entry = Mapping[str, Any]
CONSTRUCTOR = "constructor"
_SELECTOR = 4
_WORD, _ADDRESS = 32, 20
_BYTES_TYPES = ("bytes", "string")
#: Bits of the types that take one word.
_WORD_TYPES: dict[str, int] = {
    "address": 160,
    "bool": 1,
    **{f"{sign}int{bits}": bits for sign in ("u", "") for bits in range(8, 257, 8)},
    **{f"bytes{length}": 8 * length for length in range(1, 33)},
}
#: What the compiler itself may answer instead of a contract's own error.
_BUILT_IN: tuple[Entry, ...] = (
    {"type": "error", "name": "Error", "inputs": [{"name": "text", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract, not yet a transaction.

    `target` is 40 hex digits, empty for a creation (then `function` is "constructor"); `contract` the name of the ABI
    file, empty for a plain payment; `function` a name, or the full signature where a name has overloads.
    """

    target: str
    contract: str
    function: str
    arguments: tuple[Any, ...] = ()
    value_wei: int = 0

    @property
    def data(self) -> bytes:
        """The call data; BadCall when function or arguments do not fit the contract."""
        if not self.contract:
            return b""
        entry = function_entry(self.contract, self.function)
        creates = self.function == CONSTRUCTOR
        front = _creation_code(self.contract) if creates else _selector_of(self.contract, self.function)
        return front + _encoded(entry, self.arguments, f"{self.contract}.{self.function}")

    @property
    def selector(self) -> bytes:
        """What a signer's list of allowed functions names: four bytes, none for a creation or a payment."""
        if not self.contract or self.function == CONSTRUCTOR:
            return b""
        return _selector_of(self.contract, self.function)

    def __str__(self) -> str:
        return f"{self.contract or 'payment'}.{self.function or 'transfer'} at {self.target or 'a new address'}"


@dataclass(frozen=True, slots=True)
class ErrorText:
    """A contract's refusal in words; `arguments` by name, `name` empty when no known contract has such an error."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        inner = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments.items())
        return f"{self.name}({inner})" if self.name else "no reason given"


def decode_result(call: Call, data: bytes) -> Any:
    """The answer of a call: one value as it is, several as a tuple; structures are dictionaries."""
    outputs = function_entry(call.contract, call.function)["outputs"]
    values = _decoded(outputs, data, str(call))
    return values[0] if len(values) == 1 else values


def decode_event(contract: str, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments of one log entry of a contract; None when the contract has no such event.

    Of an indexed argument that does not fit a word (text, bytes, lists) only its hash is known.
    """
    entry = _events(contract).get(topics[0]) if topics else None
    if entry is None or len(topics) - 1 != sum(1 for one in entry["inputs"] if one["indexed"]):
        return None
    hashed = iter(topics[1:])
    found: dict[str, Any] = {}
    plain = iter(_decoded([one for one in entry["inputs"] if not one["indexed"]], data, entry["name"]))
    for one in entry["inputs"]:
        found[one["name"]] = _topic(one, next(hashed)) if one["indexed"] else next(plain)
    return entry["name"], found


def decode_error(contracts: Iterable[str], data: bytes) -> ErrorText:
    """The refusal behind revert data: an error of the named contracts, else of any contract of this release."""
    for name in (*contracts, *artifact_names()):
        entry = _errors(name).get(data[:_SELECTOR])
        if entry is not None:
            values = _decoded(entry["inputs"], data[_SELECTOR:], entry["name"])
            names = [one["name"] or str(place) for place, one in enumerate(entry["inputs"])]
            return ErrorText(entry["name"], dict(zip(names, values, strict=True)))
    return ErrorText("", {"data": data} if data else {})


def event_topic(contract: str, event: str) -> bytes:
    """The first topic of an event, to filter logs by."""
    for topic, entry in _events(contract).items():
        if entry["name"] == event:
            return topic
    raise BadCall(f"{contract}.{event}", "the contract has no such event")


def allowed_calls(target: str, contract: str, *functions: str) -> frozenset[tuple[str, bytes]]:
    """Pairs of target and selector for a signer's list; "constructor" allows the creation of any contract."""
    return frozenset((target, Call(target, contract, function).selector) for function in functions)


@cache
def _selector_of(contract: str, function: str) -> bytes:
    return selector(function_entry(contract, function))


@cache
def function_entry(contract: str, function: str) -> Entry:
    """The ABI entry of a function by name or signature; BadCall when there is none or several."""
    if function == CONSTRUCTOR:
        made = [entry for entry in artifact(contract).abi if entry["type"] == CONSTRUCTOR]
        return made[0] if made else {"type": CONSTRUCTOR, "inputs": [], "outputs": []}
    entries = [entry for entry in artifact(contract).abi if entry["type"] == "function"]
    found = [entry for entry in entries if function in (entry["name"], signature(entry))]
    if len(found) != 1:
        known = ", ".join(signature(entry) for entry in found)
        raise BadCall(
            f"{contract}.{function}", f"several functions: {known}" if found else "the contract has no such function"
        )
    return found[0]


@cache
def _creation_code(contract: str) -> bytes:
    return bytes.fromhex(artifact(contract).bytecode.removeprefix("0x"))


def signature(entry: Entry) -> str:
    """Name with canonical types, e.g. `deposit(uint32,address,uint256)`."""
    return f"{entry['name']}({','.join(types(entry['inputs']))})"


def selector(entry: Entry) -> bytes:
    """The first four bytes of the signature's hash."""
    return keccak(signature(entry).encode())[:_SELECTOR]


def types(inputs: Sequence[Entry]) -> list[str]:
    """Canonical types; structures are spelt out."""
    return [
        f"({','.join(types(one['components']))}){one['type'].removeprefix('tuple')}"
        if one["type"].startswith("tuple")
        else one["type"]
        for one in inputs
    ]


@cache
def _events(contract: str) -> dict[bytes, Entry]:
    return {keccak(signature(entry).encode()): entry for entry in artifact(contract).abi if entry["type"] == "event"}


@cache
def _errors(contract: str) -> dict[bytes, Entry]:
    own = [entry for entry in artifact(contract).abi if entry["type"] == "error"]
    return {selector(entry): entry for entry in (*own, *_BUILT_IN)}


def _encoded(entry: Entry, arguments: Sequence[Any], place: str) -> bytes:
    """Arguments as words; lists, and structures with parts of no fixed length, are left to the library."""
    inputs = entry["inputs"]
    if len(inputs) != len(arguments):
        raise BadCall(place, f"{len(arguments)} arguments, it takes {len(inputs)}")
    if not all(_words(one) or one["type"] in _BYTES_TYPES for one in inputs):
        return _encoded_by_library(entry, arguments, place)
    offset = _WORD * sum(_words(one) or 1 for one in inputs)
    head, tail = [], b""
    try:
        for one, value in zip(inputs, arguments, strict=True):
            if _words(one):
                head.append(_word(one, value))
                continue
            content = value.encode() if one["type"] == "string" else bytes(value)
            head.append((offset + len(tail)).to_bytes(_WORD, "big"))
            tail += len(content).to_bytes(_WORD, "big") + content + bytes(-len(content) % _WORD)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise BadCall(place, str(error)) from error
    return b"".join(head) + tail


def _word(one: Entry, value: Any) -> bytes:
    """A value of fixed length as its words; ValueError or OverflowError when it does not fit."""
    kind = one["type"]
    if kind == "tuple":
        parts = one["components"]
        given = [value[part["name"]] for part in parts] if isinstance(value, Mapping) else value
        return b"".join(_word(part, item) for part, item in zip(parts, given, strict=True))
    bits = _WORD_TYPES[kind]
    if kind == "address" or kind.startswith("bytes"):
        plain = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
        if len(plain) * 8 != bits:
            raise ValueError(f"{one['name']} has {len(plain)} bytes, {kind} has {bits // 8}")
        return plain.rjust(_WORD, b"\0") if kind == "address" else plain.ljust(_WORD, b"\0")
    if not isinstance(value, int) or (kind == "bool") != isinstance(value, bool):
        raise ValueError(f"{one['name']} = {value!r} is no {kind}")
    signed = kind.startswith("int")
    if not -(signed << bits - 1) <= value < 1 << bits - signed:
        raise ValueError(f"{one['name']} = {value} does not fit {kind}")
    return value.to_bytes(_WORD, "big", signed=signed)


def _encoded_by_library(entry: Entry, arguments: Sequence[Any], place: str) -> bytes:
    from eth_abi.abi import encode
    from eth_abi.exceptions import EncodingError

    inputs = entry["inputs"]
    try:
        values = [_outward(one, value) for one, value in zip(inputs, arguments, strict=True)]
        return encode(types(inputs), values)
    except (EncodingError, KeyError, TypeError, ValueError) as error:
        raise BadCall(place, str(error)) from error


def _decoded(outputs: Sequence[Entry], data: bytes, place: str) -> tuple[Any, ...]:
    """Values by type. Where all have a fixed length they are read word by word: a settlement reads thousands."""
    words = sum(_words(one) for one in outputs)
    if outputs and all(_words(one) for one in outputs) and len(data) >= words * _WORD:
        front = iter(data[start : start + _WORD] for start in range(0, words * _WORD, _WORD))
        return tuple(_from_words(one, front, place) for one in outputs)
    return _decoded_by_library(outputs, data, place)


def _words(one: Entry) -> int:
    """How many words a type takes; 0 when that is not fixed or the library shall read it."""
    kind = one["type"]
    if kind == "tuple":
        parts = [_words(part) for part in one["components"]]
        return sum(parts) if all(parts) else 0
    return 1 if kind in _WORD_TYPES else 0


def _from_words(one: Entry, words: Iterator[bytes], place: str) -> Any:
    if one["type"] == "tuple":
        return {part["name"]: _from_words(part, words, place) for part in one["components"]}
    kind, word = one["type"], next(words)
    if kind.startswith("bytes"):
        length = _WORD_TYPES[kind] // 8
        value, good = word[:length], not any(word[length:])
        shown: Any = value
    elif kind == "address":
        shown, good = word[-_ADDRESS:].hex(), not any(word[:-_ADDRESS])
    elif kind.startswith("int"):
        shown = int.from_bytes(word, "big", signed=True)
        good = -(1 << _WORD_TYPES[kind] - 1) <= shown < 1 << _WORD_TYPES[kind] - 1
    else:
        number = int.from_bytes(word, "big")
        shown, good = bool(number) if kind == "bool" else number, number < 1 << _WORD_TYPES[kind]
    if not good:
        raise BadCall(place, f"{one['name'] or 'answer'} is no {kind}: {word.hex()}")
    return shown


def _decoded_by_library(outputs: Sequence[Entry], data: bytes, place: str) -> tuple[Any, ...]:
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        values = decode(types(outputs), data)
    except DecodingError as error:
        raise BadCall(place, f"answer of {len(data)} bytes cannot be read: {error}") from error
    return tuple(_inward(one, value) for one, value in zip(outputs, values, strict=True))


def _outward(one: Entry, value: Any) -> Any:
    """A Python value as the encoder wants it."""
    kind = one["type"]
    if kind.endswith("]"):
        inner = {**one, "type": kind[: kind.rindex("[")]}
        return [_outward(inner, part) for part in value]
    if kind == "tuple":
        parts = one["components"]
        given = [value[part["name"]] for part in parts] if isinstance(value, Mapping) else value
        return tuple(_outward(part, item) for part, item in zip(parts, given, strict=True))
    if kind == "address" and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _inward(one: Entry, value: Any) -> Any:
    """A decoded value as the rest of the Queen wants it."""
    kind = one["type"]
    if kind.endswith("]"):
        inner = {**one, "type": kind[: kind.rindex("[")]}
        return tuple(_inward(inner, part) for part in value)
    if kind == "tuple":
        parts = one["components"]
        return {part["name"]: _inward(part, item) for part, item in zip(parts, value, strict=True)}
    return value[2:].lower() if kind == "address" else value


def _topic(one: Entry, topic: bytes) -> Any:
    if one["type"] in ("string", "bytes", "tuple") or one["type"].endswith("]"):
        return topic
    (value,) = _decoded([one], topic.rjust(_WORD, b"\0"), one["name"])
    return value


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
