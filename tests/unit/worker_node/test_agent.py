"""The agent: which plan it follows, what it answers, and that a restart changes neither."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import DeclareMessage, RoundMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import digest
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, HIVE, TARIFF, WORKER
from worker_node.agent.battery import BatteryModel
from worker_node.agent.service import ALONE, NO_BATTERY, SAFE_RULE, Agent, AgentTools, RoundError
from worker_node.agent.service import HIVE as HIVE_PLAN
from worker_node.journal import JournalThread, StoredPlan

BATTERY = BatteryModel(6_400_000, 0, 6_400_000, 3_200_000, 5_000, 5_000, 950, 950, 10_000)
SUNNY = [(FIRST_SLOT - 96 + k, 200_000 - (700_000 if 40 <= k < 60 else 0)) for k in range(96)]


class Home:
    """An agent over a journal; remembers what the battery was told."""

    def __init__(self, folder: Path, *, battery: bool = True, history: bool = True) -> None:
        self.told: list[int] = []
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        if history:
            self.journal.run(lambda journal: journal.seed_history(SUNNY))
        tools = AgentTools(WORKER, DOMAIN, TARIFF, self.journal, self.tell)
        self.agent = Agent(tools, BATTERY if battery else None)

    async def tell(self, power_w: int) -> None:
        self.told.append(power_w)

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.agent.load()
            await story()

        asyncio.run(whole())


def price(iteration: int, *, final: bool = False, first_slot: int = FIRST_SLOT + 1) -> RoundMessage:
    prices = tuple(1_500_000 if k % 96 < 60 else 3_000_000 for k in range(96))
    return RoundMessage(
        hive=HIVE,
        round=3,
        iteration=iteration,
        final=final,
        first_slot=first_slot,
        price_e7_per_kwh=prices,
        sigma_kw2_per_coin=100,
        deadline_unix_s=0,
    )


async def a_round(agent: Agent) -> list[DeclareMessage | None]:
    return [
        await agent.answer(price(0)),
        await agent.answer(price(1)),
        await agent.answer(price(2)),
        await agent.answer(price(2, final=True)),
    ]


def test_without_history_or_queen_the_battery_follows_the_safe_rule(tmp_path: Path) -> None:
    home = Home(tmp_path, history=False)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        assert home.agent.view().source == SAFE_RULE
        await home.agent.follow(-2_000.0, 0.0, 3_000_000)
        await home.agent.follow(0.0, 2_000.0, 3_000_000)
        await home.agent.follow(3_700.0, 2_000.0, 3_000_000)
        await home.agent.follow(400.0, 0.0, 0)
        await home.agent.follow(-9_000.0, 0.0, 6_400_000)

    home.run(story)
    assert home.told == [2_000, -1_700, 0]


def test_a_solver_that_fails_leaves_the_safe_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from honey_edge.market.errors import PlanRejected
    from worker_node.agent import solver

    def rejected(*_: object) -> None:
        raise PlanRejected("not solved")

    monkeypatch.setattr(solver, "plan_alone", rejected)
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)

    home.run(story)
    assert home.agent.view().source == SAFE_RULE
    assert home.told == []


def test_a_round_is_answered_adopted_declared_and_carried_out(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        opened, *answers, final = await a_round(home.agent)
        assert opened is not None
        assert opened.flexible
        assert opened.profile == ""
        assert final is not None
        assert answers[-1] is not None
        assert final.power_w == answers[-1].power_w
        declaration = digest(DOMAIN, final.signed())
        assert signed_by(WORKER.address, declaration, bytes.fromhex(final.signature))
        plan = home.agent.view().plan
        assert plan is not None
        assert plan.source == HIVE_PLAN
        assert plan.first_slot == FIRST_SLOT + 1
        promise = keccak(plan.salt + final.power_w[0].to_bytes(4, "big", signed=True))
        assert final.profile == promise.hex()
        await home.agent.start_slot(FIRST_SLOT + 1, 3_000_000)
        assert home.agent.view().source == HIVE_PLAN
        assert home.agent.view().set_point_w == plan.battery_w[0]

    home.run(story)


def test_one_slot_without_the_queen_goes_on_with_her_plan_then_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    plan = StoredPlan(FIRST_SLOT, HIVE_PLAN, 1, (1,) * 96, tuple(range(100, 196)), (1,) * 96, (0,) * 96)
    home.journal.run(lambda journal: journal.put_plan(plan))
    sources = []

    async def story() -> None:
        for slot in range(FIRST_SLOT, FIRST_SLOT + 3):
            await home.agent.start_slot(slot, 3_000_000)
            sources.append(home.agent.view().source)

    home.run(story)
    assert sources == [HIVE_PLAN, HIVE_PLAN, ALONE]
    assert home.told[:2] == [100, 101]


def test_a_restarted_agent_gives_the_same_answers(tmp_path: Path) -> None:
    answers = []
    for life in ("first", "second"):
        folder = tmp_path / life
        folder.mkdir()
        home = Home(folder)

        async def story(home: Home = home, life: str = life) -> None:
            await home.agent.start_slot(FIRST_SLOT, 3_000_000)
            agent = home.agent
            if life == "second":
                agent = Agent(AgentTools(WORKER, DOMAIN, TARIFF, home.journal, home.tell), BATTERY)
                await agent.load()
                await agent.start_slot(FIRST_SLOT, 3_000_000)
            answers.append(await a_round(agent))

        home.run(story)
    assert answers[0] == answers[1]


def test_a_home_without_battery_forecasts_once_and_declares(tmp_path: Path) -> None:
    home = Home(tmp_path, battery=False)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, None)
        opened, first, second, final = await a_round(home.agent)
        assert opened is not None
        assert not opened.flexible
        assert opened.power_w[40] == -2_000
        assert opened.power_w[0] == 800
        assert first is None
        assert second is None
        assert final is not None
        assert final.signature

    home.run(story)
    assert home.agent.view().source == NO_BATTERY
    assert home.told == []


def test_rounds_that_do_not_fit_are_refused_or_ignored(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        assert await home.agent.answer(price(1, final=True)) is None
        with pytest.raises(RoundError, match="came while slot"):
            await home.agent.answer(price(0, first_slot=FIRST_SLOT + 5))
        await home.agent.answer(price(0))
        with pytest.raises(RoundError, match="changed its first slot"):
            await home.agent.answer(price(1, first_slot=FIRST_SLOT + 2))

    home.run(story)


@pytest.mark.parametrize(
    ("power", "after"), [(4_000, 3_950_000), (-3_800, 2_000_000), (0, 3_000_000), (50_000, 6_400_000)]
)
def test_what_will_be_stored_at_the_slots_end(power: int, after: int) -> None:
    assert BATTERY.after(3_000_000, power, 900) == after
