"""Rounds with masked answers: the Queen learns the sums of a group of homes and nothing of one (docs/masks.md).

`MaskedAnswers` stands in place of `RoundAnswers`; `masked_desk` makes it. Homes that cannot move anything answer in
plain, as constants. A home whose answer does not count is left out of the rest of the round; its last counted plan
stays in the sums, as if it answered every price with it (`honey_edge.market.rounds.sums_only`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from honey_edge.market.rounds.anderson import window
from honey_edge.market.rounds.stragglers import Sums
from honey_edge.wire.mask_errors import MaskError, MaskLost, MaskRefused
from honey_edge.wire.mask_messages import MaskRevealMessage
from honey_edge.wire.mask_queen import MaskedQueen
from honey_edge.wire.mask_vector import NOTHING, MaskedVector
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage, Message
from queen_node.coordinator.answers import MOST_COST_E9, CollectionLost, Cost, Frame, Opened, Proven, plausible, sums

_LOG = logging.getLogger(__name__)


class MaskedAnswers:
    """Collects masked answers in their groups; opens sums only."""

    masked = True

    def __init__(
        self,
        frame: Frame,
        groups: list[MaskedQueen],
        ask: Callable[[list[Message], asyncio.Event], Awaitable[None]],
    ) -> None:
        self._frame, self._groups, self._ask = frame, groups, ask
        self._group_of = {worker.hex(): queen for queen in groups for worker in queen.roster.workers}
        self.complete, self._revealed = asyncio.Event(), asyncio.Event()
        self._awaited: set[str] = set()
        self._opened: set[str] = set()
        self._still: set[str] = set()
        self._constants: dict[str, tuple[int, ...]] = {}
        self._iteration, self._weights, self._masked, self._final = 0, 0, 0, False
        self._bounds: tuple[int, int, int] | None = None
        self.lost = False
        for queen in groups:
            queen.begin(0)

    @property
    def profiles(self) -> Mapping[str, tuple[int, ...]]:
        """What homes that cannot move opened with; the others' is masked."""
        return self._constants

    @property
    def finals(self) -> Mapping[str, tuple[int, ...]]:
        """Nothing: what a home declares is masked."""
        return {}

    @property
    def groups(self) -> list[MaskedQueen]:
        """The groups with their records, for an audit."""
        return self._groups

    def expect(self, workers: Iterable[str]) -> None:
        """Whose answers complete the iteration that is about to be broadcast."""
        self._awaited = set(workers)
        self.complete.clear()
        if not self._awaited:
            self.complete.set()

    def take(self, worker: str, message: DeclareMessage) -> str:
        """Takes an answer; why it is refused, or "" when it counts or changes nothing."""
        if message.round != self._frame.number or message.first_slot != self._frame.first_slot:
            return "round"
        if self._final:
            return self._answered(worker) if message.profile else "round"
        if not message.masked:
            return self._constant(worker, message)
        queen = self._group_of.get(worker)
        if queen is None or message.power_w or message.cost_e9_coin or message.inner_e9_kw2:
            return "profile"
        try:
            queen.take_answer(bytes.fromhex(worker), message.iteration, message.masked)
        except MaskRefused:
            return "round"
        except MaskError:
            return "profile"
        if message.iteration == 0 and not message.flexible:
            self._still.add(worker)
        return self._answered(worker) if message.iteration == self._iteration else ""

    def _constant(self, worker: str, message: DeclareMessage) -> str:
        """The forecast of a home that cannot move anything."""
        if message.iteration or message.flexible or worker in self._group_of:
            return "round"
        if len(message.power_w) != HORIZON_SLOTS or any(abs(p) > self._frame.largest_w for p in message.power_w):
            return "profile"
        self._constants.setdefault(worker, message.power_w)
        return self._answered(worker)

    def _answered(self, worker: str) -> str:
        self._awaited.discard(worker)
        if not self._awaited:
            self.complete.set()
        return ""

    def take_reveal(self, worker: str, message: MaskRevealMessage) -> None:
        """Takes what a home reveals. MaskError refuses it."""
        queen = self._group_of.get(worker)
        if queen is None:
            raise MaskRefused(f"{worker} does not mask in this round")
        queen.take_reveal(bytes.fromhex(worker), message)
        if not any(one.awaited for one in self._groups):
            self._revealed.set()

    async def openings(self) -> Opened:
        """Ends iteration 0. A group that is lost here takes no part in the round."""
        for queen, lost in (await self._converse()).items():
            _LOG.warning("masks_lost round=%d iteration=0 reason=%r", self._frame.number, str(lost))
            self._groups.remove(queen)
        self._opened = self.movers() | set(self._constants)
        self._masked = len(self.movers())
        power_w = self._totals().power_w
        absent = {w: p for w, p in self._frame.constants.items() if w not in self._opened}
        self._constants = plausible(self._frame, absent | self._constants)
        constant_w, flexible = sums(self._constants.values()), len(self.movers() - self._still)
        if not flexible:
            constant_w, power_w = sums([constant_w, power_w]), NOTHING.power_w
        return Opened(
            flexible,
            len(self._opened | set(absent)),
            power_w,
            constant_w,
            tuple(max(0, power) for power in power_w),
            tuple(max(0, -power) for power in power_w),
        )

    def movers(self) -> set[str]:
        """Who is to answer prices."""
        return {worker.hex() for queen in self._groups for worker in queen.active}

    def present(self) -> set[str]:
        """Who is to answer the final broadcast."""
        return set(self._opened)

    def broadcast(self, price_e7: tuple[int, ...], gamma_e9: tuple[int, ...], forget: bool) -> int:
        """Notes what goes out next; the number of its iteration."""
        self._iteration, self._weights = self._iteration + 1, len(gamma_e9)
        for queen in self._groups:
            queen.begin(self._iteration)
        return self._iteration

    async def close(self) -> Sums:
        """Ends an iteration; CollectionLost when a group cannot be opened or opens to what no homes can add up to."""
        before, self.lost = self.movers(), True
        for lost in (await self._converse()).values():
            raise CollectionLost(f"masked iteration {self._iteration}: {lost}") from lost
        total = self._totals()
        largest = len(self._opened) * self._frame.largest_w
        if max(map(abs, total.power_w)) > largest or abs(total.cost_e9_coin) > len(self._opened) * MOST_COST_E9:
            raise CollectionLost(f"masked iteration {self._iteration} opens to more than {largest} W: an audit is due")
        self.lost, missing = False, tuple(sorted(before - self.movers()))
        if missing:
            _LOG.warning("masks_left_out round=%d homes=%s", self._frame.number, ",".join(missing))
        # The products of homes that do not count are not known; those of the others are scaled up to all.
        known, share = window(self._weights, self._iteration), max(1, len(self.movers()))
        inner = tuple(product * self._masked // share for product in total.inner_e9_kw2[:known])
        return Sums(total.power_w, total.cost_e9_coin, None, missing, max(0, total.residual_e9_kw2), inner)

    def finish(self, iteration: int) -> None:
        """The broadcast that goes out next is the final one."""
        self._final = True

    async def close_bounds(self) -> None:
        """Ends the question for the bounds. A home that was left out has told none: then there is no lower bound."""
        before = self.movers()
        lost = await self._converse()
        if lost or self.movers() != before or len(before) < self._masked:
            return
        bound, proof, alone = self._totals().inner_e9_kw2[:3]
        if max(abs(bound), abs(proof), abs(alone)) <= len(before) * MOST_COST_E9:
            self._bounds = bound, proof, alone

    def proven(self, at_price: Cost, at_tariff: Cost) -> Proven | None:
        """The sums for the certificate; the plans in hand bound them, in sum. None where they were not told."""
        if self._bounds is None:
            return None
        bound, _, alone = self._bounds
        return Proven(
            min(bound, self._in_hand(at_price)), alone + sum(at_tariff(power_w) for power_w in self._constants.values())
        )

    def proof(self, at_price: Cost) -> int | None:
        """The sum of the bounds at the second price."""
        return None if self._bounds is None else min(self._bounds[1], self._in_hand(at_price))

    def _in_hand(self, at_price: Cost) -> int:
        totals = self._totals()
        return totals.cost_e9_coin + at_price(totals.power_w)

    async def _converse(self) -> dict[MaskedQueen, MaskLost]:
        """Requests and reveals until every group is open; the groups that never will be."""
        lost: dict[MaskedQueen, MaskLost] = {}
        going = list(self._groups)
        while going:
            asks: list[Message] = []
            for queen in list(going):
                try:
                    ask = queen.next_ask()
                    if ask is None:
                        queen.opened()
                        going.remove(queen)
                    else:
                        asks.append(ask)
                except MaskLost as error:
                    lost[queen] = error
                    going.remove(queen)
            if asks:
                self._revealed.clear()
                await self._ask(asks, self._revealed)
        return lost

    def _totals(self) -> MaskedVector:
        words = [queen.totals.words for queen in self._groups]
        return MaskedVector(tuple(sum(column) for column in zip(*words, strict=True))) if words else NOTHING
