"""Rounds with a voltage band and on an island with the Workers' real agents: what they adopt is what was agreed."""

import asyncio

import numpy as np
import pytest

from honey_edge.billing.tariff import Tariff
from honey_edge.market.grid.voltage import VoltageBand
from honey_edge.wire.codec import encode
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import Domain
from queen_node.coordinator.conductor import Coordinator, RoundRules
from queen_node.coordinator.feeder_desk import BandRules, FeederDesk
from queen_node.store import Store, islands, voltages
from queen_node.store.refusals import Refusals
from queen_node.store.voltages import EstimateRow
from tests.unit.queen_node.answering_homes import SLOTS, InstantClock
from tests.unit.queen_node.test_voltage_rounds import HIGH, LOW, estimate, line
from worker_node.agent.assets import HomeAssets, ShedModel
from worker_node.agent.battery import BatteryModel
from worker_node.agent.service import HIVE, Agent, AgentTools
from worker_node.journal import JournalThread

SLOT = 1_900_800
DOMAIN = Domain(31337, bytes.fromhex("c0" * 20))
TARIFF = Tariff("CHF", (300_000,) * 96, (80_000,) * 96, (), 50_000_000)
BATTERY = BatteryModel(12_000_000, 0, 12_000_000, 4_000_000, 4_000, 4_000, 950, 950, 10_000)


class Place:
    """Agents of three homes with sun, their Queen's coordinator, and no broker between."""

    def __init__(self, folder, sun_kw, assets):
        self.signers = [KeySigner(bytes([k + 1]) * 32) for k in range(len(assets))]
        self.names = [signer.address.hex() for signer in self.signers]
        self.store, self.refusals, self.clock = Store("sqlite://"), Refusals(), InstantClock()
        self.clock.now = SLOT * 900 + 40.0
        self.agents = {}
        for signer, own in zip(self.signers, assets, strict=True):
            journal = JournalThread(folder / f"{signer.address.hex()}.sqlite", signer.address)
            base = [0.6 - (sun_kw if 40 <= k < 60 else 0.0) for k in range(SLOTS)]
            rows = [(SLOT - SLOTS + k, round(250_000 * kw)) for k, kw in enumerate(base)]
            journal.run(lambda one, rows=rows: one.seed_history(rows))
            tools = AgentTools(signer, DOMAIN, TARIFF, journal, self.told)
            self.agents[signer.address.hex()] = Agent(tools, own)

    async def told(self, power_w):
        return None

    async def to_all(self, message):
        for name in self.names:
            await self.to_one(message, name)

    async def to_one(self, message, name):
        declared = await self.agents[name].answer(message)
        if declared is not None:
            self.coordinator.receive(name, encode(declared))

    async def nothing(self, message):
        return None

    def coordinate(self):
        desk = FeederDesk(self.clock, self.store, BandRules(LOW, HIGH), self.to_all, self.to_one, lambda: self.names)
        rules = RoundRules(7, DOMAIN, TARIFF, 80_000, 2.0, collector=desk.collector, island_ceiling_micro=1_000_000)
        self.coordinator = Coordinator(
            self.clock, self.store, rules, self.refusals, desk.publish, lambda: set(self.names), self.nothing
        )

        async def whole():
            for agent in self.agents.values():
                await agent.load()
                await agent.start_slot(SLOT, 4_000_000)
            return await self.coordinator.coordinate(SLOT + 1, self.clock.now + 600)

        row = asyncio.run(whole())
        plans = [agent.view().plan for agent in self.agents.values()]
        assert [plan.source for plan in plans] == [HIVE] * len(plans)
        assert dict(self.refusals.counted) == {}
        return row, np.array([plan.net_w for plan in plans]) / 1000


@pytest.mark.parametrize("limited", [False, True])
def test_the_plans_that_agents_adopt_keep_the_band(tmp_path, limited):
    place = Place(tmp_path, 4.0, [HomeAssets(BATTERY)] * 3)
    found = estimate(place.names, line(3, 0.008))
    if limited:
        with place.store.begin() as tx:
            voltages.add_estimate(tx, EstimateRow(5, "", found.document()))
    row, net_kw = place.coordinate()
    assert row.ended == "converged"
    band = VoltageBand(found.source_pu, 0.5, 1.5, np.array(found.k_v2_per_kw))
    highest = float(band.voltages_pu(net_kw).max())
    if limited:
        assert highest <= HIGH / 1000 - found.margin_pu + 5e-3 * (HIGH - LOW) / 1000
    else:
        assert highest > HIGH / 1000


def test_on_an_island_agents_shed_the_cheapest_load_first_and_nothing_flows(tmp_path):
    sheds = [None, ShedModel(600, 350_000), ShedModel(600, 450_000)]
    place = Place(tmp_path, 2.6, [HomeAssets(BATTERY, shed=one) for one in sheds])
    with place.store.begin() as tx:
        islands.begin_island(tx, 5, "operator")
    row, net_kw = place.coordinate()
    assert row.ended == "converged"
    assert float(np.abs(net_kw.sum(axis=0)).max()) <= 0.06
    _, cheap, dear = (sum(agent.view().plan.shed_w) for agent in place.agents.values())
    assert cheap > 4 * dear >= 0
    assert cheap > 1_000
    assert max(row.prices_e7) > 10 * max(TARIFF.buy)
