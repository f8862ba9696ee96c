"""The agent: answers the Queen's rounds, keeps the plan, gives the battery its power at each slot's start.

Order of what is followed: the plan agreed with the Queen; for one slot without her the rest of it; then the home's
own optimum; and where no plan can be made, self-consumption (architecture section 7, market-design 4.3).
"""

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_text
from honey_edge.model.slots import SLOT_S
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage, RoundMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain, digest
from worker_node.agent.battery import BatteryModel
from worker_node.agent.forecast import expected_base_kw
from worker_node.journal import HISTORY_SLOTS, Journal, JournalThread, StoredPlan

if TYPE_CHECKING:
    from worker_node.agent.solver import Round

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

HIVE, ALONE, SAFE_RULE, NO_BATTERY = "hive", "alone", "safe rule", "none"
_SALT_PREFIX = b"Hive declaration salt"


class RoundError(HiveError, ValueError):
    """A round's message does not fit this Worker's present slot or what it answered before."""

    code = "E-ROUND"


@dataclass(frozen=True, slots=True)
class AgentView:
    """What the agent follows now; `set_point_w` is what the battery was told last (W, charging positive)."""

    source: str
    plan: StoredPlan | None
    set_point_w: int | None


@dataclass(slots=True)
class _Open:
    """The round that is running."""

    message: RoundMessage
    base_kw: list[float]
    solver: "Round | None"
    power_w: tuple[int, ...]
    cost_e9_coin: int = 0


@dataclass(frozen=True, slots=True)
class AgentTools:
    """What the agent works with; `set_power_w` gives the battery its power and may raise DriverError."""

    signer: Signer
    domain: Domain
    tariff: Tariff
    journal: JournalThread
    set_power_w: Callable[[int], Awaitable[None]]


