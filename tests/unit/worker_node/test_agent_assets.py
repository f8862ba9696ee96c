"""All assets of a home: what they are told, that physics is asked first, and what is done when it says no."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs

from honey_edge.wire.messages import RoundMessage
from tests.unit.worker_node.test_agent import BATTERY, SUNNY, a_round, price
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, TARIFF, WORKER
from worker_node.agent import homes
from worker_node.agent.assets import (
    AssetLook,
    AssetState,
    CarModel,
    HomeAssets,
    SetPoints,
    ShedModel,
    ThermalModel,
)
from worker_node.agent.service import ALONE, SAFE_RULE, Agent, AgentTools
from worker_node.agent.service import HIVE as HIVE_PLAN
from worker_node.journal import JournalThread, StoredPlan

THERMAL = ThermalModel(8_000_000, 2_000_000, 4_000_000, 3_000, 3_000, 2_000, (600,) * 24)
CAR = CarModel(7_000, 900, 12_000_000, 17 * 60, 7 * 60)
SHED = ShedModel(500, 900_000)
ALL = HomeAssets(BATTERY, THERMAL, CAR, SHED, True)


@dataclass
class Devices:
    """Heat store, car and switch of the tests; remembers what they were told."""

    seen: AssetLook = field(default_factory=AssetLook)
    told: list[SetPoints] = field(default_factory=list)

    async def set_points(self, points: SetPoints) -> None:
        self.told.append(points)

    def look(self) -> AssetLook:
        return self.seen


class Home:
    """An agent with all assets over a journal."""

    def __init__(self, folder: Path, assets: HomeAssets = ALL, *, history: bool = True) -> None:
        self.battery_told: list[int] = []
        self.devices = Devices()
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        if history:
            self.journal.run(lambda journal: journal.seed_history(SUNNY))
        tools = AgentTools(WORKER, DOMAIN, TARIFF, self.journal, self.tell, self.devices)
        self.agent = Agent(tools, assets)

    async def tell(self, power_w: int) -> None:
        self.battery_told.append(power_w)

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.agent.load()
            await story()

        asyncio.run(whole())


def refuse(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Physics says no to the next plans, whatever they are."""
    honest, left = homes.refuse_unphysical, [times]

    def strict(home: object, schedule: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise homes.PlanRefused("slot 3: battery is 1.0000 kW beyond charge_max, 1 violations in all")
        honest(home, schedule)  # type: ignore[arg-type]

    monkeypatch.setattr(homes, "refuse_unphysical", strict)


def test_a_round_plans_all_assets_and_its_first_slot_is_carried_out(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        await a_round(home.agent)
        plan = home.agent.view().plan
        assert plan is not None
        assert plan.source == HIVE_PLAN
        assert all(len(one) == 96 for one in (plan.heat_w, plan.car_w, plan.shed_w, plan.curtail_w))
        running = home.agent.view().points
        assert running is not None
        needed = CAR.stay(FIRST_SLOT + 1, 96, running.car_w * 225, None).needed_milliwh
        charged = sum(plan.car_w) * 250 * CAR.efficiency_permille / 1000
        assert charged == pytest.approx(needed, abs=20_000)
        await home.agent.start_slot(FIRST_SLOT + 1, 3_000_000)
        view = home.agent.view()
        assert view.source == HIVE_PLAN
        assert view.flags == ()
        assert view.points is not None
        assert abs(view.points.car_w - plan.car_w[0]) <= 1
        assert home.devices.told[-1] == view.points

    home.run(story)
    assert home.journal.run(lambda journal: journal.last_plan()) == home.agent.view().plan


def test_a_refused_plan_is_not_kept_not_promised_and_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        before = home.agent.view().plan
        refuse(monkeypatch, 1)
        with caplog.at_level(logging.WARNING):
            *_, final = await a_round(home.agent)
        assert final is None
        assert home.agent.view().plan == before
        assert "plan_refused" in home.agent.view().flags
        await a_round(home.agent)
        assert "plan_refused" not in home.agent.view().flags

    home.run(story)
    assert any("plan_refused" in record.message for record in caplog.records)


def test_where_the_own_plan_is_refused_the_last_good_one_is_followed_then_the_safe_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    seen: list[tuple[str, tuple[str, ...], SetPoints | None]] = []

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        for number, refusals in enumerate((1, 99)):
            refuse(monkeypatch, refusals)
            await home.agent.start_slot(FIRST_SLOT + 1 + number, 3_000_000)
            view = home.agent.view()
            seen.append((view.source, view.flags, view.points))

    home.run(story)
    (first, first_flags, points), (second, second_flags, _) = seen
    assert (first, second) == (ALONE, SAFE_RULE)
    assert "last_good_plan" in first_flags
    assert "plan_refused" in first_flags
    assert "plan_refused" in second_flags
    assert points is not None


def test_a_battery_that_is_emptier_than_planned_gets_what_it_can_do(tmp_path: Path) -> None:
    home = Home(tmp_path, HomeAssets(BATTERY))
    plan = StoredPlan(FIRST_SLOT, HIVE_PLAN, 1, (-4_000,) * 96, (-4_000,) * 96, (0,) * 96, (0,) * 96)
    home.journal.run(lambda journal: journal.put_plan(plan))

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 500_000)

    home.run(story)
    assert -2_000 <= home.battery_told[-1] <= -1_800
    assert home.agent.view().flags == ("set_point_clipped",)


@pytest.mark.parametrize("power", [2**40, -(2**40)])
def test_an_absurd_stored_plan_never_reaches_the_battery(tmp_path: Path, power: int) -> None:
    home = Home(tmp_path, HomeAssets(BATTERY))
    plan = StoredPlan(FIRST_SLOT, HIVE_PLAN, 1, (power,) * 96, (power,) * 96, (0,) * 96, (0,) * 96)
    home.journal.run(lambda journal: journal.put_plan(plan))

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_200_000)

    home.run(story)
    assert all(abs(told) <= 5_000 for told in home.battery_told)


