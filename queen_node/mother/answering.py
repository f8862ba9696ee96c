"""Answers the rounds of the mother for a whole Hive, as one plain Worker would (market-design section 5, last line).

To the mother this is the Worker of the connection point: it opens with the sum of the homes, answers each price with
the sum nearest to what the price asks for, and declares what the homes adopted, signed by the connection point's key.
The state between (`WorkerSplit`) is that of any Worker. Each answer costs a round of prices with the homes; when it is
due the best so far is sent, and a price that is overtaken by the next one still gets the answer that was found for it,
which the mother counts as a late one.

A round that the daughter does not see the beginning of (a restart, a connection that broke) is joined in the middle,
as Workers do. Rounds under masks are left to the mother's other members.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import structs

from drivers.clock import Clock
from honey_edge.market.errors import ProtocolError
from honey_edge.market.grid.toward import Adopted, Ending, Nearest, Opening, mixed_w
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.homes.worker_split import WorkerSplit
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import slot_at, slot_start_unix_s
from honey_edge.wire.codec import decode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage, RoundMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain, digest

_LOG = logging.getLogger(__name__)
_SALT_PREFIX = b"Hive declaration salt"
_WHOLE_PPM = 1_000_000
LONGEST_WAIT_S = 60.0
"""No deadline of a mother is waited for longer than this."""


class MotherRoundError(HiveError, ValueError):
    """A broadcast of the mother that no answer can be given to."""

    code = "E-MOTHER-ROUND"


class Homes(Protocol):
    """The daughter's rounds with her own homes (`GuidedCoordinator`)."""

    async def open_for(
        self, first_slot: int, price_e7: tuple[int, ...], sigma: int, due_unix_s: float
    ) -> Opening | None:
        """Opens a round."""

    async def nearest(self, target_kw: FloatArray, due_unix_s: float, newer: Callable[[], bool]) -> Nearest | None:
        """The homes' sum nearest to a target."""

    async def adopt(self, ending: Ending, due_unix_s: float) -> Adopted | None:
        """Ends the round."""

    def leave(self) -> None:
        """Gives the round up."""


@dataclass(frozen=True, slots=True)
class MotherRules:
    """Whose rounds are answered, and as whom.

    `signer` is the connection point's device key, `domain` the mother's; `answer_within_s` is how long an answer may
    take at least, Clock time.
    """

    hive: int
    domain: Domain
    signer: Signer
    answer_within_s: float


@dataclass(slots=True)
class _Round:
    """The mother's round that is running; `told_w` are the own answers by iteration, 0 being the opening."""

    opened_by: RoundMessage
    opening: Opening
    split: WorkerSplit | None
    answer: DeclareMessage
    answered: int
    told_w: dict[int, tuple[int, ...]] = field(default_factory=dict)


