"""Encoding and decoding against the library as second opinion, overloads, events and errors by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.wire.keccak import keccak
from queen_node.chain import BadCall, Call, artifacts
from queen_node.chain.calls import (
    CONSTRUCTOR,
    allowed_calls,
    decode_error,
    decode_event,
    decode_result,
    event_topic,
    function_entry,
    selector,
    signature,
)

HERE = "ab" * 20
POINT = [{"name": "x", "type": "int16"}, {"name": "who", "type": "address"}]
ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "all",
        "inputs": [
            {"name": "a", "type": "uint32"},
            {"name": "b", "type": "int64"},
            {"name": "c", "type": "address"},
            {"name": "d", "type": "bytes32"},
            {"name": "e", "type": "bool"},
            {"name": "f", "type": "bytes"},
            {"name": "g", "type": "tuple", "components": POINT},
            {"name": "h", "type": "string"},
        ],
        "outputs": [],
    },
    {
        "type": "function",
        "name": "many",
        "inputs": [{"name": "a", "type": "address[]"}, {"name": "b", "type": "tuple[]", "components": POINT}],
        "outputs": [{"name": "", "type": "tuple[]", "components": POINT}, {"name": "", "type": "address[]"}],
    },
    {"type": "function", "name": "two", "inputs": [], "outputs": [{"name": "", "type": "uint8"}] * 2},
    {
        "type": "function",
        "name": "point",
        "inputs": [],
        "outputs": [{"name": "", "type": "tuple", "components": [*POINT, {"name": "k", "type": "bytes4"}]}],
    },
    {"type": "function", "name": "over", "inputs": [{"name": "a", "type": "uint8"}], "outputs": []},
    {"type": "function", "name": "over", "inputs": [{"name": "a", "type": "bool"}], "outputs": []},
    {
        "type": "event",
        "name": "Told",
        "inputs": [
            {"name": "who", "type": "address", "indexed": True},
            {"name": "text", "type": "string", "indexed": True},
            {"name": "level", "type": "int64", "indexed": False},
        ],
    },
    {
        "type": "error",
        "name": "TooMuch",
        "inputs": [{"name": "asked", "type": "uint64"}, {"name": "", "type": "address"}],
    },
    {"type": "constructor", "inputs": [{"name": "a", "type": "uint8"}]},
]


@pytest.fixture(autouse=True, scope="module")
def _one_more_contract(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A made-up contract beside the real ones."""
    folder: Path = tmp_path_factory.mktemp("abi")
    document = {"abi": ABI, "bytecode": "0x6001", "deployedBytecode": "0x", "immutableReferences": [], "sourceHash": ""}
    (folder / "Made.json").write_text(json.dumps(document))
    before = artifacts.FOLDERS
    artifacts.FOLDERS = (folder, *before)
    artifacts.artifact_names.cache_clear()
    yield
    artifacts.FOLDERS = before
    artifacts.artifact_names.cache_clear()
    artifacts.artifact.cache_clear()


ADDRESS = st.binary(min_size=20, max_size=20)
POINTS = st.tuples(st.integers(-(2**15), 2**15 - 1), ADDRESS)


VALUES = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(-(2**63), 2**63 - 1),
    ADDRESS,
    st.binary(min_size=32, max_size=32),
    st.booleans(),
    st.binary(max_size=100),
    POINTS,
    st.text(max_size=40),
)


@settings(max_examples=60)
@given(VALUES)
def test_call_data_is_what_the_library_encodes(values: tuple[Any, ...]) -> None:
    a, b, c, d, e, f, g, h = values
    types = ["uint32", "int64", "address", "bytes32", "bool", "bytes", "(int16,address)", "string"]
    front = keccak(b"all(uint32,int64,address,bytes32,bool,bytes,(int16,address),string)")[:4]
    spelt = (a, b, c.hex(), d, e, f, {"x": g[0], "who": g[1].hex()}, h)
    assert Call(HERE, "Made", "all", spelt).data == front + encode(types, values)
    assert Call(HERE, "Made", "all", values).data == front + encode(types, values)


@given(st.lists(ADDRESS, max_size=3), st.lists(POINTS, max_size=3))
def test_lists_go_through_the_library_and_come_back_by_name(
    addresses: list[bytes], points: list[tuple[int, bytes]]
) -> None:
    texts = [one.hex() for one in addresses]
    data = Call(HERE, "Made", "many", (texts, [(x, who.hex()) for x, who in points])).data
    assert decode(["address[]", "(int16,address)[]"], data[4:])[0] == tuple("0x" + one for one in texts)
    answer = encode(["(int16,address)[]", "address[]"], [points, addresses])
    back = decode_result(Call(HERE, "Made", "many"), answer)
    assert back == (tuple({"x": x, "who": who.hex()} for x, who in points), tuple(texts))


