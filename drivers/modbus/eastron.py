"""Eastron SDM630, SDM120 and SDM230 over Modbus: one `read()`, a MeterSample with absolute counters.

Settled are the import and export totals at 72 and 74 and nothing else: the "total" at 342 is import +
export on most settings. Both counters are float32 kWh and become integer milliwatt-hours without a float on
the way.

What is distrusted (reference/modbus-meters.md, "Values to distrust"; conversions.md, sanity bound): a
counter that is NaN, infinite, all-ones or negative, that is lower than the last valid one, or that rose by
more than the fuse limit x time x 1.2 + one step. Such a sample repeats the last valid totals and carries
FLAG_QUARANTINED; a lower counter is only taken after an exchange of the meter that a person confirmed. A
counter that stands still while the power says that at least 50 steps and 50 Wh went through carries
FLAG_CROSS_CHECK.

One read is 2 requests (SDM630; 0.3 s at 9600 baud) or 6 (SDM120). At 2400 baud set `slow_line`: then a read
asks for energies and power and, in turn, one of the other values. Portable: CPython and MicroPython.
"""

from drivers.bus import Clock, ModbusDevice
from drivers.errors import BusFault, ValueOutOfRange
from drivers.modbus.eastron_points import (
    EXPORT_ADDRESS,
    FREQUENCY_ADDRESS,
    IMPORT_ADDRESS,
    INPUT_FUNCTION,
    MODELS,
    NO_POINT,
)
from drivers.modbus.registers import decode_float32_big, float32_kwh_step_milliwh, float32_kwh_to_milliwh
from drivers.sample import ABSOLUTE, FLAG_CROSS_CHECK, FLAG_QUARANTINED, MeterSample, counts_bound

COUNTER_STEP_NANOWH = 1000000
_STUCK_MILLIWH = 50000
_STUCK_STEPS = 50
_MILLIWATT_MS_PER_MILLIWH = 3600000
_ALWAYS_BLOCKS = 2


