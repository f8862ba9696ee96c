"""What a lying Queen and lying homes can do to masked answers, and what they cannot."""

import base64
import random
from collections import Counter

import pytest
from msgspec import structs

from honey_edge.wire.mask_answer import MaskedAnswer, base64_text, unbase64
from honey_edge.wire.mask_errors import MaskFormError, MaskKeyError, MaskLeftOut, MaskLost, MaskRefused, TooFewForMasks
from honey_edge.wire.mask_keys import Roster, RoundPlace, pair_seed, signed_key, threshold
from honey_edge.wire.mask_messages import MaskAskMessage, MaskRevealMessage
from honey_edge.wire.mask_queen import MaskedQueen
from honey_edge.wire.mask_vector import VECTOR_BYTES, WORDS, MaskedVector, WordSum, expand
from honey_edge.wire.mask_worker import MaskedWorker
from honey_edge.wire.signing import KeySigner
from tests.unit.wire.mask_world import DOMAIN, PLACE, Masking, randomness, total, vectors


def ask(
    hive: Masking, *, opening: bool, missing: tuple[bytes, ...] = (), iteration: int = 0, serial: int = 0
) -> MaskAskMessage:
    return MaskAskMessage(
        hive=PLACE.hive,
        round=PLACE.round,
        group=0,
        iteration=iteration,
        serial=serial,
        open=opening,
        missing=tuple(sorted(name.hex() for name in missing)),
    )


def reveals(hive: Masking, request: MaskAskMessage, asked: list[bytes]) -> dict[bytes, MaskRevealMessage]:
    """What those give who do not refuse."""
    given = {}
    for name in asked:
        try:
            given[name] = hive.workers[name].reveal(request)
        except MaskRefused:
            continue
    return given


@pytest.fixture
def answered() -> Masking:
    """Six homes (threshold 4) that have answered iteration 0."""
    hive = Masking(6).agree()
    hive.answer(0, vectors(hive.names, 3))
    return hive


# -- the Queen lies


@pytest.mark.parametrize("homes", [3, 4, 5, 6, 7, 9, 10, 12])
def test_a_queen_who_pretends_a_dropout_gets_either_too_few_masks_or_too_few_shares(homes: int) -> None:
    """However she splits the homes: she would need the pairwise masks of the victim with all the others (from these, or
    from the victim for homes it believes missing) and `threshold` shares of its own mask."""
    need = threshold(homes)
    for liars_told in range(homes):
        hive = Masking(homes).agree()
        hive.answer(0, vectors(hive.names, 3))
        victim, others = hive.names[0], hive.names[1:]
        told_missing = others[:liars_told]
        told_counted = [victim, *others[liars_told:]]
        masks = set(reveals(hive, ask(hive, opening=False, missing=(victim,)), told_missing))
        scapegoats = tuple(others[liars_told:])[-(homes - need) :] if homes > need else ()
        if scapegoats:
            first = ask(hive, opening=False, missing=scapegoats)
            if reveals(hive, first, [victim]):
                masks |= set(scapegoats)
            believers = [name for name in told_counted if name not in scapegoats]
            reveals(hive, first, believers)
        shares = reveals(
            hive, ask(hive, opening=True, missing=scapegoats, serial=1), told_counted_of(told_counted, scapegoats)
        )
        shares |= reveals(hive, ask(hive, opening=True, serial=2), list(scapegoats))
        assert masks < set(others) or len(shares) < need


def told_counted_of(told: list[bytes], scapegoats: tuple[bytes, ...]) -> list[bytes]:
    return [name for name in told if name not in scapegoats]


def test_after_its_mask_with_a_missing_home_a_worker_never_gives_that_home_s_share(answered: Masking) -> None:
    victim, worker = answered.names[0], answered.workers[answered.names[1]]
    worker.reveal(ask(answered, opening=False, missing=(victim,)))
    for missing in ((), (answered.names[2],)):
        for opening in (True, False):
            with pytest.raises(MaskRefused):
                worker.reveal(ask(answered, opening=opening, missing=missing, serial=1))
    kept = unbase64(worker.reveal(ask(answered, opening=True, missing=(victim,), serial=2)).revealed)
    assert len(kept) == 16 * 5


