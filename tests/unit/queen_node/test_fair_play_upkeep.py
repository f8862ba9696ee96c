"""What fair play does beside audits: ranges that meters showed, the weekly inspection, `hive standing`, admission."""

import asyncio
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from honey_edge.market.fairplay.conduct import Run, Watched
from honey_edge.market.fairplay.plausible import HEADROOM
from honey_edge.model.slots import day_of
from honey_edge.wire import topics
from honey_edge.wire.structs import Reading
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.presence import Presence
from queen_node.closing.trust import note_standing
from queen_node.coordinator.answers import Frame, RoundAnswers, plausible
from queen_node.fairplay.inspection import inspect, is_due
from queen_node.fairplay.ranges import ShownRanges
from queen_node.operator import standings
from queen_node.operator.errors import InputError, NotAllowed, NotFound
from queen_node.settings import ClockSection, LimitsSection
from queen_node.store import fairplay, readings
from queen_node.store.records import StoredReading

HIGH, LOW = 500_000, -200_000
"""Energies of a slot (milliwatt-hours): 2,000 W taken, 800 W given."""


def store_energies(world, worker, first_slot, energies, slow=1.0):
    """Readings whose differences are the energies, counted by a meter that may be slow or turned round."""
    imported, exported, rows = 10**9, 10**9, []
    for k, energy in enumerate([0, *energies]):
        counted = round(energy * slow)
        imported, exported = imported + max(counted, 0), exported + max(-counted, 0)
        reading = Reading(worker.signer.address, first_slot - 1 + k, imported, exported, 0, bytes(32), bytes(32))
        rows.append(StoredReading(reading, bytes(32), bytes(64)))
    with world.store.begin() as tx:
        readings.add_readings(tx, rows)


def test_a_forecast_is_cut_to_what_the_meter_showed_once_it_has_shown_a_day(world, first_slot):
    shown, young, silent = world.workers
    store_energies(world, shown, first_slot, [HIGH, LOW] * 48)
    store_energies(world, young, first_slot, [HIGH] * 95)
    ranges = ShownRanges()
    with world.store.begin() as tx:
        ranges.load(tx, [one.name for one in world.workers], first_slot + 95)
    frame = Frame(1, first_slot, 10**6, (), 1, {}, believed=ranges.believed)
    forecast = (9_000, -9_000, 100) * 32
    told = {one.name: forecast for one in world.workers}
    cut = plausible(frame, told)
    most, least = round(2_000 * HEADROOM), round(-800 * HEADROOM)
    assert cut[shown.name] == (most, least, 100) * 32
    assert cut[young.name] == cut[silent.name] == forecast
    assert plausible(replace(frame, believed=None), told) == told


def test_a_load_that_is_new_is_believed_after_the_slot_in_which_it_appeared(world, first_slot):
    worker = world.workers[0]
    store_energies(world, worker, first_slot, [HIGH] * 96 + [3 * HIGH])
    ranges = ShownRanges()
    with world.store.begin() as tx:
        ranges.load(tx, [worker.name], first_slot + 95)
        before = ranges.believed(worker.name)
        ranges.after_close(tx, [worker.name], first_slot + 96)
    assert before == (0, round(2_000 * HEADROOM))
    assert ranges.believed(worker.name) == (0, round(6_000 * HEADROOM))


def test_the_collector_adds_up_only_what_is_believed(world, first_slot):
    frame = Frame(1, first_slot, 10**6, (), 1, {"ab" * 20: (7_000,) * 96}, believed=lambda worker: (-100, 300))
    opened = asyncio.run(RoundAnswers(frame).openings())
    assert opened.constant_w == (300,) * 96


