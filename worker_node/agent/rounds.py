"""The Worker's side of a coordination round: opening, answers price by price, adoption and Declaration.

A broadcast that comes twice gets the same answer twice; one that is older than the last answered gets none. A round
begun anew for the same slots (the Queen was restarted, or a Worker fell silent) goes on where the last one stood.
"""

import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs

from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_text
from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_mixture import mixed_w
from honey_edge.wire.messages import DeclareMessage, RoundMessage
from honey_edge.wire.typed_data import digest
from worker_node.agent.assets import AssetState, HomeAssets
from worker_node.agent.tools import HIVE, AgentTools, Desk, RoundError, whole_watts
from worker_node.journal import StoredPlan

if TYPE_CHECKING:
    from worker_node.agent.homes import Profile
    from worker_node.agent.solver import Answer, Round

_LOG = logging.getLogger(__name__)
_SALT_PREFIX = b"Hive declaration salt"


@dataclass(slots=True)
class _Open:
    """The round that is running; `answered` is the iteration of the last answer, `told_w` all profiles by iteration."""

    message: RoundMessage
    base_kw: list[float]
    solver: "Round | None"
    power_w: tuple[int, ...]
    answer: "Answer | None" = None
    answered: int = 0
    told_w: dict[int, tuple[int, ...]] = field(default_factory=dict)
    alone_e9_coin: int | None = None


@dataclass(frozen=True, slots=True)
class Household:
    """What a round needs to know of the home: plan in hand, state at the end of the running slot, where plans go."""

    plan: Callable[[], StoredPlan | None]
    slot: Callable[[], int]
    at_end: Callable[[], Awaitable[AssetState]]
    keep: Callable[[StoredPlan], Awaitable[None]]
    refused: Callable[[Exception], None]