def test_after_a_share_a_worker_never_gives_its_mask_with_that_home(answered: Masking) -> None:
    victim, worker = answered.names[0], answered.workers[answered.names[1]]
    first = worker.reveal(ask(answered, opening=True))
    assert worker.reveal(ask(answered, opening=True)) == first
    for opening in (True, False):
        with pytest.raises(MaskRefused):
            worker.reveal(ask(answered, opening=opening, missing=(victim,), serial=1))


def again(
    hive: Masking, homes: list[bytes], *, number: int = PLACE.round + 1, slot: int = PLACE.first_slot
) -> MaskedQueen:
    """A round begun anew among some of the homes, up to the accepted list."""
    queen = MaskedQueen(DOMAIN, RoundPlace(PLACE.hive, number, slot), hive.names)
    for name in homes:
        queen.take_key(hive.workers[name].call(queen.call()))
    roster = queen.seal()
    for name in homes:
        hive.workers[name].accept(roster)
    return queen


def test_a_round_begun_anew_gives_away_nothing_of_the_one_before(answered: Masking) -> None:
    victim, worker = answered.names[0], answered.workers[answered.names[1]]
    worker.reveal(ask(answered, opening=False, missing=(victim,)))
    again(answered, answered.names, slot=PLACE.first_slot + 1)
    for opening in (True, False):
        with pytest.raises(MaskRefused):
            worker.reveal(ask(answered, opening=opening, missing=() if opening else (victim,)))


def test_the_same_plans_are_never_summed_again_without_a_home(answered: Masking) -> None:
    """Else the difference of the two sums would be that home's plan."""
    answered.open()
    with pytest.raises(MaskRefused):
        again(answered, answered.names[1:])
    queen = again(answered, answered.names)
    queen.begin(0)
    told = vectors(answered.names, 3)
    for name in answered.names:
        queen.take_answer(name, 0, answered.workers[name].answer(0, told[name]))
    first = structs.replace(ask(answered, opening=False, missing=(answered.names[0],)), round=PLACE.round + 1)
    with pytest.raises(MaskRefused):
        answered.workers[answered.names[1]].reveal(first)
    request = queen.next_ask()
    assert request is not None
    for name in answered.names:
        queen.take_reveal(name, answered.workers[name].reveal(request))
    assert queen.opened() == total(told.values())
    with pytest.raises(MaskRefused):
        answered.workers[answered.names[0]].call(MaskedQueen(DOMAIN, RoundPlace(7, 1, 1), answered.names).call())


def test_a_daemon_restarted_in_the_round_has_no_key_to_reveal_and_opens_no_second_plan(answered: Masking) -> None:
    restarted = MaskedWorker(DOMAIN, answered.signers[1], answered.names, newest_slot=PLACE.first_slot)
    with pytest.raises(MaskRefused):
        restarted.reveal(ask(answered, opening=True))
    with pytest.raises(MaskRefused):
        restarted.call(answered.queen.call())


def test_before_the_first_masked_answer_a_call_may_come_again_and_brings_another_key() -> None:
    hive = Masking(3)
    worker = hive.workers[hive.names[0]]
    assert worker.call(hive.queen.call()).public_key != worker.call(hive.queen.call()).public_key


