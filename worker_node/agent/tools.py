"""What the parts of the agent share: tools, names of plans and flags, the forecast and the solver's thread."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.wire.messages import DeclareMessage, RoundMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain
from worker_node.agent.assets import AssetDriver, NoAssets, SetPoints, no_limit
from worker_node.agent.forecast import BaseForecaster
from worker_node.journal import HISTORY_SLOTS, Journal, JournalThread, StoredPlan

T = TypeVar("T")

HIVE, ALONE, SAFE_RULE, NO_BATTERY = "hive", "alone", "safe rule", "none"
PLAN_REFUSED, LAST_GOOD = "plan_refused", "last_good_plan"


class RoundError(HiveError, ValueError):
    """A round's message does not fit this Worker's present slot or what it answered before."""

    code = "E-ROUND"


class Masks(Protocol):
    """Hides answers from the Queen, who then learns sums only (market-design 4.5)."""

    async def sealed(self, message: RoundMessage, declared: DeclareMessage) -> DeclareMessage | None:
        """The masked form of an answer; None refuses to give one."""

    def counted(self, message: RoundMessage) -> int | None:
        """The iteration whose answer a final broadcast adopts, 0 for the opening; None when none is counted."""


@dataclass(frozen=True, slots=True)
class AgentTools:
    """What the agent works with; `set_power_w` gives the battery its power and may raise DriverError.

    `limit_w` tells the most that the assets may take together now, None without a limit.
    """

    signer: Signer
    domain: Domain
    tariff: Tariff
    journal: JournalThread
    set_power_w: Callable[[int], Awaitable[None]]
    others: AssetDriver = field(default_factory=NoAssets)
    masks: Masks | None = None
    limit_w: Callable[[], int | None] = no_limit


class Desk:
    """The solver's thread and the forecast; one thread, so that the solver's memory is there once."""

    def __init__(self, journal: JournalThread) -> None:
        self._journal = journal
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="solver")
        self._forecaster = BaseForecaster()

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Runs something long in the solver's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def forecast(self, first_slot: int, count: int) -> list[float] | None:
        """Load less sun (kW) per slot, None without any history."""

        def work(journal: Journal) -> dict[int, int]:
            return journal.history(first_slot - HISTORY_SLOTS)

        history = await self._journal.call(work)
        return await self.in_thread(self._forecaster.expected_kw, history, first_slot, count) if history else None


def whole_watts(base_kw: list[float]) -> tuple[int, ...]:
    """Powers as a plan keeps them."""
    return tuple(round(value * 1000) for value in base_kw)


def points_of(plan: StoredPlan, slot: int) -> SetPoints:
    """What a stored plan says for a slot of its horizon."""
    at = slot - plan.first_slot
    profiles = (plan.battery_w, plan.heat_w, plan.car_w, plan.shed_w, plan.curtail_w)
    return SetPoints(*(values[at] if values else 0 for values in profiles))
