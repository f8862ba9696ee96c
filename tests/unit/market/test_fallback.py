"""Without agreement every home plans alone within its share of the limit."""

from __future__ import annotations

import numpy as np
import pytest

from honey_edge.market.homes.assets import Home, Limits, Tariff
from honey_edge.market.homes.fallback import local_plans, movable_kw, shared_limits
from honey_edge.market.rounds.admm import solve_direct

FLAT = Tariff.of([0.2] * 96, [0.05] * 96)


def test_shares_add_up_to_the_tightened_limit(make_home) -> None:
    homes = [make_home(1), make_home(2, battery=False, curtailable=False), make_home(3)]
    shares = shared_limits(homes, Limits(np.full(96, -20.0), np.full(96, 5.0)))
    assert sum(share.pcc_max_kw for share in shares) == pytest.approx(np.full(96, 5.0 * 0.995))
    assert sum(share.pcc_min_kw for share in shares) == pytest.approx(np.full(96, -20.0 * 0.995))
    assert shares[1].pcc_max_kw == pytest.approx(homes[1].base_kw)
    assert movable_kw(homes[1]) == 0.0


def test_local_plans_hold_a_limit_that_batteries_can_meet(make_home) -> None:
    homes = [make_home(seed) for seed in (21, 22, 23)]
    limits = Limits(None, np.full(96, 0.9 * float(solve_direct(homes, FLAT).pcc_kw.max()) + 0.5))
    assert local_plans(homes, FLAT, limits).excess_kw <= 5e-3


def test_an_unreachable_share_is_met_as_nearly_as_possible() -> None:
    homes = [Home.of([2.0, 2.0], [0.0, 0.0]), Home.of([1.0, 1.0], [0.0, 0.0])]
    tariff = Tariff.of([0.2] * 2, [0.05] * 2)
    plans = local_plans(homes, tariff, Limits.of(None, [2.5, 2.5]))
    assert plans.excess_kw == pytest.approx(0.5)
