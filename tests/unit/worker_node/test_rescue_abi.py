"""The Worker's own tables of the contract agree with the committed ABI and with an ABI library."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.wire.keccak import keccak
from honey_edge.wire.structs import CloseRequest, Statement
from worker_node.both_signed import BothSigned
from worker_node.chain_eye.rpc import NodeRefused
from worker_node.chain_eye.views import VIEWS, AnswerMalformed, View, decode_word
from worker_node.rescue import calls
from worker_node.rescue.refusals import ERRORS, refusal_text

ABI = json.loads((Path(__file__).resolve().parents[3] / "contracts/abi/EnergySettlement.json").read_text())["abi"]


def type_of(parameter: dict[str, Any]) -> str:
    """A parameter's type as a signature writes it."""
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    return "(" + ",".join(type_of(one) for one in parameter["components"]) + ")" + parameter["type"][len("tuple") :]


def signatures(kind: str) -> dict[str, dict[str, Any]]:
    """The ABI's entries of a kind, by signature."""
    found = [entry for entry in ABI if entry["type"] == kind]
    return {f"{entry['name']}({','.join(map(type_of, entry['inputs']))})": entry for entry in found}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_asks_and_reads_what_the_contract_has(view: View) -> None:
    entry = signatures("function")[f"{view.name}({','.join(view.inputs)})"]
    (output,) = entry["outputs"]
    words = output.get("components", [output])
    assert [one["type"] for one in words] == [kind for kind, _ in view.outputs]
    if "components" in output:
        assert [one["name"] for one in words] == [name for _, name in view.outputs]
    assert entry["stateMutability"] == "view"


@pytest.mark.parametrize("signature", calls.FUNCTIONS)
def test_every_call_is_a_function_of_the_contract(signature: str) -> None:
    assert signatures("function")[signature]["stateMutability"] == "nonpayable"


@pytest.mark.parametrize("signature", ERRORS)
def test_every_refusal_is_an_error_of_the_contract(signature: str) -> None:
    assert signature in signatures("error")


KINDS = st.sampled_from(["uint8", "uint32", "uint48", "uint64", "int64", "bool", "address", "bytes32"])


@given(KINDS, st.binary(min_size=32, max_size=32), st.booleans())
def test_words_are_read_like_an_abi_library_reads_them(kind: str, word: bytes, small: bool) -> None:
    word = bytes(24) + word[24:] if small else word
    try:
        (expected,) = decode([kind], word)
    except DecodingError:
        with pytest.raises(AnswerMalformed):
            decode_word(kind, word, "value")
        return
    own = decode_word(kind, word, "value")
    assert own == (bytes.fromhex(expected[2:]) if kind == "address" else expected)


addresses = st.binary(min_size=20, max_size=20)
signed = st.binary(min_size=64, max_size=64)
statements = st.builds(
    Statement,
    st.integers(0, 2**32 - 1),
    addresses,
    st.integers(0, 2**32 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**48 - 1),
    st.binary(min_size=32, max_size=32),
)
requests = st.builds(
    CloseRequest, st.integers(0, 2**32 - 1), addresses, st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1)
)


@given(requests, signed, statements, signed, signed)
def test_calls_are_encoded_like_an_abi_library_encodes_them(
    request: CloseRequest, signature: bytes, statement: Statement, own: bytes, queens: bytes
) -> None:
    both = BothSigned(statement, own, queens)

    def whole(text: str, *values: Any) -> bytes:
        kinds = [type_of(one) for one in signatures("function")[text]["inputs"]]
        return keccak(text.encode())[:4] + encode(kinds, values)

    def plain(value: Any) -> tuple[Any, ...]:
        found = [getattr(value, name) for name in value.__slots__]
        return tuple("0x" + one.hex() if isinstance(one, bytes) and len(one) == 20 else one for one in found)

    def halves(text: bytes) -> tuple[bytes, bytes]:
        return text[:32], text[32:]

    three = (plain(statement), halves(own), halves(queens))
    asked = calls.SignedRequest(request, signature)
    assert calls.start_close(asked, both) == whole(calls.START, plain(request), halves(signature), *three)
    assert calls.start_close(asked, None) == whole(calls.START_BARE, plain(request), halves(signature))
    assert calls.contest(both) == whole(calls.CONTEST, *three)
    assert calls.claim_late(both) == whole(calls.CLAIM_LATE, *three)
    who = "0x" + request.worker.hex()
    assert calls.finish_close(request.hive, request.worker) == whole(calls.FINISH, request.hive, who)
    assert calls.claim(request.hive, request.worker) == whole(calls.CLAIM, request.hive, who)


def test_a_refusal_is_told_in_words_with_its_numbers() -> None:
    data = keccak(b"TooEarly(uint256)")[:4] + (77).to_bytes(32, "big")
    assert refusal_text(NodeRefused("n: reverted", data)) == "the window is not over yet (TooEarly: 77)"
    funded = keccak(b"NotFunded(int64,int64)")[:4] + (-5).to_bytes(32, "big", signed=True) + bytes(32)
    assert "NotFunded: -5, 0" in refusal_text(NodeRefused("n: reverted", funded))
    named = keccak(b"InvalidSignature(address)")[:4] + bytes(12) + b"\x11" * 20
    assert "11" * 20 in refusal_text(NodeRefused("n: reverted", named))
    assert refusal_text(NodeRefused("n: odd", b"\x01\x02\x03\x04")) == "n: odd (0x01020304)"
    assert refusal_text(NodeRefused("n: no gas")) == "n: no gas"
