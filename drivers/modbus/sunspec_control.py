"""Commands to a battery behind SunSpec models 704, 124 or 802, by the safety rules of reference/sunspec.md.

- No write without a passed sign test of this very device (serial number); the test itself is held to a tenth of the
  nameplate. Only points that the device implements are written.
- Wishes are clamped by nameplate, SoC window (with hysteresis) and fuse limit, then scaled; what does not fit its type
  is refused. After every write the values are read back and compared.
- At most one write in 10 s, and only on a change or to refresh within a third of the revert time. Heartbeats and
  letting go are exempt.
- `release` returns to automatic. Who does that when this program is gone is the profile's `lets_go`.

Powers here are positive while charging. A command writes values first, the switch that makes them count last. Portable.
"""

from collections import namedtuple

from drivers.bus import Clock, ModbusDevice
from drivers.errors import ChecksumFault, DriverError
from drivers.modbus.registers import words_of
from drivers.modbus.sunspec import Values, write_raw
from drivers.modbus.sunspec_inverter import Nameplate, SunSpecInverter, value_of
from drivers.modbus.sunspec_profile import ControlProfile
from drivers.modbus.sunspec_values import raw_for

WRITE_PAUSE_MS = 10000
HEARTBEAT_MS = 1000
JUDGE_MS = 5000
"""How often a wish that stays is compared with state of charge and device again."""
TEST_SHARE_PERCENT = 10
SOC_HYSTERESIS_PERCENT = 2.0
_MICRO = 1000000
_BOTH_LIMITS = 3
_WORD_RANGE = 0x10000

SignResult = namedtuple("SignResult", ("passed", "invert", "serial"))
"""Outcome of the sign test: whether the meter followed, whether the device's sign is turned, whose it was."""
Limits = namedtuple("Limits", ("fuse_w", "soc_min_percent", "soc_max_percent"))
"""What the site allows, beside the nameplate."""


class ControlRefused(DriverError):
    """A command that must not be given: no passed sign test, a point that is missing, a profile without force."""

    code = "DRV-CONTROL"


