"""What must hold for rounds with a voltage band: it is kept, homes see their own nodes' prices, nothing stops them."""

import dataclasses
import json

import numpy as np
import pytest

from honey_edge.market.grid.feeder import FeederEstimate
from honey_edge.market.grid.voltage import VoltageBand
from honey_edge.market.grid.voltage_round import solve_voltage_direct
from honey_edge.market.homes.assets import Battery, Home
from honey_edge.wire.codec import encode
from honey_edge.wire.messages import DeclareMessage
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.coordinator.feeder_desk import BandRules, FeederDesk
from queen_node.store import books, islands, voltages
from queen_node.store.voltages import EstimateRow
from tests.unit.queen_node.answering_homes import SLOTS, Hive, home

LOW, HIGH = 900, 1_030


def estimate(workers, k, **changes):
    matrix = tuple(tuple(float(one) for one in row) for row in k)
    fields = {"error_mean_pu": 0.001, "error_p99_pu": 0.004, "offset_pu": 0.0, "phase_pu": 0.0, "source_pu": 1.0}
    more = {"source_low_pu": 0.999, "source_high_pu": 1.001, "days": 21.0}
    return FeederEstimate(tuple(workers), matrix, matrix, matrix, **(fields | more | changes))


def line(count, step=0.004):
    """A line on which every home is one step further from the transformer."""
    place = np.arange(1, count + 1)
    return step * np.minimum(place[:, None], place[None, :])


class FeederHive(Hive):
    """Homes that hear what is for all and what is for them alone."""

    def __init__(self, world, homes, **rules):
        super().__init__(world, homes, **rules)
        self.own = {name: [] for name in self.homes}
        self.desk = FeederDesk(
            self.clock, world.store, BandRules(LOW, HIGH), self.broadcast, self.to_one, lambda: list(self.homes)
        )
        rules = RoundRules(7, world.agreement.domain, world.tariff, 80_000, 2.0, collector=self.desk.collector, **rules)
        self.coordinator = Coordinator(
            self.clock, world.store, rules, world.refusals, self.desk.publish, self.online, self.certified
        )

    async def broadcast(self, message):
        self.sent.append(message)
        for name, own in self.homes.items():
            self.hear(name, own, message)

    async def to_one(self, message, worker):
        self.own[worker].append(message)
        self.hear(worker, self.homes[worker], message)

    def hear(self, name, own, message):
        if message.iteration < self.silent_from.get(name, 10**6) or message.final:
            self.coordinator.receive(name, encode(self.answer(name, own, message)))


@pytest.fixture
def homes():
    """The two far homes have much sun at noon and a battery each; the near one consumes."""
    sun = [5.0 * max(0.0, np.sin((k - 24) / 48 * np.pi)) if 24 <= k < 72 else 0.0 for k in range(SLOTS)]
    box = Battery(12.0, 1.0, 12.0, 5.0, 5.0, 2.0, 2.0, c_quad=1e-3)
    far = Home([0.5] * SLOTS, sun, battery=box, pv_curtailable=True)
    return [home(1.0, 0.0, True), far, dataclasses.replace(far, load_kw=[0.3] * SLOTS)]


def put(world, found):
    with world.store.begin() as tx:
        voltages.add_estimate(tx, EstimateRow(5, "", found.document()))


def highest_pu(hive, found):
    """The highest voltage on the feeder that follows from what the homes answered last."""
    net = np.array([hive.powers[name] for name in found.workers]) / 1000
    band = VoltageBand(found.source_pu, 0.5, 1.5, np.array(found.k_v2_per_kw))
    return float(band.voltages_pu(net).max())


def test_a_band_that_binds_is_kept_at_the_cost_of_the_central_optimum(world, first_slot, homes):
    found = estimate([worker.name for worker in world.workers], line(3))
    free = Hive(world, homes)
    free.coordinate(first_slot + 1)
    assert highest_pu(free, found) > HIGH / 1000
    put(world, found)
    bound = FeederHive(world, homes)
    row = bound.coordinate(first_slot + 1)
    assert row.ended == "converged"
    kept = HIGH / 1000 - found.margin_pu
    assert highest_pu(bound, found) <= kept + 5e-3 * (HIGH - LOW) / 1000
    tariff = bound.coordinator._market_tariff(first_slot + 1)
    band = VoltageBand(found.source_pu, LOW / 1000, HIGH / 1000, np.array(found.k_v2_per_kw)).tightened(found.margin_pu)
    best = solve_voltage_direct(homes, band, tariff).objective
    alone = sum(tariff.cost(one.base_kw, 0.25) for one in homes)
    assert abs(row.upper_e9_coin / 1e9 - best) <= 0.01 * (alone - best)
    assert row.lower_e9_coin is None


