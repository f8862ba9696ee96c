"""Any Modbus meter that a profile describes: one `read()`, a MeterSample with absolute counters in mWh.

Settled are the profile's import and export totals and nothing else; they become integers without a float on the
way. What is believed of them is decided by `drivers.modbus.guard`. On a slow line (2400 baud) set `slow_line`: a read
then asks for the first two blocks and, in turn, one of the others. Portable: CPython and MicroPython.
"""

from drivers.bus import Clock, ModbusDevice
from drivers.errors import BusFault, ValueOutOfRange, WrongChip
from drivers.modbus.guard import COUNTER_STEP_NANOWH, CounterGuard
from drivers.modbus.profile import ENERGY_UNITS, EXPORT, FIELDS, IMPORT, KINDS, MeterProfile, Point
from drivers.modbus.registers import (
    decode_float32_big,
    float32_kwh_step_milliwh,
    float32_kwh_to_milliwh,
    scaled_by_ten,
    signed_of,
    unsigned_of,
)
from drivers.sample import ABSOLUTE, MeterSample

_ALWAYS_BLOCKS = 2
_ALL_ONES = 0xFFFF


class ModbusMeter:
    """One meter. `fuse_limit_w` is the most that the connection's fuses let through on all phases together.

    `invert` is for a meter whose current paths are reversed: it swaps import and export and the sign of powers.
    `last_valid` is (import_milliwh, export_milliwh, age_ms), as returned, from before a restart.
    """

    def __init__(
        self,
        device: ModbusDevice,
        clock: Clock,
        profile: MeterProfile,
        fuse_limit_w: int,
        *,
        slow_line: bool = False,
        invert: bool = False,
        last_valid: "tuple[int, int, int] | None" = None,
    ) -> None:
        """Take the bus and the settings; nothing is read yet."""
        self.profile = profile
        self._device = device
        self._clock = clock
        self._slow_line = slow_line and len(profile.blocks) > _ALWAYS_BLOCKS
        self._turn = 0
        self._invert = invert
        self.guard = CounterGuard(clock, fuse_limit_w, last_valid)

    def confirm_exchange(self) -> None:
        """Take the next counters as they are: a person has confirmed that the meter was exchanged."""
        self.guard.confirm_exchange()

    def start(self) -> MeterSample:
        """Check that it is the meter of the profile, then read. Raises WrongChip, and as `read`."""
        for identity in self.profile.identify:
            word = self._device.read(self.profile.function, identity.address, 1)[0]
            if not identity.low <= word <= identity.high:
                raise WrongChip(
                    f"{self.profile.name}: register {identity.address} holds {word}, this meter has "
                    f"{identity.low}..{identity.high} there; choose another profile or set the meter's application"
                )
        return self.read()

    def read_energy(self) -> MeterSample:
        """Read the two totals only, for the instant a slot ends; errors as for `read`."""
        return self._sample(self.profile.energy_blocks, False)

    def read(self) -> MeterSample:
        """Read the meter once. Raises what the device raises (BusFault), and ValueOutOfRange while a meter
        that was never read before shows no valid counter.
        """
        return self._sample(self._blocks_of_turn(), True)

    def _sample(self, blocks: tuple[tuple[int, int], ...], whole: bool) -> MeterSample:
        """Ask for blocks and return what they tell; fields without a value in them are None."""
        at_ticks_ms = self._clock.ticks_ms()
        words = self._fetch(blocks)
        power_w = self._signed_group(words, "power_w")
        frame = [words[address] for address in sorted(words)] if whole else None
        milliwatts = int(power_w[0] * 1000) if whole and power_w is not None else None
        totals, steps = self._totals(words)
        if totals is not None and self.guard.surprising(at_ticks_ms, totals, steps, milliwatts):
            again = self._totals(self._fetch(self.profile.energy_blocks))[0]
            totals = totals if self.guard.agrees(totals, again, steps) else None
        verdict = self.guard.judge(at_ticks_ms, totals, steps, frame, milliwatts)
        if verdict.frozen or all(word == _ALL_ONES for word in words.values()):
            words, power_w = {}, None
        first, second = ("phase_export", "phase_import") if self._invert else ("phase_import", "phase_export")
        current_a = self._group(words, "current_a")
        return MeterSample(
            at_ticks_ms=at_ticks_ms,
            counter_kind=ABSOLUTE,
            import_counts=verdict.totals[0],
            export_counts=verdict.totals[1],
            phase_import_counts=self._phase_counters(words, first),
            phase_export_counts=self._phase_counters(words, second),
            counter_step_nanowh=COUNTER_STEP_NANOWH,
            power_w=power_w,
            reactive_power_var=self._signed_group(words, "reactive_power_var"),
            voltage_v=self._group(words, "voltage_v"),
            current_a=current_a and tuple([abs(value) for value in current_a]),
            power_factor=self._signed_group(words, "power_factor"),
            frequency_hz=self._value(words, "frequency"),
            temperature_c=None,
            status=0,
            flags=verdict.flags,
            lost_bound_counts=verdict.bound,
        )

    def _fetch(self, blocks: tuple[tuple[int, int], ...]) -> dict[int, int]:
        """Ask for blocks; returns the word of every register. Raises BusFault."""
        words = {}
        for address, count in blocks:
            answer = self._device.read(self.profile.function, address, count)
            if len(answer) != count:
                raise BusFault(f"{self.profile.name}: {len(answer)} registers from {address}, {count} asked for")
            for offset in range(count):
                words[address + offset] = answer[offset]
        return words

    def _blocks_of_turn(self) -> tuple[tuple[int, int], ...]:
        """All blocks, or on a slow line the first two and one other in turn."""
        blocks: tuple[tuple[int, int], ...] = self.profile.blocks
        if not self._slow_line:
            return blocks
        others = blocks[_ALWAYS_BLOCKS:]
        self._turn = (self._turn + 1) % len(others)
        return blocks[:_ALWAYS_BLOCKS] + (others[self._turn],)

    def _words(self, words: dict[int, int], point: Point) -> "list[int] | None":
        """The registers of a point, high word first; None if they were not asked for."""
        if point.address not in words:
            return None
        found = [words[point.address + offset] for offset in range(KINDS[point.kind])]
        return found[::-1] if self.profile.low_word_first else found

    def _totals(self, words: dict[int, int]) -> "tuple[tuple[int, int] | None, tuple[int, int]]":
        """Both totals and their steps in mWh; no totals if one is no number."""
        names = (EXPORT, IMPORT) if self._invert else (IMPORT, EXPORT)
        try:
            first, second = (self._energy(words, name) for name in names)
        except ValueOutOfRange:
            return None, (1, 1)
        return (first[0], second[0]), (first[1], second[1])

    def _energy(self, words: dict[int, int], name: str) -> tuple[int, int]:
        """A counter and its step in mWh. Raises ValueOutOfRange if it is no number or below zero."""
        point = self.profile.points[name]
        found = self._words(words, point)
        if found is None:
            raise ValueOutOfRange(f"{name} was not asked for")
        exponent = ENERGY_UNITS[point.unit] - point.decimals
        if point.kind == "float32":
            milliwh, step = float32_kwh_to_milliwh(found), float32_kwh_step_milliwh(found)
            return (milliwh, step) if point.unit == "kWh" else ((milliwh + 500) // 1000, (step + 999) // 1000)
        raw = signed_of(found) if point.kind[0] == "i" else unsigned_of(found)
        if raw < 0 or all(word == _ALL_ONES for word in found):
            raise ValueOutOfRange(f"{name} is {raw}: no counter")
        return scaled_by_ten(raw, exponent), max(1, scaled_by_ten(1, exponent))

    def _value(self, words: dict[int, int], name: str) -> "float | None":
        """A measured value; None if the meter lacks it, it was not asked for or is no number."""
        point = self.profile.points.get(name)
        found = None if point is None else self._words(words, point)
        if found is None:
            return None
        if point.kind == "float32":
            try:
                return decode_float32_big(found)
            except ValueOutOfRange:
                return None
        raw = signed_of(found) if point.kind[0] == "i" else unsigned_of(found)
        return float(raw / 10**point.decimals)

    def _group(self, words: dict[int, int], field: str) -> "tuple[float, ...] | None":
        """The values of a field of the sample, 0.0 on phases that the meter lacks; None if one is missing."""
        values = []
        for names in FIELDS[field]:
            present = [name for name in names if name in self.profile.points]
            value = self._value(words, present[0]) if present else 0.0
            if value is None:
                return None
            values.append(value)
        first = FIELDS[field][0]
        if not any(name in self.profile.points for name in first):
            return None
        return tuple(values)

    def _signed_group(self, words: dict[int, int], field: str) -> "tuple[float, ...] | None":
        """As `_group`, with the sign turned for a reversed meter."""
        values = self._group(words, field)
        if values is None or not self._invert:
            return values
        return tuple([-value for value in values])

    def _phase_counters(self, words: dict[int, int], field: str) -> "tuple[int, ...] | None":
        """The three counters of a direction in mWh; None if the meter has none or one is no number."""
        counters = []
        for names in FIELDS[field]:
            if names[0] not in self.profile.points:
                return None
            try:
                counters.append(self._energy(words, names[0])[0])
            except ValueOutOfRange:
                return None
        return tuple(counters)