class BatteryControl:
    """One battery. `sign` is the stored result of the sign test, None before it."""

    def __init__(
        self,
        device: ModbusDevice,
        clock: Clock,
        inverter: SunSpecInverter,
        profile: ControlProfile,
        limits: Limits,
        sign: "SignResult | None",
        *,
        write_pause_ms: int = WRITE_PAUSE_MS,
        automatic: "list[tuple[str, int]] | None" = None,
    ) -> None:
        """Read nameplate and identity. Raises ControlRefused if the profile's model or limits are missing.

        `automatic` is what the device held before anybody commanded it (`automatic` of an earlier object); without it
        what it holds now counts as that. `write_pause_ms` may only lengthen the pause between writes.
        """
        self._device, self._clock, self._inverter = device, clock, inverter
        self.profile, self._limits, self._sign = profile, limits, sign
        self.nameplate: Nameplate = inverter.nameplate()
        common = inverter.model(1)
        self.serial = "" if common is None else common.text("SN")
        if self._model() is None:
            raise ControlRefused(f"{profile.name}: the device has no model {profile.model}; choose another profile")
        if not self.nameplate.charge_w or not self.nameplate.discharge_w:
            raise ControlRefused(f"{profile.name}: the device tells no largest power; it cannot be commanded safely")
        self._wanted: "int | None" = None
        self._written: "list[tuple[str, int]]" = []
        self._pause_ms = max(WRITE_PAUSE_MS, write_pause_ms)
        self._written_ms = clock.ticks_ms() - self._pause_ms
        self._judged: "int | None" = None
        self._judged_ms = clock.ticks_ms()
        self._beat_ms = clock.ticks_ms() - HEARTBEAT_MS
        self._beat = 0
        self._full = self._empty = self._testing = False
        self._allowed = 0
        self.automatic = self._reserve() if automatic is None else automatic

    def command(self, power_w: int) -> int:
        """Wish for a power from now on (charging positive); returns what remains of it after the limits.

        Without force it is a limit: at most so much, and nothing in the other direction. Raises ControlRefused,
        ValueOutOfRange, ChecksumFault if the device does not keep what is written, and bus errors.
        """
        sign = self._sign
        if sign is None or not sign.passed or sign.serial != self.serial:
            raise ControlRefused(
                f"{self.profile.name} {self.serial}: no passed sign test; run the commissioning's first"
            )
        self._wanted = power_w
        self.tick()
        return self._allowed

    def command_for_sign_test(self, power_w: int) -> None:
        """As `command` without a sign test, for the sign test itself: at most a tenth of the nameplate."""
        most = int(min(self.nameplate.charge_w, self.nameplate.discharge_w)) * TEST_SHARE_PERCENT // 100
        if abs(power_w) > most:
            raise ControlRefused(f"{self.profile.name}: the sign test may use {most} W, not {power_w} W")
        self._testing = True
        self.beat()
        self._write(self._points(self._clamped(power_w), False))

    def beat(self) -> None:
        """Beat the heart if the profile has one and a command or test runs; call every second of a sign test."""
        self._beat_heart(self._clock.ticks_ms())

    def tick(self) -> None:
        """Write what is wished if it is new or due for a refresh; beat the heart. Call every second."""
        now = self._clock.ticks_ms()
        self._beat_heart(now)
        if self._wanted is None:
            return
        since = self._clock.ticks_diff(now, self._written_ms)
        refresh = self.profile.revert_s and since >= self.profile.revert_s * 1000 // 3 - HEARTBEAT_MS
        settled = self._wanted == self._judged and self._clock.ticks_diff(now, self._judged_ms) < JUDGE_MS
        if settled and not refresh:
            return
        self._allowed = self._clamped(self._wanted)
        if since < self._pause_ms:
            return
        self._judged, self._judged_ms = self._wanted, now
        wanted = self._points(self._allowed, self._sign is not None and self._sign.invert)
        if wanted != self._written or refresh or not self._holds(wanted):
            self._judged = None
            self._write(wanted)
            self._judged = self._wanted

    def is_automatic(self) -> bool:
        """Whether the device holds what automatic means for it. Raises bus errors."""
        return self._holds(self.automatic)

    def _holds(self, points: "list[tuple[str, int]]") -> bool:
        """Whether the device holds these values; a timer runs down and does not count."""
        values = self._model()
        return values is not None and all(values.raw(name) == raw for name, raw in points if name[-7:] != "RvrtTms")

    def release(self) -> None:
        """Return the battery to automatic, whatever was commanded before. Raises bus errors, ChecksumFault."""
        self._wanted = self._judged = None
        self._testing = False
        self._write(self.automatic)
        self._written = []

    def forget(self) -> None:
        """Stop wishing, refreshing and beating the heart; nothing is written."""
        self._wanted = self._judged = None

    def _model(self) -> "Values | None":
        return self._inverter.model(self.profile.model)

    def _reserve(self) -> "list[tuple[str, int]]":
        """What automatic means for this device, to write when letting go."""
        if self.profile.model == 704:
            return [("WSetEna", 0)]
        if self.profile.model == 124:
            return [("StorCtl_Mod", 0)]
        values = self._model()
        found = []
        for name in ("SocRsvMax", "SoCRsvMin"):
            raw = None if values is None else values.raw(name)
            if raw is None:
                raise ControlRefused(f"{self.profile.name}: the device does not implement {name}; it cannot be limited")
            found.append((name, raw))
        return found

    def _clamped(self, power_w: int) -> int:
        """A power within nameplate, fuse and SoC window."""
        soc = self._inverter.soc_percent()
        if soc is not None:
            low = max(self._limits.soc_min_percent, self.nameplate.soc_min or 0.0)
            high = min(self._limits.soc_max_percent, self.nameplate.soc_max or 100.0)
            self._empty = soc <= low or (self._empty and soc < low + SOC_HYSTERESIS_PERCENT)
            self._full = soc >= high or (self._full and soc > high - SOC_HYSTERESIS_PERCENT)
        most = 0 if self._full else int(min(self.nameplate.charge_w, self._limits.fuse_w))
        least = 0 if self._empty else -int(min(self.nameplate.discharge_w, self._limits.fuse_w))
        return max(least, min(most, int(power_w)))

    def _points(self, power_w: int, invert: bool) -> "list[tuple[str, int]]":
        """What to write for a power: names and raw values, the switch last. Raises ControlRefused, ValueOutOfRange."""
        values = self._model()
        if values is None:
            raise ControlRefused(f"{self.profile.name}: model {self.profile.model} is gone; scan the device again")
        if invert:
            power_w = -power_w
        if self.profile.model == 704:
            return self._points_704(values, power_w)
        return self._points_124(values, power_w) if self.profile.model == 124 else self._points_802(values, power_w)

    def _points_704(self, values: Values, power_w: int) -> "list[tuple[str, int]]":
        """Active power in watts, positive while discharging; the timer first."""
        if not self.profile.forced:
            raise ControlRefused(f"{self.profile.name}: model 704 sets power, this profile forbids forcing it")
        watts = raw_for(-power_w * _MICRO, values.scale("WSet"), "int32")
        points = [("WSetRvrtTms", self.profile.revert_s)] if self.profile.lets_go == "device" else []
        if points and values.raw("WSetEnaRvrt") is not None:
            points.append(("WSetEnaRvrt", 0))
        return points + [("WSetMod", 1), ("WSet", watts), ("WSetEna", 1)]

    def _points_124(self, values: Values, power_w: int) -> "list[tuple[str, int]]":
        """A window of charging rates in per cent of WChaMax; a negative rate forces the other direction."""
        most = value_of(values, "WChaMax")
        if not most:
            raise ControlRefused(f"{self.profile.name}: the device does not tell WChaMax; nothing was written")
        share_micro = int(abs(power_w) * 100 * _MICRO / most)
        allowed = raw_for(share_micro, values.scale("InWRte"), "int16")
        other = raw_for(-share_micro if self.profile.forced else 0, values.scale("InWRte"), "int16")
        charge, discharge = (allowed, other) if power_w >= 0 else (other, allowed)
        points = [("InOutWRte_RvrtTms", self.profile.revert_s)] if self.profile.write_revert else []
        return points + [("OutWRte", discharge), ("InWRte", charge), ("StorCtl_Mod", _BOTH_LIMITS)]

    def _points_802(self, values: Values, power_w: int) -> "list[tuple[str, int]]":
        """SoC reserves: charging or discharging ends at the present state of charge, the other side is as found."""
        soc = values.raw("SoC")
        if soc is None:
            raise ControlRefused(f"{self.profile.name}: the device does not tell its state of charge")
        most, least = self.automatic[0][1], self.automatic[1][1]
        high = most if power_w > 0 else min(most, max(least, soc))
        low = least if power_w < 0 else max(least, min(most, soc))
        return [("SocRsvMax", high), ("SoCRsvMin", low)]

    def _write(self, points: "list[tuple[str, int]]") -> None:
        """Write points in their order, neighbours in one message, and read them back.

        Raises ControlRefused for one that the device lacks, ChecksumFault for one that it does not keep.
        """
        values = self._model()
        if values is None:
            raise ControlRefused(f"{self.profile.name}: model {self.profile.model} is gone; scan the device again")
        for name, _ in points:
            if values.raw(name) is None or not values.points[name].point.writable:
                raise ControlRefused(f"{self.profile.name}: the device does not implement {name}; nothing was written")
        self._written_ms = self._clock.ticks_ms()
        for address, words in _messages(values, points):
            self._device.write(address, words)
        back = self._model()
        for name, raw in points:
            kept = None if back is None else back.raw(name)
            if kept != raw and name[-7:] != "RvrtTms":
                self._written = []
                raise ChecksumFault(f"{self.profile.name}: {name} reads back {kept}, {raw} was written; see its page")
        self._written = points

    def _beat_heart(self, now: int) -> None:
        """Count the heartbeat up once a second, if the profile has one."""
        if not self.profile.heartbeat_s or (self._wanted is None and not self._testing):
            return
        values = self._model() if self._clock.ticks_diff(now, self._beat_ms) >= HEARTBEAT_MS else None
        if values is None:
            return
        self._beat = (self._beat + 1) % (_WORD_RANGE - 1)
        self._beat_ms = now
        write_raw(self._device, values, "CtrlHb", self._beat)


def _messages(values: Values, points: "list[tuple[str, int]]") -> "list[tuple[int, list[int]]]":
    """Addresses and words to write: a rate and its counterpart change together or not at all."""
    messages: "list[tuple[int, list[int]]]" = []
    for name, raw in points:
        placed = values.points[name]
        address = values.found.address + placed.offset
        words = words_of(raw, placed.point.registers)
        if messages and messages[-1][0] + len(messages[-1][1]) == address:
            messages[-1][1].extend(words)
        else:
            messages.append((address, words))
    return messages
