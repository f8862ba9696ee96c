"""A daughter Queen in the daemon's own classes: the mother takes her for one Worker, her homes take her for a root."""

import asyncio

import pytest

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import digest
from queen_node.app.under_mother import Patience, UnderMother
from tests.unit.mother.family import DOMAIN, SLOT, Family, agent_home

BATTERIES, NO_BATTERIES = ((3, True), (4, True), (5, True)), ((3, False), (4, False))


@pytest.fixture
def family(tmp_path):
    def build(hers=BATTERIES, own=((1, True), (2, True)), **rules):
        made = [[agent_home(tmp_path, seed, battery=battery) for seed, battery in homes] for homes in (own, hers)]
        return Family(*made, **rules)

    return build


async def one_round(both, slot=SLOT):
    row = await both.mother.coordinator.coordinate(slot + 1, both.clock.now + 200)
    assert await both.rounds.agreed(slot + 1, both.clock.now + 1, 5.0)
    await both.mother.settle()
    await both.daughter.settle()
    return row


def test_mother_and_daughter_together_reach_the_optimum_of_all_homes(family):
    async def story():
        both = family()
        await both.begin()
        row = await one_round(both)
        return both, row, await both.judged()

    both, row, judged = asyncio.run(story())
    assert judged.share_lost <= 5e-3
    assert row.ended == "converged"
    assert row.flexible == 3
    assert row.gap_ppm is not None
    assert row.gap_ppm <= 5_000
    assert both.refused == []
    told = both.mother.declared[both.name]
    plans = [home.plan.net_w for home in both.daughter.homes.values()]
    assert max(abs(a - sum(b)) for a, b in zip(told.power_w, zip(*plans, strict=True), strict=True)) <= 3
    assert signed_by(both.key.address, digest(DOMAIN, told.signed()), bytes.fromhex(told.signature))
    sent = both.daughter.sent
    assert len({message.round for message in sent}) == 1
    assert [message.iteration for message in sent] == list(range(len(sent)))
    assert [message.final for message in sent] == [False] * (len(sent) - 1) + [True]
    agreed = zip(sent[-1].price_e7_per_kwh, both.mother.sent[-1].price_e7_per_kwh, strict=True)
    assert max(abs(a - b) for a, b in agreed) == 0


@pytest.mark.deep
def test_the_same_hives_agree_on_the_same_numbers_twice(family, tmp_path):
    def prices():
        async def story():
            both = family()
            await both.begin()
            await one_round(both)
            return [(m.iteration, m.price_e7_per_kwh, m.blend_e6) for m in (*both.mother.sent, *both.daughter.sent)]

        return asyncio.run(story())

    first = prices()
    for file in tmp_path.glob("home-*"):
        file.unlink()
    assert prices() == first


def test_the_next_slots_round_begins_warm_at_both_levels(family):
    async def story():
        both = family()
        await both.begin()
        cold = await one_round(both)
        inner = len(both.daughter.sent)
        both.clock.now += 900
        for home in (*both.mother.homes.values(), *both.daughter.homes.values()):
            await home.agent.start_slot(SLOT + 1, home.stored_milliwh)
        warm = await one_round(both, SLOT + 1)
        return cold, warm, inner, len(both.daughter.sent) - inner

    cold, warm, inner_cold, inner_warm = asyncio.run(story())
    assert warm.ended == "converged"
    assert warm.iterations < cold.iterations
    assert inner_warm < inner_cold


def test_when_every_price_of_her_own_takes_time_she_answers_with_the_best_so_far(family):
    async def story():
        both = family()
        await both.begin()
        heard = both.daughter.broadcast

        async def slow(message):
            both.clock.now += 0.05
            await heard(message)

        both.daughter.coordinator._broadcast = slow
        row = await both.mother.coordinator.coordinate(SLOT + 1, both.clock.now + 600)
        assert await both.rounds.agreed(SLOT + 1, both.clock.now + 1, 5.0)
        await both.daughter.settle()
        return both, row, await both.judged()

    both, row, judged = asyncio.run(story())
    # 0.2 s to answer in, or what the mother's deadline says more: at most a second's worth of prices for one of hers
    assert len(both.daughter.sent) <= (row.iterations + 3) * 42
    assert judged.share_lost <= 2e-2
    assert len(both.answers) == row.broadcasts


