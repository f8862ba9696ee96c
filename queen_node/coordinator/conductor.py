"""Conducts the coordination of the next 96 slots by broadcasting prices (market-design section 4, DESIGN Queen).

    iteration 0 (starting price) -> openings -> price -> answers -> ... -> stop -> final (the agreed price once more)

Every broadcast is committed before it is published: the last one of a slot's round is what settles that slot. A round
that was interrupted by the Queen's own end is begun anew from its last price, and the Workers' last answers.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from drivers.clock import Clock
from honey_edge.billing.tariff import Tariff
from honey_edge.market.errors import MarketError
from honey_edge.market.grid.feeder_round import FeederQueen
from honey_edge.market.grid.island import IslandIteration, island_sigma
from honey_edge.market.grid.network_round import OVERSHOOT
from honey_edge.market.homes.assets import Tariff as MarketTariff
from honey_edge.market.rounds.iteration import (
    MAX_ITERATIONS,
    QueenIteration,
    is_settled,
    round_sigma,
    shifted_price_e7,
    starting_price_e7,
)
from honey_edge.market.rounds.queen_step import watts
from honey_edge.model.slots import slot_start_unix_s
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.messages import HORIZON_SLOTS, CertificateMessage, DeclareMessage, RoundMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import Domain, digest
from queen_node.coordinator.answers import CollectionLost, Collector, Frame, Opened, RoundAnswers, plain_answers
from queen_node.coordinator.bounds import GridBounds, bounds_of
from queen_node.coordinator.certify import (
    certificate_message,
    certified,
    energy_cost_e9,
    tariff_cost_e9,
)
from queen_node.coordinator.masked import MaskedAnswers
from queen_node.coordinator.nodes import NodeAnswers
from queen_node.coordinator.pace import Pace
from queen_node.store import Store, books, grid_limits, islands
from queen_node.store.records import RejectedRow, RoundRow
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
_MICRO = 1_000_000
_INSIDE_PERMILLE = (995, 980)
"""Where limits are set within the real ones: 0.5 % beyond counts as met (section 5); tighter in a second attempt."""

CLOSE_KW = 0.003
"""Mismatch per home up to which the prices of a round that ran out of iterations count as nearly right: beyond it they
were still on their way, and with a settled round's large sigma the next round would run out as well."""

RUNNING, CONVERGED, LIMIT, CONSTANT, SHARED, LOST = "running", "converged", "limit", "constant", "shared", "lost"


async def _nobody_asks(message: CertificateMessage) -> None:
    """Where certificates go when nobody publishes them."""


@dataclass(frozen=True, slots=True)
class RoundRules:
    """What rounds run under; `largest_w` bounds a declared power, `answer_within_s` is Clock time per iteration.

    `import_w` and `export_w` are the settings' limits of the connection point (0: none; the grid operator's are in the
    store), `peak_micro_per_kw` is charged for the highest import of a day. `collector` makes what gathers a round's
    answers; with `mix` the end of a round mixes the homes' last plans.
    `island_ceiling_micro` is the highest price (micro-coins per kWh) that the homes accepted without the grid.
    """

    hive: int
    domain: Domain
    tariff: Tariff
    largest_w: int
    answer_within_s: float
    most_iterations: int = MAX_ITERATIONS
    import_w: int = 0
    export_w: int = 0
    peak_micro_per_kw: int = 0
    collector: Callable[[Frame, set[str]], Awaitable[Collector]] = plain_answers
    mix: bool = True
    island_ceiling_micro: int = 0