def test_a_car_that_is_late_is_told_nothing_and_charged_as_far_as_time_allows(tmp_path: Path) -> None:
    home = Home(tmp_path, HomeAssets(car=replace(CAR, needed_milliwh=100_000_000)))
    home.devices.seen = AssetLook(car_present=False, car_charged_milliwh=0)
    slot = FIRST_SLOT + 25

    async def story() -> None:
        await home.agent.start_slot(slot, None)
        view = home.agent.view()
        assert view.points is not None
        assert view.points.car_w == 0
        assert "car_energy_relaxed" in view.flags
        home.devices.seen = AssetLook(car_present=True, car_charged_milliwh=0)
        await home.agent.start_slot(slot + 1, None)
        after = home.agent.view().points
        assert after is not None
        assert after.car_w == pytest.approx(7_000, abs=2)

    home.run(story)


def test_without_any_plan_comfort_and_car_come_first_and_the_battery_follows_the_rule(tmp_path: Path) -> None:
    home = Home(tmp_path, history=False)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        assert home.agent.view().source == SAFE_RULE
        await home.agent.follow(-2_000.0, 0.0, 3_000_000)

    home.run(story)
    (told, *_) = home.devices.told
    assert told.car_w == 7_000
    assert told.heat_w > 0
    assert (told.shed_w, told.curtail_w) == (0, 0)
    assert home.battery_told == [2_000]


