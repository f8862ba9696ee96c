"""The messages of real time: what is signed is what eth-account hashes, and nothing absurd is read."""

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.model.errors import RangeError
from honey_edge.wire.codec import MalformedError, OversizeError, decode, encode
from honey_edge.wire.flex_messages import AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.flex_structs import FlexOffer, flex_offer_digest
from honey_edge.wire.messages import Message
from honey_edge.wire.signing import KeySigner, recover_address
from honey_edge.wire.structs import FlexOrder
from honey_edge.wire.typed_data import Domain

SECRET = b"\x2a" * 32
"""A key for tests only."""
WORKER = KeySigner(SECRET).address
POOL = Domain(31337, b"\xf1" * 20)
NAME, SIGNED = WORKER.hex(), "ab" * 64
SAMPLES: list[Message] = [
    PowerMessage(worker=NAME, slot=5, minute=14, power_w=-3_000),
    OfferMessage(hive=7, worker=NAME, slot=5, up_w=1, down_w=2, price_micro_per_kwh=3, minutes=15, signature=SIGNED),
    OrderMessage(
        hive=7, worker=NAME, slot=5, watts=-9, price_micro=4, serial=1, from_s=70, until_s=900, signature=SIGNED
    ),
    AcceptMessage(worker=NAME, slot=5, serial=1, order="cd" * 32, signature=SIGNED),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_each_message_survives_the_wire_and_none_lacks_or_adds_a_field(message: Message) -> None:
    payload = encode(message)
    assert decode(type(message), payload) == message
    whole = json.loads(payload)
    with pytest.raises(MalformedError):
        decode(type(message), json.dumps({**whole, "extra": 1}).encode())
    for name in set(whole) - {"v"}:
        with pytest.raises(MalformedError):
            decode(type(message), json.dumps({k: v for k, v in whole.items() if k != name}).encode())
    with pytest.raises(OversizeError):
        decode(type(message), payload + b" " * 2_000)


@pytest.mark.parametrize(
    ("sample", "field", "value"),
    [
        *[(0, "power_w", bad) for bad in (2**31, -(2**31) - 1, 1.5, "7", None, True)],
        *[(0, "minute", bad) for bad in (-1, 15)],
        *[(1, "up_w", bad) for bad in (-1, 10**8 + 1, 1e3)],
        *[(1, "minutes", bad) for bad in (0, 16)],
        (1, "price_micro_per_kwh", 10**8 + 1),
        *[(2, "price_micro", bad) for bad in (-1, 2**63)],
        *[(2, "from_s", bad) for bad in (-1, 900)],
        *[(2, "until_s", bad) for bad in (0, 901)],
        (2, "serial", 2**32),
        *[(3, "order", bad) for bad in ("cd" * 31, "CD" * 32, "0x" + "cd" * 31)],
    ],
)
def test_numbers_out_of_range_are_not_read(sample: int, field: str, value: Any) -> None:
    whole = json.loads(encode(SAMPLES[sample])) | {field: value}
    with pytest.raises(MalformedError, match=field):
        decode(type(SAMPLES[sample]), json.dumps(whole).encode())


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "0x10", "01"])
def test_what_is_no_number_is_not_read(text: str) -> None:
    payload = encode(SAMPLES[0]).replace(b"-3000", text.encode())
    assert payload != encode(SAMPLES[0])
    with pytest.raises(MalformedError):
        decode(PowerMessage, payload)


@given(
    st.integers(0, 2**32 - 1), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(1, 15)
)
def test_the_offer_is_signed_as_eth_account_would_sign_it(
    slot: int, up: int, down: int, price: int, minutes: int
) -> None:
    fields = (("hive", 32), ("slot", 32), ("upW", 32), ("downW", 32), ("price", 64), ("minutes", 8))
    types = [{"name": name, "type": f"uint{bits}"} for name, bits in fields]
    types.insert(1, {"name": "worker", "type": "address"})
    values = {"hive": 7, "worker": WORKER, "slot": slot, "upW": up, "downW": down, "price": price, "minutes": minutes}
    domain = {
        "name": "Hive Settlement",
        "version": "1",
        "chainId": POOL.chain_id,
        "verifyingContract": "0x" + POOL.contract.hex(),
    }
    signable = encode_typed_data(domain, {"FlexOffer": types}, values)
    hashed = flex_offer_digest(POOL, FlexOffer(7, WORKER, slot, up, down, price, minutes))
    assert recover_address(hashed, KeySigner(SECRET).sign(hashed)) == WORKER
    assert Account.sign_message(signable, SECRET).message_hash == hashed


def test_messages_carry_what_is_signed() -> None:
    offer, order = SAMPLES[1], SAMPLES[2]
    assert isinstance(offer, OfferMessage)
    assert isinstance(order, OrderMessage)
    assert offer.signed() == FlexOffer(7, WORKER, 5, 1, 2, 3, 15)
    assert order.signed() == FlexOrder(7, WORKER, 5, -9, 4, 1)


@pytest.mark.parametrize("change", [{"slot": 2**32}, {"minutes": 256}, {"up_w": -1}, {"worker": b"\x01" * 19}])
def test_an_offer_that_does_not_fit_is_not_hashed(change: dict[str, Any]) -> None:
    fields = {"hive": 7, "worker": WORKER, "slot": 1, "up_w": 1, "down_w": 1, "price_micro_per_kwh": 1, "minutes": 1}
    with pytest.raises(RangeError):
        flex_offer_digest(POOL, FlexOffer(**(fields | change)))
