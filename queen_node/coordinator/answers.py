"""The answers of one round as they arrive: who is awaited, who has answered, which messages are refused.

`Collector` is all that the conductor knows of a round's answers; `RoundAnswers` sees every answer by itself. What a
Worker sends is believed only within bounds, so that no answer, however wrong, stops a round or breaks arithmetic.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.rounds.anderson import HeldSums
from honey_edge.market.rounds.stragglers import AnswerLedger, Sums
from honey_edge.model.errors import HiveError
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage

_LOG = logging.getLogger(__name__)
MOST_COST_E9 = 10**15
"""Largest cost of a home over a day that is believed, 10^-9 coin: a million coins."""


WEAR_SHARE = 5
"""1 / the share of a day's tariff cost that wear and comfort may add at most to what a home pays alone."""


class CollectionLost(HiveError):
    """The sums of an iteration cannot be had; the round ends with what the last counted one agreed on."""

    code = "E-ROUND-LOST"


class Witness(Protocol):
    """Follows a round's open answers for the tests of fair play; it decides nothing in the round."""

    def answered(
        self,
        worker: str,
        iteration: int,
        price_e7: tuple[int, ...],
        power_w: tuple[int, ...],
        state_kw: FloatArray,
        target_kw: FloatArray,
    ) -> None:
        """An answer to the running broadcast was taken; w and v (kW) follow from the round's integers."""

    def reopened(self, worker: str) -> None:
        """A home opened anew in the middle of the round: what it answered before was another problem."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a round is about; `largest_w` bounds a declared power.

    `constants` are the last forecasts (W) of homes that do not take part. `believed` tells the least and the largest
    power (W) of a home that is believed without its answering prices, None for one of which nothing was shown yet.
    """

    number: int
    first_slot: int
    largest_w: int
    price_e7: tuple[int, ...]
    sigma: int
    constants: Mapping[str, tuple[int, ...]]
    at_tariff: "Cost | None" = None
    witness: Witness | None = None
    believed: "Callable[[str], tuple[int, int] | None] | None" = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What the openings say: how many homes move and the sum of their profiles, the sum of those that do not (W).

    `import_w` and `export_w` add up what the homes that move import and export, each slot by slot and never negative.
    `alone_e9_coin` is what all homes would pay alone (10^-9 coin), None where one did not tell.
    """

    flexible: int
    homes: int
    power_w: tuple[int, ...]
    constant_w: tuple[int, ...]
    import_w: tuple[int, ...]
    export_w: tuple[int, ...]
    alone_e9_coin: int | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """Sums for the certificate (10^-9 coin): parts of the lower bound of the homes that move, all homes' cost alone."""

    bound_e9_coin: int
    alone_e9_coin: int


Cost = Callable[[tuple[int, ...]], int]
"""From a profile (W) to 10^-9 coin over the horizon."""


class Collector(Protocol):
    """The answers of one round. Iteration 0 gathers openings, `broadcast` begins each later iteration."""

    masked: bool
    complete: asyncio.Event

    @property
    def profiles(self) -> Mapping[str, tuple[int, ...]]:
        """What the homes opened with, W per slot, as far as it is known."""

    def expect(self, workers: Iterable[str]) -> None:
        """Whose answers complete what is about to be broadcast."""

    def take(self, worker: str, message: DeclareMessage) -> str:
        """Takes an answer; why it is refused, or "" when it counts or changes nothing."""

    async def openings(self) -> Opened:
        """Ends iteration 0. Raises CollectionLost."""

    def movers(self) -> set[str]:
        """Who is to answer prices."""

    def present(self) -> set[str]:
        """Who is to answer the final broadcast."""

    def broadcast(self, price_e7: tuple[int, ...], gamma_e9: tuple[int, ...], forget: bool) -> int:
        """Notes what goes out next; the number of its iteration."""

    async def close(self) -> Sums:
        """Ends an iteration: the sums that `QueenIteration.absorb` takes. Raises CollectionLost."""

    def finish(self, iteration: int) -> None:
        """The broadcast that goes out next is the final one."""

    @property
    def finals(self) -> Mapping[str, tuple[int, ...]]:
        """What homes declared to the final broadcast, W per slot, as far as it is known."""

    def proven(self, at_price: Cost, at_tariff: Cost) -> Proven | None:
        """The sums for the certificate, None when a home did not tell; what a profile costs at price and tariff."""


