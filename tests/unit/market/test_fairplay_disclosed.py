"""A disclosed home is the home: its replay gives the same answer, whatever it owns; nonsense is refused by name."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.answers import AnswerTrace
from honey_edge.market.fairplay.disclosed import HomeNumbers, home_of, numbers_of
from honey_edge.market.homes.assets import Battery, Ev, Home, Shed, Tariff, Thermal
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.rounds.iteration import QueenIteration, WorkerIteration, round_sigma

SLOTS = 96
CHANCE = np.random.default_rng(4)
LOAD, SUN = CHANCE.uniform(0.2, 3.0, SLOTS), np.maximum(0.0, 4.0 * np.sin(np.linspace(-3, 6, SLOTS)))
HOMES = {
    "battery": Home(LOAD, SUN, Battery(9.7, 0.97, 9.21, 4.321987, 4.85, 3.3, 2.9, 0.931, 0.947, 0.0123, 7e-4)),
    "sun held back": Home(LOAD, SUN, pv_curtailable=True, curt_c_quad=6.5e-4),
    "heat": Home(LOAD, SUN, thermal=Thermal(8.1, 4.0, 1.6, 4.0, 2.2, 3.1, 0.002, CHANCE.uniform(0.1, 0.6, SLOTS))),
    "car": Home(LOAD, SUN, ev=Ev(7.4, 0.92, 11.3, np.repeat([1.0, 0.0, 0.5], 32))),
    "shed": Home(LOAD, SUN, shed=Shed(np.minimum(LOAD, 0.7), 0.21, 5e-4)),
}


@pytest.mark.parametrize("name", HOMES)
def test_the_replay_of_a_disclosed_home_gives_its_answer(name: str) -> None:
    home = HOMES[name]
    target = home.base_kw + CHANCE.normal(0.0, 1.0, SLOTS)
    own = ProximalSchedule(home, 0.25, 50.0).solve(target).net_kw
    told = ProximalSchedule(home_of(numbers_of(home)), 0.25, 50.0, 1e-6, polishing=True).solve(target).net_kw
    assert np.abs(own - told).max() < 5e-3


@pytest.mark.parametrize("name", HOMES)
def test_what_is_disclosed_is_whole_and_comes_back_the_same(name: str) -> None:
    numbers = numbers_of(HOMES[name])
    for one in fields(HomeNumbers):
        value = getattr(numbers, one.name)
        assert all(type(number) is int for number in (value if isinstance(value, tuple) else (int(value),)))
    assert numbers_of(home_of(numbers)) == numbers


@pytest.mark.parametrize(
    "changes",
    [
        {"battery": (1, 2)},
        {"battery": (0,) * 11},
        {"thermal": (1,) * 8},
        {"car": (10**6,) * 4, "present_ppm": (10**6,) * 95},
        {"shed": (1, 1), "shed_mw": ()},
        {"load_mw": (1,) * 95},
        {"present_ppm": (2 * 10**6,) * 96, "car": (10**6,) * 4},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_home_that_cannot_be_is_refused_by_name(changes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(AssetError):
        home_of(replace(numbers_of(HOMES["battery"]), **changes))


def test_honest_homes_of_every_kind_are_consistent_throughout_a_round() -> None:
    tariff = Tariff(np.where(np.arange(SLOTS) % 48 < 24, 0.32, 0.18), np.full(SLOTS, 0.06))
    sigma = round_sigma(tariff, settled=False)
    queen = QueenIteration(tariff, len(HOMES), sigma, max_iterations=12)
    workers = [WorkerIteration(home, sigma) for home in HOMES.values()]
    opened = [worker.start(queen.price_e7) for worker in workers]
    traces = [AnswerTrace(power, queen.price_e7, sigma) for power in opened]
    queen.start([sum(column) for column in zip(*opened, strict=True)])
    while not queen.finished:
        price, gamma, forget = queen.price_e7, queen.gamma_e9, queen.forget
        told = [worker.answer(price, gamma, forget) for worker in workers]
        for trace, answer in zip(traces, told, strict=True):
            trace.add(answer.power_w, price, gamma, forget)
        queen.absorb(
            [sum(column) for column in zip(*(answer.power_w for answer in told), strict=True)],
            sum(answer.cost_e9_coin for answer in told),
            None,
            sum(answer.residual_e9_kw2 for answer in told),
            [sum(column) for column in zip(*(answer.inner_e9_kw2 for answer in told), strict=True)],
        )
    assert [trace.expansions() for trace in traces] == [()] * len(traces)
