"""The certificate of a round with inner limits: a lower bound of the optimum from the prices alone (section 6).

    L = sum_i min(h_i + lambda_g(i).p_i) + min(F(sum Z) - sum_g lambda_g.Z_g)   over Z within all limits

The second part is a linear program over the groups' powers; they are kept within what the homes' assets can draw and
feed at most, so that it has a value for every price.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from honey_edge.market.grid.network import Network
from honey_edge.market.homes.assets import FloatArray, Home, Tariff
from honey_edge.market.homes.worker_step import COST_STEPS, WorkerIteration
from honey_edge.market.rounds.queen_step import price_per_kwh


def reach_kw(home: Home) -> tuple[FloatArray, FloatArray]:
    """Return the smallest and largest power (kW per slot) that a home's assets allow at all."""
    low, high = home.base_kw.copy(), home.base_kw.copy()
    if home.pv_curtailable:
        high += home.pv_kw
    if home.battery is not None:
        low -= home.battery.p_dis_max_kw
        high += home.battery.p_ch_max_kw
    if home.thermal is not None:
        high += home.thermal.q_max_kw
    if home.ev is not None:
        high += home.ev.p_max_kw * home.ev.avail
    if home.shed is not None:
        low -= home.shed.max_kw
    return low, high


def network_lower_bound(
    homes: Sequence[Home], tariff: Tariff, network: Network, group_price_e7: Sequence[Sequence[int]], dt_h: float
) -> float:
    """Return L (currency) for the prices that a round announced to its groups; -inf where no powers keep the limits."""
    own = 0
    for home, group in zip(homes, network.group_of, strict=True):
        own += WorkerIteration(home, 1.0, dt_h).bound_e9_coin(group_price_e7[group])
    return own / COST_STEPS + _grid_part(homes, tariff, network, group_price_e7, dt_h)


def _grid_part(
    homes: Sequence[Home], tariff: Tariff, network: Network, group_price_e7: Sequence[Sequence[int]], dt_h: float
) -> float:
    """Return the least value of F(sum Z) - lambda.Z over the groups' powers, by HiGHS."""
    slots, groups = tariff.slots, network.groups
    each = sparse.identity(slots)
    low = network.group_kw([reach_kw(home)[0] for home in homes])
    high = network.group_kw([reach_kw(home)[1] for home in homes])
    price = np.concatenate([price_per_kwh(prices) for prices in group_price_e7])
    spread = tariff.buy_per_kwh - tariff.sell_per_kwh
    linear = dt_h * np.concatenate([np.tile(tariff.sell_per_kwh, groups) - price, spread, [tariff.peak_per_kw / dt_h]])
    total = sparse.kron(np.ones((1, groups)), each)
    none = sparse.csc_matrix((slots, slots + 1))
    rows = [
        sparse.hstack([total, -each, sparse.csc_matrix((slots, 1))]),
        sparse.hstack([sparse.csc_matrix((slots, groups * slots)), each, sparse.csc_matrix(-np.ones((slots, 1)))]),
    ]
    right = [np.zeros(2 * slots)]
    for limit in network.limits:
        for sign, bounds in ((1.0, limit.high), (-1.0, -limit.low)):
            if bool(np.isfinite(bounds).any()):
                rows.append(sparse.hstack([sparse.kron(sign * limit.weights[None, :], each), none]))
                right.append(np.where(np.isfinite(bounds), bounds, 1e9))
    box = np.concatenate([np.stack([low.ravel(), high.ravel()], axis=1), [[0.0, math.inf]] * (slots + 1)])
    matrix = sparse.csc_matrix(sparse.vstack(rows))
    answer = linprog(linear, A_ub=matrix, b_ub=np.concatenate(right), bounds=box, method="highs")
    return float(answer.fun) if answer.success else -math.inf
