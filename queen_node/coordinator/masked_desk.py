"""Before a masked round: the call for keys, the groups of homes that mask together, and the way of their messages.

call -> keys -> a list of keys for each group -> the round (`masked.MaskedAnswers`)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from drivers.clock import Clock
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_errors import MaskError, MaskRefused, TooFewForMasks
from honey_edge.wire.mask_keys import FEWEST_MASKED, RoundPlace
from honey_edge.wire.mask_messages import MOST_MASKED, MaskKeyMessage, MaskRevealMessage
from honey_edge.wire.mask_queen import MaskedQueen
from honey_edge.wire.messages import Message
from honey_edge.wire.typed_data import Domain
from queen_node.coordinator.answers import Collector, Frame, RoundAnswers
from queen_node.coordinator.masked import MaskedAnswers
from queen_node.store.records import RejectedRow
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
LARGEST_GROUP = 48
"""Homes in one group: answers and reveals grow with it, and so does what a home hides in."""


@dataclass(frozen=True, slots=True)
class MaskRules:
    """Where masked rounds are valid and how long a reveal is waited for (Clock time)."""

    hive: int
    domain: Domain
    answer_within_s: float
    largest_group: int = LARGEST_GROUP


class MaskDesk:
    """Makes the collectors of masked rounds and brings them the messages of homes.

    `publish` sends a message to all, `members` are the enrolled homes (40 hex digits each).
    """

    def __init__(
        self,
        clock: Clock,
        rules: MaskRules,
        refusals: Refusals,
        publish: Callable[[Message], Awaitable[None]],
        members: Callable[[], Collection[str]],
    ) -> None:
        self._clock, self._rules, self._refusals = clock, rules, refusals
        self._publish, self._members = publish, members
        self._keys: _Keys | None = None
        self._answers: MaskedAnswers | None = None
        self._keyless: set[str] = set()

    async def collector(self, frame: Frame, online: set[str]) -> Collector:
        """The collector of a round; one without masks where fewer than three homes have sent a key."""
        place = RoundPlace(self._rules.hive, frame.number, frame.first_slot)
        keys = self._keys = _Keys(
            MaskedQueen(self._rules.domain, place, self._enrolled()), online - self._keyless or online
        )
        await self._publish(keys.queen.call())
        await self._clock.wait_for(keys.complete, self._clock.now_unix_s() + self._rules.answer_within_s)
        self._keys = None
        # Homes that cannot move anything have no key: the next round does not wait for theirs.
        self._keyless = online - keys.told.keys()
        try:
            groups = [await self._group(place, k, told) for k, told in enumerate(self._grouped(keys))]
        except TooFewForMasks as error:
            _LOG.warning("round_unmasked round=%d code=%s reason=%r", frame.number, error.code, str(error))
            return RoundAnswers(frame)
        self._answers = MaskedAnswers(frame, groups, self._ask)
        return self._answers

    def _grouped(self, keys: "_Keys") -> list[list[MaskKeyMessage]]:
        return grouped(keys.told.values(), self._rules.largest_group)

    async def _group(self, place: RoundPlace, number: int, told: list[MaskKeyMessage]) -> MaskedQueen:
        """A group that knows its list of keys; TooFewForMasks."""
        here = RoundPlace(place.hive, place.round, place.first_slot, number)
        queen = MaskedQueen(self._rules.domain, here, self._enrolled())
        for message in told:
            queen.take_key(message)
        await self._publish(queen.seal())
        return queen

    def _enrolled(self) -> list[bytes]:
        return [bytes.fromhex(worker) for worker in self._members()]

    async def _ask(self, messages: list[Message], told: asyncio.Event) -> None:
        """Sends requests and waits for what is revealed."""
        for message in messages:
            await self._publish(message)
        await self._clock.wait_for(told, self._clock.now_unix_s() + self._rules.answer_within_s)

    def receive_key(self, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's maskkey topic."""
        try:
            message = decode(MaskKeyMessage, payload)
            if message.worker != worker or self._keys is None:
                raise MaskRefused(f"a key of {message.worker} that is not asked for")
            self._keys.take(message)
        except (MessageError, MaskError) as error:
            self._refuse(worker, payload, "maskkey", str(error))

    def receive_reveal(self, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's maskopen topic."""
        try:
            message = decode(MaskRevealMessage, payload)
            if self._answers is None:
                raise MaskRefused("no masked round runs")
            self._answers.take_reveal(worker, message)
        except (MessageError, MaskError) as error:
            self._refuse(worker, payload, "maskopen", str(error))

    def _refuse(self, worker: str, payload: bytes, kind: str, detail: str) -> None:
        now = int(self._clock.now_unix_s())
        self._refusals.note(RejectedRow(worker, now, kind, "mask", detail, payload))


class _Keys:
    """The keys as they come; complete when everybody who is there has sent one."""

    def __init__(self, queen: MaskedQueen, awaited: set[str]) -> None:
        self.queen, self._awaited = queen, set(awaited)
        self.told: dict[str, MaskKeyMessage] = {}
        self.complete = asyncio.Event()

    def take(self, message: MaskKeyMessage) -> None:
        """Takes a key. MaskKeyError."""
        self.queen.check_key(message)
        self.told[message.worker] = message
        self._awaited.discard(message.worker)
        if not self._awaited:
            self.complete.set()


def grouped(keys: Iterable[MaskKeyMessage], largest: int) -> list[list[MaskKeyMessage]]:
    """The homes in groups of nearly the same size, by a hash that changes with the round.

    `largest` in each, and a few more where groups of fewer than three were left otherwise.
    """
    ordered = sorted(keys, key=lambda message: keccak(message.round.to_bytes(4, "big") + bytes.fromhex(message.worker)))
    wanted = -(-len(ordered) // min(max(largest, FEWEST_MASKED), MOST_MASKED))
    count = max(1, min(wanted, len(ordered) // FEWEST_MASKED))
    return [ordered[k::count] for k in range(count)]