def test_keys_that_the_queen_makes_herself_are_refused() -> None:
    hive = Masking(4)
    for worker in hive.workers.values():
        hive.queen.take_key(worker.call(hive.queen.call()))
    good = hive.queen.seal()
    own = KeySigner(b"\x77" * 32)
    worker = hive.workers[hive.names[0]]
    stranger = signed_key(DOMAIN, PLACE, own, own.public_key)
    swapped = structs.replace(good, public_keys=(*good.public_keys[:-1], own.public_key.hex()))
    inserted = structs.replace(
        good,
        workers=tuple(sorted((*good.workers[:-1], stranger.worker))),
        public_keys=good.public_keys,
        signatures=good.signatures,
    )
    replayed = structs.replace(good, round=PLACE.round + 1)
    twice = structs.replace(good, workers=(*good.workers[:-1], good.workers[-2]))
    short = structs.replace(good, signatures=good.signatures[:-1])
    no_point = structs.replace(good, public_keys=(*good.public_keys[:-1], "05" * 33))
    for bad in (swapped, inserted, twice, short, no_point):
        with pytest.raises(MaskKeyError):
            worker.accept(bad)
    with pytest.raises(MaskRefused):
        worker.accept(replayed)
    other_slot = structs.replace(good, first_slot=PLACE.first_slot + 1)
    with pytest.raises(MaskKeyError):
        worker.accept(other_slot)
    without_me = structs.replace(
        good, workers=good.workers[1:], public_keys=good.public_keys[1:], signatures=good.signatures[1:]
    )
    with pytest.raises(MaskKeyError):
        worker.accept(without_me)
    with pytest.raises(MaskRefused):
        worker.answer(0, MaskedVector.of(()))


def test_homes_that_the_owner_does_not_know_are_refused_even_with_true_signatures() -> None:
    hive = Masking(4)
    for worker in hive.workers.values():
        hive.queen.take_key(worker.call(hive.queen.call()))
    cautious = MaskedWorker(DOMAIN, hive.signers[0], hive.names[:3])
    cautious.call(hive.queen.call())
    with pytest.raises(MaskKeyError):
        cautious.accept(hive.queen.seal())


def test_a_home_may_ask_for_more_company_than_the_fewest() -> None:
    hive = Masking(4)
    for worker in hive.workers.values():
        hive.queen.take_key(worker.call(hive.queen.call()))
    shy = MaskedWorker(DOMAIN, hive.signers[0], hive.names, fewest=5, random_bytes=randomness(1))
    shy.call(hive.queen.call())
    with pytest.raises(TooFewForMasks):
        shy.accept(hive.queen.seal())


def test_homes_that_were_shown_different_lists_send_noise_and_reveal_nothing_that_fits() -> None:
    hive = Masking(5)
    for worker in hive.workers.values():
        hive.queen.take_key(worker.call(hive.queen.call()))
    whole = hive.queen.seal()
    part = structs.replace(
        whole, workers=whole.workers[:4], public_keys=whole.public_keys[:4], signatures=whole.signatures[:4]
    )
    first, second = hive.workers[hive.names[0]], hive.workers[hive.names[1]]
    first.accept(whole)
    second.accept(part)
    with pytest.raises(MaskRefused):
        second.accept(whole)
    nothing = MaskedVector.of(())
    first.answer(0, nothing)
    second.answer(0, nothing)
    seen_by_first = first.reveal(ask(hive, opening=False, missing=(hive.names[1],)))
    seen_by_second = second.reveal(ask(hive, opening=False, missing=(hive.names[0],)))
    assert seen_by_first.revealed != seen_by_second.revealed


def test_a_second_answer_to_an_iteration_is_refused_and_a_repeated_broadcast_gets_the_same_text(
    answered: Masking,
) -> None:
    name = answered.names[0]
    worker, told = answered.workers[name], vectors(answered.names, 3)[name]
    assert worker.answer(0, told) == answered.queen._open.record.texts[name]  # type: ignore[union-attr]
    with pytest.raises(MaskRefused):
        worker.answer(0, MaskedVector.of((1,)))


def test_an_iteration_that_is_over_or_of_another_round_is_never_opened_again(answered: Masking) -> None:
    answered.open()
    old = ask(answered, opening=True, serial=9)
    answered.answer(1, vectors(answered.names, 4))
    for request in (
        old,
        ask(answered, opening=True, iteration=2),
        structs.replace(ask(answered, opening=True, iteration=1), round=PLACE.round + 1),
        structs.replace(ask(answered, opening=True, iteration=1), group=1),
    ):
        with pytest.raises(MaskRefused):
            answered.workers[answered.names[0]].reveal(request)
    with pytest.raises(MaskRefused):
        answered.workers[answered.names[0]].answer(0, vectors(answered.names, 3)[answered.names[0]])