class EastronMeter:
    """One SDM meter. `fuse_limit_w` is the most that the connection's fuses let through on all phases.

    `last_valid` is (import_milliwh, export_milliwh, age_ms) that the caller remembers from before a
    restart, or None for a meter that was never read. Raises ValueOutOfRange for a model that is not in the
    table.
    """

    def __init__(
        self,
        device: ModbusDevice,
        clock: Clock,
        model: str,
        fuse_limit_w: int,
        *,
        slow_line: bool = False,
        last_valid: tuple[int, int, int] | None = None,
    ) -> None:
        """Take the bus and the settings; nothing is read yet."""
        if model not in MODELS:
            raise ValueOutOfRange(f"Eastron model {model!r} is not one of {sorted(MODELS)}; correct it")
        self.model = model
        self._device = device
        self._clock = clock
        self._blocks, self._fields = MODELS[model]
        self._fuse_limit_w = fuse_limit_w
        self._slow_line = slow_line and len(self._blocks) > _ALWAYS_BLOCKS
        self._turn = 0
        self._valid = None if last_valid is None else last_valid[:2]
        self._valid_age_ms = 0 if last_valid is None else last_valid[2]
        self._valid_ticks_ms = clock.ticks_ms()
        self._raw_counters: list[int] = []
        self._idle_milliwatt_ms = 0
        self._power_ticks_ms = self._valid_ticks_ms
        self._power_milliwatts = 0

    def confirm_exchange(self) -> None:
        """Take the next counters as they are: a person has confirmed that the meter was exchanged."""
        self._valid = None
        self._idle_milliwatt_ms = 0

    def start(self) -> MeterSample:
        """Read for the first time; a meter with its own counters needs no set-up. Errors as for `read`."""
        return self.read()

    def read_energy(self) -> MeterSample:
        """Read the two totals only (one request), for the instant a slot ends; errors as for `read`."""
        return self._sample(((IMPORT_ADDRESS, EXPORT_ADDRESS + 2 - IMPORT_ADDRESS),))

    def read(self) -> MeterSample:
        """Read the meter once. Raises what the device raises (BusFault), and ValueOutOfRange while a meter
        that was never read before shows no valid counter.
        """
        return self._sample(self._blocks_of_turn())

    def _sample(self, blocks: tuple[tuple[int, int], ...]) -> MeterSample:
        """Ask for blocks and return what they tell; fields without a value in them are None."""
        at_ticks_ms = self._clock.ticks_ms()
        words = self._fetch(blocks)
        totals, flags, lost_bound = self._judge(words, at_ticks_ms)
        power_w = self._group(words, "power_w")
        if self._stuck(words, power_w, flags, at_ticks_ms):
            flags, lost_bound = FLAG_CROSS_CHECK, self._idle_milliwatt_ms // _MILLIWATT_MS_PER_MILLIWH
        current_a = self._group(words, "current_a")
        return MeterSample(
            at_ticks_ms=at_ticks_ms,
            counter_kind=ABSOLUTE,
            import_counts=totals[0],
            export_counts=totals[1],
            phase_import_counts=self._phase_counters(words, "phase_import"),
            phase_export_counts=self._phase_counters(words, "phase_export"),
            counter_step_nanowh=COUNTER_STEP_NANOWH,
            power_w=power_w,
            reactive_power_var=self._group(words, "reactive_power_var"),
            voltage_v=self._group(words, "voltage_v"),
            current_a=current_a and tuple([abs(value) for value in current_a]),
            power_factor=self._group(words, "power_factor"),
            frequency_hz=self._value(words, FREQUENCY_ADDRESS),
            temperature_c=None,
            status=0,
            flags=flags,
            lost_bound_counts=lost_bound,
        )

    def _fetch(self, blocks: tuple[tuple[int, int], ...]) -> dict[int, list[int]]:
        """Ask for blocks; returns two words per even address. Raises BusFault."""
        words = {}
        for address, count in blocks:
            answer = self._device.read(INPUT_FUNCTION, address, count)
            if len(answer) != count:
                raise BusFault(f"{self.model}: {len(answer)} registers from {address}, {count} asked for")
            for offset in range(0, count, 2):
                words[address + offset] = answer[offset : offset + 2]
        return words

    def _blocks_of_turn(self) -> tuple[tuple[int, int], ...]:
        """All blocks, or on a slow line energies, power and one other in turn."""
        if not self._slow_line:
            return self._blocks
        others = self._blocks[_ALWAYS_BLOCKS:]
        self._turn = (self._turn + 1) % len(others)
        return self._blocks[:_ALWAYS_BLOCKS] + (others[self._turn],)

    def _judge(self, words: dict[int, list[int]], at_ticks_ms: int) -> tuple[tuple[int, int], int, int]:
        """Return the totals to believe (mWh), the flags, and the bound of what may be missing (counts)."""
        elapsed_ms = self._valid_age_ms + max(0, self._clock.ticks_diff(at_ticks_ms, self._valid_ticks_ms))
        bound = counts_bound(self._fuse_limit_w * 12, elapsed_ms, COUNTER_STEP_NANOWH * 10)
        try:
            totals = (
                float32_kwh_to_milliwh(words[IMPORT_ADDRESS]),
                float32_kwh_to_milliwh(words[EXPORT_ADDRESS]),
            )
            steps = (
                float32_kwh_step_milliwh(words[IMPORT_ADDRESS]),
                float32_kwh_step_milliwh(words[EXPORT_ADDRESS]),
            )
        except ValueOutOfRange:
            if self._valid is None:
                raise
            return self._valid, FLAG_QUARANTINED, bound
        if self._valid is not None:
            for direction in (0, 1):
                rise = totals[direction] - self._valid[direction]
                if rise < 0 or rise > bound + steps[direction]:
                    return self._valid, FLAG_QUARANTINED, bound
        self._valid = totals
        self._valid_age_ms = 0
        self._valid_ticks_ms = at_ticks_ms
        return totals, 0, 0

    def _stuck(
        self,
        words: dict[int, list[int]],
        power_w: tuple[float, ...] | None,
        flags: int,
        at_ticks_ms: int,
    ) -> bool:
        """Whether the counters stand still although the power would have moved them by 50 steps and 50 Wh."""
        if power_w is None:
            return False
        before, self._power_ticks_ms = self._power_ticks_ms, at_ticks_ms
        present = int(abs(power_w[0]) * 1000)
        earlier, self._power_milliwatts = self._power_milliwatts, present
        raw = words[IMPORT_ADDRESS] + words[EXPORT_ADDRESS]
        if flags or raw != self._raw_counters:
            self._raw_counters = raw
            self._idle_milliwatt_ms = 0
            return False
        elapsed_ms = max(0, self._clock.ticks_diff(at_ticks_ms, before))
        self._idle_milliwatt_ms += min(earlier, present) * elapsed_ms
        address = IMPORT_ADDRESS if power_w[0] > 0 else EXPORT_ADDRESS
        limit = max(_STUCK_MILLIWH, _STUCK_STEPS * float32_kwh_step_milliwh(words[address]))
        return self._idle_milliwatt_ms >= limit * _MILLIWATT_MS_PER_MILLIWH

    def _value(self, words: dict[int, list[int]], address: int) -> float | None:
        """A measured value; None if it was not asked for or is no number."""
        if address not in words:
            return None
        try:
            return decode_float32_big(words[address])
        except ValueOutOfRange:
            return None

    def _group(self, words: dict[int, list[int]], field: str) -> tuple[float, ...] | None:
        """The values of a field of the sample, 0.0 on phases that the meter lacks; None if one is missing."""
        values = []
        for address in self._fields[field]:
            value = 0.0 if address == NO_POINT else self._value(words, address)
            if value is None:
                return None
            values.append(value)
        return tuple(values)

    def _phase_counters(self, words: dict[int, list[int]], field: str) -> tuple[int, ...] | None:
        """The three counters of a direction in mWh; None if the meter has none or one is no number."""
        addresses = self._fields[field]
        if not addresses or addresses[0] not in words:
            return None
        try:
            return tuple([float32_kwh_to_milliwh(words[address]) for address in addresses])
        except ValueOutOfRange:
            return None