class Agent:
    """Plans for one home; `battery` is None for a home that can only forecast."""

    def __init__(self, tools: AgentTools, battery: BatteryModel | None) -> None:
        self._tools = tools
        self._battery = battery
        self._slot = -1
        self._stored_milliwh = 0
        self._round: _Open | None = None
        self._plan: StoredPlan | None = None
        self._source = NO_BATTERY if battery is None else SAFE_RULE
        self._set_point_w: int | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="solver")

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Runs something long in the solver's thread; one thread, so that its memory is there once."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def load(self) -> None:
        """Takes up the plan in the journal."""
        self._plan = await self._tools.journal.call(lambda journal: journal.last_plan())

    def view(self) -> AgentView:
        """What is followed now."""
        return AgentView(self._source, self._plan, self._set_point_w)

    # -- carrying out

    async def start_slot(self, slot: int, stored_milliwh: int | None) -> None:
        """A slot begins, or the daemon within it: gives the battery its power. Raises DriverError."""
        state = await self._tools.journal.call(lambda journal: journal.slot_state(slot - 1))
        self._slot = slot
        if self._battery is None:
            return
        if state is not None:
            self._stored_milliwh = state.stored_milliwh
        elif stored_milliwh is not None:
            self._stored_milliwh = stored_milliwh
        power = self._agreed_power_w(slot)
        if power is None:
            power = await self._own_power_w(slot, self._battery)
        if power is None:
            self._source = SAFE_RULE
            _LOG.info("plan_none slot=%d rule=self-consumption", slot)
            return
        await self._set(self._battery.clip_w(power))

    def _agreed_power_w(self, slot: int) -> int | None:
        """The plan agreed with the Queen, for its first slot and one more without her."""
        plan = self._plan
        if plan is None or plan.source != HIVE or not 0 <= slot - plan.first_slot <= 1 < len(plan.battery_w):
            return None
        self._source = HIVE
        return plan.battery_w[slot - plan.first_slot]

    async def _own_power_w(self, slot: int, battery: BatteryModel) -> int | None:
        """The home's own optimum from this slot on; None where none can be made."""
        plan = self._plan
        if plan is None or plan.source != ALONE or plan.first_slot != slot:
            plan = await self._plan_alone(slot, battery)
        if plan is None:
            return None
        self._source = ALONE
        return plan.battery_w[0]

    async def _plan_alone(self, slot: int, battery: BatteryModel) -> StoredPlan | None:
        base_kw = await self._forecast(slot, HORIZON_SLOTS)
        if base_kw is None:
            return None
        prices = [self._tools.tariff.prices(one) for one in range(slot, slot + HORIZON_SLOTS)]
        stored = self._stored_milliwh

        def solve() -> StoredPlan:
            solver = importlib.import_module("worker_node.agent.solver")
            home = solver.home_of(battery, base_kw, stored)
            profile = solver.plan_alone(home, [b for b, _ in prices], [s for _, s in prices])
            return StoredPlan(slot, ALONE, 0, profile.net_w, profile.battery_w, _watts(base_kw), ())

        try:
            plan = await self._in_thread(solve)
        except (HiveError, ArithmeticError) as error:
            _LOG.warning("plan_failed slot=%d reason=%r", slot, str(error))
            return None
        await self._keep(plan)
        return plan

    async def follow(self, net_w: float, battery_w: float, stored_milliwh: int) -> None:
        """After a sample, while no plan is followed: the safe rule. Raises DriverError."""
        if self._source == SAFE_RULE and self._battery is not None:
            await self._set(self._battery.safe_power_w(net_w - battery_w, stored_milliwh))

    async def _set(self, power_w: int) -> None:
        if power_w != self._set_point_w:
            await self._tools.set_power_w(power_w)
            self._set_point_w = power_w

    async def _keep(self, plan: StoredPlan) -> None:
        await self._tools.journal.call(lambda journal: journal.put_plan(plan))
        self._plan = plan

    async def _forecast(self, first_slot: int, count: int) -> list[float] | None:
        """Load less sun (kW) per slot, None without any history."""

        def work(journal: Journal) -> dict[int, int]:
            return journal.history(first_slot - HISTORY_SLOTS)

        history = await self._tools.journal.call(work)
        return await self._in_thread(expected_base_kw, history, first_slot, count) if history else None

    # -- rounds

    async def answer(self, message: RoundMessage) -> DeclareMessage | None:
        """The answer to a broadcast, None where there is nothing to say; RoundError, MarketError to refuse it."""
        if message.iteration == 0 and not message.final:
            return await self._open(message)
        running = self._round
        if running is None or running.message.round != message.round:
            return None
        if message.first_slot != running.message.first_slot:
            raise RoundError(f"round {message.round} changed its first slot to {message.first_slot}")
        if message.final:
            return await self._adopt(running, message)
        if running.solver is None:
            return None
        running.power_w, running.cost_e9_coin = await self._in_thread(running.solver.answer, message.price_e7_per_kwh)
        return self._declare(running, message)

    async def _open(self, message: RoundMessage) -> DeclareMessage:
        if message.first_slot != self._slot + 1:
            raise RoundError(f"a round from slot {message.first_slot} came while slot {self._slot} runs")
        count = len(message.price_e7_per_kwh)
        base_kw = await self._forecast(message.first_slot, count) or [0.0] * count
        if self._battery is None:
            self._round = _Open(message, base_kw, None, _watts(base_kw))
        else:
            stored = await self._stored_at_end(self._battery)
            self._round = await self._in_thread(self._opened, message, base_kw, self._battery, stored)
        return self._declare(self._round, message)

    def _opened(self, message: RoundMessage, base_kw: list[float], battery: BatteryModel, stored: int) -> _Open:
        module = importlib.import_module("worker_node.agent.solver")
        solver: Round = module.Round(module.home_of(battery, base_kw, stored), message.sigma_kw2_per_coin)
        plan, before = self._plan, None
        if plan is not None and plan.first_slot == message.first_slot - 1 and len(plan.net_w) == len(base_kw):
            before = plan.net_w
        power_w = solver.open(message.price_e7_per_kwh, before, plan.base_w if plan else ())
        return _Open(message, base_kw, solver, power_w)

    async def _stored_at_end(self, battery: BatteryModel) -> int:
        """What will be stored (mWh) when the running slot ends; the same whenever within the slot it is asked."""
        power = self._set_point_w or 0
        if self._source == SAFE_RULE:
            expected = await self._forecast(self._slot, 1)
            power = battery.safe_power_w(expected[0] * 1000 if expected else 0.0, self._stored_milliwh)
        return battery.after(self._stored_milliwh, power, SLOT_S)

    async def _adopt(self, running: _Open, message: RoundMessage) -> DeclareMessage:
        salt = self._salt(message)
        if running.solver is not None:
            profile = await self._in_thread(running.solver.adopted)
            if profile is not None:
                await self._keep(
                    StoredPlan(
                        message.first_slot,
                        HIVE,
                        message.round,
                        profile.net_w,
                        profile.battery_w,
                        _watts(running.base_kw),
                        message.price_e7_per_kwh,
                        salt,
                    )
                )
        self._round = None
        _LOG.info("plan_adopted round=%d first_slot=%d", message.round, message.first_slot)
        declared = self._declare(running, message)
        promise = keccak(salt + running.power_w[0].to_bytes(4, "big", signed=True))
        declared = _with_profile(declared, promise, bytes(64))
        signature = self._tools.signer.sign(digest(self._tools.domain, declared.signed()))
        return _with_profile(declared, promise, signature)

    def _salt(self, message: RoundMessage) -> bytes:
        """Nobody else can guess it, and the same round yields the same: from a signature of the device key."""
        what = _SALT_PREFIX + message.round.to_bytes(4, "big") + message.first_slot.to_bytes(4, "big")
        return keccak(self._tools.signer.sign(keccak(what)))

    def _declare(self, running: _Open, message: RoundMessage) -> DeclareMessage:
        return DeclareMessage(
            worker=address_text(self._tools.signer.address),
            round=message.round,
            iteration=message.iteration,
            first_slot=message.first_slot,
            flexible=running.solver is not None,
            power_w=running.power_w,
            cost_e9_coin=running.cost_e9_coin,
        )


def _with_profile(message: DeclareMessage, profile: bytes, signature: bytes) -> DeclareMessage:
    return DeclareMessage(
        worker=message.worker,
        round=message.round,
        iteration=message.iteration,
        first_slot=message.first_slot,
        flexible=message.flexible,
        power_w=message.power_w,
        cost_e9_coin=message.cost_e9_coin,
        profile=profile.hex(),
        signature=signature.hex(),
    )


def _watts(base_kw: list[float]) -> tuple[int, ...]:
    return tuple(round(value * 1000) for value in base_kw)
