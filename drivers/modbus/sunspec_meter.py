"""A grid meter in a SunSpec chain (models 201 to 204 integers, 211 to 214 floats): one `read()`, a MeterSample.

Which totals are import differs by vendor, and so does the sign of the power: `invert` turns both, and is found at
commissioning. acc32 totals wrap at 2**32 raw steps; the sample's counters go on. A total of 0 is a new counter and a
missing one alike: it counts as 0, and a total that falls back to 0 is quarantined. Portable.
"""

from drivers.bus import Clock, ModbusDevice
from drivers.errors import ValueOutOfRange, WrongChip
from drivers.modbus.guard import COUNTER_STEP_NANOWH, CounterGuard
from drivers.modbus.registers import float32_kwh_step_milliwh, float32_kwh_to_milliwh, scaled_by_ten, words_of
from drivers.modbus.sunspec import Found, Table, Values, find, read_model, scan
from drivers.sample import ABSOLUTE, MeterSample

METER_MODELS = (203, 204, 202, 201, 213, 214, 212, 211)
_ACC32_RANGE = 1 << 32
_ALL_ONES = 0xFFFF
_PHASES = ("A", "B", "C")
_MOST_POWER_FACTOR = 1.0


class SunSpecMeter:
    """One meter. `tables` are the SunSpec models; `last_valid` and `fuse_limit_w` as for `ModbusMeter`."""

    def __init__(
        self,
        device: ModbusDevice,
        clock: Clock,
        tables: "dict[int, Table]",
        fuse_limit_w: int,
        *,
        invert: bool = False,
        last_valid: "tuple[int, int, int] | None" = None,
    ) -> None:
        """Take the bus and the settings; nothing is read yet."""
        self._device = device
        self._clock = clock
        self._tables = tables
        self._invert = invert
        self._found: "Found | None" = None
        self.identity = ("", "", "", "")
        self.guard = CounterGuard(clock, fuse_limit_w, last_valid)

    def confirm_exchange(self) -> None:
        """Take the next counters as they are: a person has confirmed that the meter was exchanged."""
        self.guard.confirm_exchange()

    def start(self) -> MeterSample:
        """Scan the chain for a meter and read it. Raises WrongChip if there is none, and as `read`."""
        chain = scan(self._device)
        self._found = find(chain, *METER_MODELS)
        if self._found is None:
            models = ", ".join([str(found.model) for found in chain])
            raise WrongChip(f"SunSpec device without a meter (it has {models}); try another unit number")
        common = read_model(self._device, chain[0], self._tables[1])
        self.identity = (common.text("Mn"), common.text("Md"), common.text("Vr"), common.text("SN"))
        return self.read()

    def read_energy(self) -> MeterSample:
        """Read the meter: totals and scale factors lie in one request with everything else."""
        return self.read()

    def read(self) -> MeterSample:
        """Read once. Raises BusFault, RegistersLost when the chain moved (start again), and ValueOutOfRange while a
        meter that was never read before shows no valid counter.
        """
        if self._found is None:
            return self.start()
        at_ticks_ms = self._clock.ticks_ms()
        values = read_model(self._device, self._found, self._tables[self._found.model])
        power_w = self._signed(self._four(values, "W"))
        totals, steps = self._totals(values, at_ticks_ms)
        frame = [placed.value for placed in values.points.values()]
        milliwatts = None if power_w is None else int(power_w[0] * 1000)
        if totals is not None and self.guard.surprising(at_ticks_ms, totals, steps, milliwatts):
            second = read_model(self._device, self._found, self._tables[self._found.model])
            again = self._totals(second, at_ticks_ms)[0]
            totals = totals if self.guard.agrees(totals, again, steps) else None
        verdict = self.guard.judge(at_ticks_ms, totals, steps, frame, milliwatts)
        if verdict.frozen:
            values, power_w = Values(self._found, {}), None
        factor = self._signed(self._four(values, "PF"))
        return MeterSample(
            at_ticks_ms=at_ticks_ms,
            counter_kind=ABSOLUTE,
            import_counts=verdict.totals[0],
            export_counts=verdict.totals[1],
            phase_import_counts=None,
            phase_export_counts=None,
            counter_step_nanowh=COUNTER_STEP_NANOWH,
            power_w=power_w,
            reactive_power_var=self._signed(self._four(values, "VAR")),
            voltage_v=self._three(values, "PhVph"),
            current_a=self._three(values, "Aph"),
            power_factor=factor and tuple([_as_factor(value) for value in factor]),
            frequency_hz=self._one(values, "Hz"),
            temperature_c=None,
            status=values.raw("Evt") or 0,
            flags=verdict.flags,
            lost_bound_counts=verdict.bound,
        )

    def _totals(self, values: Values, at_ticks_ms: int) -> "tuple[tuple[int, int] | None, tuple[int, int]]":
        """Both totals and their steps in mWh; no totals if a scale factor or a float is no number."""
        names = ("TotWhExp", "TotWhImp") if self._invert else ("TotWhImp", "TotWhExp")
        bound = self.guard.bound_milliwh(at_ticks_ms)
        found = []
        for direction in (0, 1):
            try:
                found.append(self._energy(values, names[direction], direction, bound))
            except ValueOutOfRange:
                return None, (1, 1)
        return (found[0][0], found[1][0]), (found[0][1], found[1][1])

    def _energy(self, values: Values, name: str, direction: int, bound: int) -> tuple[int, int]:
        """One total and its step in mWh, with the wraps of an acc32 added that the last valid total tells."""
        raw = values.raw(name)
        if values.points[name].point.kind == "float32":
            if raw is None:
                raise ValueOutOfRange(f"{name} is no number")
            words = words_of(raw, 2)
            return (float32_kwh_to_milliwh(words) + 500) // 1000, (float32_kwh_step_milliwh(words) + 999) // 1000
        exponent = values.scale(name) + 3
        total = scaled_by_ten(raw or 0, exponent)
        step = max(1, scaled_by_ten(1, exponent))
        valid = self.guard.valid
        if valid is None:
            return total, step
        turn = scaled_by_ten(_ACC32_RANGE, exponent)
        total += valid[direction] // turn * turn
        if total < valid[direction] and total + turn - valid[direction] <= bound + step:
            total += turn
        return total, step

    def _one(self, values: Values, name: str) -> "float | None":
        """A value; None if it is missing or its scale factor is impossible."""
        try:
            return values.number(name)
        except ValueOutOfRange:
            return None

    def _three(self, values: Values, name: str) -> "tuple[float, ...] | None":
        """Values of the phases without sign, 0.0 where the meter lacks one; None if phase A is missing."""
        first = self._one(values, name + "A")
        if first is None:
            return None
        return tuple([abs(self._one(values, name + phase) or 0.0) for phase in _PHASES])

    def _four(self, values: Values, name: str) -> "tuple[float, ...] | None":
        """Total and phases; None if the total is missing. A meter without phase values has 0.0 there."""
        total = self._one(values, name)
        if total is None:
            return None
        return (total,) + tuple([self._one(values, name + "ph" + phase) or 0.0 for phase in _PHASES])

    def _signed(self, values: "tuple[float, ...] | None") -> "tuple[float, ...] | None":
        """With the sign turned for a meter that counts the other way."""
        if values is None or not self._invert:
            return values
        return tuple([-value for value in values])


def _as_factor(value: float) -> float:
    """A power factor within -1..1: the models give per cent, some devices the factor."""
    return value / 100 if abs(value) > _MOST_POWER_FACTOR else value
