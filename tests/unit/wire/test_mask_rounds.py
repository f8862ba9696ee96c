"""Masked rounds: exact sums whoever drops out above the threshold, a named error below, the same bytes for a seed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.wire.mask_errors import MaskLost, TooFewForMasks
from honey_edge.wire.mask_keys import threshold
from honey_edge.wire.mask_vector import CARRIED_WORDS, MaskedVector
from tests.unit.wire.mask_world import Masking, total, vector, vectors

SEEDS = st.integers(0, 2**32)


@given(st.integers(3, 8), SEEDS)
@settings(max_examples=15, deadline=None)
def test_sums_of_random_answers_of_both_signs_are_exact_in_every_iteration(homes: int, seed: int) -> None:
    hive = Masking(homes, seed).agree()
    for iteration in range(3):
        answers = vectors(hive.names, seed + iteration)
        hive.answer(iteration, answers)
        assert hive.open() == total(answers.values())


@given(st.integers(4, 9), SEEDS, st.data())
@settings(max_examples=40, deadline=None)
def test_any_dropouts_above_the_threshold_are_recovered(homes: int, seed: int, data: st.DataObject) -> None:
    """Some do not answer, some fall silent while the missing are asked for, some before they give their shares."""
    hive = Masking(homes, seed).agree()
    order = list(hive.names)
    random.Random(seed).shuffle(order)
    spare = homes - threshold(homes)
    unanswered = data.draw(st.integers(0, spare))
    silent_first = data.draw(st.integers(0, spare - unanswered)) if unanswered else 0
    silent_open = data.draw(st.integers(0, spare - unanswered - silent_first))
    opening = vectors(hive.names, seed)
    hive.answer(0, opening)
    assert hive.open() == total(opening.values())
    gone, late = order[:unanswered], order[unanswered : unanswered + silent_first]
    mute = order[unanswered + silent_first : unanswered + silent_first + silent_open]
    second = vectors([name for name in hive.names if name not in gone], seed + 1)
    hive.answer(1, second)
    asks = (late, (), mute) if silent_first else ((), mute) if unanswered else (mute,)
    opened = hive.open(asks)
    counted = {name: answer for name, answer in second.items() if name not in late}
    carried = total([counted.get(name, opening[name]) for name in hive.names])
    assert opened.words[:CARRIED_WORDS] == carried.words[:CARRIED_WORDS]
    assert opened.words[CARRIED_WORDS:] == total(counted.values()).words[CARRIED_WORDS:]
    assert hive.queen.active == set(counted)


@given(st.integers(3, 9), SEEDS)
@settings(max_examples=15, deadline=None)
def test_with_fewer_answers_than_the_threshold_the_iteration_is_lost_by_name(homes: int, seed: int) -> None:
    hive = Masking(homes, seed).agree()
    opening = vectors(hive.names, seed)
    hive.answer(0, opening)
    before = hive.open()
    hive.answer(1, vectors(hive.names[: threshold(homes) - 1], seed))
    with pytest.raises(MaskLost):
        hive.open()
    assert hive.queen.totals == before


def test_with_fewer_shares_than_the_threshold_the_iteration_is_lost_by_name() -> None:
    hive = Masking(6).agree()
    hive.answer(0, vectors(hive.names, 1))
    with pytest.raises(MaskLost) as lost:
        hive.open((hive.names[:3],))
    assert lost.value.code == "E-MASK-LOST"
    with pytest.raises(MaskLost) as still:
        hive.queen.opened()
    assert still.value.liars == ()


@pytest.mark.parametrize("homes", [0, 1, 2])
def test_fewer_than_three_homes_are_refused_by_name(homes: int) -> None:
    hive = Masking(homes)
    for worker in hive.workers.values():
        hive.queen.take_key(worker.call(hive.queen.call()))
    with pytest.raises(TooFewForMasks):
        hive.queen.seal()


def test_a_home_that_dropped_out_keeps_its_last_counted_plan_in_the_sums_for_the_rest_of_the_round() -> None:
    hive = Masking(4).agree()
    answers = {}
    gone = hive.names[2]
    for iteration in range(4):
        told = vectors([name for name in hive.names if iteration == 0 or name != gone], iteration)
        hive.answer(iteration, told)
        answers |= told
        assert hive.open().power_w == total(answers.values()).power_w
    assert [record.missing for record in hive.queen.records] == [frozenset(), {gone}, frozenset(), frozenset()]


def test_a_round_is_the_same_to_the_byte_for_the_same_randomness_and_differs_for_another() -> None:
    texts = []
    for seed in (5, 5, 6):
        hive = Masking(4, seed).agree()
        hive.answer(0, vectors(hive.names, 9))
        hive.open()
        texts.append(hive.queen.records[0].texts)
    assert texts[0] == texts[1]
    assert not set(texts[0].values()) & set(texts[2].values())


def test_without_injected_randomness_two_rounds_never_use_the_same_key() -> None:
    from honey_edge.wire.mask_worker import MaskedWorker
    from tests.unit.wire.mask_world import DOMAIN

    hive = Masking(3)
    worker = MaskedWorker(DOMAIN, hive.signers[0], hive.names)
    assert len({worker.call(hive.queen.call()).public_key for _ in range(4)}) == 4


def test_the_largest_group_works_and_one_home_more_is_refused() -> None:
    from honey_edge.wire.mask_errors import MaskKeyError
    from honey_edge.wire.mask_messages import MOST_MASKED

    hive = Masking(MOST_MASKED + 1)
    for name in hive.names[:-1]:
        hive.queen.take_key(hive.workers[name].call(hive.queen.call()))
    with pytest.raises(MaskKeyError):
        hive.queen.take_key(hive.workers[hive.names[-1]].call(hive.queen.call()))
    assert len(hive.queen.seal().workers) == MOST_MASKED


def test_words_wrap_around_as_the_sum_modulo_2_to_the_64_does() -> None:
    hive = Masking(3).agree()
    largest = MaskedVector((2**63 - 1,) * 109)
    hive.answer(0, dict.fromkeys(hive.names, largest))
    assert hive.open().words == (3 * (2**63 - 1) - 2**64,) * 109


def test_the_queen_s_records_hold_no_number_in_plain() -> None:
    hive = Masking(4).agree()
    answers = {name: vector(random.Random(3)) for name in hive.names}
    hive.answer(0, answers)
    hive.open()
    import base64

    for name, text in hive.queen.records[0].texts.items():
        data, plain = base64.b64decode(text), answers[name].plain_bytes()
        equal = [k for k in range(0, len(plain), 8) if data[k : k + 8] == plain[k : k + 8]]
        assert equal == []


def test_the_queen_says_whom_she_awaits_in_every_step() -> None:
    hive = Masking(4).agree()
    hive.queen.begin(0)
    assert hive.queen.awaited == set(hive.names)
    told = vectors(hive.names, 1)
    hive.queen.take_answer(hive.names[0], 0, hive.workers[hive.names[0]].answer(0, told[hive.names[0]]))
    assert hive.queen.awaited == set(hive.names[1:])
    for name in hive.names[1:3]:
        hive.queen.take_answer(name, 0, hive.workers[name].answer(0, told[name]))
    for opening in (False, True):
        request = hive.queen.next_ask()
        assert request is not None
        assert request.open == opening
        assert hive.queen.awaited == set(hive.names[:3])
        hive.asked(request)
        assert hive.queen.awaited == frozenset()