class Rounds:
    """Answers the Queen's broadcasts for one home."""

    def __init__(self, tools: AgentTools, desk: Desk, assets: HomeAssets, household: Household) -> None:
        self._tools, self._desk, self._assets, self._household = tools, desk, assets, household
        self._round: _Open | None = None

    async def answer(self, message: RoundMessage) -> DeclareMessage | None:
        """The answer to a broadcast, None where there is nothing to say; RoundError, MarketError to refuse it."""
        if message.iteration == 0 and not message.final:
            return await self._open(message)
        running = self._round
        if running is None or running.message.round != message.round:
            return await self._come_back(message)
        if message.first_slot != running.message.first_slot:
            raise RoundError(f"round {message.round} changed its first slot to {message.first_slot}")
        if message.final:
            return await self._noted(running, message, await self._sealed(message, await self._adopt(running, message)))
        if message.masked and message.proof_e7:
            return await self._sealed(message, await self._bounds(running, message))
        if message.iteration < running.answered:
            return None
        if running.solver is None:
            return await self._still(running, message)
        if message.iteration == running.answered and running.answer is None:
            return None
        if message.iteration > running.answered:
            running.answer = await self._desk.in_thread(
                running.solver.answer, message.price_e7_per_kwh, message.gamma_e9, message.forget, message.iteration
            )
            running.answered, running.power_w = message.iteration, running.answer.power_w
            running.told_w[message.iteration] = running.power_w
        return await self._sealed(message, self._declare(running, message))

    async def _sealed(self, message: RoundMessage, declared: DeclareMessage | None) -> DeclareMessage | None:
        """The answer as it leaves the house: masked where the round is, and never open in a masked round."""
        if declared is None or not (declared.flexible or message.masked):
            return declared
        if self._tools.masks is None:
            return None if message.masked and declared.flexible else declared
        return await self._tools.masks.sealed(message, declared)

    async def _noted(
        self, running: _Open, message: RoundMessage, declared: DeclareMessage | None
    ) -> DeclareMessage | None:
        """The Declaration, of which the journal keeps what it tells about the first slot: the reputation needs it.

        So it keeps what an audit of this round may ask for; under masks none can.
        """
        if declared is not None:
            power_w = declared.power_w[0] if declared.power_w else None
            answered = None
            if running.solver is not None and running.answered and not message.masked:
                answered = message.round, await self._desk.in_thread(running.solver.record)
            await self._tools.journal.call(lambda journal: journal.put_declared(message.first_slot, power_w, answered))
        return declared

    async def _still(self, running: _Open, message: RoundMessage) -> DeclareMessage | None:
        """A home that can move nothing answers no price, but under masks it does: no mask is missing then."""
        if not message.masked or self._tools.masks is None:
            return None
        running.answered = message.iteration
        return await self._sealed(message, self._declare(running, message))

    async def _come_back(self, message: RoundMessage) -> DeclareMessage | None:
        """Opens in the middle of a round that this process never saw the beginning of: it was restarted."""
        newest = self._round.message.round if self._round is not None else -1
        if (
            message.final
            or message.masked
            or message.round < newest
            or message.first_slot != self._household.slot() + 1
        ):
            return None
        self._round = await self._opened(message, None)
        self._round.answered = message.iteration
        if self._round.solver is None:
            return None
        return await self._sealed(message, structs.replace(self._declare(self._round, message), iteration=0))

    async def _open(self, message: RoundMessage) -> DeclareMessage | None:
        slot = self._household.slot()
        if message.first_slot != slot + 1:
            raise RoundError(f"a round from slot {message.first_slot} came while slot {slot} runs")
        before = self._round
        if before is None or before.message != message:
            self._round = await self._opened(message, before)
            self._round.told_w[0] = self._round.power_w
        assert self._round is not None
        return await self._sealed(message, await self._with_alone(self._round, message))

    async def _with_alone(self, running: _Open, message: RoundMessage) -> DeclareMessage:
        """The opening with what the home would pay alone, which tells the Queen when enough is gained.

        Not in a masked round: it would be the only open number.
        """
        opening = self._declare(running, message)
        if running.solver is None or message.masked:
            return opening
        buy, sell = self._prices(message, len(running.power_w))
        try:
            running.alone_e9_coin = await self._desk.in_thread(running.solver.alone_e9_coin, buy, sell)
        except (HiveError, ArithmeticError) as error:
            _LOG.warning("alone_failed round=%d reason=%r", message.round, str(error))
            return opening
        return structs.replace(opening, alone_e9_coin=running.alone_e9_coin)

    async def _opened(self, message: RoundMessage, before: _Open | None) -> _Open:
        count = len(message.price_e7_per_kwh)
        base_kw = await self._desk.forecast(message.first_slot, count) or [0.0] * count
        if not self._assets.movable:
            return _Open(message, base_kw, None, whole_watts(base_kw))
        state = await self._household.at_end()
        stood = None
        if before is not None and before.answered and before.message.first_slot == message.first_slot:
            stood = before.power_w
        return await self._desk.in_thread(self._begun, message, base_kw, state, stood)

    def _begun(
        self, message: RoundMessage, base_kw: list[float], state: AssetState, stood: tuple[int, ...] | None
    ) -> _Open:
        homes = importlib.import_module("worker_node.agent.homes")
        module = importlib.import_module("worker_node.agent.solver")
        home = homes.home_of(self._assets, base_kw, state, message.first_slot)
        if not home.flexible:
            return _Open(message, base_kw, None, whole_watts(base_kw))
        solver: Round = module.Round(home, message.sigma_kw2_per_coin)
        if stood is not None and len(stood) == len(base_kw):
            return _Open(message, base_kw, solver, solver.go_on(message.price_e7_per_kwh, stood))
        plan, shifted = self._household.plan(), None
        if plan is not None and plan.first_slot == message.first_slot - 1 and len(plan.net_w) == len(base_kw):
            shifted = plan.net_w
        power_w = solver.open(message.price_e7_per_kwh, shifted, plan.base_w if plan else ())
        return _Open(message, base_kw, solver, power_w)

    async def _adopt(self, running: _Open, message: RoundMessage) -> DeclareMessage | None:
        """Keeps the plan of the last answer and promises its first slot; a plan that is refused is not promised."""
        salt = self._salt(message)
        if running.solver is not None:
            try:
                profile = await self._desk.in_thread(self._profile, running, message)
            except (HiveError, ArithmeticError) as error:
                self._household.refused(error)
                return None
            counted = self._counted(message)
            if profile is not None and (message.blend_e6 or message.import_share_ppm or message.export_share_ppm):
                running.power_w = profile.net_w
            if counted is not None and not (message.import_share_ppm or message.export_share_ppm):
                told = {number: power_w for number, power_w in running.told_w.items() if number <= counted}
                running.power_w = mixed_w(told, message.iteration - 1, message.blend_e6) or running.power_w
            if profile is not None:
                plan = StoredPlan(
                    message.first_slot,
                    HIVE,
                    message.round,
                    profile.net_w,
                    profile.battery_w,
                    whole_watts(running.base_kw),
                    message.price_e7_per_kwh,
                    salt,
                    profile.heat_w,
                    profile.car_w,
                    profile.shed_w,
                    profile.curtail_w,
                    profile.repairs,
                )
                await self._household.keep(plan)
        declared = self._declare(running, message)
        declared = structs.replace(declared, **await self._desk.in_thread(self._proven, running, message))
        self._round = None
        _LOG.info("plan_adopted round=%d first_slot=%d", message.round, message.first_slot)
        promise = keccak(salt + running.power_w[0].to_bytes(4, "big", signed=True)).hex()
        declared = structs.replace(declared, profile=promise, signature=bytes(64).hex())
        signature = self._tools.signer.sign(digest(self._tools.domain, declared.signed()))
        return structs.replace(declared, signature=signature.hex())

    def _profile(self, running: _Open, message: RoundMessage) -> "Profile | None":
        """What is to be executed: a mixture of the last plans, the last one, or an own one within a share of limits."""
        assert running.solver is not None
        if message.blend_e6:
            return running.solver.mixed(message.iteration - 1, message.blend_e6, self._counted(message))
        if not (message.import_share_ppm or message.export_share_ppm):
            return running.solver.adopted(self._counted(message))
        buy, sell = self._prices(message, len(running.power_w))
        return running.solver.within(buy, sell, message.import_share_ppm, message.export_share_ppm)

    def _counted(self, message: RoundMessage) -> int | None:
        """The iteration whose answer is adopted: the last (None), or under masks the last that is in the sums."""
        if not message.masked or self._tools.masks is None:
            return None
        return self._tools.masks.counted(message) or 0

    def _prices(self, message: RoundMessage, count: int) -> tuple[list[int], list[int]]:
        """The home's own tariff over the round's slots, micro-coins per kWh."""
        prices = [self._tools.tariff.prices(message.first_slot + k) for k in range(count)]
        return [b for b, _ in prices], [s for _, s in prices]

    def _proven(self, running: _Open, message: RoundMessage) -> dict[str, int | None]:
        """The home's part of the certificate; nothing where it cannot move or a bound cannot be computed."""
        if running.solver is None:
            return {}
        buy, sell = self._prices(message, len(running.power_w))
        try:
            bound = running.solver.bound_e9_coin(message.price_e7_per_kwh)
            proof = running.solver.bound_e9_coin(message.proof_e7) if message.proof_e7 else None
            alone = running.alone_e9_coin
            if alone is None:
                alone = running.solver.alone_e9_coin(buy, sell)
            return {"bound_e9_coin": bound, "proof_e9_coin": proof, "alone_e9_coin": alone}
        except (HiveError, ArithmeticError) as error:
            _LOG.warning("bound_failed round=%d reason=%r", message.round, str(error))
            return {}

    async def _bounds(self, running: _Open, message: RoundMessage) -> DeclareMessage | None:
        """What a masked round asks before its end: plan and cost as they are, and in place of the inner products the
        home's bounds at both prices and what it would pay alone (10^-9 coin). None where they cannot be computed."""
        declared = self._declare(running, message)
        told = await self._desk.in_thread(self._proven, running, message)
        if running.solver is None:
            buy, sell = self._prices(message, len(running.power_w))
            own = [10 * (b if p > 0 else s) for p, b, s in zip(running.power_w, buy, sell, strict=True)]
            prices = (message.price_e7_per_kwh, message.proof_e7, own)
            numbers = [sum(p * e7 for p, e7 in zip(running.power_w, one, strict=True)) // 40 for one in prices]
        else:
            numbers = [one for one in told.values() if one is not None]
        return structs.replace(declared, inner_e9_kw2=tuple(numbers)) if len(numbers) == 3 else None

    def _salt(self, message: RoundMessage) -> bytes:
        """Nobody else can guess it, and the same round yields the same: from a signature of the device key."""
        what = _SALT_PREFIX + message.round.to_bytes(4, "big") + message.first_slot.to_bytes(4, "big")
        return keccak(self._tools.signer.sign(keccak(what)))

    def _declare(self, running: _Open, message: RoundMessage) -> DeclareMessage:
        answer = running.answer
        return DeclareMessage(
            worker=address_text(self._tools.signer.address),
            round=message.round,
            iteration=message.iteration,
            first_slot=message.first_slot,
            flexible=running.solver is not None,
            power_w=running.power_w,
            cost_e9_coin=answer.cost_e9_coin if answer else 0,
            residual_e9_kw2=answer.residual_e9_kw2 if answer and not message.final else 0,
            inner_e9_kw2=answer.inner_e9_kw2 if answer and not message.final else (),
        )
