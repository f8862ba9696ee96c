"""Masked rounds at the Queen: the plans of an unmasked round, sums only, and an end whatever is lost or false."""

import asyncio

import pytest
from msgspec import structs

from honey_edge.wire.codec import encode
from honey_edge.wire.mask_audit import audit_round
from honey_edge.wire.mask_errors import MaskRefused
from honey_edge.wire.mask_keys import threshold
from honey_edge.wire.mask_messages import MaskAskMessage, MaskRevealMessage, MaskRosterMessage
from honey_edge.wire.messages import DeclareMessage
from queen_node.coordinator.answers import Frame
from queen_node.coordinator.masked_desk import grouped
from tests.unit.queen_node.answering_homes import Hive, home
from tests.unit.queen_node.masking_homes import MaskingHive, plain_sums, unmasked

HOMES = [(0.8, 0.0), (0.5, 1.2), (1.1, 0.3), (0.2, 2.0), (0.9, 0.4)]


@pytest.fixture
def five(make_world):
    return make_world(5)


@pytest.fixture
def homes():
    return [home(load, sun, True) for load, sun in HOMES]


def prices(hive):
    return [
        (message.price_e7_per_kwh, message.gamma_e9, message.forget, message.final, message.blend_e6)
        for message in unmasked(hive.sent)
    ]


def masking(world, homes, first_slot, **options):
    return MaskingHive(world, homes, first_slot=first_slot, **options)


def test_a_masked_round_sends_the_prices_the_mixture_and_the_certificate_of_one_without_masks(
    five, make_world, first_slot, homes
):
    plain = Hive(make_world(5), homes)
    row = plain.coordinate(first_slot + 1)
    hive = masking(five, homes, first_slot)
    masked = hive.coordinate(first_slot + 1)
    assert all(message.masked for message in hive.sent)
    assert unmasked(hive.sent) == unmasked(plain.sent)
    assert hive.sent[-1].blend_e6
    assert masked.lower_e9_coin is not None
    assert hive.certificates == plain.certificates
    assert hive.powers == plain.powers
    assert (masked.ended, masked.iterations, masked.flexible) == (row.ended, row.iterations, 5)


def test_the_queen_is_told_no_number_of_any_home_in_plain(five, first_slot, homes):
    hive = masking(five, homes, first_slot)
    hive.coordinate(first_slot + 1)
    assert len(hive.told) > 10
    for told in hive.told:
        numbers = (told.power_w, told.cost_e9_coin, told.residual_e9_kw2, told.inner_e9_kw2)
        assert numbers == ((), 0, 0, ())
        assert (told.bound_e9_coin, told.alone_e9_coin) == (None, None)
        assert bool(told.masked) != bool(told.profile)


def test_with_a_dropout_in_the_middle_the_plans_are_those_of_the_same_round_in_plain(
    five, make_world, first_slot, homes
):
    """The home that is lost keeps its last counted plan in the sums, under masks as in plain."""
    gone = five.workers[1].name
    plain = Hive(make_world(5), homes, silent_from={gone: 3}, collector=plain_sums)
    row = plain.coordinate(first_slot + 1)
    hive = masking(five, homes, first_slot, silent_from={gone: 3})
    masked = hive.coordinate(first_slot + 1)
    assert prices(hive) == prices(plain)
    assert hive.powers == plain.powers
    assert (masked.ended, masked.iterations) == (row.ended, row.iterations)
    assert masked.iterations > 3
    asked = [message for message in hive.published if isinstance(message, MaskAskMessage)]
    assert [message.missing for message in asked if not message.open] == [(gone,)]


def test_a_home_that_falls_silent_between_its_answer_and_its_masks_is_left_out_too(make_world, first_slot):
    homes = [home(0.4 + 0.1 * k, 0.3 * k, True) for k in range(7)]
    world = make_world(7)
    silent, mute = (worker.name for worker in world.workers[:2])
    plain = Hive(make_world(7), homes, silent_from={silent: 3, mute: 3}, collector=plain_sums)
    row = plain.coordinate(first_slot + 1)
    hive = masking(world, homes, first_slot, silent_from={silent: 3, mute: 4}, mute_from={mute: 3})
    masked = hive.coordinate(first_slot + 1)
    assert prices(hive) == prices(plain)
    assert (masked.ended, masked.iterations) == (row.ended, row.iterations)
    assert hive.answers.movers() == set(hive.homes) - {silent, mute}


