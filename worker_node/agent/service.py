"""The agent: keeps the plan and gives the assets their powers at each slot's start; answers the Queen's rounds.

Order of what is followed: the plan agreed with the Queen; for one slot without her the rest of it; then the home's
own optimum; where that is refused or cannot be made, the last good plan; and else the safe rule, self-consumption
and comfort (architecture section 7, market-design 4.3). Nothing is told to an asset before it was simulated once more
against the home as it is now (`homes.allowed`).
"""

import importlib
import logging
from dataclasses import dataclass, replace

from honey_edge.market.grid.flexibility import Store
from honey_edge.model.errors import HiveError
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage, RoundMessage
from worker_node.agent.assets import Actuators, AssetState, HomeAssets, SetPoints
from worker_node.agent.battery import BatteryModel
from worker_node.agent.rounds import Household, Rounds
from worker_node.agent.tools import (
    ALONE,
    HIVE,
    LAST_GOOD,
    NO_BATTERY,
    PLAN_REFUSED,
    SAFE_RULE,
    AgentTools,
    Desk,
    RoundError,
    points_of,
    whole_watts,
)
from worker_node.journal import StoredPlan

__all__ = ["ALONE", "HIVE", "NO_BATTERY", "SAFE_RULE", "Agent", "AgentTools", "AgentView", "RoundError"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentView:
    """What the agent follows now; `set_point_w` is what the battery was told last (W, charging positive).

    `points` is what all assets were told; `flags` names what is not as it should be: a plan that was refused, the
    last good one followed instead, set-points cut to what the assets can do, and what the plan had to relax.
    """

    source: str
    plan: StoredPlan | None
    set_point_w: int | None
    points: SetPoints | None = None
    flags: tuple[str, ...] = ()


class Agent:
    """Plans for one home; `assets` without anything to move (or None) is a home that can only forecast."""

    def __init__(self, tools: AgentTools, assets: HomeAssets | BatteryModel | None) -> None:
        self._tools = tools
        self._assets = HomeAssets(assets) if isinstance(assets, BatteryModel) else assets or HomeAssets()
        self._desk = Desk(tools.journal)
        self._actuators = Actuators(tools.set_power_w, tools.others, limit_w=tools.limit_w)
        self._slot = -1
        self._state = self._first_state()
        self._plan: StoredPlan | None = None
        self._good: StoredPlan | None = None
        self._followed: tuple[StoredPlan, SetPoints] | None = None
        self._source = SAFE_RULE if self._assets.movable else NO_BATTERY
        self._flags: tuple[str, ...] = ()
        self._refusals: tuple[str, ...] = ()
        household = Household(lambda: self._plan, lambda: self._slot, self._at_end, self._keep, self._refused)
        self._rounds = Rounds(tools, self._desk, self._assets, household)

    def _first_state(self) -> AssetState:
        """What is assumed of assets that nothing measures, before their first slot."""
        thermal = self._assets.thermal
        return AssetState(heat_milliwh=thermal.end_min_milliwh if thermal else 0)

    async def load(self) -> None:
        """Takes up the plans in the journal."""
        plans = await self._tools.journal.call(lambda journal: journal.plans(2))
        self._plan = plans[0] if plans else None
        self._good = plans[1] if len(plans) > 1 else None

    def view(self) -> AgentView:
        """What is followed now."""
        told = self._actuators.told
        battery_w = told.battery_w if told and self._assets.battery else None
        relaxed = self._plan.repairs if self._plan and self._source == self._plan.source else ()
        flags = tuple(dict.fromkeys((*self._refusals, *self._flags, *relaxed)))
        return AgentView(self._source, self._plan, battery_w, told, flags)

    async def answer(self, message: RoundMessage) -> DeclareMessage | None:
        """The answer to a broadcast, None where there is nothing to say; RoundError, MarketError to refuse it."""
        return await self._rounds.answer(message)

    # -- carrying out

    async def start_slot(self, slot: int, stored_milliwh: int | None) -> None:
        """A slot begins, or the daemon within it: gives the assets their powers. Raises DriverError."""
        await self._look(slot, stored_milliwh)
        if not self._assets.movable:
            return
        wanted = self._agreed(slot) or await self._own(slot)
        if wanted is not None and await self._carry_out(wanted, slot, ()):
            return
        good = self._good
        if good is not None and good is not wanted and 0 <= slot - good.first_slot < len(good.net_w):
            _LOG.warning("plan_last_good slot=%d first_slot=%d source=%s", slot, good.first_slot, good.source)
            if await self._carry_out(good, slot, (LAST_GOOD,)):
                return
        await self._safely(slot)

    async def _look(self, slot: int, stored_milliwh: int | None) -> None:
        """What the assets are like at the start of the slot: measured where something measures it."""
        kept = await self._tools.journal.call(lambda journal: journal.slot_state(slot - 1))
        told = self._actuators.told
        state = self._state
        if told is not None and slot > self._slot >= 0:
            state = self._assets.after(state, told, slot - 1)
        if kept is not None:
            state = replace(state, stored_milliwh=kept.stored_milliwh)
        elif stored_milliwh is not None:
            state = replace(state, stored_milliwh=stored_milliwh)
        self._state, self._slot = self._seen(state), slot

    def _seen(self, state: AssetState) -> AssetState:
        """The state with what the other assets' drivers measure."""
        look = self._tools.others.look()
        heat, charged = look.heat_milliwh, look.car_charged_milliwh
        return replace(
            state,
            heat_milliwh=state.heat_milliwh if heat is None else heat,
            car_charged_milliwh=state.car_charged_milliwh if charged is None else charged,
            car_present=look.car_present,
        )

    def _agreed(self, slot: int) -> StoredPlan | None:
        """The plan agreed with the Queen, for its first slot and one more without her."""
        plan = self._plan
        if plan is None or plan.source != HIVE or not 0 <= slot - plan.first_slot <= 1 < len(plan.net_w):
            return None
        return plan

    async def _own(self, slot: int) -> StoredPlan | None:
        """The home's own optimum from this slot on; None where none can be made."""
        plan = self._plan
        if plan is not None and plan.source == ALONE and plan.first_slot == slot:
            return plan
        base_kw = await self._desk.forecast(slot, HORIZON_SLOTS)
        if base_kw is None:
            return None
        prices = [self._tools.tariff.prices(one) for one in range(slot, slot + HORIZON_SLOTS)]
        assets, state = self._assets, self._state

        def solve() -> StoredPlan:
            homes = importlib.import_module("worker_node.agent.homes")
            solver = importlib.import_module("worker_node.agent.solver")
            home = homes.home_of(assets, base_kw, state, slot)
            own = solver.plan_alone(home, [b for b, _ in prices], [s for _, s in prices])
            others = (own.heat_w, own.car_w, own.shed_w, own.curtail_w, own.repairs)
            return StoredPlan(slot, ALONE, 0, own.net_w, own.battery_w, whole_watts(base_kw), (), b"", *others)

        try:
            plan = await self._desk.in_thread(solve)
        except (HiveError, ArithmeticError) as error:
            self._refused(error)
            return None
        await self._keep(plan)
        return plan

    async def _carry_out(self, plan: StoredPlan, slot: int, flags: tuple[str, ...]) -> bool:
        """Tells the assets the plan's set-points, cut to what they can do; False when physics refuses them."""
        wanted = points_of(plan, slot)
        try:
            points, cut = await self._allowed(plan, wanted, slot)
        except (HiveError, ArithmeticError) as error:
            self._refused(error)
            return False
        if cut:
            _LOG.info("set_point_clipped slot=%d wanted=%s allowed=%s", slot, wanted, points)
        self._source, self._flags, self._followed = plan.source, (*flags, *cut), (plan, points)
        if not flags:
            self._good = plan
        await self._actuators.act(points, battery=self._assets.battery is not None)
        return True

    async def _allowed(self, plan: StoredPlan, wanted: SetPoints, slot: int) -> tuple[SetPoints, tuple[str, ...]]:
        """The set-points as the assets can follow them for a slot, from its start. Raises PlanRefused."""
        at = slot - plan.first_slot
        base_kw = plan.base_w[at] / 1000 if at < len(plan.base_w) else 0.0
        state, assets = self._state, self._assets

        def check() -> tuple[SetPoints, tuple[str, ...]]:
            homes = importlib.import_module("worker_node.agent.homes")
            allowed: tuple[SetPoints, tuple[str, ...]] = homes.allowed(assets, wanted, base_kw, state, slot)
            return allowed

        return await self._desk.in_thread(check)

    def store(self, slot: int, most_w: int) -> Store | None:
        """The battery under the plan agreed with the Queen for the running slot; None where none is followed."""
        battery, state = self._assets.battery, self._state
        if battery is None or self._followed is None or self._source != HIVE or slot != self._slot:
            return None
        plan, points = self._followed
        return Store(
            state.stored_milliwh,
            battery.min_milliwh,
            battery.max_milliwh,
            battery.charge_w,
            battery.discharge_w,
            battery.charge_permille,
            battery.discharge_permille,
            points.battery_w,
            plan.net_w[slot - plan.first_slot],
            most_w,
        )

    async def order(self, slot: int, watts: int) -> None:
        """Has the battery do so much more (W) than the plan of the running slot. Raises DriverError."""
        if self._followed is None or slot != self._slot:
            return
        plan, planned = self._followed
        try:
            points, cut = await self._allowed(plan, replace(planned, battery_w=planned.battery_w + watts), slot)
        except (HiveError, ArithmeticError) as error:
            _LOG.warning("order_not_followed slot=%d watts=%d reason=%r", slot, watts, str(error))
            points, cut = planned, ()
        if cut:
            _LOG.warning("order_cut slot=%d watts=%d battery_w=%d", slot, watts, points.battery_w)
        if slot == self._slot:
            await self._actuators.act(points, battery=True)

    async def _safely(self, slot: int) -> None:
        """No plan: the safe rule. The battery follows it sample by sample."""
        self._source, self._flags, self._followed = SAFE_RULE, (), None
        _LOG.info("plan_none slot=%d rule=self-consumption", slot)
        if self._assets.beside_battery:
            told = self._actuators.told
            points = self._assets.safe_points(self._state, slot, told.battery_w if told else 0)
            await self._actuators.act(points, battery=False)

    async def follow(self, net_w: float, battery_w: float, stored_milliwh: int) -> None:
        """After a sample, while no plan is followed: the safe rule. Raises DriverError."""
        battery = self._assets.battery
        if self._source == SAFE_RULE and battery is not None:
            power = battery.safe_power_w(net_w - battery_w, stored_milliwh)
            await self._actuators.act(replace(self._actuators.told or SetPoints(), battery_w=power), battery=True)

    async def limit_changed(self) -> None:
        """The grid operator limits the assets, or no longer: tells what is allowed of what was wanted."""
        await self._actuators.retell()

    # -- what rounds need

    async def _at_end(self) -> AssetState:
        """The assets when the running slot ends; the same whenever within the slot it is asked."""
        points = self._actuators.told or SetPoints()
        battery = self._assets.battery
        if self._source == SAFE_RULE and battery is not None:
            expected = await self._desk.forecast(self._slot, 1)
            safe_w = battery.safe_power_w(expected[0] * 1000 if expected else 0.0, self._state.stored_milliwh)
            points = replace(points, battery_w=safe_w)
        return replace(
            self._assets.after(self._state, points, self._slot), car_present=self._seen(self._state).car_present
        )

    async def _keep(self, plan: StoredPlan) -> None:
        await self._tools.journal.call(lambda journal: journal.put_plan(plan))
        self._plan, self._refusals = plan, ()

    def _refused(self, error: Exception) -> None:
        """A plan that nobody may follow: named in the log and on the status until the next good one."""
        code = error.code if isinstance(error, HiveError) else type(error).__name__
        _LOG.warning("plan_refused slot=%d code=%s reason=%r", self._slot, code, str(error))
        self._refusals = (PLAN_REFUSED,)
