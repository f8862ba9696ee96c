"""Test B: audit by replay of single answers, and the message a Worker discloses for it (market-design section 10).

About one answer in a hundred is drawn (`is_drawn`, from a seed that nobody knew when the answer was given). The Worker
discloses what its answer followed from: the home as declared (assets and forecast) and its private w of that
iteration. The auditor solves the same program and compares: the answer is unique, so an honest one lies within
TOLERANCE_KW in every slot. An appeal against a suspension is the same replay of answers that the auditor picks.

What passes: a false forecast (a lie about the base), because base is disclosed by the one who is audited, and false
asset parameters that were declared from the start; sections 8 and 9 take the profit out of the first. A scaled private
cost is a legitimate private cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.lots import DRAWN_PER_MILLE, is_drawn
from honey_edge.market.homes.assets import FloatArray, Home
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.rounds.queen_step import kilowatts, price_per_kwh

__all__ = [
    "DRAWN_PER_MILLE",
    "TOLERANCE_KW",
    "AuditDisclosure",
    "AuditVerdict",
    "audit",
    "is_drawn",
    "milliwatts",
    "replay",
]

TOLERANCE_KW = 0.02
MILLIWATTS = 1_000_000
"""Steps of a disclosed w in one kW."""

_EPS = 1e-6
"""Tolerance of the auditor's own solve (kW): far below what is compared."""


@dataclass(frozen=True, eq=False)
class AuditDisclosure:
    """What one Worker discloses about one of its answers.

    `worker` its address (hex); `round_id`, `iteration`, `first_slot` say which answer; `home` the declared assets and
    the forecast it planned with; `state_mw` the private w of that iteration in milliwatts per slot;
    `sigma_kw2_per_coin` and `dt_h` (hours per slot) as told for the round.
    """

    worker: str
    round_id: int
    iteration: int
    first_slot: int
    home: Home
    state_mw: tuple[int, ...]
    sigma_kw2_per_coin: int
    dt_h: float = 0.25

    def __post_init__(self) -> None:
        """Refuse a disclosure whose parts cover different horizons."""
        if len(self.state_mw) != self.home.slots:
            raise AssetError(f"state_mw has {len(self.state_mw)} slots, the home's forecast {self.home.slots}")
        if self.sigma_kw2_per_coin < 1 or self.iteration < 1:
            raise AssetError(f"sigma {self.sigma_kw2_per_coin} and iteration {self.iteration} must be at least 1")


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Outcome of a replay: the largest distance (kW) and its slot (from 0); `reason` says what did not hold."""

    passed: bool
    worst_kw: float
    slot: int
    reason: str = ""


def milliwatts(power_kw: FloatArray) -> tuple[int, ...]:
    """Return a w (kW) as it is disclosed."""
    return tuple(int(number) for number in np.rint(power_kw * MILLIWATTS))


def replay(disclosure: AuditDisclosure, prices_e7: Sequence[int]) -> FloatArray:
    """Return the one answer (kW) that follows from a disclosure and the price that was broadcast."""
    home, dt_h, sigma = disclosure.home, disclosure.dt_h, float(disclosure.sigma_kw2_per_coin)
    if len(prices_e7) != home.slots:
        raise AssetError(f"price_e7 has {len(prices_e7)} slots, the disclosed forecast {home.slots}")
    state = np.array(disclosure.state_mw, dtype=np.float64) / MILLIWATTS
    target = state - 2.0 * sigma * dt_h * price_per_kwh(prices_e7)
    return ProximalSchedule(home, dt_h, sigma, _EPS, polishing=True).solve(target).net_kw


def audit(
    disclosure: AuditDisclosure,
    prices_e7: Sequence[int],
    power_w: Sequence[int],
    followed_kw: FloatArray | None = None,
) -> AuditVerdict:
    """Judge an answer (W) by its disclosure.

    `prices_e7` and `power_w` are the auditor's own records; `followed_kw` is w as an `AnswerTrace` followed it, where
    answers are open: then the disclosed w must be that one.
    """
    if len(power_w) != disclosure.home.slots:
        return AuditVerdict(False, float("inf"), 0, "the answer and the disclosed forecast differ in length")
    if followed_kw is not None:
        state = np.array(disclosure.state_mw, dtype=np.float64) / MILLIWATTS
        verdict = _compared(state, followed_kw, "the disclosed w is not the one that the round's integers give")
        if not verdict.passed:
            return verdict
    return _compared(replay(disclosure, prices_e7), kilowatts(power_w), "the answer is not the disclosed home's")


def _compared(expected_kw: FloatArray, seen_kw: FloatArray, reason: str) -> AuditVerdict:
    """Return the verdict on two profiles that should agree in every slot."""
    away = np.abs(expected_kw - seen_kw)
    slot = int(np.argmax(away))
    passed = bool(away[slot] <= TOLERANCE_KW)
    return AuditVerdict(passed, float(away[slot]), slot, "" if passed else reason)
