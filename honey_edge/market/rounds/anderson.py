"""Distributed Anderson acceleration of the price iteration (market-design section 4.1), on transmitted integers.

Every Worker (and whoever follows one) keeps a `SplitState`: its private w, its residual r = p - z, and for the last
`ANDERSON_DEPTH` iterations the differences dw and dr. A broadcast brings the price and the weights gamma; the Worker
first finishes the step it owes, then answers:

    w += a*r - sum_j gamma_j*(dw_j + a*dr_j)

The weights of iteration k belong to the differences of the iterations k-len(gamma) .. k-1. An iteration that a Worker
did not answer leaves its w, its r and its history where they were: its differences of that iteration are 0. So the
stacked vector of all Workers stays well defined whoever is missing.

The Queen keeps `Weights`: the Gram matrix of the dr summed over Workers, from |r|^2 and from the inner products of the
newest difference. The products with r itself need no messages:

    <r_k, dr_j> = <r_(k-1), dr_j> + <dr_k, dr_j>,      <r_k, dr_k> = (|r_k|^2 - |r_(k-1)|^2 + |dr_k|^2) / 2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.rounds.queen_step import RELAXATION

ANDERSON_DEPTH = 10
"""Differences that are kept."""

TIKHONOV = 1e-8
"""Regularisation of the weights, as a share of the trace of the Gram matrix."""

NOISE_KW2 = 3e-7
"""What rounding and the schedules' tolerance leave in a difference, per Worker and slot: about half a watt. Where a
price climbs at a steady pace r stands still and dr is nothing but this; without the floor weights would be noise."""

DRIFT = 0.1
"""Where |dr|^2 is below this share of |r|^2 the price climbs at a steady pace: least squares have nothing to say."""

MOMENTUM = 3.0
"""Then the last step is made again this many times on top of the plain one."""

MISSING_SHARE = 0.02
"""Share of missing answers up to which an iteration's differences are used."""

NOISY = 3.0
"""|r|^2 per Worker and slot, over `NOISE_KW2`, down to which such a climb is believed."""

STEPS_E9 = 1_000_000_000
"""Steps on the wire of a weight, and of an inner product per kW^2."""

LARGEST_GAMMA = 100.0
"""Weights beyond this come from noise or from false numbers: the history is dropped instead."""

LARGEST_KW2 = 1e9
"""Largest sum of inner products (kW^2) that is calculated with: a thousand homes at 100 kW in 100 slots."""

WORSE = 4.0
"""The history is dropped when |r|^2 exceeds this times the best so far (twice the norm)."""

MOST_DROPS = 4
"""Drops in one round after which the plain step is taken to its end: it converges whatever anybody reports."""


@dataclass(frozen=True, eq=False)
class Moved:
    """What a move reports: |r|^2 and the inner products of the newest difference with the stored ones, in
    10^-9 kW^2, oldest first, itself last."""

    residual_e9_kw2: int
    inner_e9_kw2: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class HeldSums:
    """What all Workers hold together after an iteration: w, r, and the newest dw + a*dr (oldest first), in kW."""

    state_kw: FloatArray
    residual_kw: FloatArray
    full_steps_kw: FloatArray


def joined(parts: Sequence[HeldSums | None], slots: int) -> HeldSums:
    """Return what groups of Workers hold, one after the other; None is a group of nobody, with 0 in its slots."""
    depth = max(len(one.full_steps_kw) for one in parts if one is not None)
    nothing = HeldSums(np.zeros(slots), np.zeros(slots), np.zeros((depth, slots)))
    found = [nothing if one is None else one for one in parts]
    return HeldSums(
        np.concatenate([one.state_kw for one in found]),
        np.concatenate([one.residual_kw for one in found]),
        np.concatenate([one.full_steps_kw for one in found], axis=1),
    )