class Stepping(Protocol):
    """What finds the next price: `gamma_e9` and `forget` are broadcast beside it."""

    gamma_e9: tuple[int, ...]
    forget: bool


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
        publish_certificate: Callable[[CertificateMessage], Awaitable[None]] = _nobody_asks,
    ) -> None:
        self._clock, self._store, self._rules, self._refusals = clock, store, rules, refusals
        self._broadcast, self._online, self._publish_certificate = broadcast, online, publish_certificate
        self._answers: Collector | None = None
        self._pace = Pace(clock.now_unix_s, rules.answer_within_s)
        self._row = RoundRow(0, 0, 0, 0, 0, "none", 0.0, ())
        self._asked = 0
        self._was_island = False
        self._latest_unix_s = math.inf
        self._known: dict[str, tuple[int, tuple[int, ...]]] = {}

    def interrupted(self, first_slot: int) -> bool:
        """Whether a round for these slots was begun and not ended, by a daemon that is no more."""
        with self._store.begin() as tx:
            last = books.last_round(tx, first_slot)
        return last is not None and last.ended == RUNNING

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
        if not problem and message.iteration == self._asked:
            self._pace.answered()
        if problem and not message.profile:
            self._refuse(worker, payload, problem, f"round {message.round} iteration {message.iteration}")

    async def coordinate(self, first_slot: int, until_unix_s: float) -> RoundRow | None:
        """Runs a round for first_slot .. first_slot + 95; None when there is nobody to talk to.

        Where the limits do not hold, it begins anew with tighter ones, and at last they are shared out.
        """
        if not self._online():
            return None
        for permille in _INSIDE_PERMILLE:
            last = permille == _INSIDE_PERMILLE[-1] or self._clock.now_unix_s() >= until_unix_s
            if await self._round(first_slot, until_unix_s, permille, last=last):
                break
        self._answers = None
        return self._row

    async def _round(self, first_slot: int, until_unix_s: float, permille: int, *, last: bool) -> bool:
        """One attempt; False where limits do not hold, unless it is the last."""
        tariff, bounds = self._market_tariff(first_slot), self._bounds(first_slot)
        answers, opened = await self._begin(tariff, first_slot, island=bounds.island)
        number = self._row.number
        if opened is None:
            return True
        if not opened.flexible:
            await self._finish(answers, CONSTANT, 1, _edge_prices(tariff, opened.constant_w))
            return True
        queen = self._queen(tariff, answers, opened, bounds, permille)
        power_w = _agreed_w(queen, opened, await self._iterate(answers, opened, queen, until_unix_s))
        beyond_kw = 0.0 if queen.converged else bounds.beyond_kw(power_w, opened.constant_w)
        if beyond_kw:
            _LOG.warning("limits_broken round=%d by_kw=%.3f shared=%s", number, beyond_kw, last)
        if beyond_kw and not last:
            self._note(ended=LIMIT)
            return False
        ended = CONVERGED if queen.converged else SHARED if beyond_kw else LIMIT
        shares = bounds.shares(opened) if beyond_kw else ((), ())
        blend = () if beyond_kw else queen.weights_e6
        if isinstance(answers, MaskedAnswers) and queen.iteration and not (beyond_kw or answers.lost):
            await self._ask_bounds(answers, queen)
        proof = () if beyond_kw or answers.masked else queen.proof_e7
        await self._finish(answers, ended, queen.iteration + 1, queen.agreed_e7, shares, blend, proof)
        if queen.iteration and not beyond_kw:
            await self._certify(answers, queen)
        if isinstance(queen, FeederQueen):
            queen_over = queen.progress.excess_kw if queen.progress else 0.0
            if queen.unkept or queen_over > OVERSHOOT:
                _LOG.warning("voltage_band_broken round=%d share=%.4f", number, queen_over)
        return True

    def _queen(
        self, tariff: MarketTariff, answers: Collector, opened: Opened, bounds: GridBounds, permille: int
    ) -> QueenIteration:
        """What finds the prices of an attempt: with a voltage band, of an island, or of a Hive on the grid."""
        limits, rules = bounds.tightened(permille), self._rules
        start, sigma = self._row.prices_e7, self._row.sigma
        if isinstance(answers, NodeAnswers) and not bounds.island:
            return answers.queen(tariff, sigma, limits, start, rules.most_iterations)
        queen = (IslandIteration if bounds.island else QueenIteration)(
            tariff,
            opened.flexible,
            sigma,
            limits=limits,
            constant_w=opened.constant_w,
            price0_e7=start,
            max_iterations=rules.most_iterations,
            blend=rules.mix,
            alone_e9_coin=opened.alone_e9_coin,
        )
        if isinstance(queen, IslandIteration):
            queen.within(rules.island_ceiling_micro / _MICRO)
        return queen

    async def _begin(
        self,
        tariff: MarketTariff,
        first_slot: int,
        *,
        island: bool = False,
        begin_with: tuple[tuple[int, ...], int] | None = None,
    ) -> tuple[Collector, Opened | None]:
        """Iteration 0: the starting price, and what the homes opened with; None where that is lost.

        `begin_with` is price and sigma that are given from outside.
        """
        with self._store.begin() as tx:
            number, before = books.next_round_number(tx), books.last_round(tx)
        # The prices of an island and of a Hive on the grid have nothing in common: each begins cold after the other.
        start, sigma = _opening(tariff, before if island == self._was_island else None, first_slot)
        if island:
            sigma = island_sigma(tariff)
        if begin_with is not None:
            start, sigma = begin_with
        self._was_island = island
        self._row = RoundRow(number, first_slot, 0, 0, 0, RUNNING, 0.0, start, sigma)
        asked = self._online()
        absent = {w: p for w, p in self._forecasts(first_slot).items() if w not in asked}
        prices = [self._rules.tariff.prices(first_slot + k) for k in range(HORIZON_SLOTS)]
        frame = Frame(
            number, first_slot, self._rules.largest_w, start, sigma, absent, lambda w: tariff_cost_e9(w, prices)
        )
        answers = self._answers = await self._rules.collector(frame, asked)
        self._pace = Pace(self._clock.now_unix_s, self._rules.answer_within_s)
        await self._ask(answers, asked, 0, start)
        try:
            opened = await answers.openings()
        except CollectionLost as error:
            _LOG.warning("openings_lost round=%d reason=%r", number, str(error))
            self._note(ended=LOST)
            return answers, None
        self._known |= {worker: (first_slot, power_w) for worker, power_w in answers.profiles.items()}
        self._row = replace(self._row, flexible=opened.flexible, homes=opened.homes)
        return answers, opened

    async def _iterate(
        self, answers: Collector, opened: Opened, queen: QueenIteration, until_unix_s: float
    ) -> tuple[int, ...]:
        """Prices and answers until the round ends; the sum of the last answers (W)."""
        price, power_w = queen.start(opened.power_w), opened.power_w
        while True:
            iteration = answers.broadcast(price, queen.gamma_e9, queen.forget)
            await self._ask(answers, answers.movers() & self._online(), iteration, price, queen)
            try:
                told = await answers.close()
            except CollectionLost as error:
                _LOG.warning("iteration_lost round=%d iteration=%d reason=%r", self._row.number, iteration, str(error))
                return power_w
            power_w = told.power_w
            price = queen.absorb(
                told.power_w,
                told.cost_e9_coin,
                told.correction_kw,
                told.residual_e9_kw2,
                told.inner_e9_kw2,
                told.missing_share,
            )
            mismatch = queen.progress.mismatch_kw if queen.progress else 0.0
            self._row = replace(self._row, iterations=iteration, mismatch_kw=mismatch)
            if queen.finished or self._clock.now_unix_s() >= until_unix_s:
                return power_w

    def _bounds(self, first_slot: int) -> GridBounds:
        """What the connection point allows, as of now."""
        with self._store.begin() as tx:
            given, island = grid_limits.limit_in_force(tx), islands.island_now(tx) is not None
        return bounds_of(self._rules.import_w, self._rules.export_w, given, first_slot, island=island)

    async def _finish(
        self,
        answers: Collector,
        ended: str,
        iteration: int,
        price: tuple[int, ...],
        shares: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
        blend_e6: tuple[int, ...] = (),
        proof_e7: tuple[int, ...] = (),
    ) -> None:
        """The final broadcast: Workers adopt the mixture of their last plans that it names, and declare it."""
        answers.finish(iteration)
        awaited = answers.present() & self._online()
        await self._ask(answers, awaited, iteration, price, shares=shares, blend_e6=blend_e6, proof_e7=proof_e7)
        self._note(ended=ended)
        row = self._row
        _LOG.info(
            "round_done round=%d first_slot=%d broadcasts=%d flexible=%d ended=%s mismatch_kw=%.4f",
            row.number, row.first_slot, row.broadcasts, row.flexible, ended, row.mismatch_kw,
        )  # fmt: skip

    async def _ask_bounds(self, answers: MaskedAnswers, queen: QueenIteration) -> None:
        """Under masks the homes' part of the certificate is asked for before the end, while their sums can be opened.

        It has the number of the final broadcast, which counts no answer: the plans are those of the iteration before.
        """
        number, price = answers.broadcast(queen.agreed_e7, (), False), queen.agreed_e7
        await self._ask(
            answers, answers.movers() & self._online(), number, price, queen, proof_e7=queen.proof_e7 or price
        )
        await answers.close_bounds()

    async def _certify(self, answers: Collector, queen: QueenIteration) -> None:
        """Stores and publishes how far the agreement can be from the optimum."""
        first, agreed, ahead = self._row.first_slot, queen.agreed_e7, queen.proof_e7
        prices = [self._rules.tariff.prices(first + k) for k in range(HORIZON_SLOTS)]
        proven = answers.proven(lambda w: energy_cost_e9(w, agreed), lambda w: tariff_cost_e9(w, prices))
        second = answers.proof if ahead and isinstance(answers, RoundAnswers | MaskedAnswers) else None
        proof = second(lambda w: energy_cost_e9(w, ahead)) if second else None
        try:
            self._row = certified(self._row, queen, proven, proof)
        except MarketError as error:
            _LOG.warning("certificate_failed round=%d reason=%r", self._row.number, str(error))
            return
        self._note()
        message = certificate_message(self._rules.hive, self._row)
        _LOG.info("round_certified round=%d gap_ppm=%s homes=%d", message.round, message.gap_ppm, message.homes)
        await self._publish_certificate(message)

    async def _ask(
        self,
        answers: Collector,
        awaited: set[str],
        iteration: int,
        price: tuple[int, ...],
        queen: Stepping | None = None,
        shares: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
        blend_e6: tuple[int, ...] = (),
        proof_e7: tuple[int, ...] = (),
    ) -> None:
        """One broadcast, and the wait for its answers; without `queen` it opens or ends the round."""
        self._asked = iteration
        deadline = self._clock.now_unix_s() + self._pace.asked()
        final = queen is None and iteration > 0
        if final:
            deadline = self._clock.now_unix_s() + self._rules.answer_within_s
        deadline = min(deadline, self._latest_unix_s)
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
                sigma_kw2_per_coin=self._row.sigma,
                deadline_unix_s=int(deadline) + 1,
                gamma_e9=queen.gamma_e9 if queen else (),
                forget=queen.forget if queen else False,
                masked=answers.masked,
                import_share_ppm=shares[0],
                export_share_ppm=shares[1],
                blend_e6=blend_e6,
                proof_e7=proof_e7,
            )
        )
        await self._clock.wait_for(answers.complete, deadline)

    def _note(self, ended: str | None = None) -> None:
        if ended is not None:
            self._row = replace(self._row, ended=ended)
        with self._store.begin() as tx:
            books.put_round(tx, self._row)

    def _forecasts(self, first_slot: int) -> dict[str, tuple[int, ...]]:
        """The last forecast of every home that ever took part, moved to these slots; a day old at most."""
        moved = {}
        for worker, (since, power_w) in self._known.items():
            age = first_slot - since
            if 0 <= age < HORIZON_SLOTS:
                moved[worker] = (*power_w[age:], *power_w[:age])
        return moved

    def _market_tariff(self, first_slot: int) -> MarketTariff:
        prices = [self._rules.tariff.prices(first_slot + k) for k in range(HORIZON_SLOTS)]
        peak = self._rules.peak_micro_per_kw / _MICRO
        return MarketTariff.of([b / _MICRO for b, _ in prices], [s / _MICRO for _, s in prices], peak)

    def _declared(self, worker: str, message: DeclareMessage, payload: bytes) -> bool:
        """Keeps a signed Declaration; whether it is the Worker's."""
        signature = bytes.fromhex(message.signature)
        if not signed_by(bytes.fromhex(worker), digest(self._rules.domain, message.signed()), signature):
            self._refuse(worker, payload, "forged", "the Declaration is not signed by the enrolled key")
            return False
        with self._store.begin() as tx:
            books.add_declaration(tx, message, self._promised_w(message))
        return True

    def _promised_w(self, message: DeclareMessage) -> int | None:
        """What was declared for the first slot; None under masks, of another round, or once the slot has begun."""
        current = (message.round, message.first_slot) == (self._row.number, self._row.first_slot)
        early = self._clock.now_unix_s() < slot_start_unix_s(message.first_slot)
        return message.power_w[0] if message.power_w and current and early else None

    def _refuse(self, worker: str, payload: bytes, reason: str, detail: str) -> None:
        now = int(self._clock.now_unix_s())
        self._refusals.note(RejectedRow(worker, now, "declare", reason, detail, payload))