def test_a_meter_that_counts_slowly_is_named_after_a_week_and_nothing_else_happens(world, first_slot):
    draw = random.Random(2)
    week = [[draw.randrange(-400_000, 900_000) for _ in range(7 * 96)] for _ in world.workers]
    for k, (worker, energies) in enumerate(zip(world.workers, week, strict=True)):
        store_energies(world, worker, first_slot, energies, slow=0.8 if k == 1 else 1.0)
    true = [sum(column) for column in zip(*week, strict=True)]
    names = [one.name for one in world.workers]
    end = first_slot + 7 * 96
    found = inspect(world.store, lambda tx, slot: true[slot - first_slot], names, end)
    assert [row.worker for row in found] == [world.workers[1].name]
    assert "inspected" in found[0].detail
    with world.store.begin() as tx:
        assert [row.kind for row in fairplay.findings_of(tx)] == [fairplay.METER]
        assert fairplay.standings(tx) == {}
    assert inspect(world.store, lambda tx, slot: None, names, end) == []
    assert inspect(world.store, lambda tx, slot: 0, names, end - 6 * 96 - 90) == []
    assert [slot for slot in range(end, end + 14 * 96) if is_due(slot)] == [
        slot for slot in range(end, end + 14 * 96) if slot % (7 * 96) == 0
    ]


def floored(world, worker, slot, standing="floored"):
    day = day_of(slot)
    watched = Watched(runs=(Run(1, day - 6, day - 4), Run(1, day - 3, day)))
    watched = replace(watched, conduct=replace(watched.conduct, standing=standing, since_day=day))
    with world.store.begin() as tx:
        fairplay.put_watched(tx, worker.name, watched)
        note_standing(tx, worker.name, watched, 0)


@pytest.fixture
def loaded(first_slot):
    clock = ClockSection(kind="granted", start_unix_s=900 * (first_slot + 1))
    return SimpleNamespace(settings=SimpleNamespace(clock=clock))


def test_the_operator_sees_who_is_floored_and_why_and_may_pardon_with_a_reason(world, loaded, first_slot):
    worker, good, _ = world.workers
    floored(world, worker, first_slot)
    with world.store.begin() as tx:
        rows = {row["worker"]: row["standing"] for row in standings.show_all(tx)["workers"]}
        assert rows[worker.name] == "floored"
        assert rows[good.name] == "good"
        document = standings.show(tx, worker.name)
        assert document["findings"][0]["why"] == "two alarms"
        assert len(document["alarms"]) == 2
        after = standings.restore(tx, loaded, worker.name, "  the forecast was replaced ")
        assert after["standing"] == "good"
        assert after["findings"][0]["detail"] == "good the forecast was replaced"
        assert fairplay.floored(tx, day_of(first_slot)) == {worker.name}
        assert fairplay.floored(tx, day_of(first_slot) + 1) == frozenset()
        assert [row.number for row in fairplay.newest_standings(tx)] == [after["findings"][0]["number"]]


def test_a_pardon_without_reason_for_a_good_or_an_unknown_worker_is_refused(world, loaded, first_slot):
    worker, good, _ = world.workers
    floored(world, worker, first_slot)
    with world.store.begin() as tx:
        for name, reason, error in (
            (worker.name, " ", InputError),
            (worker.name, "x" * 201, InputError),
            (good.name, "why not", NotAllowed),
            ("ab" * 20, "who", NotFound),
        ):
            with pytest.raises(error):
                standings.restore(tx, loaded, name, reason)
        assert standings.show(tx, worker.name)["standing"] == "floored"


def test_answers_of_a_suspended_home_are_counted_and_never_reach_the_round(world):
    class Coordinator:
        def __init__(self):
            self.received = []

        def receive(self, worker, payload):
            self.received.append(worker)

    class FairPlay:
        def __init__(self):
            self.suspended, self.received = frozenset({world.workers[0].name}), []

        def receive(self, kind, worker, payload):
            self.received.append((kind, worker))

    takers = Takers(world.ingest, world.channels, Coordinator(), Presence(), world.refusals, fair_play=FairPlay())
    dispatcher = Dispatcher(7, takers, LimitsSection(), lambda: world.now_unix_s, None)
    dispatcher.enrol([worker.name for worker in world.workers])

    async def bring():
        for worker in world.workers[:2]:
            for kind in (topics.DECLARE, topics.DISCLOSE, topics.APPEAL):
                await dispatcher.on_message(topics.topic(kind, 7, worker.name), b"{}")

    asyncio.run(bring())
    assert takers.coordinator.received == [world.workers[1].name]
    assert world.refusals.counted["suspended"] == 1
    assert len(takers.fair_play.received) == 4
