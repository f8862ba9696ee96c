"""Answers that are late or missing (market-design section 4.3): what the Queen may add up.

A Worker moves its private state w when it answers, whether or not the answer arrives in time. The Queen
therefore follows every w from the transmitted integers: a missing Worker keeps its last profile and its w, a
late answer moves w afterwards. So W stays the sum of what the Workers really hold, and a lost answer costs
iterations, not agreement. Sums are taken in the order of the names: the order of arrival changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.assets import FloatArray
from honey_edge.market.errors import ProtocolError
from honey_edge.market.queen_step import RELAXATION, kilowatts, price_per_kwh

SILENT_AFTER = 3
"""Misses in a row after which a Worker is to be replaced by its forecast, in a round begun anew."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What `QueenIteration.absorb` takes: sums of profiles (W) and costs (10^-9 coin), and the correction of
    W (kW).

    `missing` names the Workers that did not answer this iteration.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    correction_kw: FloatArray
    missing: tuple[str, ...]


@dataclass
class _Follower:
    """What the Queen knows of one Worker: its w, and the w that her own W counts for it."""

    state_kw: FloatArray
    counted_kw: FloatArray
    power_w: tuple[int, ...]
    cost_e9_coin: int = 0
    answered: int = 0
    misses: int = 0


class AnswerLedger:
    """One round's answers by Worker.

    `opening` holds the starting profiles (W) by Worker, `price0_e7` the starting price they belong to.
    """

    def __init__(
        self,
        opening: Mapping[str, Sequence[int]],
        price0_e7: Sequence[int],
        sigma_kw2_per_coin: float,
        dt_h: float = 0.25,
    ) -> None:
        self._sigma, self._dt_h = float(sigma_kw2_per_coin), dt_h
        lift = self._pull(price0_e7)
        self._followers: dict[str, _Follower] = {}
        for name in sorted(opening):
            state = kilowatts(opening[name]) + lift
            self._followers[name] = _Follower(state, state, tuple(opening[name]))
        self._pulls: list[FloatArray] = []
        self._late: set[str] = set()

    @property
    def iteration(self) -> int:
        """Number of the broadcast that is being answered, from 1."""
        return len(self._pulls)

    @property
    def silent(self) -> tuple[str, ...]:
        """Workers that missed `SILENT_AFTER` iterations in a row: begin anew with their forecasts as constants."""
        return tuple(name for name, one in self._followers.items() if one.misses >= SILENT_AFTER)

    def broadcast(self, prices_e7: Sequence[int]) -> int:
        """Note the price that goes out; return the number of its iteration."""
        self._pulls.append(self._pull(prices_e7))
        return self.iteration

    def take(self, worker: str, iteration: int, power_w: Sequence[int], cost_e9_coin: int) -> bool:
        """Take one answer, in time or late; return False for one that changes nothing (a duplicate).

        A Worker's answers come in its own order. `ProtocolError` for a stranger, an iteration not yet
        broadcast or another horizon.
        """
        follower = self._followers.get(worker)
        if follower is None:
            raise ProtocolError(f"{worker} does not take part in this round", next_step="let it join the next one")
        if not 1 <= iteration <= self.iteration or len(power_w) != len(follower.power_w):
            raise ProtocolError(
                f"{worker} answers iteration {iteration} with {len(power_w)} slots, this is "
                f"{self.iteration} with {len(follower.power_w)}",
                next_step="drop the answer",
            )
        if iteration <= follower.answered:
            return False
        pull = self._pulls[iteration - 1]
        step = RELAXATION * (kilowatts(power_w) - (follower.state_kw - pull))
        follower.state_kw = follower.state_kw + step
        follower.power_w, follower.cost_e9_coin = tuple(power_w), cost_e9_coin
        follower.answered = iteration
        if iteration < self.iteration:
            self._late.add(worker)
        return True

    def close(self) -> Sums:
        """End the iteration: return the sums, with the last profile of whoever is missing."""
        pull = self._pulls[-1]
        correction = np.zeros_like(pull)
        missing = []
        for name, follower in self._followers.items():
            absent = follower.answered < self.iteration
            follower.misses = follower.misses + 1 if absent else 0
            if absent:
                missing.append(name)
            if absent or name in self._late:
                counted = follower.counted_kw
                assumed = counted + RELAXATION * (kilowatts(follower.power_w) - (counted - pull))
                correction += follower.state_kw - assumed
            follower.counted_kw = follower.state_kw
        self._late.clear()
        profiles = [follower.power_w for follower in self._followers.values()]
        power = tuple(sum(column) for column in zip(*profiles, strict=True))
        cost = sum(follower.cost_e9_coin for follower in self._followers.values())
        return Sums(power, cost, correction, tuple(missing))

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return sigma*lambda (kW) of transmitted prices."""
        return self._sigma * self._dt_h * price_per_kwh(prices_e7)
