"""A wall box on Modbus by its profile (`drivers.modbus.charger_profile`): look, and charge with so many watts.

    WallBox(device, clock, profile, phases=3, watchdog_s=60)      start(), look(), want_w(power), step(), let_go()

The box ends a command by itself: `start` writes its watchdog and the current that it falls back to (0: no charging),
`step` refreshes the current well within the watchdog's time. A current below the least that a car understands (6 A,
IEC 61851) is 0. The current is written when it changes, at most every `LEAST_BETWEEN_S`, and to refresh.
"""

from __future__ import annotations

from typing import NamedTuple

from drivers.bus import Clock, ModbusDevice
from drivers.errors import ValueOutOfRange, WrongChip
from drivers.modbus.charger_profile import ChargerProfile

NOMINAL_V = 230
LEAST_BETWEEN_S = 5
_REFRESHES_PER_WATCHDOG = 3
_MOST_W = 60_000


class WallBoxLook(NamedTuple):
    """What a wall box says: whether a car is there and charges, power (W) and energy since it was made (Wh)."""

    plugged: bool
    charging: bool
    power_w: int
    energy_wh: int
    current_a: tuple[float, ...]


class WallBox:
    """One wall box; nothing is written before `start`."""

    def __init__(
        self, device: ModbusDevice, clock: Clock, profile: ChargerProfile, phases: int = 3, watchdog_s: int = 60
    ) -> None:
        """Take an open connection. Raises ValueOutOfRange for phases or watchdog that no box has."""
        if phases not in (1, 2, 3) or not 15 <= watchdog_s <= 60:
            raise ValueOutOfRange(
                f"wall box {profile.name}: phases {phases} (1 to 3), watchdog_s {watchdog_s} (15..60)"
            )
        self._device, self._clock, self._profile = device, clock, profile
        self._phases, self._watchdog_s = phases, watchdog_s
        self._wanted_raw = 0
        self._told_raw: int | None = None
        self._told_at = 0
        self._started = False

    @property
    def controllable(self) -> bool:
        """Whether the box ends a command by itself; without that it is only looked at."""
        return self._profile.watchdog_at is not None and self._profile.fail_safe is not None

    def start(self) -> None:
        """Set watchdog, fallback and what else lets it charge, each read back. Raises DriverError."""
        profile = self._profile
        if profile.watchdog_at is None or profile.fail_safe is None:
            raise ValueOutOfRange(f"wall box {profile.name}: has no watchdog with a fallback; it can only be read")
        self.look()
        settings = [(profile.watchdog_at, self._watchdog_s * 1000), (profile.fail_safe.at, 0)]
        settings += [(one.at, one.value) for one in (profile.standby, profile.lock) if one is not None]
        for address, value in settings:
            self._device.write(address, [value])
            (now,) = self._device.read(3, address, 1)
            if now != value:
                raise WrongChip(
                    f"wall box {profile.name}: register {address} holds {now}, not {value}; another or an older box?"
                )
        self._started = True

    def look(self) -> WallBoxLook:
        """Read state, power and energy. Raises BusFault; WrongChip for a state or voltage that the box cannot have."""
        profile = self._profile
        (state,) = self._read(profile.state_at, 1)
        volts = self._read(profile.voltages.at, profile.voltages.count)
        if max(volts) > 300 * 10**profile.voltages.decimals:
            raise WrongChip(f"wall box {profile.name}: {max(volts)} V are told; is it another device?")
        amperes = self._read(profile.currents.at, profile.currents.count)
        (power_w,) = self._read(profile.power_at, 1)
        high, low = self._read(profile.energy_at, 2)
        if power_w > _MOST_W:
            raise WrongChip(f"wall box {profile.name}: {power_w} W are told; is it another device?")
        scale = 10**profile.currents.decimals
        return WallBoxLook(
            state in profile.plugged, state in profile.charging, power_w, high << 16 | low,
            tuple(one / scale for one in amperes),
        )  # fmt: skip

    def want_w(self, power_w: int) -> None:
        """Say with how much to charge at most (W); carried out by `step`."""
        rule = self._profile.set_current
        raw = max(0, power_w) * 10**rule.decimals // (self._phases * NOMINAL_V)
        raw = min(raw, rule.most_a * 10**rule.decimals)
        self._wanted_raw = raw if raw >= rule.least_a * 10**rule.decimals else 0

    @property
    def told_w(self) -> int:
        """The power that the current told last allows (W)."""
        return int((self._told_raw or 0) * self._phases * NOMINAL_V // 10**self._profile.set_current.decimals)

    def step(self) -> bool:
        """Write the current when it changed or must be refreshed; whether it was written. Raises BusFault."""
        if not self._started:
            return False
        age_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._told_at)
        refresh = age_ms * _REFRESHES_PER_WATCHDOG >= self._watchdog_s * 1000
        changed = self._wanted_raw != self._told_raw and age_ms >= LEAST_BETWEEN_S * 1000
        if self._told_raw is not None and not refresh and not changed:
            return False
        self._write(self._wanted_raw)
        return True

    def let_go(self) -> None:
        """No charging from now on; the box would do the same when its watchdog ends. Raises BusFault."""
        self._wanted_raw = 0
        if self._started:
            self._write(0)

    def _write(self, raw: int) -> None:
        self._device.write(self._profile.set_current.at, [raw])
        self._told_raw, self._told_at = raw, self._clock.ticks_ms()

    def _read(self, address: int, count: int) -> list[int]:
        return self._device.read(self._profile.function, address, count)