class SplitState:
    """w, r and the last differences of one Worker, from transmitted integers only.

    The Worker and the Queen's ledger run the same lines on the same integers and so hold the same floats.
    """

    def __init__(self, state_kw: FloatArray) -> None:
        slots = state_kw.size
        self.state_kw = state_kw
        self.residual_kw = np.zeros(slots)
        self.answered = 0
        self._residual_steps = np.zeros((ANDERSON_DEPTH, slots))
        self._full_steps = np.zeros((ANDERSON_DEPTH, slots))

    def copy(self) -> SplitState:
        """Return a copy that moves on its own."""
        twin = SplitState(self.state_kw)
        twin.residual_kw, twin.answered = self.residual_kw, self.answered
        twin._residual_steps, twin._full_steps = self._residual_steps.copy(), self._full_steps.copy()
        return twin

    def finished_step(self, gamma_e9: Sequence[int], iteration: int) -> FloatArray:
        """Return w after the step that is owed from the last answer, without making it."""
        state = self.state_kw + RELAXATION * self.residual_kw
        if not gamma_e9 or not self.answered:
            return state
        labels = np.arange(iteration - len(gamma_e9), iteration)
        known = (labels <= self.answered) & (labels > self.answered - ANDERSON_DEPTH)
        weights = np.array(gamma_e9, dtype=np.float64)[known] / STEPS_E9
        return state - weights @ self._full_steps[labels[known] % ANDERSON_DEPTH]

    def move(self, power_kw: FloatArray, pull_kw: FloatArray, gamma_e9: Sequence[int], iteration: int) -> Moved:
        """Finish the owed step and take the answer `power_kw` to a broadcast that pulls by sigma*lambda."""
        state = self.finished_step(gamma_e9, iteration)
        residual = power_kw - (state - pull_kw)
        first = not self.answered
        state_step, residual_step = state - self.state_kw, residual - self.residual_kw
        for label in range(max(self.answered + 1, iteration - ANDERSON_DEPTH + 1), iteration):
            self._residual_steps[label % ANDERSON_DEPTH] = self._full_steps[label % ANDERSON_DEPTH] = 0.0
        slot = iteration % ANDERSON_DEPTH
        self._residual_steps[slot] = 0.0 if first else residual_step
        self._full_steps[slot] = 0.0 if first else state_step + RELAXATION * residual_step
        self.state_kw, self.residual_kw, self.answered = state, residual, iteration
        stored = window(len(gamma_e9), iteration)
        labels = np.arange(iteration - stored + 1, iteration + 1) % ANDERSON_DEPTH
        inner = self._residual_steps[labels] @ self._residual_steps[slot]
        return Moved(_e9(float(residual @ residual)), tuple(_e9(float(one)) for one in inner))

    def correct(self, held: HeldSums) -> None:
        """Take over sums that were added up again from every single Worker."""
        self.state_kw, self.residual_kw = held.state_kw, held.residual_kw
        labels = np.arange(self.answered - len(held.full_steps_kw) + 1, self.answered + 1)
        self._full_steps[labels % ANDERSON_DEPTH] = held.full_steps_kw

    def full_steps(self, count: int, iteration: int) -> FloatArray:
        """Return dw + a*dr of the last `count` iterations up to `iteration`, oldest first; 0 where none."""
        labels = np.arange(iteration - count + 1, iteration + 1)
        known = (labels <= self.answered) & (labels > self.answered - ANDERSON_DEPTH)
        return np.where(known[:, None], self._full_steps[labels % ANDERSON_DEPTH], 0.0)


def window(weights: int, iteration: int) -> int:
    """Return how many differences count after an iteration that was broadcast with so many weights."""
    return 0 if iteration <= 1 else min(weights + 1, ANDERSON_DEPTH)


def _e9(value: float) -> int:
    """Return a number of kW^2 as transmitted; what exceeds any home's powers is cut."""
    return round(min(max(value, -LARGEST_KW2), LARGEST_KW2) * STEPS_E9)