class RoundAnswers:
    """Collects answers that are not masked."""

    masked = False

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.complete = asyncio.Event()
        self._openings: dict[str, DeclareMessage] = {}
        self._proofs: dict[str, DeclareMessage] = {}
        self._ledger: AnswerLedger | None = None
        self._final: int | None = None
        self._price_e7 = frame.price_e7
        self._plain = False
        self._rejoined: set[str] = set()
        self._awaited: set[str] = set()
        self._constants: dict[str, tuple[int, ...]] = {}
        self._last: dict[str, tuple[tuple[int, ...], int]] = {}

    @property
    def profiles(self) -> Mapping[str, tuple[int, ...]]:
        """What the homes opened with, W per slot."""
        return {worker: message.power_w for worker, message in self._openings.items()}

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
        if self._final is not None and message.profile:
            if worker in self._openings:
                self._proofs.setdefault(worker, message)
            return self._answered(worker)
        if not self._believable(message):
            return "profile"
        if self._ledger is None:
            if message.iteration:
                return "round"
            self._openings.setdefault(worker, message)
            return self._answered(worker)
        try:
            return self._into_ledger(self._ledger, worker, message)
        except ProtocolError:
            return "round"

    def _believable(self, message: DeclareMessage) -> bool:
        largest = self._frame.largest_w
        return len(message.power_w) == HORIZON_SLOTS and all(abs(p) <= largest for p in message.power_w)

    def _into_ledger(self, ledger: AnswerLedger, worker: str, message: DeclareMessage) -> str:
        """An answer to a price, or the opening of a home that comes back in the middle of the round."""
        if not message.iteration:
            if worker in self._rejoined or not message.flexible:
                return "round"
            ledger.rejoin(worker, message.power_w, self._price_e7)
            self._rejoined.add(worker)
            if self._frame.witness is not None:
                self._frame.witness.reopened(worker)
            return self._answered(worker)
        claims = (message.residual_e9_kw2, message.inner_e9_kw2)
        if claims == (0, ()):
            taken = ledger.take(worker, message.iteration, message.power_w, message.cost_e9_coin)
            self._plain = self._plain or taken
        else:
            taken = ledger.take(worker, message.iteration, message.power_w, message.cost_e9_coin, *claims)
        if taken:
            self._last[worker] = (message.power_w, message.cost_e9_coin)
            if self._frame.witness is not None and message.iteration == ledger.iteration:
                self._frame.witness.answered(
                    worker, message.iteration, self._price_e7, message.power_w, *ledger.followed(worker)
                )
        if worker in ledger.impossible:
            return "impossible"
        return self._answered(worker) if message.iteration == ledger.iteration else ""

    def _answered(self, worker: str) -> str:
        self._awaited.discard(worker)
        if not self._awaited:
            self.complete.set()
        return ""

    async def openings(self) -> Opened:
        """Ends iteration 0: homes that move go into the ledger, the others are constants."""
        moving = {w: m.power_w for w, m in self._openings.items() if m.flexible}
        fixed = {w: m.power_w for w, m in self._openings.items() if not m.flexible}
        constants = {w: p for w, p in (dict(self._frame.constants) | fixed).items() if w not in moving}
        self._constants = plausible(self._frame, constants)
        if moving:
            self._last = {worker: (power_w, 0) for worker, power_w in moving.items()}
            self._ledger = AnswerLedger(
                moving, self._frame.price_e7, self._frame.sigma, largest_w=self._frame.largest_w
            )
        return Opened(
            len(moving),
            len(moving) + len(self._constants),
            sums(moving.values()),
            sums(self._constants.values()),
            sums(tuple(max(0, p) for p in power_w) for power_w in moving.values()),
            sums(tuple(max(0, -p) for p in power_w) for power_w in moving.values()),
            self._alone(moving),
        )

    def _alone(self, moving: Mapping[str, tuple[int, ...]]) -> int | None:
        """What all homes would pay alone, as the homes that move tell it and the Queen reckons for the others.

        Nobody's best plan costs more than the one it opened with, at its own tariff with some wear: what is told beyond
        that is cut, so that no home can make a round look as if it had gained much and end early.
        """
        at_tariff = self._frame.at_tariff
        if at_tariff is None:
            return None
        total = sum(at_tariff(power_w) for power_w in self._constants.values())
        for worker, power_w in moving.items():
            told, reckoned = self._openings[worker].alone_e9_coin, at_tariff(power_w)
            if told is None:
                return None
            total += max(-MOST_COST_E9, min(told, reckoned + abs(reckoned) // WEAR_SHARE))
        return total

    def movers(self) -> set[str]:
        """Who is to answer prices: homes that can move and have not fallen silent."""
        dropped = self._ledger.dropped if self._ledger is not None else ()
        return {worker for worker, message in self._openings.items() if message.flexible}.difference(dropped)

    def present(self) -> set[str]:
        """Who is to answer the final broadcast."""
        return set(self._openings)

    def broadcast(self, price_e7: tuple[int, ...], gamma_e9: tuple[int, ...], forget: bool) -> int:
        """Notes what goes out next; the number of its iteration."""
        assert self._ledger is not None
        self._price_e7 = price_e7
        return self._ledger.broadcast(price_e7, gamma_e9, forget)

    async def close(self) -> Sums:
        """Ends an iteration: the sums, with the last profile of whoever is missing.

        Who missed three in a row counts as a constant from then on, until it opens anew. One Worker of older software
        is enough to do without acceleration.
        """
        assert self._ledger is not None
        found = self._ledger.close()
        for worker in self._ledger.silent:
            _LOG.warning("worker_silent round=%d worker=%s", self._frame.number, worker)
            self._ledger.drop(worker)
        return replace(found, residual_e9_kw2=0, inner_e9_kw2=()) if self._plain else found

    def held(self) -> HeldSums:
        """What the homes that move hold after the iteration that was closed last."""
        assert self._ledger is not None
        return self._ledger.held()

    def finish(self, iteration: int) -> None:
        """The broadcast that goes out next is the final one."""
        self._final = iteration

    @property
    def finals(self) -> Mapping[str, tuple[int, ...]]:
        """What homes declared to the final broadcast, W per slot; what no home can draw is left out."""
        return {worker: one.power_w for worker, one in self._proofs.items() if self._believable(one)}

    def proven(self, at_price: Cost, at_tariff: Cost) -> Proven | None:
        """The sums for the certificate; the Queen reckons for homes that cannot move, they for themselves else.

        A least cost is at most that of the plan in hand, so no home can lift the lower bound by its word.
        """
        bound, alone = 0, sum(at_tariff(power_w) for power_w in self._constants.values())
        for worker, (power_w, cost) in self._last.items():
            told = self._proofs.get(worker)
            if told is None or told.bound_e9_coin is None or told.alone_e9_coin is None:
                return None
            if max(abs(told.bound_e9_coin), abs(told.alone_e9_coin)) > MOST_COST_E9:
                return None
            bound += min(told.bound_e9_coin, cost + at_price(power_w))
            alone += told.alone_e9_coin
        return Proven(bound, alone)

    def proof(self, at_price: Cost) -> int | None:
        """The sum of the bounds at the second price, cut in the same way; None when a home did not tell."""
        total = 0
        for worker, (power_w, cost) in self._last.items():
            told = self._proofs.get(worker)
            if told is None or told.proof_e9_coin is None or abs(told.proof_e9_coin) > MOST_COST_E9:
                return None
            total += min(told.proof_e9_coin, cost + at_price(power_w))
        return total


def sums(profiles: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Profiles added slot by slot (W)."""
    found = list(profiles)
    return tuple(sum(column) for column in zip(*found, strict=True)) if found else (0,) * HORIZON_SLOTS


def plausible(frame: Frame, constants: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Forecasts of homes that answer no prices, cut to what their meters have shown (`fairplay.plausible`)."""
    cut = {}
    for worker, power_w in constants.items():
        bounds = frame.believed(worker) if frame.believed is not None else None
        cut[worker] = power_w if bounds is None else tuple(min(max(p, bounds[0]), bounds[1]) for p in power_w)
    return cut


async def plain_answers(frame: Frame, online: set[str]) -> Collector:
    """The collector of rounds that are not masked."""
    return RoundAnswers(frame)
