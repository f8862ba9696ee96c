"""Driver of the three-phase metering chip ATM90E32AS (Microchip M90E32AS) on SPI, mode 3.

    Atm90e32as(bus: SpiDevice, clock: Clock, settings: Atm90e32asSettings = make_settings())
        .start() -> MeterSample         set the chip up, or keep it running and return what it held
        .read_energy() -> MeterSample   the counters only; every second, cheap
        .read() -> MeterSample          counters and measurements
        .read_cross_check() -> CrossCheckSet   apparent power, factors, temperature, and what does not fit together
        .read_events(), .read_peaks(), .read_harmonics(), .read_reactive_power_var(), .read_angles_degree(),
        .read_neutral_current_a(), .take_quadrants(), .self_test()
        .was_configured                 after start(): the chip was metering already, nothing was lost
    from drivers.chips.atm90e32as_settings import make_settings, PhaseCalibration

Samples are INCREMENTS: the chip forgets what it is asked for, so add each sample exactly once and persist the
sum; the driver persists nothing. `read_energy` and `read` raise DriverError when nothing could be read; counts
booked before the error come with the next sample. A chip that lost its registers (brown-out) is set up again by
the read that notices; that sample carries FLAG_BROWN_OUT and FLAG_ENERGY_LOST with the bound.
Poll every second: at meter constant 3200 a register is full after 10.7 s at 69 kW.
Not for the sisters M90E36A and M90E32 (no AS): other reset, checksum and scaling.
Source: data sheet and application note, as condensed in reference/atm90e32as.md.
"""

from drivers.bus import Clock, SpiDevice
from drivers.chips import atm90e32as_registers as reg
from drivers.chips import atm90e32as_scaling as scaling
from drivers.chips.atm90e32as_energy import EnergyReader
from drivers.chips.atm90e32as_link import Link
from drivers.chips.atm90e32as_settings import PL_NUMERATOR, Atm90e32asSettings, make_settings
from drivers.chips.cross_check import CrossCheckSet, findings
from drivers.errors import BusFault, ChecksumFault, DriverError, RegistersLost, WrongChip
from drivers.sample import (
    FLAG_BROWN_OUT,
    FLAG_BUS_FAULTS,
    FLAG_ENERGY_LOST,
    FLAG_TAMPER,
    INCREMENT,
    SUM_RULE_SHIFT,
    MeterSample,
)

RESET_MS = 50
SETTLE_MS = 1000
CRC_PERIOD_MS = 60000
DEFAULT_SETTINGS = make_settings()