def test_a_home_that_was_left_out_leaves_the_round_without_a_lower_bound(five, first_slot, homes):
    hive = masking(five, homes, first_slot, silent_from={five.workers[1].name: 3})
    row = hive.coordinate(first_slot + 1)
    assert row.upper_e9_coin is not None
    assert row.lower_e9_coin is None


def test_a_home_that_tells_no_bounds_costs_the_lower_bound_and_not_the_round(five, make_world, first_slot, homes):
    class Sparing(MaskingHive):
        async def broadcast(self, message):
            if message.proof_e7 and not message.final:
                self.silent_from = {min(self.homes): message.iteration}
            await super().broadcast(message)
            self.silent_from = {}

    hive = Sparing(five, homes, first_slot=first_slot)
    row = hive.coordinate(first_slot + 1)
    whole = masking(make_world(5), homes, first_slot)
    assert row.lower_e9_coin is None
    assert whole.coordinate(first_slot + 1).upper_e9_coin == row.upper_e9_coin
    assert hive.sent[-1].blend_e6 == whole.sent[-1].blend_e6


def test_a_false_bound_under_masks_cannot_lift_the_lower_one_above_the_plans(five, first_slot, homes):
    class Boaster(MaskingHive):
        def bounds(self, name, message):
            return tuple(10**14 for _ in super().bounds(name, message))

    hive = Boaster(five, homes, first_slot=first_slot)
    row = hive.coordinate(first_slot + 1)
    assert row.lower_e9_coin <= row.upper_e9_coin + 1_000_000


def test_homes_that_reveal_nothing_but_leave_the_threshold_cost_nothing(five, make_world, first_slot, homes):
    plain = Hive(make_world(5), homes)
    plain.coordinate(first_slot + 1)
    hive = masking(five, homes, first_slot, mute_from={five.workers[2].name: 0})
    hive.coordinate(first_slot + 1)
    last_plain, last_masked = plain.sent[1], hive.sent[1]
    assert last_plain.price_e7_per_kwh == last_masked.price_e7_per_kwh


def test_below_the_threshold_the_round_ends_with_the_last_counted_price_and_plans(five, first_slot, homes):
    lost_at = 4
    silent = {worker.name: lost_at for worker in five.workers[: 5 - threshold(5) + 1]}
    hive = masking(five, homes, first_slot, silent_from=silent)
    row = hive.coordinate(first_slot + 1)
    final = hive.sent[-1]
    assert final.final
    assert row.iterations == lost_at - 1
    assert final.iteration == lost_at
    tariff = [five.tariff.prices(first_slot + 1 + k) for k in range(96)]
    last = hive.sent[lost_at].price_e7_per_kwh
    assert final.price_e7_per_kwh == tuple(min(max(p, 10 * s), 10 * b) for p, (b, s) in zip(last, tariff, strict=True))
    assert row.ended == "limit"


def test_when_the_openings_cannot_be_opened_only_constants_are_left(five, first_slot, homes):
    mute = {worker.name: 0 for worker in five.workers[:3]}
    row = masking(five, homes, first_slot, mute_from=mute).coordinate(first_slot + 1)
    assert (row.flexible, row.ended) == (0, "constant")


def test_homes_that_cannot_move_take_part_as_constants(five, make_world, first_slot, homes):
    mixed = [*homes[:4], home(1.0, 0.0, False)]
    plain = Hive(make_world(5), mixed, collector=plain_sums)
    plain.coordinate(first_slot + 1)
    hive = masking(five, mixed, first_slot)
    row = hive.coordinate(first_slot + 1)
    assert row.flexible == 4
    assert prices(hive) == prices(plain)
    waited = hive.clock.timeouts
    hive.coordinate(first_slot + 1)
    assert (waited, hive.clock.timeouts) == (1, 1)


