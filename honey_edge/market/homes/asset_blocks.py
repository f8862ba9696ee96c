"""The assets besides the battery as blocks of a home's quadratic program (market-design section 2).

Every block has its own variables x (all in kW, so that one penalty of a first-order solver fits them all), its own
rows with bounds, and is affine in x where it touches the home:

    net_at_zero_kw + net_rows() @ x       what the block adds to the net power
    dt*sum(c*power + c_quad*power^2)      its private cost, power = power_at_zero_kw + power_rows() @ x

Heat keeps the state as its variable, z_t = s_t/(dt*cop), so its rows are banded: the heater's power is
z_t - (1-loss)*z_{t-1} + draw_t/cop. The car's energy is one equality over the slots in which it is there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from honey_edge.market.homes.assets import Ev, FloatArray, Home, Shed, Thermal

HEAT_ROW = 0.12
"""Weight of the rows of the heat store's state against those of powers, as `banded.SOC_ROW`."""

_NOTHING = np.zeros(0)


def _places(slots: int, chosen: NDArray[np.intp]) -> sparse.csc_matrix:
    """Return the matrix that puts one number per chosen slot into its slot."""
    count = chosen.size
    return sparse.csc_matrix((np.ones(count), chosen, np.arange(count + 1)), shape=(slots, count))


class Block:
    """One asset: `power_rows` (slots x columns), what it costs, further rows with bounds, and its sign in the net."""

    def __init__(self, slots: int, dt_h: float, power_rows: sparse.csc_matrix, sign: float) -> None:
        self.slots, self.dt_h, self.sign = slots, dt_h, sign
        self.power_rows = power_rows
        self.columns = int(power_rows.shape[1])
        self.power_at_zero_kw = np.zeros(slots)
        self.cost, self.c_quad = 0.0, 0.0

    @property
    def net_at_zero_kw(self) -> FloatArray:
        """What the block adds to the net power at x = 0 (kW)."""
        return self.sign * self.power_at_zero_kw

    def net_rows(self) -> sparse.csc_matrix:
        """Return the matrix whose product with x is what the block adds to the net power besides."""
        return self.power_rows if self.sign > 0.0 else -self.power_rows

    def private_hessian(self) -> sparse.csc_matrix:
        """Return the Hessian of the private cost (both triangles)."""
        return sparse.csc_matrix(2.0 * self.dt_h * self.c_quad * (self.power_rows.T @ self.power_rows))

    def private_gradient(self) -> FloatArray:
        """Return the gradient of the private cost at x = 0."""
        per_power = self.dt_h * (self.cost + 2.0 * self.c_quad * self.power_at_zero_kw)
        return np.asarray(self.power_rows.T @ per_power, dtype=np.float64)

    def rows(self) -> sparse.csc_matrix:
        """Return the constraint matrix of the block."""
        return sparse.csc_matrix(sparse.identity(self.columns, format="csc"))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper bounds of the rows."""
        raise NotImplementedError

    def power(self, x: FloatArray) -> FloatArray:
        """Return the asset's power per slot (kW) at x."""
        return np.asarray(self.power_at_zero_kw + self.power_rows @ x, dtype=np.float64)


class CurtailBlock(Block):
    """PV that may be curtailed: one variable per slot with sun."""

    def __init__(self, home: Home, dt_h: float) -> None:
        self._sunny = np.flatnonzero(home.pv_kw > 0.0)
        super().__init__(home.slots, dt_h, _places(home.slots, self._sunny), 1.0)
        self._most, self.c_quad = home.pv_kw[self._sunny], home.curt_c_quad

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Between nothing and all of the sun."""
        return np.zeros(self.columns), self._most


class ShedBlock(Block):
    """Load that may be left out: one variable per slot that has such load."""

    def __init__(self, shed: Shed, dt_h: float) -> None:
        slots, chosen = shed.max_kw.size, np.flatnonzero(shed.max_kw > 0.0)
        super().__init__(slots, dt_h, _places(slots, chosen), -1.0)
        self._most, self.cost, self.c_quad = shed.max_kw[chosen], shed.cost_per_kwh, shed.c_quad

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Between nothing and all that may be left out."""
        return np.zeros(self.columns), self._most


class CarBlock(Block):
    """An electric car: one variable per slot in which it is there, and one row for the energy."""

    def __init__(self, ev: Ev, dt_h: float) -> None:
        most = ev.p_max_kw * ev.avail
        chosen = np.flatnonzero(most > 0.0)
        super().__init__(most.size, dt_h, _places(most.size, chosen), 1.0)
        self._most, self.c_quad = most[chosen], ev.c_quad
        # The sum divided by the root of its terms: a step of every power moves it as far as one of them.
        self._weight = 1.0 / math.sqrt(max(1, self.columns))
        self._asked = ev.e_req_kwh / (dt_h * ev.eta)

    def rows(self) -> sparse.csc_matrix:
        """Return one row per power and the weighted sum."""
        if self.columns == 0:
            return sparse.csc_matrix((0, 0))
        total = sparse.csc_matrix(np.full((1, self.columns), self._weight))
        return sparse.csc_matrix(sparse.vstack([sparse.identity(self.columns), total], format="csc"))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Between nothing and the charger's power; the sum is what the car asks for."""
        if self.columns == 0:
            return _NOTHING, _NOTHING
        asked = [self._weight * self._asked]
        return np.concatenate([np.zeros(self.columns), asked]), np.concatenate([self._most, asked])


class HeatBlock(Block):
    """A heat store with its heater: one variable per slot, its state divided by dt*cop (kW)."""

    def __init__(self, thermal: Thermal, dt_h: float) -> None:
        slots, keep = thermal.draw_kw.size, 1.0 - thermal.loss_per_step
        self.scale_kwh = dt_h * thermal.cop
        band = sparse.diags([np.ones(slots), np.full(slots - 1, -keep)], [0, -1], format="csc")
        super().__init__(slots, dt_h, sparse.csc_matrix(band), 1.0)
        self.power_at_zero_kw = thermal.draw_kw / thermal.cop
        self.power_at_zero_kw[0] -= keep * thermal.s0_kwh / self.scale_kwh
        self.c_quad = thermal.c_quad
        self._most, self._band = thermal.q_max_kw, thermal.band_kwh()

    def rows(self) -> sparse.csc_matrix:
        """Return one row per power and one per state."""
        states = HEAT_ROW * sparse.identity(self.slots)
        return sparse.csc_matrix(sparse.vstack([self.power_rows, states], format="csc"))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """The heater's power from 0 to its largest, the state within its band."""
        low, high = (HEAT_ROW / self.scale_kwh * bound for bound in self._band)
        at_zero = self.power_at_zero_kw
        return np.concatenate([-at_zero, low]), np.concatenate([self._most - at_zero, high])

    def state_kwh(self, x: FloatArray) -> FloatArray:
        """Return the state at the end of each slot (kWh)."""
        return x * self.scale_kwh