class Weights:
    """The Queen's side: from the sums of one iteration to the weights of the next.

    `numbers` is how many powers w consists of (Workers times slots).
    `forget` says that the history was dropped (safeguard) before the step that `update` returned () for.
    """

    def __init__(self, numbers: int) -> None:
        self.forget = False
        self._noise = numbers * NOISE_KW2
        self._gram = np.zeros((0, 0))
        self._with_residual = np.zeros(0)
        self._iteration = 0
        self._sent = 0
        self._last = self._best = np.inf
        self._drops = 0

    def update(self, residual_e9_kw2: int, inner_e9_kw2: Sequence[int], missing_share: float = 0.0) -> tuple[int, ...]:
        """Take the sums over Workers (10^-9 kW^2); return the weights (10^-9), () for a plain step.

        Where more than `MISSING_SHARE` of the Workers did not answer the differences do not belong together: a plain
        step follows, which loses little when answers are lost.
        """
        self._iteration += 1
        if missing_share > MISSING_SHARE:
            self._last = np.inf
            return self._drop(counted=False)
        stored = window(self._sent, self._iteration)
        self.forget = False
        usable = residual_e9_kw2 > 0 and len(inner_e9_kw2) == stored and self._drops < MOST_DROPS
        if not usable or not self._extend(residual_e9_kw2, inner_e9_kw2):
            return self._drop(usable)
        residual = self._last
        if residual > WORSE * self._best:
            self._best = residual
            return self._drop(counted=True)
        self._best = min(self._best, residual)
        gamma = self._solve()
        if gamma is None:
            return self._drop(counted=True)
        self._sent = len(gamma)
        return gamma

    def _extend(self, residual_e9_kw2: int, inner_e9_kw2: Sequence[int]) -> bool:
        """Add the newest difference to the Gram matrix; whether the numbers can be inner products at all."""
        largest = int(LARGEST_KW2) * STEPS_E9
        numbers = (residual_e9_kw2, *inner_e9_kw2)
        if any(abs(number) > largest for number in numbers):
            self._last = np.inf
            return False
        residual, row = residual_e9_kw2 / STEPS_E9, np.array(inner_e9_kw2, dtype=np.float64) / STEPS_E9
        before, self._last = self._last, residual
        if not row.size:
            return True
        own = float(row[-1])
        keep = row.size - 1
        if own <= 0.0 or not np.isfinite(before):
            return False
        gram = np.empty((row.size, row.size))
        gram[:keep, :keep] = self._gram[-keep:, -keep:] if keep else 0.0
        gram[-1], gram[:, -1] = row, row
        old = self._with_residual[-keep:] if keep else np.zeros(0)
        self._gram = gram
        self._with_residual = np.append(old + row[:-1], 0.5 * (residual - before + own))
        bound = np.sqrt(np.maximum(gram.diagonal(), 0.0) * own)
        return bool((np.abs(row) <= 1.01 * bound + 1e-6).all())

    def _solve(self) -> tuple[int, ...] | None:
        """Return the weights of the regularised least squares; None where they cannot be right."""
        size = self._with_residual.size
        if not size:
            return ()
        if float(self._gram[-1, -1]) <= DRIFT * self._last and self._last > NOISY * self._noise:
            return (*((0,) * (size - 1)), -round(MOMENTUM * STEPS_E9))
        ridge = (TIKHONOV * float(np.trace(self._gram)) + self._noise) * np.identity(size)
        try:
            gamma = np.linalg.solve(self._gram + ridge, self._with_residual)
        except np.linalg.LinAlgError:
            return None
        if not bool((np.abs(gamma) <= LARGEST_GAMMA).all()):
            return None
        return tuple(round(float(weight) * STEPS_E9) for weight in gamma)

    def _drop(self, counted: bool) -> tuple[int, ...]:
        """Begin the history anew with a plain step."""
        self._drops += counted
        self._gram, self._with_residual, self._sent = np.zeros((0, 0)), np.zeros(0), 0
        self.forget = True
        return ()