def test_with_two_flexible_homes_no_masks_are_asked_for_and_homes_that_require_them_tell_nothing(world, first_slot):
    hive = masking(world, [home(0.8, 0.0, True), home(0.5, 1.2, True), home(1.0, 0.0, False)], first_slot)
    row = hive.coordinate(first_slot + 1)
    assert not any(message.masked for message in hive.sent)
    assert not any(isinstance(m, MaskRosterMessage) and m.workers for m in hive.published)
    assert row.flexible == 0
    assert not any(told.flexible for told in hive.told)


def test_large_hives_mask_in_groups_whose_sums_are_added(make_world, first_slot):
    homes = [home(0.4 + 0.1 * k, 0.2 * k, True) for k in range(7)]
    plain = Hive(make_world(7), homes)
    plain.coordinate(first_slot + 1)
    hive = masking(make_world(7), homes, first_slot, largest_group=3)
    hive.coordinate(first_slot + 1)
    rosters = [m for m in hive.published if isinstance(m, MaskRosterMessage) and m.workers]
    assert sorted(len(roster.workers) for roster in rosters) == [3, 4]
    assert hive.powers == plain.powers


@pytest.mark.parametrize(
    ("homes", "largest", "sizes"), [(2, 48, [2]), (3, 3, [3]), (5, 3, [5]), (100, 48, [34, 33, 33])]
)
def test_groups_are_of_nearly_the_same_size_and_never_below_three_unless_all_are(make_world, homes, largest, sizes):
    hive = MaskingHive(make_world(3), [home(1.0, 0.0, True)] * 3)
    call = MaskRosterMessage(hive=7, round=1, first_slot=1)
    key = hive.masks[next(iter(hive.masks))].roster(encode(call))
    told = [structs.replace(key, worker=f"{k:040x}") for k in range(homes)]
    groups = grouped(told, largest)
    assert [len(group) for group in groups] == sizes
    assert sorted(m.worker for group in groups for m in group) == [m.worker for m in told]


def test_strange_mask_messages_are_refused_by_reason_and_change_nothing(five, make_world, first_slot, homes):
    hive = masking(five, homes, first_slot)
    name = five.workers[0].name
    ask = MaskAskMessage(hive=7, round=1, group=0, iteration=0, serial=0, open=True)
    hive.desk.receive_key(name, b"[]")
    hive.desk.receive_reveal(name, b"[]")
    key = hive.masks[name].roster(encode(MaskRosterMessage(hive=7, round=1, first_slot=first_slot + 1)))
    hive.desk.receive_key(five.workers[1].name, encode(key))
    hive.desk.receive_key(name, encode(key))
    assert hive.masks[name].ask(encode(ask)) is None
    assert five.refusals.counted["mask"] == 4

    lying = masking(make_world(5), homes, first_slot)
    lying.alter[next(iter(lying.homes))] = lambda told: structs.replace(told, masked="AAAA") if told.masked else told
    assert lying.coordinate(first_slot + 1).flexible == 4
    assert lying.world.refusals.counted["profile"] > 0


def test_plain_numbers_beside_or_instead_of_a_masked_answer_do_not_count(five, first_slot, homes):
    hive = masking(five, homes, first_slot)
    a, b = (worker.name for worker in five.workers[:2])
    hive.alter[a] = lambda told: structs.replace(told, power_w=(1,) * 96) if told.masked else told
    hive.alter[b] = lambda told: structs.replace(told, power_w=(1,) * 96, masked="") if told.masked else told
    row = hive.coordinate(first_slot + 1)
    assert row.flexible == 0
    assert five.refusals.counted["profile"] > 0
    assert five.refusals.counted["round"] > 0