def _opening(tariff: MarketTariff, before: RoundRow | None, first_slot: int) -> tuple[tuple[int, ...], int]:
    """Price and sigma to begin with, from the last round as it is stored: a restart changes neither."""
    if before is not None and before.first_slot == first_slot and before.sigma:
        return before.prices_e7, before.sigma
    if before is None or before.first_slot != first_slot - 1:
        return starting_price_e7(tariff), round_sigma(tariff, settled=False, blend=True)
    met = before.ended == CONVERGED or (before.ended == LIMIT and before.mismatch_kw <= CLOSE_KW * before.flexible)
    settled = met and is_settled(before.mismatch_kw, before.flexible)
    return shifted_price_e7(before.prices_e7, tariff), round_sigma(tariff, settled=settled, blend=True)


def _agreed_w(queen: QueenIteration, opened: Opened, last_w: tuple[int, ...]) -> tuple[int, ...]:
    """What the homes that move agreed on in sum (W): the mixture of their plans, or the last answers."""
    if queen.blend is None:
        return last_w
    return tuple(own - fixed for own, fixed in zip(watts(queen.blend.total_kw), opened.constant_w, strict=True))


def _edge_prices(tariff: MarketTariff, power_w: tuple[int, ...]) -> tuple[int, ...]:
    """The price where nobody can move (10^-7 coin per kWh): what the direction of the sum costs."""
    pairs = zip(power_w, tariff.buy_per_kwh, tariff.sell_per_kwh, strict=True)
    return tuple(round(float(b if p > 0 else s) * 10**7) for p, b, s in pairs)
