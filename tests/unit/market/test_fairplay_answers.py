"""Tests A and B: consistency of a round's answers, and the replay of single ones; also what both cannot see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from honey_edge.market.errors import AssetError, ProtocolError
from honey_edge.market.fairplay.answers import AnswerTrace, firm_gap_kw2
from honey_edge.market.fairplay.audit import (
    TOLERANCE_KW,
    AuditDisclosure,
    audit,
    is_drawn,
    milliwatts,
)
from honey_edge.market.homes.assets import Home, Tariff
from honey_edge.market.rounds.iteration import QueenIteration, WorkerIteration, round_sigma

TARIFF = Tariff(np.full(96, 0.2), np.full(96, 0.05))
SIGMA = round_sigma(TARIFF, settled=False)
MakeHome = Callable[..., Home]
Answers = list[tuple[tuple[int, ...], tuple[int, ...]]]


def traced_round(
    homes: list[Home], forge: Callable[[int, tuple[int, ...]], tuple[int, ...]] | None = None, iterations: int = 8
) -> tuple[AnswerTrace, Answers]:
    """A round in which the first home's answers are traced, after `forge` changed them."""
    queen = QueenIteration(TARIFF, len(homes), SIGMA, max_iterations=iterations)
    workers = [WorkerIteration(home, SIGMA) for home in homes]
    opened = [worker.start(queen.price_e7) for worker in workers]
    trace = AnswerTrace(opened[0], queen.price_e7, SIGMA)
    seen: Answers = []
    queen.start([sum(column) for column in zip(*opened, strict=True)])
    while not queen.finished:
        price, gamma, forget = queen.price_e7, queen.gamma_e9, queen.forget
        answers = [worker.answer(price, gamma, forget) for worker in workers]
        told = answers[0].power_w if forge is None else forge(queen.iteration, answers[0].power_w)
        trace.add(told, price, gamma, forget)
        seen.append((price, told))
        queen.absorb(
            [sum(column) for column in zip(*(answer.power_w for answer in answers), strict=True)],
            sum(answer.cost_e9_coin for answer in answers),
            None,
            sum(answer.residual_e9_kw2 for answer in answers),
            [sum(column) for column in zip(*(answer.inner_e9_kw2 for answer in answers), strict=True)],
        )
    return trace, seen


@pytest.fixture(scope="module")
def homes(make_home: MakeHome) -> list[Home]:
    return [make_home(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def honest(homes: list[Home]) -> tuple[AnswerTrace, Answers]:
    return traced_round(homes)


def disclosed(home: Home, trace: AnswerTrace, iteration: int = 8) -> AuditDisclosure:
    return AuditDisclosure("00" * 20, 1, iteration, 0, home, milliwatts(trace.state_kw), SIGMA)


def test_an_honest_round_is_consistent(honest: tuple[AnswerTrace, Answers]) -> None:
    assert honest[0].expansions() == ()


def test_answers_that_overreact_or_wander_are_found(homes: list[Home]) -> None:
    chance = np.random.default_rng(1)

    def wander(_: int, power: tuple[int, ...]) -> tuple[int, ...]:
        return tuple((np.array(power) + np.rint(chance.normal(0.0, 500.0, 96)).astype(int)).tolist())

    assert traced_round(homes, wander)[0].expansions()


def test_answering_for_a_scaled_private_cost_cannot_be_seen(homes: list[Home]) -> None:
    """The limit that the document states: it is a legitimate private cost."""
    battery = homes[0].battery
    assert battery is not None
    scaled = replace(homes[0], battery=replace(battery, c_deg=10 * battery.c_deg, c_quad=10 * battery.c_quad))
    trace, answers = traced_round([scaled, *homes[1:]])
    assert trace.expansions() == ()
    assert audit(disclosed(scaled, trace), *answers[-1], trace.state_kw).passed


def test_the_tolerance_covers_solver_errors_and_nothing_more() -> None:
    step = np.full(96, 0.1)
    assert firm_gap_kw2(step, step) > 0.0
    assert firm_gap_kw2(step, 0.5 * step) < 0.0


def test_a_trace_refuses_answers_of_another_horizon_or_twice(honest: tuple[AnswerTrace, Answers]) -> None:
    for power, iteration in (((0,) * 4, 9), ((0,) * 96, 3)):
        with pytest.raises(ProtocolError):
            honest[0].add(power, (0,) * 96, iteration=iteration)


def test_an_honest_answer_stands_its_replay(homes: list[Home], honest: tuple[AnswerTrace, Answers]) -> None:
    trace, answers = honest
    verdict = audit(disclosed(homes[0], trace), *answers[-1], trace.state_kw)
    assert verdict.passed
    assert verdict.worst_kw <= TOLERANCE_KW


def test_an_answer_that_is_not_the_disclosed_homes_fails(
    homes: list[Home], honest: tuple[AnswerTrace, Answers]
) -> None:
    trace, (*_, (price, power)) = honest
    false = [*power]
    false[40] += 200
    assert not audit(disclosed(homes[0], trace), price, false).passed
    assert audit(disclosed(homes[0], trace), price, false).slot == 40
    assert not audit(disclosed(homes[1], trace), price, power).passed
    assert not audit(disclosed(homes[0], trace), price, power[:95]).passed


def test_a_disclosed_state_that_is_not_the_rounds_fails(homes: list[Home], honest: tuple[AnswerTrace, Answers]) -> None:
    trace, answers = honest
    false = replace(disclosed(homes[0], trace), state_mw=milliwatts(trace.state_kw + 0.1))
    verdict = audit(false, *answers[-1], trace.state_kw)
    assert not verdict.passed
    assert "disclosed w" in verdict.reason


def test_a_lie_about_the_base_stands_its_replay(make_home: MakeHome, homes: list[Home]) -> None:
    """The other limit that the document states."""
    lying = replace(homes[0], load_kw=homes[0].load_kw + 2.0)
    trace, answers = traced_round([lying, *homes[1:]])
    assert audit(disclosed(lying, trace), *answers[-1], trace.state_kw).passed


def test_one_answer_in_a_hundred_is_drawn_and_the_draw_can_be_repeated() -> None:
    drawn = [is_drawn(b"seed", f"{k:040x}", 7, 3) for k in range(5000)]
    assert 25 <= sum(drawn) <= 80
    assert drawn == [is_drawn(b"seed", f"{k:040x}", 7, 3) for k in range(5000)]
    assert drawn != [is_drawn(b"other", f"{k:040x}", 7, 3) for k in range(5000)]


def test_a_disclosure_must_fit_itself(homes: list[Home]) -> None:
    with pytest.raises(AssetError, match="state_mw"):
        AuditDisclosure("00" * 20, 1, 1, 0, homes[0], (0,) * 4, SIGMA)
    with pytest.raises(AssetError, match="at least 1"):
        AuditDisclosure("00" * 20, 1, 0, 0, homes[0], (0,) * 96, SIGMA)
