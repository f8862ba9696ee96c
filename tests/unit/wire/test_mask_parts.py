"""The parts of masked answers: field, words, text, signed keys; each exact, each refusing what is none."""

import random
import struct

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.model.errors import RangeError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_answer import LockedShare, MaskedAnswer, elements, unbase64
from honey_edge.wire.mask_errors import MaskFormError
from honey_edge.wire.mask_field import PRIME, element, secret_of_shares, share_at, weights_at_zero
from honey_edge.wire.mask_keys import threshold
from honey_edge.wire.mask_structs import MaskKey, mask_key_digest
from honey_edge.wire.mask_vector import VECTOR_BYTES, WORDS, MaskedVector, WordSum, expand, wrapped
from tests.unit.wire.mask_world import DOMAIN

FIELD = st.integers(0, PRIME - 1)
WORD = st.integers(-(2**63), 2**63 - 1)
VECTOR = st.lists(WORD, min_size=WORDS, max_size=WORDS).map(lambda words: MaskedVector(tuple(words)))


@given(st.lists(FIELD, min_size=1, max_size=9), st.integers(0, 6), st.randoms(use_true_random=False))
def test_any_threshold_shares_give_the_secret(coefficients: list[int], spare: int, pick: random.Random) -> None:
    homes = list(range(1, len(coefficients) + spare + 1))
    places = pick.sample(homes, len(coefficients))
    shares = [share_at(coefficients, x) for x in places]
    assert secret_of_shares(weights_at_zero(places), shares) == coefficients[0]


@given(st.lists(FIELD, min_size=2, max_size=6), FIELD)
def test_one_share_fewer_fits_every_secret(coefficients: list[int], other_secret: int) -> None:
    """For any other secret there is a polynomial of the same degree through the same shares."""
    places = list(range(1, len(coefficients)))
    shares = [share_at(coefficients, x) for x in places]
    free = len(coefficients)
    weights = weights_at_zero([*places, free])
    partial = secret_of_shares(weights[:-1], shares)
    fitting = (other_secret - partial) * pow(weights[-1], -1, PRIME) % PRIME
    assert secret_of_shares(weights, [*shares, fitting]) == other_secret


def test_hashed_bytes_become_elements_of_the_field_and_no_share_counts_twice() -> None:
    assert element(b"\xff" * 32) < PRIME
    assert element(PRIME.to_bytes(32, "big")) == 0
    for places in ([1, 1], [0, 1], [PRIME]):
        with pytest.raises(MaskFormError):
            weights_at_zero(places)


@given(st.lists(st.tuples(VECTOR, st.booleans()), max_size=12))
@settings(max_examples=30)
def test_words_add_up_modulo_2_to_the_64_without_touching_each_other(terms: list[tuple[MaskedVector, bool]]) -> None:
    total = WordSum()
    for vector, add in terms:
        (total.add if add else total.subtract)(vector.plain_bytes())
    for k, word in enumerate(MaskedVector.of_bytes(total.value()).words):
        assert word == wrapped(sum(v.words[k] if add else -v.words[k] for v, add in terms))


@given(VECTOR, VECTOR)
@settings(max_examples=30)
def test_a_difference_added_to_what_it_is_from_is_the_answer(answer: MaskedVector, before: MaskedVector) -> None:
    assert answer.after(before).onto(before) == answer
    assert answer.after(before).words[98:] == answer.words[98:]


def test_a_vector_has_its_layout_and_refuses_what_does_not_fit() -> None:
    vector = MaskedVector.of((5, -7), 11, 13, (17, -19))
    assert vector.power_w[:3] == (5, -7, 0)
    assert (vector.cost_e9_coin, vector.residual_e9_kw2, vector.inner_e9_kw2[:2]) == (11, 13, (17, -19))
    assert struct.unpack_from("<2q", vector.plain_bytes()) == (5, -7)
    assert len(vector.plain_bytes()) == VECTOR_BYTES == len(expand(b"seed"))
    for bad in (lambda: MaskedVector.of((0,) * 97), lambda: MaskedVector.of((), inner_e9_kw2=(0,) * 12)):
        with pytest.raises(MaskFormError):
            bad()
    with pytest.raises(MaskFormError):
        MaskedVector.of((2**63,)).plain_bytes()
    with pytest.raises(MaskFormError):
        MaskedVector.of_bytes(b"short")


@given(st.lists(st.tuples(FIELD, st.binary(min_size=4, max_size=4)), max_size=5), VECTOR)
@settings(max_examples=30)
def test_an_answer_reads_back_from_its_text(shares: list[tuple[int, bytes]], vector: MaskedVector) -> None:
    answer = MaskedAnswer(vector.plain_bytes(), b"c" * 16, tuple(LockedShare(*share) for share in shares))
    assert MaskedAnswer.of_text(answer.text(), len(shares)) == answer
    with pytest.raises(MaskFormError):
        MaskedAnswer.of_text(answer.text(), len(shares) + 1)


@given(st.text(max_size=60))
def test_a_text_is_canonical_base64_or_a_named_error(text: str) -> None:
    try:
        unbase64(text)
    except MaskFormError:
        return
    assert text.isascii()


def test_two_texts_never_stand_for_one_value() -> None:
    assert unbase64("AA==") == b"\0"
    for other in ("AB==", "AA=", "AA", "A A==", "AA==\n"):
        with pytest.raises(MaskFormError):
            unbase64(other)
    with pytest.raises(MaskFormError):
        elements(PRIME.to_bytes(16, "big"))
    with pytest.raises(MaskFormError):
        elements(b"odd")


def test_the_threshold_leaves_a_lying_queen_too_few_homes() -> None:
    assert [threshold(n) for n in (3, 4, 5, 6, 9, 10, 100)] == [3, 3, 4, 4, 6, 7, 67]
    for homes in range(3, 300):
        assert 2 * threshold(homes) - 1 > homes
        assert threshold(homes) * 3 >= 2 * homes


def test_the_signed_key_hashes_as_every_other_encoder_does() -> None:
    key = MaskKey(7, bytes(range(20)), 12, 1_900_801, b"\x02" + b"\x11" * 32)
    fields = [
        {"name": "hive", "type": "uint32"},
        {"name": "worker", "type": "address"},
        {"name": "round", "type": "uint32"},
        {"name": "firstSlot", "type": "uint32"},
        {"name": "key", "type": "bytes32"},
    ]
    signable = encode_typed_data(
        {"name": "Hive Settlement", "version": "1", "chainId": DOMAIN.chain_id, "verifyingContract": DOMAIN.contract},
        {"MaskKey": fields},
        {
            "hive": key.hive,
            "worker": key.worker,
            "round": key.round,
            "firstSlot": key.first_slot,
            "key": keccak(key.public_key),
        },
    )
    assert mask_key_digest(DOMAIN, key) == keccak(b"\x19\x01" + signable.header + signable.body)
    for bad in (
        MaskKey(2**32, key.worker, 1, 1, key.public_key),
        MaskKey(7, b"", 1, 1, key.public_key),
        MaskKey(7, key.worker, 1, 1, b""),
    ):
        with pytest.raises(RangeError):
            mask_key_digest(DOMAIN, bad)