def test_too_many_missing_or_missing_that_were_never_there_are_refused(answered: Masking) -> None:
    worker = answered.workers[answered.names[0]]
    stranger = b"\x01" * 20
    doubled = structs.replace(ask(answered, opening=False), missing=(answered.names[1].hex(),) * 2)
    for request in (
        ask(answered, opening=False, missing=tuple(answered.names[1:4])),
        ask(answered, opening=False, missing=(stranger,)),
        doubled,
    ):
        with pytest.raises(MaskRefused):
            worker.reveal(request)


def test_a_home_that_is_told_it_is_missing_reveals_nothing_more_in_the_round(answered: Masking) -> None:
    worker = answered.workers[answered.names[0]]
    with pytest.raises(MaskLeftOut):
        worker.reveal(ask(answered, opening=False, missing=(answered.names[0],)))
    assert worker.left_out
    assert worker.counted_iteration is None
    with pytest.raises(MaskLeftOut):
        worker.reveal(ask(answered, opening=True))
    with pytest.raises(MaskLeftOut):
        worker.answer(1, MaskedVector.of(()))


def test_a_home_whose_iteration_was_never_opened_does_not_answer_the_next(answered: Masking) -> None:
    worker = answered.workers[answered.names[0]]
    with pytest.raises(MaskLeftOut):
        worker.answer(1, MaskedVector.of(()))
    assert worker.left_out


# -- the text tells nothing


def test_the_same_masked_bytes_are_possible_for_any_value() -> None:
    """Whatever is said to be the plain answer: there is a mask of the home's own that makes these bytes of it."""
    stream = random.Random(8)
    hive = Masking(4).agree()
    hive.answer(0, vectors(hive.names, 3))
    seen = base64.b64decode(hive.queen._open.record.texts[hive.names[0]])[:VECTOR_BYTES]  # type: ignore[union-attr]
    for claimed in (
        MaskedVector.of(()),
        MaskedVector.of((stream.randint(-9999, 9999),) * 96),
        MaskedVector((-(2**63),) * WORDS),
    ):
        mask = WordSum()
        mask.add(seen)
        mask.subtract(claimed.plain_bytes())
        again = WordSum()
        again.add(claimed.plain_bytes())
        again.add(mask.value())
        assert again.value() == seen


def chi_square(data: bytes) -> float:
    """How far the bytes are from equally frequent; 255 on average when they are, its deviation 22.6."""
    expected = len(data) / 256
    return sum((count - expected) ** 2 for count in (Counter(data)[value] for value in range(256))) / expected


def test_masked_answers_look_alike_whatever_they_hide_and_share_no_byte_more_often_than_chance() -> None:
    hidden = [MaskedVector.of(()), MaskedVector.of((5_000,) * 96, 10**9)]
    texts: list[list[bytes]] = [[], []]
    for seed in range(60):
        for kind, plain in enumerate(hidden):
            hive = Masking(3, seed * 2 + kind).agree()
            worker = hive.workers[hive.names[0]]
            texts[kind].append(base64.b64decode(worker.answer(0, plain))[:VECTOR_BYTES])
    for kind in (0, 1):
        assert abs(chi_square(b"".join(texts[kind])) - 255) < 5 * 22.6
    pairs = list(zip(*texts, strict=True))
    equal = sum(a == b for left, right in pairs for a, b in zip(left, right, strict=True))
    chance = len(pairs) * VECTOR_BYTES / 256
    assert abs(equal - chance) < 5 * chance**0.5


def test_a_missing_home_s_mask_alone_leaves_the_answer_under_the_home_s_own_mask(answered: Masking) -> None:
    """Even with every pairwise mask of a home, known here from all secrets, its bytes are not its answer."""
    hive, name = answered, answered.names[0]
    plain = vectors(hive.names, 3)[name]
    running = hive.workers[name]._round
    assert running is not None
    assert running.masks is not None
    rest = WordSum()
    rest.add(base64.b64decode(hive.queen._open.record.texts[name])[:VECTOR_BYTES])  # type: ignore[union-attr]
    for other in hive.names[1:]:
        rest.subtract(expand(running.masks.pair_seed(other, 0)))
    left = MaskedVector.of_bytes(rest.value())
    assert all(a != b for a, b in zip(left.words, plain.words, strict=True))


