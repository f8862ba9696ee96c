"""Rounds of a daughter Queen with her own homes, guided by the prices of her mother (market-design section 5).

For each price of the mother the homes are brought to the sum nearest to what she asks for, by prices of the daughter's
own: one round on the wire from opening to final broadcast, in which the homes cannot tell a daughter from a root. The
same Coordinator coordinates alone (`coordinate`) when the mother is away; one of the two runs at a time.

The end of the mother's round names a mixture of her last iterations. Her price rounds and those of the homes are not
the same iterations, so her weights cannot be passed on. The mixture of the daughter's own answers to the mother is a
sum that her homes can draw: they are brought to it by some last prices, and the final broadcast mixes their last plans
so that they come nearest to it (`Toward.aim_at`, `Toward.mixture`). What is left between is told to the mother as it
is: the Declaration is of what the homes adopted.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from honey_edge.market.grid.toward import MAX_INNER, Adopted, Ending, Nearest, Opening, Toward
from honey_edge.market.homes.assets import FloatArray
from honey_edge.wire.messages import HORIZON_SLOTS
from queen_node.coordinator.answers import CollectionLost, Collector, Opened, RoundAnswers, sums
from queen_node.coordinator.bounds import GridBounds
from queen_node.coordinator.certify import energy_cost_e9, tariff_cost_e9
from queen_node.coordinator.conductor import CONSTANT, CONVERGED, LIMIT, LOST, SHARED, Coordinator

_LOG = logging.getLogger(__name__)
DT_H = 0.25
_INSIDE_PERMILLE = 995
"""Where limits are set within the real ones: 0.5 % beyond counts as met (section 5)."""

LAST_ITERATION = 65_000
"""A round's iterations are counted in 16 bits."""

LEAST_FINAL_S = 0.25
"""How long the final answers are awaited at least."""

AGAIN = 1.5
"""A price round is begun while there is time for so many times the last one."""


@dataclass(slots=True)
class _Guided:
    """The round that is running; `toward` is None where no home can move anything."""

    answers: Collector
    opened: Opened
    bounds: GridBounds
    toward: Toward | None
    iteration: int = 0
    took_s: float = 0.0


