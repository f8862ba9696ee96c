"""The schedule of one home as a banded quadratic program (market-design section 2), without a solver.

Variables, T slots and the c slots in which the sun shines:

    x = (charge_t [kW], y_t = e_t/dt [kW], curtail_j [kW])        e_t = state of charge at the end of slot t [kWh]

The state of charge stays a variable, so every matrix is banded. Discharge and net power are affine in x and
need no variables of their own:

    dis_t = eta_d*(eta_c*charge_t - y_t + y_{t-1})                y_{-1} = e0/dt
    net_t = base_t + charge_t - dis_t + curtail_t

Rows: dis (T), charge (T), y (T, times SOC_ROW), curtail (c). Other assets are blocks
beside this one (`asset_program`). Index patterns depend on T and the slots with sun only and
are cached; the values are a handful of scalars repeated along the bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from honey_edge.market.homes.asset_schedule import Powers
from honey_edge.market.homes.assets import Battery, FloatArray, Home

IntArray = NDArray[np.int32]

SOC_ROW = 0.3
"""Weight of the state-of-charge rows against the power rows: a first-order solver needs the fewest
iterations when a step of the price moves both by about the same distance (tuned with the penalty on 44 homes)."""


@dataclass(frozen=True, eq=False)
class _Pattern:
    """Places of the non-zeros: compressed columns, and for each the number of its scalar in the value table."""

    hessian_indptr: IntArray
    hessian_indices: IntArray
    hessian_kind: IntArray
    rows_indptr: IntArray
    rows_indices: IntArray
    rows_kind: IntArray


def _compress(columns: int, parts: list[tuple[IntArray, IntArray, int]]) -> tuple[IntArray, IntArray, IntArray]:
    """Sort (row, column, kind) triples into compressed columns."""
    row = np.concatenate([part[0] for part in parts])
    column = np.concatenate([part[1] for part in parts])
    kind = np.concatenate([np.full(part[0].size, part[2], dtype=np.int32) for part in parts])
    order = np.lexsort((row, column))
    indptr = np.zeros(columns + 1, dtype=np.int32)
    np.cumsum(np.bincount(column, minlength=columns), out=indptr[1:])
    return indptr, row[order].astype(np.int32), kind[order]


@lru_cache(maxsize=64)
def _pattern(slots: int, sunny: bytes) -> _Pattern:
    """Build the places for `slots` slots and the sunny slots (int32 numbers as bytes, so that they can be a key)."""
    slot = np.arange(slots, dtype=np.int32)
    sun = np.frombuffer(sunny, dtype=np.int32)
    charge, soc = slot, slots + slot
    curtail = (2 * slots + np.arange(sun.size)).astype(np.int32)
    after_first = np.flatnonzero(sun > 0)
    columns = 2 * slots + sun.size
    hessian = _compress(
        columns,
        [
            (charge, charge, 0),
            (charge, soc, 1),
            (charge[1:], soc[:-1], 2),
            (soc[:-1], soc[1:], 3),
            (soc[:-1], soc[:-1], 4),
            (soc[-1:], soc[-1:], 5),
            (charge[sun], curtail, 6),
            (soc[sun], curtail, 7),
            (soc[sun[after_first] - 1], curtail[after_first], 8),
            (curtail, curtail, 9),
        ],
    )
    rows = _compress(
        columns,
        [
            (slot, charge, 0),
            (slot, soc, 1),
            (slot[1:], soc[:-1], 2),
            (slots + slot, charge, 3),
            (2 * slots + slot, soc, 4),
            (slots + curtail, curtail, 5),
        ],
    )
    return _Pattern(*hessian, *rows)


def forget_patterns() -> None:
    """Drop the cached patterns, so that a measurement of the set-up counts them."""
    _pattern.cache_clear()


class BandedHome:
    """The matrices and bounds of one home with a battery, and the affine maps between x and powers.

    `dt_h` is the length of a slot in hours. Nothing here depends on prices or targets.
    """

    def __init__(self, home: Home, battery: Battery, dt_h: float) -> None:
        self.home, self.battery, self.dt_h = home, battery, dt_h
        self.slots = slots = home.slots
        self.sunny = (np.flatnonzero(home.pv_kw > 0.0) if home.pv_curtailable else np.zeros(0)).astype(np.int32)
        self._pattern = _pattern(slots, self.sunny.tobytes())
        self.columns = 2 * slots + self.sunny.size
        self.row_count = 3 * slots + self.sunny.size
        self.discharge_at_zero_kw = np.zeros(slots)
        self.discharge_at_zero_kw[0] = battery.eta_d * battery.e0_kwh / dt_h
        self.net_at_zero_kw = home.base_kw - self.discharge_at_zero_kw

    def hessian(self, proximal: float, money: float) -> sparse.csc_matrix:
        """Return the upper triangle of the Hessian of proximal*||net||^2/2 + money*private cost."""
        pattern, b = self._pattern, self.battery
        gain, loss = b.eta_d * b.eta_c, 1.0 - b.eta_d * b.eta_c
        quad = 2.0 * self.dt_h * b.c_quad * money
        cross = b.eta_d * (proximal * loss - quad * gain)
        energy = b.eta_d**2 * (proximal + quad)
        table = np.array(
            [
                proximal * loss**2 + quad * (1.0 + gain**2),
                cross,
                -cross,
                -energy,
                2.0 * energy,
                energy,
                proximal * loss,
                proximal * b.eta_d,
                -proximal * b.eta_d,
                proximal + 2.0 * self.dt_h * self.home.curt_c_quad * money,
            ]
        )
        shape = (self.columns, self.columns)
        return sparse.csc_matrix(
            (table[pattern.hessian_kind], pattern.hessian_indices, pattern.hessian_indptr), shape=shape
        )

    def rows(self) -> sparse.csc_matrix:
        """Return the constraint matrix; its first T rows give discharge minus `discharge_at_zero_kw`."""
        pattern, b = self._pattern, self.battery
        table = np.array([b.eta_d * b.eta_c, -b.eta_d, b.eta_d, 1.0, SOC_ROW, 1.0])
        return sparse.csc_matrix(
            (table[pattern.rows_kind], pattern.rows_indices, pattern.rows_indptr),
            shape=(self.row_count, self.columns),
        )

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper bounds of the rows."""
        b, slots = self.battery, self.slots
        lower, upper = np.zeros(self.row_count), np.empty(self.row_count)
        lower[:slots] = -self.discharge_at_zero_kw
        upper[:slots] = b.p_dis_max_kw - self.discharge_at_zero_kw
        upper[slots : 2 * slots] = b.p_ch_max_kw
        lower[2 * slots : 3 * slots] = SOC_ROW * b.e_min_kwh / self.dt_h
        lower[3 * slots - 1] = SOC_ROW * max(b.e_min_kwh, b.e_end_min_kwh) / self.dt_h
        upper[2 * slots : 3 * slots] = SOC_ROW * b.e_max_kwh / self.dt_h
        upper[3 * slots :] = self.home.pv_kw[self.sunny]
        return lower, upper

    def pull_back(self, per_net: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Return the gradient in x of a function whose gradient in net power is `per_net` (into `out` if given)."""
        slots, b = self.slots, self.battery
        result = np.empty(self.columns) if out is None else out
        np.multiply(per_net, 1.0 - b.eta_d * b.eta_c, out=result[:slots])
        energy = result[slots : 2 * slots]
        np.multiply(per_net, b.eta_d, out=energy)
        energy[:-1] -= b.eta_d * per_net[1:]
        result[2 * slots :] = per_net[self.sunny]
        return result

    def private_gradient(self) -> FloatArray:
        """Return the linear term of the private cost in x (the part of `hessian` that does not vanish at x = 0)."""
        slots, b, dt_h = self.slots, self.battery, self.dt_h
        per_discharge = dt_h * (b.c_deg + 2.0 * b.c_quad * self.discharge_at_zero_kw)
        gradient = np.zeros(self.columns)
        gradient[:slots] = dt_h * b.c_deg + b.eta_d * b.eta_c * per_discharge
        gradient[slots : 2 * slots] = -b.eta_d * per_discharge
        gradient[slots : 2 * slots - 1] += b.eta_d * per_discharge[1:]
        return gradient

    def split(self, x: FloatArray) -> Powers:
        """Return charge, discharge, state of charge (kWh) and curtailment of a point x, exactly as it stands."""
        slots, b = self.slots, self.battery
        charge, level = x[:slots], x[slots : 2 * slots]
        step = level.copy()
        step[1:] -= level[:-1]
        step[0] -= b.e0_kwh / self.dt_h
        discharge = b.eta_d * (b.eta_c * charge - step)
        curtail = np.zeros(slots)
        curtail[self.sunny] = x[2 * slots :]
        return Powers(charge.copy(), discharge, level * self.dt_h, curtail)

    def net_rows(self) -> sparse.csc_matrix:
        """Return the matrix whose product with x is net power minus `net_at_zero_kw`."""
        slots = self.slots
        own = sparse.csc_matrix(
            (
                np.ones(slots + self.sunny.size),
                (
                    np.concatenate([np.arange(slots), self.sunny]),
                    np.concatenate([np.arange(slots), np.arange(2 * slots, self.columns)]),
                ),
            ),
            shape=(slots, self.columns),
        )
        return sparse.csc_matrix(own - self.rows()[:slots])
