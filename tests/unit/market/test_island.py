"""Islands shed by priority; a grid operator's limit ends in its fail-safe value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from honey_edge.market.errors import AssetError, InfeasibleHive
from honey_edge.market.grid.island import GridLimit, is_island, island_limits, tightest, with_priority
from honey_edge.market.homes.assets import Home, Limits, Shed, Tariff
from honey_edge.market.rounds.admm import solve_direct

SLOTS = 96


def island(make_home: Callable[..., Home]) -> list[Home]:
    homes = [replace(make_home(seed), battery=None) for seed in (0, 1, 2)]
    shared = [Shed(home.load_kw.copy(), 2.0, 1e-3) for home in homes]
    return [replace(home, shed=shed) for home, shed in zip(homes, shared, strict=True)]


def test_an_island_sheds_what_is_cheapest_first(make_home: Callable[..., Home]) -> None:
    homes = with_priority(island(make_home), (2, 0, 1), 1.0, 0.5)
    assert [home.shed.cost_per_kwh for home in homes if home.shed] == [2.0, 1.0, 1.5]
    tariff = Tariff(np.full(SLOTS, 0.2), np.full(SLOTS, 0.05))
    solution = solve_direct(homes, tariff, island_limits(SLOTS))
    assert np.abs(solution.pcc_kw).max() <= 1e-4
    shed = np.array([plan.shed_kw for plan in solution.schedules])
    assert shed.sum() > 1.0
    last = np.flatnonzero(shed[0] > 0.01)
    assert (shed[1][last] >= homes[1].load_kw[last] - 0.01).all()
    assert (shed[2][last] >= homes[2].load_kw[last] - 0.01).all()


def test_an_island_that_cannot_hold_is_named(make_home: Callable[..., Home]) -> None:
    homes = [replace(home, shed=None, pv_curtailable=False) for home in island(make_home)]
    with pytest.raises(InfeasibleHive, match="pcc_m"):
        solve_direct(homes, Tariff(np.full(SLOTS, 0.2), np.full(SLOTS, 0.05)), island_limits(SLOTS))


def test_priorities_that_keep_no_order_are_refused(make_home: Callable[..., Home]) -> None:
    homes = island(make_home)
    for ranks, first, step in (((0, 1), 1.0, 0.5), ((0, 1, -1), 1.0, 0.5), ((0, 1, 2), 1.0, 0.0)):
        with pytest.raises(AssetError):
            with_priority(homes, ranks, first, step)


def test_a_limit_holds_until_it_expires_and_then_its_fail_safe_does() -> None:
    limit = GridLimit(5.0, -8.0, 2 * 900 + 100, fail_safe_max_kw=3.0, fail_safe_min_kw=-10.0)
    limits = limit.limits(0, 4)
    assert limits.pcc_max_kw is not None
    assert limits.pcc_min_kw is not None
    assert limits.pcc_max_kw.tolist() == [5.0, 5.0, 3.0, 3.0]
    assert limits.pcc_min_kw.tolist() == [-8.0, -8.0, -8.0, -10.0]


def test_the_slot_in_which_a_limit_ends_has_the_stricter_value() -> None:
    limits = GridLimit(2.0, None, 1350, fail_safe_max_kw=9.0).limits(0, 3)
    assert limits.pcc_max_kw is not None
    assert limits.pcc_max_kw.tolist() == [2.0, 2.0, 9.0]
    assert limits.pcc_min_kw is None


def test_an_expired_limit_without_fail_safe_is_no_limit() -> None:
    limits = GridLimit(2.0, -2.0, 0).limits(900, 3)
    assert (limits.pcc_min_kw, limits.pcc_max_kw) == (None, None)


def test_the_tightest_of_all_limits_holds_and_a_contradiction_takes_the_smaller_power() -> None:
    both = tightest([Limits.of([-5.0, 4.0], [3.0, 9.0]), Limits.of(None, [6.0, 2.0])], 2)
    assert both.pcc_max_kw is not None
    assert both.pcc_min_kw is not None
    assert both.pcc_max_kw.tolist() == [3.0, 2.0]
    assert both.pcc_min_kw.tolist() == [-5.0, 2.0]
    assert not is_island(both)
    assert is_island(island_limits(2))


def test_a_limit_that_is_none_is_refused() -> None:
    for fields in ((1.0, 2.0, 0), (float("nan"), None, 0), (None, None, 0, 1.0, 2.0)):
        with pytest.raises(AssetError):
            GridLimit(*fields)  # type: ignore[arg-type]