class GuidedCoordinator(Coordinator):
    """A Coordinator that can also be led from outside: `open_for`, `nearest` for each target, `adopt`."""

    _guided: _Guided | None = None

    async def open_for(
        self, first_slot: int, price_e7: tuple[int, ...], sigma: int, due_unix_s: float
    ) -> Opening | None:
        """Opens a round at a given price; None where there is nobody, the openings are lost, or no grid is there."""
        self._guided = None
        bounds = self._bounds(first_slot)
        if not self._online() or bounds.island:
            return None
        tariff = self._market_tariff(first_slot)
        self._latest_unix_s = due_unix_s
        try:
            answers, opened = await self._begin(tariff, first_slot, begin_with=(price_e7, sigma))
        finally:
            self._latest_unix_s = math.inf
        if opened is None:
            return None
        toward = None
        if opened.flexible:
            limits = bounds.tightened(_INSIDE_PERMILLE)
            toward = Toward(limits, opened.flexible, sigma, DT_H, opened.constant_w)
            toward.begin(price_e7, opened.power_w)
        self._guided = _Guided(answers, opened, bounds, toward)
        total = sums([opened.power_w, opened.constant_w])
        return Opening(toward is not None, total, opened.alone_e9_coin)

    async def nearest(self, target_kw: FloatArray, due_unix_s: float, newer: Callable[[], bool]) -> Nearest | None:
        """The homes' sum nearest to a target: when they stand still, or the best so far when it is due or `newer`.

        None without a round, or where an iteration was lost.
        """
        guided = self._guided
        if guided is None or guided.toward is None:
            return None
        guided.toward.aim(target_kw)
        still = await self._toward(guided, guided.toward, due_unix_s, newer)
        if still is None:
            return None
        return Nearest(guided.toward.total_w, guided.toward.cost_e9_coin, still)

    async def adopt(self, ending: Ending, due_unix_s: float) -> Adopted | None:
        """Ends the round as the mother's ends; None without a round."""
        guided, self._guided = self._guided, None
        if guided is None:
            return None
        if guided.toward is None:
            await self._finish(guided.answers, CONSTANT, 1, ending.price_e7)
            self._answers = None
            return Adopted(guided.opened.constant_w)
        try:
            if ending.shared:
                return await self._share(guided, guided.toward, ending)
            return await self._agree(guided, guided.toward, ending, due_unix_s)
        finally:
            self._answers, self._latest_unix_s = None, math.inf

    def leave(self) -> None:
        """Gives the round up; the next one, guided or not, goes on where the homes stand."""
        self._guided = self._answers = None

    async def _toward(
        self, guided: _Guided, toward: Toward, due_unix_s: float, newer: Callable[[], bool]
    ) -> bool | None:
        """Prices and answers toward what is aimed at; whether the homes stand still, None where one is lost."""
        answers = guided.answers
        while True:
            begun = self._clock.now_unix_s()
            price = toward.step()
            guided.iteration = answers.broadcast(price, toward.gamma_e9, toward.forget)
            await self._ask(answers, answers.movers() & self._online(), guided.iteration, price, toward)
            try:
                told = await answers.close()
            except CollectionLost as error:
                _LOG.warning(
                    "iteration_lost round=%d iteration=%d reason=%r", self._row.number, guided.iteration, str(error)
                )
                self.leave()
                self._note(ended=LOST)
                return None
            still = toward.absorb(
                told.power_w,
                told.cost_e9_coin,
                told.residual_e9_kw2,
                told.inner_e9_kw2,
                told.correction_kw,
                told.missing_share,
            )
            self._row = replace(self._row, iterations=guided.iteration, mismatch_kw=toward.beside_kw)
            now = self._clock.now_unix_s()
            late = now + AGAIN * (now - begun) > due_unix_s
            if still or late or newer() or toward.rounds >= MAX_INNER or guided.iteration >= LAST_ITERATION:
                return still
            # Answers that are there at once never let another task run: the mother's next price would not be heard.
            await asyncio.sleep(0)

    async def _agree(self, guided: _Guided, toward: Toward, ending: Ending, due_unix_s: float) -> Adopted:
        """Last prices toward the sum, and the mixture of the last plans that is nearest to it."""
        wanted_w, price = ending.wanted_w, ending.price_e7
        agreed_w = toward.total_w
        blend: tuple[int, ...] = ()
        still: bool | None = True
        if wanted_w is not None and wanted_w != agreed_w:
            toward.aim_at(wanted_w, price)
            now = self._clock.now_unix_s()
            still = await self._toward(guided, toward, (now + due_unix_s) / 2, lambda: False)
            agreed_w = toward.total_w
            if self._rules.mix and not guided.answers.masked and still is not None:
                blend, agreed_w = toward.mixture_w(wanted_w, price)
        moved_w = [own - fixed for own, fixed in zip(agreed_w, toward.constant_w, strict=True)]
        if guided.bounds.beyond_kw(moved_w, toward.constant_w):
            return await self._share(guided, toward, ending)
        asked, proof = toward.agreed_e7(price), toward.agreed_e7(ending.proof_e7) if ending.proof_e7 else ()
        self._latest_unix_s = max(due_unix_s, self._clock.now_unix_s() + LEAST_FINAL_S)
        ended = CONVERGED if still else LIMIT
        await self._finish(
            guided.answers,
            ended,
            guided.iteration + 1,
            asked,
            blend_e6=blend,
            proof_e7=() if guided.answers.masked else proof,
        )
        return self._proven(guided, toward, ending, (asked, proof), agreed_w)

    def _proven(
        self,
        guided: _Guided,
        toward: Toward,
        ending: Ending,
        asked: tuple[tuple[int, ...], tuple[int, ...]],
        agreed_w: tuple[int, ...],
    ) -> Adopted:
        """What was agreed, with this Hive's part of the mother's certificate where all homes told theirs."""
        first, answers = self._row.first_slot, guided.answers
        prices = [self._rules.tariff.prices(first + k) for k in range(HORIZON_SLOTS)]
        proven = answers.proven(lambda w: energy_cost_e9(w, asked[0]), lambda w: tariff_cost_e9(w, prices))
        if proven is None:
            return Adopted(agreed_w)
        bound = toward.bound_e9_coin(ending.price_e7, asked[0], proven.bound_e9_coin)
        second = None
        if asked[1] and isinstance(answers, RoundAnswers):
            members = answers.proof(lambda w: energy_cost_e9(w, asked[1]))
            second = None if members is None else toward.bound_e9_coin(ending.proof_e7, asked[1], members)
        return Adopted(agreed_w, bound, proven.alone_e9_coin, second)

    async def _share(self, guided: _Guided, toward: Toward, ending: Ending) -> Adopted:
        """No agreement keeps the limits: each home plans alone within its share of them."""
        shares = guided.bounds.within((ending.import_room_w, ending.export_room_w)).shares(guided.opened)
        await self._finish(guided.answers, SHARED, guided.iteration + 1, ending.price_e7, shares)
        finals, opened = guided.answers.finals, guided.answers.profiles
        moving_w = [finals.get(worker, opened[worker]) for worker in sorted(guided.answers.movers() & set(opened))]
        return Adopted(sums([*moving_w, toward.constant_w]) if moving_w else toward.total_w)