def test_a_sum_that_no_homes_can_have_ends_the_round_and_an_audit_names_the_liar(five, first_slot, homes):
    class Loud(MaskingHive):
        def answer(self, name, own, message):
            told = super().answer(name, own, message)
            loud = name == self.world.workers[3].name and message.iteration == 2 and not message.final
            return structs.replace(told, power_w=(2 * 10**9,) * 96) if loud else told

    hive = Loud(five, homes, first_slot=first_slot)
    row = hive.coordinate(first_slot + 1)
    assert row.iterations == 1
    [group] = hive.answers.groups
    secrets = {bytes.fromhex(n): m._worker.disclose(row.number) for n, m in hive.masks.items()}
    audit = audit_round(group.roster, group.records, secrets, {}, 80_000)
    assert [(finding.worker.hex(), finding.what, finding.iteration) for finding in audit.findings] == [
        (five.workers[3].name, "power", 2)
    ]


def test_a_second_round_for_the_same_slots_needs_all_the_homes_of_the_first(five, first_slot, homes):
    hive = masking(five, homes, first_slot)
    first = hive.coordinate(first_slot + 1)
    again = hive.coordinate(first_slot + 1)
    assert again.flexible == first.flexible == 5
    del hive.homes[five.workers[4].name]
    assert hive.coordinate(first_slot + 1).flexible == 0


def opened_desk(hive, first_slot, number=1):
    """A masked round's answers up to the list of keys."""
    frame = Frame(number, first_slot + 1, 80_000, (0,) * 96, 100, {})
    return asyncio.run(hive.desk.collector(frame, set(hive.homes)))


def test_answers_of_other_rounds_strangers_and_impossible_constants_are_refused_by_reason(five, first_slot, homes):
    hive = masking(five, homes, first_slot)
    answers = opened_desk(hive, first_slot)
    name, stranger = five.workers[0].name, "ab" * 20
    still = DeclareMessage(
        worker=stranger,
        round=1,
        iteration=0,
        first_slot=first_slot + 1,
        flexible=False,
        power_w=(5,) * 96,
        cost_e9_coin=0,
    )
    assert answers.take(stranger, structs.replace(still, round=2)) == "round"
    assert answers.take(stranger, structs.replace(still, iteration=1)) == "round"
    assert answers.take(name, still) == "round"
    for power_w in ((5,) * 95, (80_001,) * 96):
        assert answers.take(stranger, structs.replace(still, power_w=power_w)) == "profile"
    assert answers.take(stranger, structs.replace(still, power_w=(), masked="AAAA")) == "profile"
    answers.expect(())
    assert answers.complete.is_set()
    answers.expect({stranger})
    assert answers.take(stranger, still) == ""
    assert answers.complete.is_set()
    assert answers.profiles == {stranger: (5,) * 96}
    reveal = MaskRevealMessage(hive=7, worker=stranger, round=1, iteration=0, serial=0, revealed="")
    with pytest.raises(MaskRefused):
        answers.take_reveal(stranger, reveal)


def test_a_masked_answer_to_an_iteration_that_a_left_out_home_takes_no_part_in_is_refused(five, first_slot, homes):
    gone = five.workers[1].name

    class Back(MaskingHive):
        async def broadcast(self, message):
            await super().broadcast(message)
            if message.iteration == 4 and not message.final:
                [old] = [t for t in self.told if t.worker == gone and t.iteration == 2]
                self.coordinator.receive(gone, encode(structs.replace(old, iteration=4)))

    hive = Back(five, homes, first_slot=first_slot, silent_from={gone: 3})
    hive.coordinate(first_slot + 1)
    assert five.refusals.counted["round"] == 1
    assert hive.sent[-1].final


@pytest.mark.parametrize(("still", "flexible"), [(1, 4), (5, 0)])
def test_homes_that_cannot_move_now_may_mask_too_and_are_not_counted_as_flexible(
    five, make_world, first_slot, homes, still, flexible
):
    hive = masking(five, homes, first_slot)
    for worker in five.workers[:still]:
        hive.alter[worker.name] = lambda told: structs.replace(told, flexible=False)
    row = hive.coordinate(first_slot + 1)
    assert row.flexible == flexible
    if not flexible:
        plain = Hive(make_world(5), [home(load, sun, False) for load, sun in HOMES])
        assert row.prices_e7 == plain.coordinate(first_slot + 1).prices_e7
        assert row.ended == "constant"
