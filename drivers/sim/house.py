"""A house that obeys the energy balance: measured load and sun, a battery with a set-point, three phases.

At every instant, on every phase:  net = load - pv + battery  (W; import positive, battery positive when
charging). All powers are constant between the steps of the profile, so energies are exact: integer
milliwatts times integer milliseconds are integer microjoules, and the state after any time is the same
however the way there was split.

The house is the truth that simulated meters are fed with and that demo and tests compare with. A listener
is told every stretch of constant power; it may be told a stretch again after a crash (the buffer is written
after the listener), so it must go by the times, not by the number of calls.

Not for: meters (``sdm630``, ``atm90e32as``), files (``profile``), or deciding the set-point (the Worker's
agent).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from drivers.sim.house_battery import NO_BATTERY, BatterySpec
from drivers.sim.house_state import HouseState, StateBuffer, new_state
from drivers.sim.profile_series import Series

SegmentListener = Callable[[int, int, tuple[int, int, int]], None]
"""Called with start and end (unix ms) and the net power of the phases (mW) of a stretch of constant power."""

Shares = tuple[int, int, int]
EVEN_SHARES: Shares = (334, 333, 333)
HOME_SHARES: Shares = (420, 330, 250)
SINGLE_PHASE: Shares = (1000, 0, 0)

_AT, _SET_POINT, _CHARGE, _IMPORT, _EXPORT, _IMPORT_A, _EXPORT_A = 0, 1, 2, 3, 4, 5, 8
_LOAD, _PV, _CHARGED, _DISCHARGED = 11, 12, 13, 14


@dataclass(frozen=True)
class HouseSpec:
    """What a house is made of. Shares are per mille of each phase and sum to 1000 (ValueError otherwise)."""

    load: Series
    start_unix_ms: int
    pv: Series | None = None
    battery: BatterySpec = NO_BATTERY
    load_shares: Shares = HOME_SHARES
    inverter_shares: Shares = EVEN_SHARES

    def __post_init__(self) -> None:
        """Refuse shares that would lose or invent energy."""
        for name in ("load_shares", "inverter_shares"):
            shares = getattr(self, name)
            if sum(shares) != 1000 or min(shares) < 0:
                raise ValueError(f"{name} {shares} must be three numbers of at least 0 with the sum 1000")


@dataclass(frozen=True)
class HousePower:
    """Powers at one time, in mW: load and pv not negative, battery + charges, net + imports."""

    at_unix_ms: int
    load_milliwatts: int
    pv_milliwatts: int
    battery_milliwatts: int
    net_phase_milliwatts: tuple[int, int, int]

    @property
    def net_milliwatts(self) -> int:
        """Net power of all phases in mW, import positive."""
        return sum(self.net_phase_milliwatts)


def split_phases(milliwatts: int, shares: Shares) -> tuple[int, int, int]:
    """Split a power over the phases by per-mille shares; the parts sum to it exactly."""
    first, second = milliwatts * shares[0] // 1000, milliwatts * shares[1] // 1000
    if shares[2] == 0:
        second = milliwatts - first if shares[1] else 0
        first = milliwatts - second
    return first, second, milliwatts - first - second


class House:
    """One simulated house; time only moves forward.

    Safe to use from several threads. Whoever touches what the listener touches holds `lock` meanwhile.
    """

    def __init__(
        self, spec: HouseSpec, state: "bytearray | memoryview", on_segment: SegmentListener | None = None
    ) -> None:
        """Build a house on a state buffer: a new one starts it, a used one continues it where it was."""
        self.spec = spec
        self.on_segment = on_segment
        self.lock = threading.RLock()
        self._buffer = StateBuffer(state)
        found = self._buffer.load()
        first = found or new_state(spec.start_unix_ms, spec.battery.charge_of_milliwh(spec.battery.initial_milliwh))
        self._n = [getattr(first, name) for name in HouseState.__dataclass_fields__]
        if found is None:
            self._buffer.store(self._n)

    def close(self) -> None:
        """Let go of the buffer, so that a mapped file can be closed; do not use the house afterwards."""
        self._buffer.close()

    def state(self) -> HouseState:
        """Return time, set-point, charge and all truth counters as they are."""
        with self.lock:
            return HouseState(*self._n)

    def advance_to(self, unix_ms: int) -> None:
        """Let the house live until a time (unix ms); an earlier time changes nothing."""
        with self.lock:
            if unix_ms <= self._n[_AT]:
                return
            while self._n[_AT] < unix_ms:
                self._integrate(unix_ms)
            self._buffer.store(self._n)

    def set_battery_power_w(self, power_w: float) -> int:
        """Set the battery's power from now on (W, + charges, - discharges); returns the power taken, in mW.

        The power is rounded to milliwatts and clipped to the battery's limits. The battery rests while it
        is full (empty) and the set-point would charge (discharge) it.
        """
        taken = self.spec.battery.clip_milliwatts(round(power_w * 1000))
        with self.lock:
            self._n[_SET_POINT] = taken
            self._buffer.store(self._n)
        return taken

    def power(self) -> HousePower:
        """Return the powers of the coming instant at the house's own time."""
        with self.lock:
            at = self._n[_AT]
            load, pv = self.spec.load.at(at)[0], self.spec.pv.at(at)[0] if self.spec.pv else 0
            battery = self._battery_now()[0]
            return HousePower(at, load, pv, battery, self._net(load, pv, battery))

    def net_phase_milliwatts(self) -> tuple[int, int, int]:
        """Return the net power of each phase in mW, import positive."""
        return self.power().net_phase_milliwatts

    def battery_milliwh(self) -> int:
        """Return the energy in the battery in mWh, rounded down."""
        with self.lock:
            return self.spec.battery.stored_milliwh(self._n[_CHARGE])

    def _battery_now(self) -> tuple[int, int]:
        """Return the battery's power (mW) and how many whole ms it can hold it (0 = no limit)."""
        wanted = self._n[_SET_POINT]
        left = self.spec.battery.whole_ms_left(self._n[_CHARGE], wanted)
        return (wanted, left) if left else (0, 0)

    def _net(self, load: int, pv: int, battery: int) -> tuple[int, int, int]:
        """Return load - pv + battery on each phase, in mW."""
        own = split_phases(load, self.spec.load_shares)
        other = split_phases(battery - pv, self.spec.inverter_shares)
        return own[0] + other[0], own[1] + other[1], own[2] + other[2]

    def _integrate(self, until_unix_ms: int) -> None:
        """Book the next stretch of constant power, which ends at `until_unix_ms` or earlier."""
        n, start = self._n, self._n[_AT]
        load, end = self.spec.load.at(start)
        pv, pv_end = self.spec.pv.at(start) if self.spec.pv else (0, end)
        battery, left = self._battery_now()
        end = min(end, pv_end, until_unix_ms, start + left if left else until_unix_ms)
        span, net = end - start, self._net(load, pv, battery)
        if self.on_segment is not None:
            self.on_segment(start, end, net)
        total = net[0] + net[1] + net[2]
        n[_IMPORT if total > 0 else _EXPORT] += abs(total) * span
        for phase, milliwatts in enumerate(net):
            n[(_IMPORT_A if milliwatts > 0 else _EXPORT_A) + phase] += abs(milliwatts) * span
        n[_LOAD] += load * span
        n[_PV] += pv * span
        n[_CHARGED if battery > 0 else _DISCHARGED] += abs(battery) * span
        n[_CHARGE] += self.spec.battery.rate(battery) * span
        n[_AT] = end