def test_a_broadcast_that_comes_twice_gets_the_same_answer_and_an_older_one_none(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        assert await home.agent.answer(price(0)) == await home.agent.answer(price(0))
        first = await home.agent.answer(price(1))
        assert await home.agent.answer(price(1)) == first
        second = await home.agent.answer(price(2))
        assert second is not None
        assert second.residual_e9_kw2 > 0
        assert len(second.inner_e9_kw2) == 1
        assert await home.agent.answer(price(1)) is None
        assert await home.agent.answer(price(2)) == second

    home.run(story)


def test_a_worker_restarted_in_a_round_opens_anew_and_answers_the_next_price(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        opened = await home.agent.answer(price(4))
        assert opened is not None
        assert opened.iteration == 0
        assert await home.agent.answer(price(4)) is None
        answer = await home.agent.answer(price(5))
        assert answer is not None
        assert answer.iteration == 5

    home.run(story)


def test_a_round_begun_anew_for_the_same_slots_opens_where_the_last_one_stood(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        await home.agent.answer(price(0))
        stood = await home.agent.answer(price(1))
        again = await home.agent.answer(structs.replace(price(0), round=4))
        assert stood is not None
        assert again is not None
        assert again.power_w == stood.power_w

    home.run(story)


def test_a_final_answer_tells_what_the_certificate_needs(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        *_, answer, final = await a_round(home.agent)
        assert answer is not None
        assert final is not None
        assert final.bound_e9_coin is not None
        assert final.alone_e9_coin is not None
        pairs = zip(answer.power_w, price(2).price_e7_per_kwh, strict=True)
        assert final.bound_e9_coin <= answer.cost_e9_coin + sum(p * price for p, price in pairs) // 40 + 100_000

    home.run(story)


@pytest.mark.parametrize(("share", "flags"), [(1_100_000, ()), (900_000, ("limit_share_exceeded",))])
def test_a_shared_limit_is_kept_by_the_homes_own_plan_or_flagged(
    tmp_path: Path, share: int, flags: tuple[str, ...]
) -> None:
    home = Home(tmp_path, HomeAssets(BATTERY))

    def shared(message: RoundMessage) -> RoundMessage:
        return structs.replace(message, import_share_ppm=(share,) * 96)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        opened = await home.agent.answer(price(0))
        await home.agent.answer(price(1))
        await home.agent.answer(shared(price(2, final=True)))
        plan = home.agent.view().plan
        assert opened is not None
        assert plan is not None
        assert plan.source == HIVE_PLAN
        assert plan.repairs == flags
        kept = [p <= max(0, o) * share // 10**6 + 20 for p, o in zip(plan.net_w, opened.power_w, strict=True)]
        assert all(kept) == (not flags)

    home.run(story)


def test_answers_of_a_masked_round_never_leave_unmasked(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_000_000)
        assert await home.agent.answer(structs.replace(price(0), masked=True)) is None
        assert await home.agent.answer(structs.replace(price(1), masked=True)) is None
        assert await home.agent.answer(structs.replace(price(1, final=True), masked=True)) is None

    home.run(story)


@pytest.mark.parametrize(
    ("slot", "count", "charged", "present", "needed", "first"),
    [
        (0, 96, 0, None, 12_000_000, 1.0),
        (0, 96, 5_000_000, True, 7_000_000, 1.0),
        (0, 96, 5_000_000, False, 7_000_000, 0.0),
        (40, 96, 9_000_000, None, 12_000_000, 0.0),
        (40, 30, 0, None, 0, 0.0),
        (24, 96, 12_000_000, True, 0, 1.0),
    ],
)
def test_what_a_stay_of_the_car_needs(
    slot: int, count: int, charged: int, present: bool | None, needed: int, first: float
) -> None:
    stay = CAR.stay(FIRST_SLOT + slot, count, charged, present)
    assert (stay.needed_milliwh, stay.present[0], len(stay.present)) == (needed, first, count)


def test_heat_and_car_go_on_as_they_are_told() -> None:
    state = AssetState(3_000_000, 4_000_000, 0, None)
    after = ALL.after(state, SetPoints(0, 3_000, 7_000), FIRST_SLOT)
    assert after.heat_milliwh == 4_000_000 * 998_000 // 10**6 + 2_250_000 - 150_000
    assert after.car_charged_milliwh == 1_750_000 * 9 // 10
    assert ALL.after(after, SetPoints(), FIRST_SLOT + 27).car_charged_milliwh == 0
