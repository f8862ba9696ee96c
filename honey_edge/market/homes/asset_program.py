"""The program of any home: battery and PV in closed bands (`banded`), everything else as blocks beside them.

All programs have the same face (`HomeProgram`): minimise proximal*||net - target||^2/2 + money*private cost over x
within lower <= rows @ x <= upper, with net = net_at_zero_kw + net_rows() @ x.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy import sparse

from honey_edge.market.homes.asset_blocks import Block, CarBlock, CurtailBlock, HeatBlock, ShedBlock
from honey_edge.market.homes.asset_schedule import Powers
from honey_edge.market.homes.assets import FloatArray, Home
from honey_edge.market.homes.banded import BandedHome

_NOTHING = np.zeros(0)


class HomeProgram(Protocol):
    """What a solver needs of a home."""

    columns: int
    row_count: int
    net_at_zero_kw: FloatArray

    def hessian(self, proximal: float, money: float) -> sparse.csc_matrix:
        """Return the upper triangle of the Hessian of proximal*||net||^2/2 + money*private cost."""

    def rows(self) -> sparse.csc_matrix:
        """Return the constraint matrix."""

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper bounds of the rows."""

    def net_rows(self) -> sparse.csc_matrix:
        """Return the matrix whose product with x is net power minus `net_at_zero_kw`."""

    def pull_back(self, per_net: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Return the gradient in x of a function whose gradient in net power is `per_net`."""

    def private_gradient(self) -> FloatArray:
        """Return the gradient of the private cost at x = 0."""

    def split(self, x: FloatArray) -> Powers:
        """Return powers and states at a point x, exactly as it stands."""


class CombinedHome:
    """The program of a home with other assets than battery and PV, or without a battery."""

    def __init__(self, home: Home, dt_h: float) -> None:
        self.home, self.dt_h, self.slots = home, dt_h, home.slots
        self._battery = None if home.battery is None else BandedHome(home, home.battery, dt_h)
        self._curtail = CurtailBlock(home, dt_h) if home.pv_curtailable and self._battery is None else None
        self._heat = None if home.thermal is None else HeatBlock(home.thermal, dt_h)
        self._car = None if home.ev is None else CarBlock(home.ev, dt_h)
        self._shed = None if home.shed is None else ShedBlock(home.shed, dt_h)
        own = (self._curtail, self._heat, self._car, self._shed)
        self._blocks: list[Block] = [block for block in own if block is not None]
        self.net_at_zero_kw = home.base_kw if self._battery is None else self._battery.net_at_zero_kw
        self.net_at_zero_kw = np.sum([self.net_at_zero_kw, *(b.net_at_zero_kw for b in self._blocks)], axis=0)
        parts = [*([] if self._battery is None else [self._battery.net_rows()]), *(b.net_rows() for b in self._blocks)]
        empty = sparse.csc_matrix((self.slots, 0))
        self._net = sparse.csc_matrix(sparse.hstack(parts, format="csc")) if parts else empty
        self._pull = sparse.csr_matrix(self._net.T)
        self._rows = self._block_diagonal([program.rows() for program in self._programs()])
        self.row_count, self.columns = (int(size) for size in self._rows.shape)

    def _programs(self) -> list[BandedHome | Block]:
        """Return all parts in the order of their variables."""
        return [*([] if self._battery is None else [self._battery]), *self._blocks]

    @staticmethod
    def _block_diagonal(parts: list[sparse.csc_matrix]) -> sparse.csc_matrix:
        """Return the parts along the diagonal."""
        return sparse.csc_matrix(sparse.block_diag(parts, format="csc")) if parts else sparse.csc_matrix((0, 0))

    def hessian(self, proximal: float, money: float) -> sparse.csc_matrix:
        """Return the upper triangle of the Hessian of proximal*||net||^2/2 + money*private cost."""
        own = [] if self._battery is None else [self._battery.hessian(0.0, money)]
        private = self._block_diagonal([*own, *(money * block.private_hessian() for block in self._blocks)])
        if proximal > 0.0:
            private = private + proximal * (self._pull @ self._net)
        return sparse.csc_matrix(sparse.triu(private, format="csc"))

    def rows(self) -> sparse.csc_matrix:
        """Return the constraint matrix."""
        return self._rows

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper bounds of the rows."""
        pairs = [program.bounds() for program in self._programs()]
        return np.concatenate([_NOTHING, *(low for low, _ in pairs)]), np.concatenate(
            [_NOTHING, *(high for _, high in pairs)]
        )

    def net_rows(self) -> sparse.csc_matrix:
        """Return the matrix whose product with x is net power minus `net_at_zero_kw`."""
        return self._net

    def pull_back(self, per_net: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Return the gradient in x of a function whose gradient in net power is `per_net` (into `out` if given)."""
        result = np.asarray(self._pull @ per_net, dtype=np.float64)
        if out is None:
            return result
        out[:] = result
        return out

    def private_gradient(self) -> FloatArray:
        """Return the gradient of the private cost at x = 0."""
        return np.concatenate([_NOTHING, *(program.private_gradient() for program in self._programs())])

    def split(self, x: FloatArray) -> Powers:
        """Return powers and states of all assets at a point x, exactly as it stands."""
        zeros, start = np.zeros(self.slots), 0
        charge, discharge, soc, curtail = zeros, zeros, zeros, zeros
        if self._battery is not None:
            start = self._battery.columns
            charge, discharge, soc, curtail = self._battery.split(x[:start])[:4]
        powers: dict[int, FloatArray] = {}
        heat_kwh = None
        for block in self._blocks:
            own = x[start : start + block.columns]
            powers[id(block)] = block.power(own)
            heat_kwh = block.state_kwh(own) if isinstance(block, HeatBlock) else heat_kwh
            start += block.columns
        curtail = powers.get(id(self._curtail), curtail)
        heat, car, shed = (powers.get(id(block)) for block in (self._heat, self._car, self._shed))
        return Powers(charge, discharge, soc, curtail, heat, heat_kwh, car, shed)


def home_program(home: Home, dt_h: float) -> HomeProgram:
    """Return the program of any home; one without anything to decide has no columns."""
    if home.battery is not None and not home.more_than_battery:
        return BandedHome(home, home.battery, dt_h)
    return CombinedHome(home, dt_h)
