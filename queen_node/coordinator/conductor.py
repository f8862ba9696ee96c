"""Conducts the coordination of the next 96 slots by broadcasting prices (market-design section 4, DESIGN Queen).

    iteration 0 (starting price) -> openings -> price -> answers -> ... -> stop -> final (the agreed price once more)

Every broadcast is committed before it is published: the last one of a slot's round is what settles that slot.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from drivers.clock import Clock
from honey_edge.billing.tariff import Tariff
from honey_edge.market.assets import Tariff as MarketTariff
from honey_edge.market.iteration import (
    MAX_ITERATIONS,
    QueenIteration,
    is_settled,
    round_sigma,
    shifted_price_e7,
    starting_price_e7,
)
from honey_edge.market.stragglers import AnswerLedger
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage, RoundMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import Domain, digest
from queen_node.coordinator.answers import RoundAnswers
from queen_node.store import Store, books
from queen_node.store.records import RejectedRow, RoundRow
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
_MICRO = 1_000_000
_MOST_RESTARTS = 2
_CONVERGED, _LIMIT = "converged", "limit"
_ENDED = (_CONVERGED, _LIMIT)


@dataclass(frozen=True, slots=True)
class RoundRules:
    """What rounds run under; `largest_w` bounds a declared power, `answer_within_s` is Clock time per iteration."""

    hive: int
    domain: Domain
    tariff: Tariff
    largest_w: int
    answer_within_s: float
    most_iterations: int = MAX_ITERATIONS


class Coordinator:
    """One round at a time. `broadcast` publishes, `online` tells which Workers are there."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        rules: RoundRules,
        refusals: Refusals,
        broadcast: Callable[[RoundMessage], Awaitable[None]],
        online: Callable[[], set[str]],
    ) -> None:
        self._clock, self._store, self._rules, self._refusals = clock, store, rules, refusals
        self._broadcast, self._online = broadcast, online
        self._answers: RoundAnswers | None = None
        self._row = RoundRow(0, 0, 0, 0, 0, "none", 0.0, ())

    def receive(self, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's declare topic."""
        try:
            message = decode(DeclareMessage, payload)
        except MessageError as error:
            self._refuse(worker, payload, "malformed", str(error))
            return
        if message.worker != worker:
            self._refuse(worker, payload, "foreign", f"the answer is of {message.worker}")
            return
        if message.profile and not self._declared(worker, message, payload):
            return
        problem = "round" if self._answers is None else self._answers.take(worker, message)
        if problem and not message.profile:
            self._refuse(worker, payload, problem, f"round {message.round} iteration {message.iteration}")

    async def coordinate(self, first_slot: int, until_unix_s: float) -> RoundRow | None:
        """Runs a round for first_slot .. first_slot + 95; None when there is nobody to talk to.

        Workers that fall silent are taken as constants in a round begun anew.
        """
        constants: dict[str, tuple[int, ...]] = {}
        for _ in range(_MOST_RESTARTS + 1):
            if not self._online() - set(constants):
                return None
            silent = await self._round(first_slot, until_unix_s, constants)
            if not silent:
                break
            constants |= silent
        self._answers = None
        return self._row

    async def _round(
        self, first_slot: int, until_unix_s: float, constants: dict[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """One round; the openings of Workers that fell silent, when it must begin anew without them."""
        tariff = self._market_tariff(first_slot)
        with self._store.begin() as tx:
            number, last = books.next_round_number(tx), books.last_round(tx)
        start, sigma = _opening(tariff, last if last and last.first_slot == first_slot - 1 else None)
        self._row = RoundRow(number, first_slot, 0, 0, 0, "running", 0.0, start)
        answers = self._answers = RoundAnswers(number, first_slot, HORIZON_SLOTS, self._rules.largest_w)
        await self._ask(answers, self._online() - set(constants), 0, start, sigma)
        openings = {w: m.power_w for w, m in answers.openings.items()}
        moving = {w: p for w, p in openings.items() if answers.openings[w].flexible and w not in constants}
        fixed = {w: p for w, p in (constants | openings).items() if w not in moving}
        constant = _sums(list(fixed.values()))
        if not moving:
            await self._finish(answers, "constant", 1, _edge_prices(tariff, constant), sigma)
            return {}
        self._row = replace(self._row, flexible=len(moving))
        most = self._rules.most_iterations
        queen = QueenIteration(tariff, len(moving), sigma, constant_w=constant, price0_e7=start, max_iterations=most)
        answers.ledger = AnswerLedger(moving, start, sigma)
        agreed = await self._iterate(answers, queen, moving, until_unix_s, sigma)
        silent = answers.ledger.silent
        if silent:
            self._note(ended="silent")
            return {worker: moving[worker] for worker in silent}
        ended = _CONVERGED if queen.converged else _LIMIT
        await self._finish(answers, ended, answers.ledger.iteration + 1, agreed, sigma)
        return {}

    async def _iterate(
        self,
        answers: RoundAnswers,
        queen: QueenIteration,
        moving: dict[str, tuple[int, ...]],
        until_unix_s: float,
        sigma: int,
    ) -> tuple[int, ...]:
        """Prices and answers until the round ends; the price that the last answers answered to."""
        ledger = answers.ledger
        assert ledger is not None
        price = queen.start(_sums(list(moving.values())))
        while True:
            iteration = ledger.broadcast(price)
            await self._ask(answers, set(moving) & self._online(), iteration, price, sigma)
            sums = ledger.close()
            agreed, price = price, queen.absorb(sums.power_w, sums.cost_e9_coin, sums.correction_kw)
            mismatch = queen.progress.mismatch_kw if queen.progress else 0.0
            self._row = replace(self._row, iterations=iteration, mismatch_kw=mismatch)
            if queen.finished or ledger.silent or self._clock.now_unix_s() >= until_unix_s:
                return agreed

    async def _finish(
        self, answers: RoundAnswers, ended: str, iteration: int, price: tuple[int, ...], sigma: int
    ) -> None:
        """The final broadcast: Workers adopt the plan of their last answer and declare it."""
        answers.final_iteration = iteration
        await self._ask(answers, set(answers.openings) & self._online(), iteration, price, sigma, final=True)
        self._note(ended=ended)
        row = self._row
        _LOG.info(
            "round_done round=%d first_slot=%d broadcasts=%d flexible=%d ended=%s mismatch_kw=%.4f",
            row.number, row.first_slot, row.broadcasts, row.flexible, ended, row.mismatch_kw,
        )  # fmt: skip

    async def _ask(
        self,
        answers: RoundAnswers,
        awaited: set[str],
        iteration: int,
        price: tuple[int, ...],
        sigma: int,
        *,
        final: bool = False,
    ) -> None:
        """One broadcast, and the wait for its answers."""
        deadline = self._clock.now_unix_s() + self._rules.answer_within_s
        answers.expect(awaited)
        self._row = replace(self._row, broadcasts=self._row.broadcasts + 1, prices_e7=price)
        self._note()
        await self._broadcast(
            RoundMessage(
                hive=self._rules.hive,
                round=self._row.number,
                iteration=iteration,
                final=final,
                first_slot=self._row.first_slot,
                price_e7_per_kwh=price,
                sigma_kw2_per_coin=sigma,
                deadline_unix_s=int(deadline) + 1,
            )
        )
        await self._clock.wait_for(answers.complete, deadline)

    def _note(self, ended: str | None = None) -> None:
        if ended is not None:
            self._row = replace(self._row, ended=ended)
        with self._store.begin() as tx:
            books.put_round(tx, self._row)

    def _market_tariff(self, first_slot: int) -> MarketTariff:
        prices = [self._rules.tariff.prices(first_slot + k) for k in range(HORIZON_SLOTS)]
        return MarketTariff([b / _MICRO for b, _ in prices], [s / _MICRO for _, s in prices])  # type: ignore[arg-type]

    def _declared(self, worker: str, message: DeclareMessage, payload: bytes) -> bool:
        """Keeps a signed Declaration; whether it is the Worker's."""
        signature = bytes.fromhex(message.signature)
        if not signed_by(bytes.fromhex(worker), digest(self._rules.domain, message.signed()), signature):
            self._refuse(worker, payload, "forged", "the Declaration is not signed by the enrolled key")
            return False
        with self._store.begin() as tx:
            books.add_declaration(tx, message)
        return True

    def _refuse(self, worker: str, payload: bytes, reason: str, detail: str) -> None:
        now = int(self._clock.now_unix_s())
        self._refusals.note(RejectedRow(worker, now, "declare", reason, detail, payload))


def _opening(tariff: MarketTariff, before: RoundRow | None) -> tuple[tuple[int, ...], int]:
    """Price and sigma to begin with, from the round of the slot before as it is stored: a restart changes neither."""
    if before is None:
        return starting_price_e7(tariff), round_sigma(tariff, settled=False)
    settled = before.ended in _ENDED and is_settled(before.mismatch_kw, before.flexible)
    return shifted_price_e7(before.prices_e7, tariff), round_sigma(tariff, settled=settled)


def _sums(profiles: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*profiles, strict=True)) if profiles else (0,) * HORIZON_SLOTS


def _edge_prices(tariff: MarketTariff, power_w: tuple[int, ...]) -> tuple[int, ...]:
    """The price where nobody can move (10^-7 coin per kWh): what the direction of the sum costs."""
    pairs = zip(power_w, tariff.buy_per_kwh, tariff.sell_per_kwh, strict=True)
    return tuple(round(float(b if p > 0 else s) * 10**7) for p, b, s in pairs)