# -- homes lie


def test_what_is_no_answer_is_refused_by_name_and_stops_nobody(answered: Masking) -> None:
    hive = Masking(5, 2).agree()
    told = vectors(hive.names, 1)
    bad = hive.names[0]
    hive.queen.begin(0)
    good = hive.workers[bad].answer(0, told[bad])
    for text in ("", "not base64!", good[:-4], good + "AAAA", good[:-2], good[:-3] + "/==", "A" * len(good) + "===="):
        with pytest.raises(MaskFormError):
            hive.queen.take_answer(bad, 0, text)
    beyond = MaskedAnswer.of_text(good, 5)
    broken = base64.b64encode(base64.b64decode(good)[:888] + b"\xff" * 100).decode()
    with pytest.raises(MaskFormError):
        hive.queen.take_answer(bad, 0, broken)
    assert beyond.text() == good
    with pytest.raises(MaskRefused):
        hive.queen.take_answer(b"\x01" * 20, 0, good)
    for name in hive.names[1:]:
        assert hive.queen.take_answer(name, 0, hive.workers[name].answer(0, told[name]))
    assert hive.open() == total([told[name] for name in hive.names[1:]])


def test_late_repeated_and_replayed_answers_and_reveals_change_nothing(answered: Masking) -> None:
    name = answered.names[0]
    text = answered.workers[name].answer(0, vectors(answered.names, 3)[name])
    assert not answered.queen.take_answer(name, 0, text)
    assert not answered.queen.take_answer(name, 7, text)
    request = answered.queen.next_ask()
    assert request is not None
    assert not answered.queen.take_answer(name, 0, text)
    told = answered.workers[name].reveal(request)
    assert answered.queen.take_reveal(name, told)
    assert not answered.queen.take_reveal(name, told)
    assert not answered.queen.take_reveal(name, structs.replace(told, serial=5))
    assert not answered.queen.take_reveal(name, structs.replace(told, round=5))
    with pytest.raises(MaskRefused):
        answered.queen.take_reveal(b"\x01" * 20, told)
    with pytest.raises(MaskRefused):
        answered.queen.take_reveal(answered.names[1], told)
    for revealed in ("", "AA==", "AAAA", base64_text(b"\xff" * 16 * 6)):
        with pytest.raises(MaskFormError):
            answered.queen.take_reveal(
                answered.names[1], structs.replace(told, worker=answered.names[1].hex(), revealed=revealed)
            )
    answered.asked(request)
    assert answered.queen.next_ask() is None
    assert answered.queen.opened() == total(vectors(answered.names, 3).values())


def test_wrong_keys_of_shares_are_seen_and_the_sum_opens_without_them(answered: Masking) -> None:
    liar = answered.names[2]
    request = answered.queen.next_ask()
    assert request is not None
    false = structs.replace(answered.workers[liar].reveal(request), revealed=base64_text(bytes(16 * 6)))
    answered.queen.take_reveal(liar, false)
    answered.asked(request)
    assert answered.queen.next_ask() is None
    assert answered.queen.opened() == total(vectors(answered.names, 3).values())
    assert set(answered.queen.suspects) == {liar}


def test_a_home_whose_shares_are_wrong_costs_one_iteration_and_is_named() -> None:
    hive = Masking(5).agree()
    opening = vectors(hive.names, 1)
    hive.answer(0, opening)
    before = hive.open()
    liar = hive.names[1]
    told = vectors(hive.names, 2)
    hive.queen.begin(1)
    for name in hive.names:
        text = hive.workers[name].answer(1, told[name])
        if name == liar:
            answer = MaskedAnswer.of_text(text, 5)
            text = MaskedAnswer(answer.vector, answer.secret_check, answer.shares[::-1]).text()
        hive.queen.take_answer(name, 1, text)
    with pytest.raises(MaskLost) as lost:
        hive.open()
    assert lost.value.liars == (liar,)
    assert hive.queen.totals == before == total(opening.values())


