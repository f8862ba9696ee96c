"""What must hold for readings: taken once, in order, from their own key only; everything else refused by reason."""

from dataclasses import replace

import pytest

from honey_edge.wire.codec import decode, encode
from honey_edge.wire.messages import ReadingMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import digest
from queen_node.ingest.limits import TokenBucket
from queen_node.store import readings


def test_a_good_reading_is_stored_and_receipted(world, first_slot):
    a = world.workers[0]
    assert world.send(a, a.read(first_slot, 100, 0)) == {a.name: first_slot}
    with world.store.begin() as tx:
        assert readings.readings_counted(tx) == {a.name: 1}


def test_readings_that_arrive_together_are_one_transaction_and_one_receipt(world, first_slot):
    a = world.workers[0]
    world.now_unix_s += 900 * 50
    messages = [a.read(first_slot + k, 100 * k, 0) for k in range(50)]
    assert world.send(a, *messages) == {a.name: first_slot + 49}


def test_a_duplicate_changes_nothing_and_is_receipted_again(world, first_slot):
    a = world.workers[0]
    message = a.read(first_slot, 100, 0)
    world.send(a, message)
    assert world.send(a, message, message) == {a.name: first_slot}
    assert world.reasons() == []


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_reordered_readings_end_in_the_same_chain(world, first_slot, order):
    a = world.workers[0]
    world.now_unix_s += 2_700
    messages = [a.read(first_slot + k, 10 * k, 0) for k in range(3)]
    for k in order:
        world.send(a, messages[k])
    assert world.ingest.newest[a.name].reading == a.journal[-1]
    assert world.reasons() == []


def test_a_fork_is_refused(world, first_slot):
    a = world.workers[0]
    world.now_unix_s += 1_800
    world.send(a, a.read(first_slot, 100, 0), a.read(first_slot + 1, 200, 0))
    other = replace(a.journal[1], imported=150)
    branch = replace(a.journal[1], slot=first_slot + 2)
    assert world.send(a, a.message(other), a.message(branch)) == {}
    assert world.reasons() == ["fork", "fork"]


def test_a_forged_foreign_or_malformed_message_is_refused_and_the_next_good_one_taken(world, first_slot):
    a, b = world.workers[0], world.workers[1]
    good = a.read(first_slot, 100, 0)
    message = decode(ReadingMessage, good)
    thief = KeySigner(b"\x77" * 32)
    forged = encode(ReadingMessage.of(message.signed(), thief.sign(digest(world.agreement.domain, message.signed()))))
    assert world.send(a, forged) == {}
    assert world.send(b, good) == {}
    assert world.send(a, b"{", b"\xff\xfe", b"x" * 5_000, good.replace(b'"v":1', b'"v":9')) == {}
    world.ingest.offer("00" * 20, good)
    assert world.ingest.commit() == {}
    assert sorted(world.reasons()) == sorted(
        ["forged", "foreign", "malformed", "malformed", "oversize", "version", "foreign"]
    )
    assert world.send(a, good) == {a.name: first_slot}


def test_a_reading_signed_for_another_contract_is_forged(world, first_slot):
    a = world.workers[0]
    a.read(first_slot, 1, 0)
    elsewhere = replace(world.agreement.domain, chain_id=1)
    message = ReadingMessage.of(a.journal[0], a.signer.sign(digest(elsewhere, a.journal[0])))
    world.send(a, encode(message))
    assert world.reasons() == ["forged"]


@pytest.mark.parametrize("flags", [1 << 9, 1 << 15, 1 << 18, 3 << 16, 1 << 31])
def test_unknown_flags_are_refused(world, first_slot, flags):
    a = world.workers[0]
    world.send(a, a.read(first_slot, 1, 0, flags=flags))
    assert world.reasons() == ["flags"]


@pytest.mark.parametrize("flags", [0, 1, 0x1FF, 1 << 16, 2 << 16])
def test_known_flags_are_taken(world, first_slot, flags):
    a = world.workers[0]
    assert world.send(a, a.read(first_slot, 1, 0, flags=flags))


def test_counters_never_go_down_and_no_step_is_larger_than_the_connection(world, first_slot):
    a = world.workers[0]
    world.now_unix_s += 1_800
    world.send(a, a.read(first_slot, 1_000, 1_000))
    lower = replace(a.journal[0], slot=first_slot + 1, exported=999, previous=_hash(world, a))
    leap = replace(lower, imported=1_000 + 12_010_001, exported=1_000)
    most = replace(lower, imported=1_000 + 12_010_000, exported=1_000)
    world.send(a, a.message(lower), a.message(leap))
    assert world.reasons() == ["step", "counter"]
    assert world.send(a, a.message(most)) == {a.name: first_slot + 1}


def _hash(world, worker):
    return world.ingest.newest[worker.name].hash


def test_a_reading_from_the_future_is_refused(world, first_slot):
    a = world.workers[0]
    world.send(a, a.read(first_slot + 3, 1, 0))
    assert world.reasons() == ["early"]


def test_waiting_readings_are_bounded(world, first_slot):
    a = world.workers[0]
    world.now_unix_s += 900 * 120
    messages = [a.read(first_slot + k, k, 0) for k in range(100)]
    world.send(a, *messages[1:])
    assert world.reasons() == ["gap"] * 3
    assert world.send(a, messages[0]) == {a.name: first_slot + 96}


def test_refused_messages_are_kept_without_growing_for_ever(world):
    a = world.workers[0]
    for _ in range(12):
        world.send(a, *([b"{" + b" " * 900] * 100))
    with world.store.begin() as tx:
        assert readings.rejected_counted(tx) == {a.name: 1_000}
    assert world.refusals.counted["malformed"] == 1_200


def test_a_restart_goes_on_with_the_stored_chain(world, first_slot):
    a = world.workers[0]
    world.now_unix_s += 900
    world.send(a, a.read(first_slot, 100, 0))
    world.restart()
    assert world.send(a, a.read(first_slot + 1, 200, 0)) == {a.name: first_slot + 1}


def test_a_token_bucket_lets_a_burst_through_and_then_the_rate():
    bucket = TokenBucket(60, 5, 0.0)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(1.0)
    assert not bucket.take(1.0)
    assert not bucket.take(0.5)