class Atm90e32as:
    """One chip. All methods block for the length of their bus transfers, `start` for about a second if it resets."""

    def __init__(self, bus: SpiDevice, clock: Clock, settings: Atm90e32asSettings = DEFAULT_SETTINGS) -> None:
        """Remember bus, clock and settings; nothing is sent before `start`."""
        self._link = Link(bus)
        self._clock = clock
        self._settings = settings
        self._energy = EnergyReader(self._link, clock, settings)
        self._digest = 0
        self._crc_ticks = 0
        self._ready = False
        self._foreign_counts = [0, 0]
        self._temperature: float | None = None
        self._states = (-1, -1)
        self.was_configured = False

    def start(self) -> MeterSample:
        """Bring the chip into service without losing energy; the sample holds what its registers held.

        A chip that is metering with the configured constant keeps running. Raises WrongChip, BusFault,
        ChecksumFault.
        """
        self._require_chip()
        self.was_configured = self._is_configured()
        if self.was_configured:
            self._energy.cycle()
            self._repair_configuration()
        else:
            self._drain_foreign()
            self._configure()
        self._arm_crc_check()
        self._ready = True
        return self._sample(None)

    def read_energy(self) -> MeterSample:
        """The energy since the last sample. Raises BusFault, ChecksumFault (try again later), RegistersLost."""
        self._cycle()
        return self._sample(None)

    def read(self) -> MeterSample:
        """Energy since the last sample, and measurements.

        Measurements are None (with FLAG_BUS_FAULTS) if they fail their checks after the energy was booked.
        Raises like `read_energy`.
        """
        self._cycle()
        try:
            measured = self._measure()
        except (BusFault, ChecksumFault, RegistersLost):
            self._energy.flags |= FLAG_BUS_FAULTS
            measured = None
        return self._sample(measured)

    def self_test(self, times: int = 1000) -> int:
        """Read a known register `times` times; how many answers were wrong (0 on sound wiring)."""
        wrong = 0
        for _ in range(times):
            try:
                wrong += self._link.read(reg.CHANNEL_MAP_U) != reg.CHANNEL_MAP_U_RESET
            except BusFault:
                wrong += 1
        return wrong

    def read_events(self) -> tuple[int, int]:
        """Latched event bits (EMMIntState0, EMMIntState1), cleared by writing them back. Raises like `read`."""
        events = []
        for address in (reg.EMM_INT_STATE0, reg.EMM_INT_STATE1):
            word = self._link.read_checked(address, True)
            if word:
                self._link.write(address, word)
            events.append(word)
        return events[0], events[1]

    def take_quadrants(self) -> tuple[int, int, int, int]:
        """Reactive energy in steps in quadrants I to IV since the last call. Totals of the chip; not settled."""
        first, second, third, fourth = self._energy.quadrants
        self._energy.quadrants = [0, 0, 0, 0]
        return first, second, third, fourth

    def read_peaks(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Peak voltages (V) and currents (A) of the home's phases in the last window. Raises like `read`."""
        link, settings = self._link, self._settings
        gains = dict(settings.configuration)
        volts, amperes = [], []
        for channel in settings.phase_map:
            columns = reg.CALIBRATION[channel]
            volts.append(scaling.peak_v(link.read_checked(reg.U_PEAK[channel], True), gains[columns[0]]))
            word = link.read_checked(reg.I_PEAK[channel], True)
            amperes.append(scaling.peak_a(word, gains[columns[1]]) * settings.current_factor)
        return tuple(volts), tuple(amperes)

    def read_harmonics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Fundamental and harmonic active power in W, each (total, A, B, C). Raises like `read`."""
        link, factor, low = self._link, self._settings.current_factor, reg.LOW_WORD
        parts = []
        for addresses in (reg.P_FUNDAMENTAL, reg.P_HARMONIC):
            values = [scaling.power(*link.read_double(one, low)) * factor for one in addresses]
            parts.append(self._by_phase(values, True))
        return parts[0], parts[1]

    def read_neutral_current_a(self) -> float:
        """Current of the neutral conductor as the chip computes it from the phases. Raises like `read`."""
        amperes: float = scaling.current_a(self._link.read_checked(reg.I_RMS_N)) * self._settings.current_factor
        return amperes

    def read_cross_check(self) -> CrossCheckSet:
        """Apparent power, factors, angles, and what does not fit together. Raises BusFault, ChecksumFault."""
        link, settings, low = self._link, self._settings, reg.LOW_WORD
        factor, order = settings.current_factor, settings.phase_map
        power = self._by_phase([scaling.power(*link.read_double(one, low)) * factor for one in reg.P_MEAN], True)
        apparent = [scaling.power(*link.read_double(one, low)) * factor for one in reg.S_MEAN]
        factors = self._by_phase([scaling.power_factor(link.read_checked(one, True)) for one in reg.PF_MEAN], False)
        volts = [scaling.voltage_v(link.read_checked(one)) for one in reg.U_RMS]
        amperes = [scaling.current_a(link.read_checked(one)) * factor for one in reg.I_RMS]
        self._temperature = scaling.temperature_c(link.read_checked(reg.TEMP, True))
        ordered = (apparent[0],) + tuple([apparent[1 + one] for one in order])
        in_order = (tuple([volts[one] for one in order]), tuple([amperes[one] for one in order]))
        return CrossCheckSet(
            power,
            (None, None, None, None),
            ordered,
            in_order[0],
            in_order[1],
            factors,
            None,
            self._temperature,
            findings(power, None, ordered, in_order[0], in_order[1], factors),
        )

    def read_reactive_power_var(self) -> tuple[float, ...]:
        """Reactive power (total, A, B, C) in var. Raises like `read`."""
        link, factor = self._link, self._settings.current_factor
        values = [scaling.power(*link.read_double(one, reg.LOW_WORD)) * factor for one in reg.Q_MEAN]
        return self._by_phase(values, True)

    def read_angles_degree(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Angle of current to voltage (-180 to 180) and of each voltage to phase A's, as the chip's channels see them.

        Without current the first means nothing; 0, 240, 120 is one rotation, 0, 120, 240 the swapped one.
        """
        link = self._link
        current = [scaling.angle_mapped_degree(link.read_checked(one, True)) for one in reg.P_ANGLE]
        return tuple(current), tuple([scaling.angle_degree(link.read_checked(one, True)) for one in reg.U_ANGLE])

    def _cycle(self) -> None:
        if not self._ready:
            self._recover(FLAG_BROWN_OUT)
        try:
            self._energy.cycle()
        except RegistersLost:
            self._recover(FLAG_BROWN_OUT)
        clock = self._clock
        if clock.ticks_diff(clock.ticks_ms(), self._crc_ticks) >= CRC_PERIOD_MS:
            self._check_crc()

    def _recover(self, flag: int) -> None:
        """Set the chip up again; what it metered since the last cycle counts as lost, within the bound."""
        self._ready = False
        self._require_chip()
        self._configure(keep_time=True)
        self._arm_crc_check()
        self._energy.lose_since_last_cycle()
        self._energy.restart()
        self._energy.flags |= flag
        self._ready = True

    def _check_crc(self) -> None:
        """Each minute: the chip's own CRC over its configuration, against the digest of the start."""
        self._crc_ticks = self._clock.ticks_ms()
        link = self._link
        try:
            sound = link.read_checked(reg.CRC_ERR_STATUS) == 0
            sound = sound and link.read_checked(reg.CRC_DIGEST, True) == self._digest
            self._temperature = scaling.temperature_c(link.read_checked(reg.TEMP, True))
        except (BusFault, ChecksumFault):
            self._energy.flags |= FLAG_BUS_FAULTS
            return
        if not sound:
            try:
                self._energy.cycle()
            except DriverError:
                self._energy.flags |= FLAG_ENERGY_LOST
            self._recover(FLAG_BROWN_OUT | FLAG_TAMPER)

    def _require_chip(self) -> None:
        """See a living ATM90E32AS before anything is written: a reset on a dead line would cost its energy.

        One that was just powered or reset gets its time first.
        """
        try:
            known = self._link.read_checked(reg.CHANNEL_MAP_U)
        except ChecksumFault:
            self._clock.sleep_ms(RESET_MS)
            known = self._link.read_checked(reg.CHANNEL_MAP_U)
        if known == 0:
            raise BusFault("ChannelMapU reads 0: line stuck low or no supply; check wiring and that PM1:PM0 are 11")
        if known != reg.CHANNEL_MAP_U_RESET:
            raise WrongChip(f"ChannelMapU reads 0x{known:04X}, an ATM90E32AS has 0x0654: check part and wiring")

    def _is_configured(self) -> bool:
        """Whether the chip is metering with the settings' meter constant and mode."""
        link = self._link
        if link.read_checked(reg.METER_EN) == 0:
            return False
        return all(link.read_checked(address) == word for address, word in self._settings.configuration[:3])

    def _repair_configuration(self) -> None:
        """Bring registers that differ from the settings (a new calibration) in line, without a reset."""
        link = self._link
        different = [
            (address, word)
            for address, word in self._settings.configuration
            if link.read_checked(address, word == reg.ALL_ONES) != word
        ]
        if different:
            link.write_checked(reg.CFG_REG_ACC_EN, reg.UNLOCK_KEY, False)
            for address, word in different:
                link.write_checked(address, word)
            link.write_checked(reg.CFG_REG_ACC_EN, 0, False)
            self._clock.sleep_ms(SETTLE_MS)

    def _drain_foreign(self) -> None:
        """Book what a chip metering with another meter constant holds, in steps of ours, before it is reset.

        Less than one step is dropped per direction. An answer that fails its check is left to the next start.
        """
        link = self._link
        if link.read_checked(reg.METER_EN) == 0:
            return
        high = link.read_checked(reg.PL_CONST_H)
        other = high << 16 | link.read_checked(reg.PL_CONST_L, True)
        ours = self._settings.pl_constant
        if not 0 < other <= PL_NUMERATOR:
            return
        for index, address in ((0, reg.ENERGY_FORWARD[0]), (1, reg.ENERGY_REVERSE[0])):
            counts = link.read(address)
            if link.last() == counts and counts != reg.ALL_ONES:
                self._foreign_counts[index] += counts * other // ours
            else:
                self._energy.flags |= FLAG_ENERGY_LOST | FLAG_BUS_FAULTS
                self._energy.lost_bound += reg.ALL_ONES * other // ours

    def _configure(self, keep_time: bool = False) -> None:
        """Reset and set up; the first read of the energy registers afterwards is discarded."""
        link = self._link
        clock = self._clock
        link.write(reg.SOFT_RESET, reg.SOFT_RESET_KEY)
        clock.sleep_ms(RESET_MS)
        link.write_checked(reg.CFG_REG_ACC_EN, reg.UNLOCK_KEY, False)
        self._require_chip()
        for address, word in reg.TEMPERATURE_SETUP:
            link.write_checked(address, word, False)
        for address, word in self._settings.configuration:
            link.write_checked(address, word)
        link.write_checked(reg.METER_EN, 1)
        link.write_checked(reg.CFG_REG_ACC_EN, 0, False)
        for address in reg.ENERGY_FORWARD + reg.ENERGY_REVERSE:
            link.read(address)
        if not keep_time:
            self._energy.restart()
        clock.sleep_ms(SETTLE_MS)

    def _arm_crc_check(self) -> None:
        self._digest = self._link.read_checked(reg.CRC_DIGEST, True)
        self._temperature = scaling.temperature_c(self._link.read_checked(reg.TEMP, True))
        self._crc_ticks = self._clock.ticks_ms()

    def _measure(self) -> tuple:  # type: ignore[type-arg]
        """(power, reactive, voltage, current, power factor, frequency, temperature, status) by home phase."""
        link, settings, low = self._link, self._settings, reg.LOW_WORD
        factor, order = settings.current_factor, settings.phase_map
        phases = [scaling.power(*link.read_double(address, low)) * factor for address in reg.P_MEAN[1:]]
        counted = [phases[one] for one in range(3) if settings.mmode0 >> (2 - one) & 1]
        active = self._by_phase([sum(counted)] + phases, True)
        volts = [scaling.voltage_v(link.read_checked(address)) for address in reg.U_RMS]
        amperes = [scaling.current_a(link.read_checked(address)) * factor for address in reg.I_RMS]
        reactive = self._measure_reactive()
        frequency = scaling.frequency_hz(link.read_checked(reg.FREQ))
        if not frequency:
            # No phase alive, or a line that fell to zero meanwhile.
            self._energy.check_marker()
        state0 = self._state(reg.EMM_STATE0, self._states[0])
        self._states = (state0, self._state(reg.EMM_STATE1, self._states[1]))
        return (
            active,
            reactive,
            tuple([volts[channel] for channel in order]),
            tuple([amperes[channel] for channel in order]),
            None,
            frequency,
            self._temperature,
            self._states[0] << 16 | self._states[1],
        )

    def _measure_reactive(self) -> tuple:  # type: ignore[type-arg]
        """Reactive power (total, None, None, None); all four where single transformers are turned round."""
        turned = self._settings.reversed_phases
        if any(turned) and not all(turned):
            return self.read_reactive_power_var()
        total = scaling.power(*self._link.read_double(reg.Q_MEAN[0], reg.LOW_WORD)) * self._settings.current_factor
        return (-total if turned[0] else total, None, None, None)

    def _state(self, address: int, before: int) -> int:
        """A status word; one that is as the last sample found it needs no second look. Raises like `read`."""
        try:
            word = self._link.read(address)
        except BusFault:
            word = -1
        return word if word == before else self._link.read_checked(address, True)

    def _by_phase(self, values: list[float], additive: bool) -> tuple[float, ...]:
        """Total and the home's phases of four signed values, reversed transformers turned round."""
        turned = self._settings.reversed_phases
        total = values[0]
        if any(turned):
            values = [total] + [-values[1 + one] if turned[one] else values[1 + one] for one in range(3)]
            total = values[1] + values[2] + values[3] if additive and not all(turned) else -total
        return (total,) + tuple([values[1 + channel] for channel in self._settings.phase_map])

    def _sample(self, measured: tuple | None) -> MeterSample:  # type: ignore[type-arg]
        settings = self._settings
        imported, exported, booked, flags, lost = self._energy.take()
        if self._foreign_counts != [0, 0]:
            back = settings.reversed_phases[0]
            imported += self._foreign_counts[1 if back else 0]
            exported += self._foreign_counts[0 if back else 1]
            self._foreign_counts = [0, 0]
        a, b, c = settings.phase_map
        forward, reverse = (booked[1], booked[2], booked[3]), (booked[5], booked[6], booked[7])
        turned = settings.reversed_phases
        if turned != (False, False, False):
            pairs = [(reverse[i], forward[i]) if turned[i] else (forward[i], reverse[i]) for i in range(3)]
            forward = (pairs[0][0], pairs[1][0], pairs[2][0])
            reverse = (pairs[0][1], pairs[1][1], pairs[2][1])
        if measured is None:
            measured = (None, None, None, None, None, None, None, 0)
        ticks = self._energy.last_cycle_ticks
        return MeterSample(
            self._clock.ticks_ms() if ticks is None else ticks,
            INCREMENT,
            imported,
            exported,
            (forward[a], forward[b], forward[c]),
            (reverse[a], reverse[b], reverse[c]),
            settings.counter_step_nanowh,
            measured[0],
            measured[1],
            measured[2],
            measured[3],
            measured[4],
            measured[5],
            measured[6],
            measured[7],
            flags | settings.sum_rule << SUM_RULE_SHIFT,
            lost,
        )