def test_her_own_limits_hold_and_her_homes_see_what_they_cost(family):
    limit = 700

    async def story():
        both = family(import_w=limit)
        await both.begin()
        return both, await one_round(both)

    both, row = asyncio.run(story())
    assert row.ended == "converged"
    told = both.mother.declared[both.name].power_w
    assert max(told) <= limit * 1.005
    dearer = zip(both.daughter.sent[-1].price_e7_per_kwh, both.mother.sent[-1].price_e7_per_kwh, strict=True)
    assert max(a - b for a, b in dearer) > 0
    drawn = zip(*(home.plan.net_w for home in both.daughter.homes.values()), strict=True)
    assert max(sum(slot) for slot in drawn) <= limit * 1.006


def test_homes_that_can_move_nothing_make_a_member_that_cannot_either(family):
    async def story():
        both = family(hers=NO_BATTERIES)
        await both.begin()
        return both, await one_round(both)

    both, row = asyncio.run(story())
    assert (row.flexible, row.homes) == (2, 3)
    assert [answer.flexible for answer in both.answers] == [False, False]
    assert both.answers[0].power_w == both.answers[1].power_w
    assert [message.final for message in both.daughter.sent] == [False, True]


def test_a_mothers_share_of_limits_becomes_shares_of_her_homes(family):
    async def story():
        both = family()
        await both.begin()
        both.mother.coordinator._rules = _limited(both.mother.coordinator._rules)
        row = await one_round(both)
        return both, row

    both, row = asyncio.run(story())
    assert row.ended == "shared"
    final = both.daughter.sent[-1]
    assert final.final
    assert len(final.import_share_ppm) == 96
    opened = both.answers[-2]
    shares = both.mother.sent[-1].import_share_ppm
    opening = next(answer for answer in reversed(both.answers) if answer.iteration == 0)
    told = both.mother.declared[both.name].power_w
    plans = [home.plan.net_w for home in both.daughter.homes.values()]
    assert told == tuple(sum(slot) for slot in zip(*plans, strict=True))
    assert opened.round == opening.round
    room = [max(0, power) * share // 10**6 for power, share in zip(opening.power_w, shares, strict=True)]
    flagged = any("limit_share_exceeded" in home.plan.repairs for home in both.daughter.homes.values())
    assert flagged or all(power <= most + 5 for power, most in zip(told, room, strict=True))


def _limited(rules):
    from dataclasses import replace

    return replace(rules, import_w=400, most_iterations=3)


@pytest.mark.deep
def test_a_mother_who_falls_silent_is_done_without_and_answered_again_for_the_next_slots(family):
    async def story():
        both = family()
        await both.begin()
        under = UnderMother(
            both.clock, both.daughter.coordinator, both.rounds, lambda: True, Patience(begin_s=20, silent_s=5)
        )
        whole, heard = both.mother.more, []

        def until_third(message):
            if message.iteration < 3 and not message.final:
                whole(message)
            else:
                heard.append(message)

        both.mother.more = until_third
        mothers = asyncio.create_task(both.mother.coordinator.coordinate(SLOT + 1, both.clock.now + 1))
        hers = asyncio.create_task(under.coordinate(SLOT + 1, both.clock.now + 200))
        while not heard:
            await asyncio.sleep(0.01)
        both.clock.late()
        row = await hers
        both.clock.late()
        while not mothers.done():
            both.clock.late()
            await asyncio.sleep(0.05)
        await both.daughter.settle()
        before = len(both.answers)
        both.rounds.receive(_encoded(heard[-1]))
        await both.rounds._task
        unanswered = len(both.answers) == before
        both.mother.more = whole
        both.clock.now = (SLOT + 1) * 900 + 40.0
        for home in (*both.mother.homes.values(), *both.daughter.homes.values()):
            await home.agent.start_slot(SLOT + 1, home.stored_milliwh)
        await one_round(both, SLOT + 1)
        return both, row, unanswered

    both, row, unanswered = asyncio.run(story())
    assert row is not None
    assert row.first_slot == SLOT + 1
    assert row.ended == "converged"
    assert unanswered
    assert both.mother.declared[both.name].first_slot == SLOT + 2


def _encoded(message):
    from honey_edge.wire.codec import encode

    return encode(message)


def test_nobody_but_the_connection_point_can_tell_the_salt(family):
    async def story():
        both = family(hers=NO_BATTERIES)
        await both.begin()
        await one_round(both)
        return both

    both = asyncio.run(story())
    told = both.mother.declared[both.name]
    open_guess = keccak(told.power_w[0].to_bytes(4, "big", signed=True)).hex()
    assert told.profile
    assert told.profile != open_guess