def test_the_opening_is_for_all_and_every_price_after_it_for_one_home(world, first_slot, homes):
    names = [worker.name for worker in world.workers]
    put(world, estimate(names, line(3)))
    bound = FeederHive(world, homes)
    row = bound.coordinate(first_slot + 1)
    assert [message.iteration for message in bound.sent] == [0]
    heard = [[message.iteration for message in bound.own[name]] for name in names]
    assert heard == [list(range(1, row.broadcasts))] * 3
    last = [bound.own[name][-1] for name in names]
    assert all(message.final for message in last)
    near, _, far = (message.price_e7_per_kwh for message in last)
    assert all(f <= n for f, n in zip(far, near, strict=True))
    assert sum(f < n for f, n in zip(far, near, strict=True)) >= 8
    low, high = [min(column) for column in zip(near, far, strict=True)], [max(c) for c in zip(near, far, strict=True)]
    assert all(a - 2 <= common <= b + 2 for a, common, b in zip(low, row.prices_e7, high, strict=True))
    assert {message.blend_e6 for message in last} == {last[0].blend_e6}
    assert sum(last[0].blend_e6) == 1_000_000


def test_homes_whose_place_is_not_known_pay_the_price_of_the_head(world, first_slot, homes):
    names = [worker.name for worker in world.workers]
    put(world, estimate(names[1:], line(2)))
    bound = FeederHive(world, homes)
    assert bound.coordinate(first_slot + 1).ended == "converged"
    prices = [bound.own[name][-1].price_e7_per_kwh for name in names]
    assert len(set(prices)) == 3


@pytest.mark.parametrize("why", ["nothing", "refused", "wide", "island", "damaged"])
def test_without_an_estimate_that_leaves_a_band_a_round_is_a_plain_one(world, first_slot, homes, why):
    found = estimate([worker.name for worker in world.workers], line(3), error_p99_pu=0.2 if why == "wide" else 0.004)
    with world.store.begin() as tx:
        if why == "refused":
            voltages.add_estimate(tx, EstimateRow(5, "too few", ""))
        elif why == "damaged":
            voltages.add_estimate(tx, EstimateRow(5, "", json.dumps({"workers": ["a"], "k_v2_per_kw": [[1, 2]]})))
        elif why != "nothing":
            voltages.add_estimate(tx, EstimateRow(5, "", found.document()))
        if why == "island":
            islands.begin_island(tx, 5, "operator")
    hive = FeederHive(world, homes, island_ceiling_micro=500_000)
    row = hive.coordinate(first_slot + 1)
    assert row.ended in ("converged", "limit", "shared")
    assert not any(hive.own.values())
    assert len(hive.sent) >= row.broadcasts > 2


def test_an_attempt_that_failed_leaves_the_estimate_before_it_in_force(world, first_slot, homes):
    put(world, estimate([worker.name for worker in world.workers], line(3)))
    with world.store.begin() as tx:
        voltages.add_estimate(tx, EstimateRow(6, "the source fell silent", ""))
    hive = FeederHive(world, homes)
    hive.coordinate(first_slot + 1)
    assert all(hive.own.values())


def test_homes_that_fall_silent_do_not_stop_the_round(world, first_slot, homes):
    found = estimate([worker.name for worker in world.workers], line(3))
    put(world, found)
    hive = FeederHive(world, homes, most_iterations=50)
    hive.silent_from = {found.workers[1]: 4}
    row = hive.coordinate(first_slot + 1)
    assert row.ended in ("converged", "limit")
    assert row.iterations > 6


def test_a_load_that_no_price_moves_out_of_the_band_is_named_and_the_round_ends(world, first_slot, homes, caplog):
    found = estimate([worker.name for worker in world.workers], line(3, 0.02))
    put(world, found)
    heavy = [homes[0], homes[1], Home([9.0] * SLOTS, [0.0] * SLOTS)]
    hive = FeederHive(world, heavy, most_iterations=4)
    assert hive.coordinate(first_slot + 1).ended == "limit"
    assert "voltage_band_broken" in caplog.text


def test_an_answer_from_a_node_that_stands_is_refused_unless_it_only_forecasts(world, first_slot, homes):
    found = estimate([worker.name for worker in world.workers], line(3))
    put(world, found)
    hive = FeederHive(world, [homes[0], homes[1], home(1.0, 0.0, False)])
    answers = []
    spoken = hive.to_one

    async def also_wrongly(message, worker):
        if worker == found.workers[2] and not message.final:
            wrong = DeclareMessage(
                worker=worker, round=message.round, iteration=message.iteration, first_slot=message.first_slot,
                flexible=True, power_w=(9,) * SLOTS, cost_e9_coin=0,
            )  # fmt: skip
            answers.append(hive.coordinator._answers.take(worker, wrong))
        await spoken(message, worker)

    hive.desk._to_one = also_wrongly
    assert hive.coordinate(first_slot + 1).ended == "converged"
    assert set(answers) == {"round"}


def test_a_warm_round_keeps_the_band_again(world, first_slot, homes):
    found = estimate([worker.name for worker in world.workers], line(3))
    put(world, found)
    hive = FeederHive(world, homes)
    hive.coordinate(first_slot + 1)
    row = hive.coordinate(first_slot + 2)
    assert row.ended == "converged"
    assert highest_pu(hive, found) <= HIGH / 1000 - found.margin_pu + 5e-3 * (HIGH - LOW) / 1000
    with world.store.begin() as tx:
        assert books.last_round(tx) == row