@given(POINTS, st.binary(min_size=4, max_size=4))
def test_a_structure_comes_back_as_a_dictionary(point: tuple[int, bytes], short: bytes) -> None:
    data = encode(["(int16,address,bytes4)"], [(*point, short)])
    assert decode_result(Call(HERE, "Made", "point"), data) == {"x": point[0], "who": point[1].hex(), "k": short}
    assert decode_result(Call(HERE, "Made", "two"), encode(["uint8", "uint8"], [1, 2])) == (1, 2)


@pytest.mark.parametrize(
    ("x", "who", "short"),
    [
        ("80" + "00" * 31, "00" * 32, "00" * 32),
        ("00" * 29 + "008000", "00" * 32, "00" * 32),
        ("00" * 32, "01" + "00" * 31, "00" * 32),
        ("00" * 32, "00" * 32, "00" * 31 + "01"),
    ],
)
def test_an_answer_that_no_such_value_has_is_refused(x: str, who: str, short: str) -> None:
    with pytest.raises(BadCall, match="is no"):
        decode_result(Call(HERE, "Made", "point"), bytes.fromhex(x + who + short))


def test_an_answer_that_is_too_short_is_refused() -> None:
    with pytest.raises(BadCall, match="cannot be read"):
        decode_result(Call(HERE, "Made", "two"), bytes(33))


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("over", (1,), "several functions: over"),
        ("nothing", (), "no such function"),
        ("two", (1,), "1 arguments, it takes 0"),
        ("over(uint8)", (256,), "does not fit uint8"),
        ("over(uint8)", (-1,), "does not fit uint8"),
        ("over(uint8)", (True,), "is no uint8"),
        ("over(bool)", (1,), "is no bool"),
        ("over(uint8)", ("1",), "is no uint8"),
        ("many", ([], [(1,)]), "Made.many"),
        ("many", (["zz"], []), "Made.many"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_with_its_place(
    function: str, arguments: tuple[Any, ...], text: str
) -> None:
    with pytest.raises(BadCall, match=text) as refused:
        _ = Call(HERE, "Made", function, arguments).data
    assert refused.value.place.startswith("Made.")


def test_an_overload_is_called_by_its_signature() -> None:
    assert Call(HERE, "Made", "over(bool)", (True,)).selector == keccak(b"over(bool)")[:4]
    assert Call(HERE, "Made", "over(uint8)", (1,)).selector == keccak(b"over(uint8)")[:4]


def test_creations_and_payments_have_no_selector() -> None:
    made = Call("", "Made", CONSTRUCTOR, (7,))
    assert made.data == bytes.fromhex("6001") + encode(["uint8"], [7])
    assert made.selector == Call(HERE, "", "", (), 5).selector == b""
    assert Call(HERE, "", "").data == b""
    assert str(made) == "Made.constructor at a new address"
    assert allowed_calls(HERE, "Made", "two", "over(bool)") == {
        (HERE, keccak(b"two()")[:4]),
        (HERE, keccak(b"over(bool)")[:4]),
    }


def test_events_come_back_by_name_and_strangers_do_not() -> None:
    topics = (event_topic("Made", "Told"), bytes(12) + bytes.fromhex(HERE), b"\x07" * 32)
    data = encode(["int64"], [-5])
    assert decode_event("Made", topics, data) == ("Told", {"who": HERE, "text": b"\x07" * 32, "level": -5})
    assert decode_event("Made", (b"\x01" * 32,), data) is None
    assert decode_event("Made", topics[:2], data) is None
    assert decode_event("Made", (), data) is None
    with pytest.raises(BadCall, match="no such event"):
        event_topic("Made", "Silent")


def test_errors_come_back_with_their_arguments_from_any_contract() -> None:
    data = keccak(b"TooMuch(uint64,address)")[:4] + encode(["uint64", "address"], [9, "0x" + HERE])
    for named in (["Made"], []):
        told = decode_error(named, data)
        assert (told.name, told.arguments) == ("TooMuch", {"asked": 9, "1": HERE})
        assert str(told) == f"TooMuch(asked=9, 1={HERE})"
    words = keccak(b"Error(string)")[:4] + encode(["string"], ["no"])
    assert str(decode_error([], words)) == "Error(text=no)"
    assert str(decode_error([], b"\x01\x02\x03\x04")) == "no reason given"


def test_every_function_of_every_contract_has_its_own_selector() -> None:
    for name in artifacts.artifact_names():
        entries = [entry for entry in artifacts.artifact(name).abi if entry["type"] == "function"]
        assert len({selector(entry) for entry in entries}) == len(entries)
        for entry in entries:
            assert function_entry(name, signature(entry)) is entry