def test_when_too_many_holders_lie_they_are_named_and_not_the_homes_whose_shares_they_hold() -> None:
    hive = Masking(6).agree()
    hive.answer(0, vectors(hive.names, 1))
    request = hive.queen.next_ask()
    assert request is not None
    liars = hive.names[:3]
    for name in liars:
        false = structs.replace(hive.workers[name].reveal(request), revealed=base64_text(bytes(16 * 6)))
        hive.queen.take_reveal(name, false)
    hive.asked(request)
    assert hive.queen.next_ask() is None
    with pytest.raises(MaskLost) as lost:
        hive.queen.opened()
    assert lost.value.liars == tuple(liars)


def test_a_secret_that_its_shares_do_not_give_is_named_too() -> None:
    hive = Masking(4).agree()
    liar = hive.names[3]
    hive.queen.begin(0)
    for name in hive.names:
        text = hive.workers[name].answer(0, MaskedVector.of((7,)))
        if name == liar:
            answer = MaskedAnswer.of_text(text, 4)
            text = MaskedAnswer(answer.vector, b"\0" * 16, answer.shares).text()
        hive.queen.take_answer(name, 0, text)
    with pytest.raises(MaskLost) as lost:
        hive.open()
    assert lost.value.liars == (liar,)


def test_keys_of_strangers_other_rounds_and_forged_ones_are_refused_by_the_queen() -> None:
    hive = Masking(3)
    name = hive.names[0]
    good = hive.workers[name].call(hive.queen.call())
    stranger = KeySigner(b"\x77" * 32)
    for bad in (
        structs.replace(good, public_key="02" + "11" * 32),
        structs.replace(good, round=99),
        structs.replace(good, hive=8),
        signed_key(DOMAIN, PLACE, stranger, stranger.public_key),
        signed_key(DOMAIN, PLACE, hive.signers[0], b"\x05" * 33),
    ):
        with pytest.raises(MaskKeyError):
            hive.queen.take_key(bad)
    hive.agree()
    with pytest.raises(MaskKeyError):
        hive.queen.take_key(good)


def test_nothing_is_asked_or_opened_before_its_time() -> None:
    hive = Masking(3)
    for early in (lambda: hive.queen.roster, hive.queen.next_ask, hive.queen.opened):
        with pytest.raises(MaskRefused):
            early()
    assert hive.queen.awaited == frozenset()
    worker = hive.workers[hive.names[0]]
    assert not worker.left_out
    assert worker.counted_iteration is None
    hive.agree()
    with pytest.raises(MaskRefused):
        worker.call(hive.roster)  # type: ignore[arg-type]
    with pytest.raises(MaskRefused):
        worker.reveal(ask(hive, opening=True))
    assert (
        hive.queen.take_reveal(
            hive.names[0], MaskRevealMessage(hive=7, worker="00" * 20, round=12, iteration=0, serial=0, revealed="")
        )
        is False
    )


def test_the_secret_of_a_round_is_told_once_and_only_after_its_end() -> None:
    hive = Masking(3).agree()
    worker = hive.workers[hive.names[0]]
    with pytest.raises(MaskRefused):
        worker.disclose(PLACE.round)
    worker.close()
    with pytest.raises(MaskRefused):
        worker.disclose(PLACE.round + 1)
    assert len(worker.disclose(PLACE.round)) == 32
    with pytest.raises(MaskRefused):
        worker.disclose(PLACE.round)


def test_the_pair_s_mask_depends_on_round_iteration_and_list() -> None:
    hive = Masking(3).agree()
    roster = hive.queen.roster
    secret_of = hive.workers[hive.names[0]]._round
    assert secret_of is not None
    others = [
        roster,
        Roster(RoundPlace(7, 13, PLACE.first_slot), roster.public_keys),
        Roster(RoundPlace(7, 12, PLACE.first_slot, 1), roster.public_keys),
        Roster(PLACE, {**roster.public_keys, hive.names[2]: roster.public_keys[hive.names[1]]}),
    ]
    roots = [secret_of.secret.roots(hive.names[0], one)[hive.names[1]] for one in others]
    seeds = {pair_seed(root, iteration) for root in roots for iteration in (0, 1)}
    assert len(seeds) == 8
    assert randomness(1)(4) == randomness(1)(4)
