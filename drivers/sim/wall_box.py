"""A wall box with a car, register by register, after a charger profile (reference/loads.md: Heidelberg Energy Control).

    EmulatedWallBox(profile, now_s, seed_energy_wh=0)      plug_in(needed_wh), unplug(), advance by every access

It does what the real part does to a careless controller: without a request for the watchdog's time the fail-safe
current is in force; a current below 6 A charges nothing; a locked or sleeping box charges nothing; a full car stops.
Faults (`fault`): `stuck` never takes a written current, `other-box` keeps another watchdog than written.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.modbus.charger_profile import ChargerProfile
from drivers.modbus.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refusal, Registers

WALL_BOX_FAULTS = ("stuck", "other-box")
_VOLTS = 230
_EMPTY, _PLUGGED, _CHARGING = 2, 4, 7
_J_PER_WH = 3_600


class EmulatedWallBox(Registers):
    """One box; power follows the current at 230 V on three phases."""

    def __init__(self, profile: ChargerProfile, now_s: Callable[[], float], energy_wh: int = 0) -> None:
        """Begin without a car, watchdog at its factory value of 15 s, fail-safe current 0, released."""
        self._profile, self._now_s = profile, now_s
        self._at_s = self._asked_s = now_s()
        self._energy_j = float(energy_wh * _J_PER_WH)
        self._needed_j = 0.0
        self.plugged = False
        self.fault = ""
        rule = profile.set_current
        self._held = {rule.at: 0}
        if profile.watchdog_at is not None:
            self._held[profile.watchdog_at] = 15_000
        if profile.fail_safe is not None:
            self._held[profile.fail_safe.at] = 0
        for fixed in (profile.standby, profile.lock):
            if fixed is not None:
                self._held[fixed.at] = 0

    def plug_in(self, needed_wh: int) -> None:
        """A car arrives that takes so much (Wh)."""
        self.advance()
        self.plugged, self._needed_j = True, float(needed_wh * _J_PER_WH)

    def unplug(self) -> None:
        """The car leaves."""
        self.advance()
        self.plugged, self._needed_j = False, 0.0

    @property
    def energy_wh(self) -> int:
        """Energy given since the box was made (Wh)."""
        self.advance()
        return int(self._energy_j // _J_PER_WH)

    def power_w(self) -> float:
        """What the car takes now (W)."""
        rule = self._profile.set_current
        free = all(self._held[one.at] == one.value for one in (self._profile.standby, self._profile.lock) if one)
        raw = self._held[rule.at]
        if self._watchdog_s() and self._now_s() - self._asked_s > self._watchdog_s():
            raw = self._held[self._profile.fail_safe.at] if self._profile.fail_safe else 0
        amperes = min(raw / 10**rule.decimals, rule.most_a)
        allowed = self.plugged and free and self._needed_j > 0 and amperes >= rule.least_a
        return amperes * 3 * _VOLTS if allowed else 0.0

    def advance(self) -> None:
        """Let the car charge up to now; the watchdog may end within the time."""
        now = self._now_s()
        ends = self._asked_s + self._watchdog_s()
        if self._watchdog_s() and self._at_s < ends < now:
            self._charge(ends - self._at_s, self._power_before())
            self._at_s = ends
        self._charge(now - self._at_s, self.power_w())
        self._at_s = now

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers as the profile places them; all else is refused."""
        self.advance()
        values = self._holding() if function == 3 else self._inputs()
        if any(address + k not in values for k in range(count)):
            raise Refusal(ILLEGAL_ADDRESS)
        self._asked_s = self._now_s()
        return [values[address + k] for k in range(count)]

    def write(self, address: int, words: list[int]) -> None:
        """Take settings and the current; the current has a range."""
        self.advance()
        rule = self._profile.set_current
        for place, word in enumerate(words, address):
            if place not in self._held:
                raise Refusal(ILLEGAL_ADDRESS)
            if (
                place == rule.at
                and word
                and not rule.least_a * 10**rule.decimals <= word <= rule.most_a * 10**rule.decimals
            ):
                raise Refusal(ILLEGAL_VALUE)
            if self.fault == "stuck" and place == rule.at:
                continue
            self._held[place] = word
        if self.fault == "other-box" and self._profile.watchdog_at is not None:
            self._held[self._profile.watchdog_at] = 15_000
        self._asked_s = self._now_s()

    def _watchdog_s(self) -> float:
        return self._held.get(self._profile.watchdog_at or -1, 0) / 1000

    def _power_before(self) -> float:
        """The power before the watchdog ended."""
        asked, self._asked_s = self._asked_s, self._now_s()
        power = self.power_w()
        self._asked_s = asked
        return power

    def _charge(self, seconds: float, power_w: float) -> None:
        moved = min(seconds * power_w, self._needed_j)
        self._needed_j -= moved
        self._energy_j += moved

    def _holding(self) -> dict[int, int]:
        return self._held

    def _inputs(self) -> dict[int, int]:
        profile, power = self._profile, self.power_w()
        state = _CHARGING if power else _PLUGGED if self.plugged else _EMPTY
        per_phase = round(power / 3 / _VOLTS * 10**profile.currents.decimals)
        energy = int(self._energy_j // _J_PER_WH)
        values = {profile.state_at: state, profile.power_at: round(power)}
        values |= {profile.currents.at + k: per_phase for k in range(profile.currents.count)}
        values |= {profile.voltages.at + k: _VOLTS for k in range(profile.voltages.count)}
        return values | {profile.energy_at: energy >> 16, profile.energy_at + 1: energy & 0xFFFF}
