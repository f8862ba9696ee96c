"""The signer's list, and its bytes against eth-account as second opinion."""

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from queen_node.chain import NotAllowed
from queen_node.chain.signer import ListedSigner, Unsigned

SECRET = (7).to_bytes(32, "big")
TARGET, OTHER = "0a" * 20, "0b" * 20
SELECTOR = bytes.fromhex("11223344")
SIGNER = ListedSigner(SECRET, frozenset({(TARGET, SELECTOR), ("", b"")}))


def unsigned(**values: Any) -> Unsigned:
    return Unsigned(**{
        "chain_id": 31337, "nonce": 0, "target": TARGET, "value_wei": 0, "data": SELECTOR, "gas": 21_000,
        "max_fee_wei": 2 * 10**9, "tip_wei": 10**9, **values,
    })  # fmt: skip


@settings(max_examples=50)
@given(
    st.integers(0, 2**64),
    st.integers(1, 2**63),
    st.integers(0, 2**70),
    st.binary(max_size=300),
    st.integers(0, 2**24),
    st.integers(0, 2**60),
    st.booleans(),
)
def test_the_bytes_are_those_of_another_program(
    nonce: int, chain_id: int, value: int, data: bytes, gas: int, tip: int, creates: bool
) -> None:
    data = data if creates else SELECTOR + data
    fields = {"chainId": chain_id, "nonce": nonce, "gas": gas, "maxFeePerGas": tip + 5, "maxPriorityFeePerGas": tip}
    expected = Account.sign_transaction(
        {"type": 2, "value": value, "data": data, **fields, **({} if creates else {"to": bytes.fromhex(TARGET)})},
        SECRET,
    )
    target = "" if creates else TARGET
    raw, tx_hash = SIGNER.sign(Unsigned(chain_id, nonce, target, value, data, gas, tip + 5, tip))
    assert raw == bytes(expected.raw_transaction)
    assert tx_hash == bytes(expected.hash).hex()
    assert SIGNER.address == Account.from_key(SECRET).address[2:].lower()


@pytest.mark.parametrize(
    "refused",
    [
        unsigned(target=OTHER),
        unsigned(data=bytes.fromhex("11223345")),
        unsigned(data=b""),
        unsigned(data=SELECTOR[:3]),
        unsigned(target=SIGNER.address, value_wei=1, data=b""),
        unsigned(target=SIGNER.address, data=b"\x01"),
    ],
)
def test_what_is_not_on_the_list_is_not_signed(refused: Unsigned) -> None:
    with pytest.raises(NotAllowed, match="not on the signer's list") as error:
        SIGNER.sign(refused)
    assert error.value.next_step


def test_a_creation_needs_its_own_line_on_the_list() -> None:
    with pytest.raises(NotAllowed, match="new contract"):
        ListedSigner(SECRET, frozenset({(TARGET, SELECTOR)})).sign(unsigned(target="", data=b"\x60\x01"))


def test_nothing_to_oneself_is_always_allowed_for_it_fills_a_nonce() -> None:
    assert ListedSigner(SECRET, frozenset()).sign(unsigned(target=SIGNER.address, data=b""))[0][:1] == b"\x02"


def test_the_key_is_not_shown() -> None:
    assert SECRET.hex() not in repr(SIGNER) + str(vars(SIGNER))
