"""What must hold for rounds when messages are lost, false or late, the Queen is restarted, or limits do not hold."""

import asyncio
import dataclasses
import json

import numpy as np
import pytest
from msgspec import structs

from honey_edge.wire.codec import encode
from queen_node.coordinator.pace import LEAST_S, Pace
from queen_node.store import books
from tests.unit.queen_node.answering_homes import SLOTS, Hive, home


@pytest.fixture
def homes():
    return [home(0.8, 0.0, True), home(0.5, 1.2, True), home(1.0, 0.0, True)]


class Liar(Hive):
    """The first home's answers to prices are changed on their way, as JSON."""

    def __init__(self, *arguments, lie, **rules):
        super().__init__(*arguments, **rules)
        self.lie, self.kept = lie, []

    async def broadcast(self, message):
        self.sent.append(message)
        for place, (name, own) in enumerate(self.homes.items()):
            answer = self.answer(name, own, message)
            payload = encode(answer)
            if place == 0 and message.iteration and not message.final:
                document = json.loads(payload)
                payload = self.lie(document, self.kept)
                payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                self.kept.append(payload)
            self.coordinator.receive(name, payload)


def changed(**values):
    return lambda document, kept: document | values


LIES = {
    "not a number": lambda d, kept: json.dumps(d).replace(str(d["power_w"]), "[NaN]").encode(),
    "infinite": lambda d, kept: json.dumps(d | {"power_w": [float("inf")] * SLOTS}).encode(),
    "huge power": changed(power_w=[2**31 - 1] * SLOTS),
    "huge cost": changed(cost_e9_coin=2**63 - 1),
    "negative cost": changed(cost_e9_coin=-(2**63)),
    "huge residual": changed(residual_e9_kw2=2**63 - 1),
    "huge products": changed(inner_e9_kw2=[2**63 - 1] * 11),
    "too few slots": changed(power_w=[0] * 95),
    "too many slots": changed(power_w=[0] * 97),
    "of another round": changed(round=1_000),
    "of an iteration to come": changed(iteration=60),
    "replayed": lambda d, kept: kept[0] if kept else d,
    "five times as large": lambda d, kept: d | {"power_w": [5 * p for p in d["power_w"]]},
    "half as large": lambda d, kept: d | {"power_w": [p // 2 for p in d["power_w"]]},
    "turned round": lambda d, kept: d | {"power_w": [-p for p in d["power_w"]]},
    "swinging": lambda d, kept: d | {"power_w": [40_000 * (-1) ** len(kept)] * SLOTS},
    "of another home": changed(worker="ab" * 20),
    "no JSON": lambda d, kept: b"\xff\xfe",
    "too long": lambda d, kept: b"[" * 100_000,
    "an opening": changed(iteration=0),
}


@pytest.mark.parametrize("kind", LIES)
def test_no_answer_stops_a_round_or_leaves_the_tariff(world, first_slot, homes, kind):
    row = Liar(world, homes, lie=LIES[kind]).coordinate(first_slot + 1)
    assert row.ended in ("converged", "limit")
    assert row.iterations <= 60
    tariff = [world.tariff.prices(first_slot + 1 + k) for k in range(SLOTS)]
    assert all(10 * s - 1 <= p <= 10 * b + 1 for p, (b, s) in zip(row.prices_e7, tariff, strict=True))
    with world.store.begin() as tx:
        assert books.last_round(tx).ended == row.ended


@pytest.mark.parametrize("kind", ["huge power", "too few slots", "of another round", "huge residual", "swinging"])
def test_honest_homes_end_where_they_would_without_the_liar(world, first_slot, homes, kind):
    liar = Liar(world, homes, lie=LIES[kind])
    liar.coordinate(first_slot + 1)
    refused = {"huge power", "too few slots", "of another round", "huge residual"}
    if kind in refused:
        assert liar.coordinator._row.ended == "converged"
    assert liar.sent[-1].final
    for name in list(liar.homes)[1:]:
        assert liar.iterations[name]._state.answered == liar.sent[-1].iteration - 1


def test_a_certificate_follows_from_the_final_answers_and_is_kept(world, first_slot, homes):
    hive = Hive(world, homes)
    row = hive.coordinate(first_slot + 1)
    (told,) = hive.certificates
    assert (told.round, told.first_slot, told.homes, told.ended) == (row.number, first_slot + 1, 3, row.ended)
    assert told.lower_e9_coin <= told.upper_e9_coin
    assert 0 <= told.gap_ppm <= 20_000
    with world.store.begin() as tx:
        kept = books.last_certified(tx)
    assert (kept.upper_e9_coin, kept.lower_e9_coin, kept.gap_ppm) == (
        told.upper_e9_coin,
        told.lower_e9_coin,
        told.gap_ppm,
    )


def test_without_a_homes_word_only_the_upper_bound_is_certified(world, first_slot, homes):
    class Quiet(Hive):
        def answer(self, name, own, message):
            told = super().answer(name, own, message)
            return structs.replace(told, bound_e9_coin=None) if name == min(self.homes) else told

    hive = Quiet(world, homes)
    hive.coordinate(first_slot + 1)
    (told,) = hive.certificates
    assert (told.lower_e9_coin, told.gap_ppm) == (None, None)
    assert told.upper_e9_coin > 0


def test_a_false_bound_cannot_lift_the_lower_one_above_the_plans(world, first_slot, homes):
    class Boaster(Hive):
        def answer(self, name, own, message):
            told = super().answer(name, own, message)
            return structs.replace(told, bound_e9_coin=10**14) if message.final else told

    hive = Boaster(world, homes)
    hive.coordinate(first_slot + 1)
    (told,) = hive.certificates
    assert told.lower_e9_coin <= told.upper_e9_coin + 1_000_000


class Gappy(Hive):
    """Homes whose answers are lost where `lost` says so; all of them hear every broadcast."""

    def __init__(self, *arguments, lost, **rules):
        super().__init__(*arguments, **rules)
        self.lost = lost

    async def broadcast(self, message):
        self.sent.append(message)
        for place, (name, own) in enumerate(self.homes.items()):
            answer = encode(self.answer(name, own, message))
            if not self.lost(place, message):
                self.coordinator.receive(name, answer)


def test_a_home_that_misses_answers_now_and_then_stays_in_and_the_round_converges(world, first_slot, homes):
    hive = Gappy(world, homes, lost=lambda place, m: place == m.iteration % 3 and 0 < m.iteration < 30 and not m.final)
    row = hive.coordinate(first_slot + 1)
    assert row.ended == "converged"
    assert row.flexible == 3


def test_a_home_that_falls_silent_counts_as_it_was_and_may_open_again(world, first_slot, homes):
    rejoined = []

    class Restarted(Gappy):
        def answer(self, name, own, message):
            if name == next(iter(self.homes)) and 2 <= message.iteration < 7:
                return super().answer(name, own, structs.replace(message, iteration=0, final=False))
            return super().answer(name, own, message)

        async def broadcast(self, message):
            await super().broadcast(message)
            rejoined.append(set(self.coordinator._answers.movers()))

    def lost(place, message):
        return place == 0 and 2 <= message.iteration < 6

    hive = Restarted(world, homes, lost=lost)
    row = hive.coordinate(first_slot + 1)
    assert row.ended == "converged"
    sizes = [len(one) for one in rejoined]
    assert min(sizes[1:-1]) == 2
    assert sizes[-2] == 3


def test_a_queen_restarted_in_the_middle_goes_on_from_her_last_price(world, first_slot, homes):
    class Killed(Hive):
        async def broadcast(self, message):
            await super().broadcast(message)
            if len(self.sent) == 5:
                raise KeyboardInterrupt

    first = Killed(world, homes)
    with pytest.raises(KeyboardInterrupt):
        first.coordinate(first_slot + 1)
    second = Hive(world, homes)
    assert second.coordinator.interrupted(first_slot + 1)
    second.sent = list(first.sent)
    row = second.coordinate(first_slot + 1)
    opening = second.sent[5]
    assert opening.iteration == 0
    assert opening.round == first.sent[0].round + 1
    assert opening.price_e7_per_kwh == first.sent[4].price_e7_per_kwh
    assert opening.sigma_kw2_per_coin == first.sent[0].sigma_kw2_per_coin
    assert row.ended == "converged"
    assert not second.coordinator.interrupted(first_slot + 1)


def test_a_home_that_is_away_counts_with_its_last_forecast_moved_on(world, first_slot, homes):
    hive = Hive(world, homes)
    hive.coordinate(first_slot + 1)
    away = list(hive.homes)[2]
    opened = hive.coordinator._known[away][1]
    del hive.homes[away]
    hive.coordinate(first_slot + 3)
    assert hive.coordinator._forecasts(first_slot + 3)[away] == (*opened[2:], *opened[:2])
    assert hive.certificates[-1].homes == 3


def test_software_of_before_acceleration_still_counts(world, first_slot, homes):
    class Older(Hive):
        def answer(self, name, own, message):
            told = super().answer(name, own, message)
            if name == next(iter(self.homes)):
                told = structs.replace(told, residual_e9_kw2=0, inner_e9_kw2=())
            return told

    hive = Older(world, homes)
    row = hive.coordinate(first_slot + 1)
    assert row.ended in ("converged", "limit")
    assert all(message.gamma_e9 == () for message in hive.sent)
    assert row.iterations > 3


def test_acceleration_is_used_where_everybody_speaks_it(world, first_slot, homes):
    hive = Hive(world, homes)
    assert hive.coordinate(first_slot + 1).ended == "converged"
    assert any(message.gamma_e9 for message in hive.sent)


def test_limits_of_the_connection_point_hold(world, first_slot, homes):
    evening = [2.5 if 70 <= k < 78 else 0.6 for k in range(SLOTS)]
    homes = [dataclasses.replace(one, load_kw=evening) for one in homes]
    free = Hive(world, homes)
    free.coordinate(first_slot + 1)
    limit = 3_500
    assert max(total_w(free)) > limit
    hive = Hive(world, homes, import_w=limit)
    hive.sent = list(free.sent)
    row = hive.coordinate(first_slot + 1)
    assert row.ended in ("converged", "limit")
    assert max(total_w(hive)) <= 1.005 * limit


def test_limits_that_no_plans_keep_are_shared_out(world, first_slot, homes):
    hive = Hive(world, homes, import_w=500, most_iterations=12)
    row = hive.coordinate(first_slot + 1)
    assert row.ended == "shared"
    final = hive.sent[-1]
    assert final.final
    assert len(final.import_share_ppm) == SLOTS
    assert final.export_share_ppm == ()
    opened = [hive.coordinator._known[name][1] for name in hive.homes]
    for slot, share in enumerate(final.import_share_ppm):
        assert sum(max(0, p[slot]) * share // 10**6 for p in opened) <= 500


def total_w(hive):
    """The plans of the last answers, added up."""
    return np.sum([hive.powers[name] for name in hive.homes], axis=0)


def test_the_wait_follows_what_answers_take():
    now = [100.0]
    pace = Pace(lambda: now[0], 2.0)
    assert pace.asked() == 2.0
    assert pace.asked() == 2.0
    for took in (0.2, 0.2, 0.9):
        now[0] += took
        pace.answered()
    assert pace.asked() == pytest.approx(3 * 0.4)
    now[0] += 0.9
    pace.answered()
    assert pace.asked() == 2.0
    quick = Pace(lambda: 5.0, 2.0)
    for _ in range(4):
        wait = quick.asked()
        quick.answered()
    assert wait == LEAST_S


def test_a_round_goes_on_while_others_are_refused(world, first_slot, homes):
    hive = Hive(world, homes)

    async def flooded():
        for _ in range(50):
            hive.coordinator.receive(next(iter(hive.homes)), b"{}")
        return await hive.coordinator.coordinate(first_slot + 1, hive.clock.now + 60)

    assert asyncio.run(flooded()).ended == "converged"