class MotherRounds:
    """Takes the mother's broadcasts; `declare` sends an answer, `refuse` notes what gets none."""

    def __init__(
        self,
        clock: Clock,
        rules: MotherRules,
        homes: Homes,
        declare: Callable[[DeclareMessage], Awaitable[None]],
        refuse: Callable[[str, str, bytes], None],
    ) -> None:
        self._clock, self._rules, self._homes = clock, rules, homes
        self._declare, self._refuse = declare, refuse
        self._waiting: bytes | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[None] | None = None
        self._round: _Round | None = None
        self._agreed = self._released = -1
        self._heard_unix_s = 0.0
        self._changed = asyncio.Event()

    def receive(self, payload: bytes) -> None:
        """Takes a broadcast; the newest one counts when several wait."""
        self._waiting = payload
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="mother-round")
            self._task.add_done_callback(self._ended)

    async def run(self) -> None:
        """Lasts as long as the daemon; raises what answering raised."""
        self._failed = asyncio.get_running_loop().create_future()
        await self._failed

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _work(self) -> None:
        """Answers what waits, one after the other; time stands still meanwhile where it is granted."""
        with self._clock.hold("mother"):
            while self._waiting is not None:
                payload, self._waiting = self._waiting, None
                try:
                    await self._take(payload)
                except (HiveError, ArithmeticError) as error:
                    code = error.code if isinstance(error, HiveError) else type(error).__name__
                    _LOG.warning("mother_round_refused code=%s reason=%r", code, str(error))
                    self._refuse("mother-round", str(error), payload)
                self._changed.set()

    # -- what the timetable asks

    async def agreed(self, first_slot: int, begin_by_unix_s: float, silent_s: float) -> bool:
        """Waits until the mother's round for these slots has ended; False when she does not begin or falls silent.

        It is not waited for past the start of the first slot.
        """
        latest = float(slot_start_unix_s(first_slot))
        while self._agreed < first_slot:
            running, working = self._is_open(first_slot), self._task is not None and not self._task.done()
            limit = latest if working else self._heard_unix_s + silent_s if running else begin_by_unix_s
            if self._clock.now_unix_s() >= min(limit, latest):
                return False
            self._changed.clear()
            if not await self._clock.wait_for(self._changed, min(limit, latest)) and not working:
                return False
        return True

    def release(self, first_slot: int) -> None:
        """These slots are coordinated without the mother from now on; she is answered again for the next ones."""
        self._released, self._round = first_slot, None
        self._homes.leave()

    def _is_open(self, first_slot: int) -> bool:
        return self._round is not None and self._round.opened_by.first_slot == first_slot

    # -- one broadcast

    async def _take(self, payload: bytes) -> None:
        message = decode(RoundMessage, payload)
        self._check(message)
        if message.first_slot <= self._released:
            _LOG.info("mother_returned slot=%d answered_from=%d", message.first_slot, self._released + 1)
            return
        self._heard_unix_s = self._clock.now_unix_s()
        self._changed.set()
        answer = await self._answer(message, self._due(message))
        if answer is not None:
            await self._declare(answer)

    def _check(self, message: RoundMessage) -> None:
        if message.hive != self._rules.hive:
            raise MotherRoundError(f"a round of Hive {message.hive} came from the broker of Hive {self._rules.hive}")
        if len(message.price_e7_per_kwh) != HORIZON_SLOTS or not message.sigma_kw2_per_coin:
            raise MotherRoundError(f"round {message.round} has {len(message.price_e7_per_kwh)} prices or no scale")
        if message.masked:
            raise MotherRoundError(
                f"round {message.round} asks for masked answers, which a whole Hive does not give",
                next_step="let the mother run her rounds without masks, or this Hive coordinates alone",
            )
        slot = slot_at(self._clock.now_unix_s())
        if message.first_slot != slot + 1:
            raise MotherRoundError(f"a round from slot {message.first_slot} came while slot {slot} runs")

    def _due(self, message: RoundMessage) -> float:
        """Until when an answer may take: the second before her deadline, which is rounded up, she surely waits."""
        now = self._clock.now_unix_s()
        surely = min(message.deadline_unix_s - 1.0, now + LONGEST_WAIT_S)
        return max(surely, now + self._rules.answer_within_s)

    async def _answer(self, message: RoundMessage, due_unix_s: float) -> DeclareMessage | None:
        running = self._round
        if message.iteration == 0 and not message.final:
            if running is not None and running.opened_by == message:
                return running.answer if running.answered == 0 else None
            return await self._open(message, due_unix_s)
        if running is None or running.opened_by.round != message.round:
            newest = -1 if running is None else running.opened_by.round
            return None if message.final or message.round < newest else await self._open(message, due_unix_s)
        if message.first_slot != running.opened_by.first_slot:
            raise MotherRoundError(f"round {message.round} changed its first slot to {message.first_slot}")
        if message.final:
            return await self._adopt(running, message, due_unix_s)
        if running.split is None or message.iteration < running.answered:
            return None
        if message.iteration == running.answered:
            return running.answer
        return await self._priced(running, running.split, message, due_unix_s)

    async def _open(self, message: RoundMessage, due_unix_s: float) -> DeclareMessage | None:
        """Opens the homes' round; in the middle of the mother's one the opening asks to be taken in again."""
        self._round = None
        price, sigma = message.price_e7_per_kwh, message.sigma_kw2_per_coin
        opening = await self._homes.open_for(message.first_slot, price, sigma, due_unix_s)
        if opening is None:
            _LOG.warning("mother_unanswered round=%d reason=no_homes", message.round)
            return None
        split = None
        if opening.flexible:
            split = WorkerSplit(HORIZON_SLOTS, sigma)
            split.opened(price, opening.power_w)
        answer = self._declared(message, opening.flexible, opening.power_w, 0)
        answer = structs.replace(answer, iteration=0, alone_e9_coin=opening.alone_e9_coin)
        told = {message.iteration: opening.power_w}
        self._round = _Round(message, opening, split, answer, message.iteration, told)
        joined = message.iteration > 0
        if joined and split is None:
            return None
        _LOG.info("mother_round round=%d first_slot=%d joined=%s", message.round, message.first_slot, joined)
        return answer

    async def _priced(
        self, running: _Round, split: WorkerSplit, message: RoundMessage, due_unix_s: float
    ) -> DeclareMessage | None:
        """The answer to a price: nothing moves unless the homes answered."""
        asked = split.asked(message.price_e7_per_kwh, message.gamma_e9, message.forget, message.iteration)
        found = await self._homes.nearest(asked.target_kw, due_unix_s, lambda: self._waiting is not None)
        if found is None:
            return None
        moved = split.moved(asked, found.power_w)
        running.answered, running.told_w[message.iteration] = message.iteration, found.power_w
        running.answer = structs.replace(
            self._declared(message, True, found.power_w, found.cost_e9_coin),
            residual_e9_kw2=moved.residual_e9_kw2,
            inner_e9_kw2=moved.inner_e9_kw2,
        )
        return running.answer

    async def _adopt(self, running: _Round, message: RoundMessage, due_unix_s: float) -> DeclareMessage | None:
        """The homes adopt what the end of the round names; what they adopted is declared and signed."""
        ending = self._ending(running, message)
        adopted = await self._homes.adopt(ending, due_unix_s)
        self._round = None
        if adopted is None:
            return None
        self._agreed = message.first_slot
        wanted = ending.wanted_w or adopted.power_w
        far_w = max(abs(a - b) for a, b in zip(adopted.power_w, wanted, strict=True))
        _LOG.info("mother_agreed round=%d first_slot=%d beside_w=%d", message.round, message.first_slot, far_w)
        answer = self._declared(message, running.opening.flexible, adopted.power_w, running.answer.cost_e9_coin)
        answer = structs.replace(answer, bound_e9_coin=adopted.bound_e9_coin, alone_e9_coin=adopted.alone_e9_coin)
        return self._signed(structs.replace(answer, proof_e9_coin=adopted.proof_e9_coin))

    def _ending(self, running: _Round, message: RoundMessage) -> Ending:
        """What the end of a round means for this Hive: a sum, or room, which is a part of what it opened with."""
        opened, price = running.opening.power_w, message.price_e7_per_kwh
        if message.proof_e7 and len(message.proof_e7) != len(price):
            raise MotherRoundError(f"a second price has {len(message.proof_e7)} slots")
        rooms: list[tuple[int, ...]] = []
        for shares, sign in ((message.import_share_ppm, 1), (message.export_share_ppm, -1)):
            if shares and len(shares) != len(opened):
                raise MotherRoundError(f"{len(shares)} shares came for {len(opened)} slots")
            own = zip(opened, shares, strict=True) if shares else ()
            rooms.append(tuple(max(0, sign * power) * share // _WHOLE_PPM for power, share in own))
        wanted = None
        if running.split is not None and not any(rooms):
            try:
                wanted = mixed_w(running.told_w, message.iteration - 1, message.blend_e6)
            except ProtocolError as error:
                _LOG.warning("mother_mixture_refused round=%d reason=%r", message.round, str(error))
        return Ending(price, wanted, rooms[0], rooms[1], message.proof_e7)

    def _declared(
        self, message: RoundMessage, flexible: bool, power_w: tuple[int, ...], cost_e9_coin: int
    ) -> DeclareMessage:
        return DeclareMessage(
            worker=self._rules.signer.address.hex(),
            round=message.round,
            iteration=message.iteration,
            first_slot=message.first_slot,
            flexible=flexible,
            power_w=power_w,
            cost_e9_coin=cost_e9_coin,
        )

    def _signed(self, answer: DeclareMessage) -> DeclareMessage:
        """The Declaration of the first slot under the connection point's key, as any Worker signs it."""
        signer = self._rules.signer
        what = _SALT_PREFIX + answer.round.to_bytes(4, "big") + answer.first_slot.to_bytes(4, "big")
        salt = keccak(signer.sign(keccak(what)))
        promise = keccak(salt + answer.power_w[0].to_bytes(4, "big", signed=True)).hex()
        answer = structs.replace(answer, profile=promise, signature=bytes(64).hex())
        signature = signer.sign(digest(self._rules.domain, answer.signed()))
        return structs.replace(answer, signature=signature.hex())
