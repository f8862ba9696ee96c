"""Answers that are late, missing or impossible (market-design section 4.3): what the Queen may add up.

A Worker moves its private state when it answers, whether or not the answer arrives in time. The ledger therefore
follows every Worker from the transmitted integers with the same lines of code (`anderson.SplitState`): a missing
Worker keeps its last profile, its w, its r and its history; a late answer moves them afterwards. So W stays the sum of
what the Workers really hold, and a lost answer costs iterations, not agreement. Sums are taken in the order of the
names: the order of arrival changes nothing.

Inner products and residuals are the ledger's own. What a Worker claims of them is only compared: a Worker whose
numbers cannot be is dropped, which means that its last profile is counted as the answer to every further price. That
is the answer of a home with nothing to decide, so the round goes on with the same number of Workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from honey_edge.market.errors import ProtocolError
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.rounds.anderson import ANDERSON_DEPTH, HeldSums, Moved, SplitState, window
from honey_edge.market.rounds.queen_step import kilowatts, price_per_kwh

SILENT_AFTER = 3
"""Misses in a row after which a Worker is to be replaced by its forecast."""

LARGEST_W = 10**8
"""Largest power of one Worker (W) that is believed unless the round says less."""

LARGEST_COST_E9 = 10**15
"""Largest private cost of one Worker (10^-9 coin) that is believed."""

_CLAIM_E9 = 1_000
_CLAIM_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class Sums:
    """What `QueenIteration.absorb` takes, in its order: profiles (W), costs (10^-9 coin), what the Workers hold
    (None while everybody answered in time), |r|^2 and inner products (10^-9 kW^2).

    `missing` names the Workers that did not answer this iteration.
    """

    power_w: tuple[int, ...]
    cost_e9_coin: int
    correction_kw: HeldSums | None
    missing: tuple[str, ...]
    residual_e9_kw2: int = 0
    inner_e9_kw2: tuple[int, ...] = ()
    missing_share: float = 0.0


@dataclass
class _Follower:
    """What the Queen knows of one Worker; `fixed`: its profile is counted as its answer to every price."""

    split: SplitState
    power_w: tuple[int, ...]
    cost_e9_coin: int = 0
    misses: int = 0
    fixed: bool = False
    moved: Moved = field(default_factory=lambda: Moved(0, ()))


@dataclass(frozen=True, eq=False)
class _Broadcast:
    """One price that went out: sigma*lambda (kW) and the weights beside it."""

    pull_kw: FloatArray
    gamma_e9: tuple[int, ...]


class AnswerLedger:
    """One round's answers by Worker.

    `opening` holds the starting profiles (W) by Worker, `price0_e7` the starting price they belong to, `largest_w`
    bounds a believable power.
    """

    def __init__(
        self,
        opening: Mapping[str, Sequence[int]],
        price0_e7: Sequence[int],
        sigma_kw2_per_coin: float,
        dt_h: float = 0.25,
        largest_w: int = LARGEST_W,
    ) -> None:
        self._sigma, self._dt_h, self._largest_w = float(sigma_kw2_per_coin), dt_h, largest_w
        lift = self._pull(price0_e7)
        self._followers = {
            name: _Follower(SplitState(kilowatts(opening[name]) + lift), tuple(opening[name]))
            for name in sorted(opening)
        }
        self._broadcasts: list[_Broadcast] = []
        self._disturbed = -ANDERSON_DEPTH
        self._impossible: set[str] = set()

    @property
    def iteration(self) -> int:
        """Number of the broadcast that is being answered, from 1."""
        return len(self._broadcasts)

    @property
    def silent(self) -> tuple[str, ...]:
        """Workers that missed `SILENT_AFTER` iterations in a row and are not yet dropped."""
        return tuple(n for n, one in self._followers.items() if one.misses >= SILENT_AFTER and not one.fixed)

    @property
    def impossible(self) -> tuple[str, ...]:
        """Workers dropped in this round because their numbers cannot be."""
        return tuple(sorted(self._impossible))

    @property
    def dropped(self) -> tuple[str, ...]:
        """Workers whose profile is counted as a constant."""
        return tuple(name for name, one in self._followers.items() if one.fixed)

    def broadcast(self, prices_e7: Sequence[int], gamma_e9: Sequence[int] = (), forget: bool = False) -> int:
        """Note the price and the weights that go out; return the number of the iteration."""
        self._broadcasts.append(_Broadcast(self._pull(prices_e7), () if forget else tuple(gamma_e9)))
        return self.iteration

    def take(
        self,
        worker: str,
        iteration: int,
        power_w: Sequence[int],
        cost_e9_coin: int,
        residual_e9_kw2: int | None = None,
        inner_e9_kw2: Sequence[int] | None = None,
    ) -> bool:
        """Take one answer, in time or late; False for one that changes nothing (a duplicate, a dropped Worker).

        A Worker's answers come in its own order. Numbers that cannot be drop the Worker (`impossible`).
        `ProtocolError` for a stranger, an iteration not yet broadcast or another horizon.
        """
        follower = self._follower(worker)
        if not 1 <= iteration <= self.iteration or len(power_w) != len(follower.power_w):
            raise ProtocolError(
                f"{worker} answers iteration {iteration} with {len(power_w)} slots, this is "
                f"{self.iteration} with {len(follower.power_w)}",
                next_step="drop the answer",
            )
        if follower.fixed or iteration <= follower.split.answered:
            return False
        if not self._believable(power_w, cost_e9_coin):
            return self._expel(worker)
        if iteration < self.iteration:
            self._disturbed = self.iteration
        self._move(follower, iteration, power_w)
        follower.cost_e9_coin = cost_e9_coin
        if not _claims_hold(follower.moved, residual_e9_kw2, inner_e9_kw2):
            return self._expel(worker)
        return True

    def drop(self, worker: str, power_w: Sequence[int] | None = None) -> None:
        """Count a profile (W; None = its last one) as this Worker's answer to every further price of the round."""
        follower = self._follower(worker)
        if power_w is not None and self._believable(power_w, 0) and len(power_w) == len(follower.power_w):
            follower.power_w, follower.cost_e9_coin = tuple(power_w), 0
        follower.fixed = True

    def rejoin(self, worker: str, power_w: Sequence[int], prices_e7: Sequence[int]) -> None:
        """Take a Worker in again that called `WorkerIteration.start(prices, power)` before the next broadcast."""
        follower = self._follower(worker)
        if len(power_w) != len(follower.power_w) or not self._believable(power_w, 0):
            raise ProtocolError(f"{worker} rejoins with a profile that cannot be", next_step="drop the message")
        state = SplitState(kilowatts(power_w) + self._pull(prices_e7))
        self._followers[worker] = _Follower(state, tuple(power_w))
        self._impossible.discard(worker)
        self._disturbed = self.iteration

    def close(self) -> Sums:
        """End the iteration: return the sums, with the last profile of whoever is missing."""
        now, missing = self.iteration, []
        stored = window(len(self._broadcasts[-1].gamma_e9), now)
        inner = [0] * stored
        for name, follower in self._followers.items():
            if follower.fixed:
                self._move(follower, now, follower.power_w)
            if follower.split.answered < now:
                missing.append(name)
                follower.misses += 1
                self._disturbed = now
                continue
            follower.misses = 0
            for place, product in enumerate(follower.moved.inner_e9_kw2):
                inner[place] += product
        everyone = list(self._followers.values())
        power = tuple(sum(column) for column in zip(*(one.power_w for one in everyone), strict=True))
        held = self._held(stored) if now - self._disturbed < ANDERSON_DEPTH else None
        cost = sum(one.cost_e9_coin for one in everyone)
        residual = sum(one.moved.residual_e9_kw2 for one in everyone)
        return Sums(power, cost, held, tuple(missing), residual, tuple(inner), len(missing) / len(everyone))

    def held(self) -> HeldSums:
        """Return what the Workers hold after the iteration that was closed last."""
        return self._held(window(len(self._broadcasts[-1].gamma_e9), self.iteration))

    def followed(self, worker: str) -> tuple[FloatArray, FloatArray]:
        """Return w and v = w - 2*sigma*lambda of a Worker's newest answer (kW), as its integers give them."""
        split = self._follower(worker).split
        return split.state_kw, split.state_kw - 2.0 * self._broadcasts[split.answered - 1].pull_kw

    def _follower(self, worker: str) -> _Follower:
        follower = self._followers.get(worker)
        if follower is None:
            raise ProtocolError(f"{worker} does not take part in this round", next_step="let it join the next one")
        return follower

    def _move(self, follower: _Follower, iteration: int, power_w: Sequence[int]) -> None:
        """Let the follower do what its Worker did."""
        sent = self._broadcasts[iteration - 1]
        if iteration > follower.split.answered:
            follower.moved = follower.split.move(kilowatts(power_w), sent.pull_kw, sent.gamma_e9, iteration)
        follower.power_w = tuple(power_w)

    def _believable(self, power_w: Sequence[int], cost_e9_coin: int) -> bool:
        """Whether a home can have such powers and costs at all; NaN and texts are no whole numbers."""
        whole = all(type(number) is int for number in (*power_w, cost_e9_coin))
        return whole and all(abs(p) <= self._largest_w for p in power_w) and 0 <= cost_e9_coin <= LARGEST_COST_E9

    def _expel(self, worker: str) -> bool:
        self._impossible.add(worker)
        self.drop(worker)
        return False

    def _held(self, stored: int) -> HeldSums:
        """Add up what the Workers hold."""
        splits = [follower.split for follower in self._followers.values()]
        state = np.sum([split.state_kw for split in splits], axis=0)
        residual = np.sum([split.residual_kw for split in splits], axis=0)
        steps = np.zeros((stored, state.size))
        for split in splits:
            steps += split.full_steps(stored, self.iteration)
        return HeldSums(state, residual, steps)

    def _pull(self, prices_e7: Sequence[int]) -> FloatArray:
        """Return sigma*lambda (kW) of transmitted prices."""
        return self._sigma * self._dt_h * price_per_kwh(prices_e7)


def _claims_hold(moved: Moved, residual_e9_kw2: int | None, inner_e9_kw2: Sequence[int] | None) -> bool:
    """Whether what a Worker says of its residual agrees with what follows from its powers."""
    claimed: list[int] = [] if residual_e9_kw2 is None else [residual_e9_kw2]
    own: list[int] = [] if residual_e9_kw2 is None else [moved.residual_e9_kw2]
    if inner_e9_kw2 is not None:
        if len(inner_e9_kw2) != len(moved.inner_e9_kw2):
            return False
        claimed.extend(inner_e9_kw2)
        own.extend(moved.inner_e9_kw2)
    if not all(type(number) is int for number in claimed):
        return False
    return all(abs(said - is_) <= _CLAIM_E9 + _CLAIM_SHARE * abs(is_) for said, is_ in zip(claimed, own, strict=True))
