"""Driver of the three-phase metering chip ADE7878 (SmartPi boards) on I2C or SPI; also ADE7878A.

    Ade7878(I2cPort(bus) | SpiPort(bus), clock, settings=make_settings(), resume=None)
        .start(), .read_energy(), .read(), .read_cross_check(), .state, .take_quadrants()   see ade_meter
        .read_frequencies_hz()      of each phase; takes a quarter of a second
        .self_test(times) -> int    wrong answers of a known register

Energy registers are read with RSTREAD = 0: they are signed, 32 bits, never cleared, and wrap; differences are booked
phase by phase. One cycle: three counters, CHECKSUM, the counters again, RUN. CHECKSUM covers the configuration, so a
brown-out or a disturbed register is seen before anything is booked, and a line that sticks over both looks too.
Not for the ADE7880 (other calibration addresses). Source: data sheet, as condensed in reference/ade7878.md.
"""

from drivers.bus import Clock
from drivers.chips import ade7878_registers as reg
from drivers.chips import ade7878_scaling as scaling
from drivers.chips.ade7878_link import ATTEMPTS, I2cPort, Link, SpiPort
from drivers.chips.ade7878_settings import make_settings
from drivers.chips.ade_meter import AdeMeter
from drivers.chips.ade_settings import AdeSettings
from drivers.chips.cross_check import CrossCheckSet, findings
from drivers.errors import BusFault, ChecksumFault, RegistersLost, WrongChip

RESET_TRIES, RESET_PAUSE_MS = 40, 50
PERIOD_SETTLE_MS = 80
READING_MS = 20
DEFAULT_SETTINGS = make_settings()
ALL_ONES = 0xFFFFFFFF
CFMODE, CFMODE_RESET = 0xE610, 0x0E88
EPOCH = 0xE613  # CF3DEN, a divider of a pulse output that nobody uses here
ENERGY_KEEPERS = (reg.LCYCMODE, reg.GAIN, reg.CONFIG, reg.ACCMODE)


class Ade7878(AdeMeter):
    """One chip; see ade_meter for what a sample is."""

    def __init__(
        self,
        port: I2cPort | SpiPort,
        clock: Clock,
        settings: AdeSettings = DEFAULT_SETTINGS,
        resume: tuple | None = None,  # type: ignore[type-arg]
    ) -> None:
        """Remember port, clock and settings; nothing is sent before `start`."""
        self._link = Link(port)
        self._digest = -1
        self._known = False
        super().__init__(clock, settings, resume)

    def resume(self, state: tuple[int, ...], age_ms: int) -> bool:
        """As AdeMeter."""
        self._known = True
        return super().resume(state, age_ms)

    def _faults(self) -> int:
        return self._link.faults

    # Start ------------------------------------------------------------------------------------------------------

    def _require_chip(self) -> None:
        link = self._link
        link.port.select()
        run = link.read_twice(reg.RUN)
        checksum = link.read_twice(reg.CHECKSUM)
        if checksum in (0, ALL_ONES):
            raise BusFault(f"CHECKSUM reads 0x{checksum:08X}: no answer or a stuck line; check wiring and supply")
        if run == 1 or scaling.part_of_checksum(checksum).startswith("ADE7878"):
            return
        if not self._known and link.read_twice(CFMODE) != CFMODE_RESET:
            raise WrongChip(f"CHECKSUM reads 0x{checksum:08X}: neither ADE7878 nor ADE7878A; check part and wiring")
        # Set up half-way by a run that was interrupted: a reset shows which part it is.
        self._reset()

    def _is_running(self) -> int:
        link = self._link
        if link.read_twice(reg.RUN) != 1:
            return 0
        wanted = dict(self._settings.configuration)
        same = all(link.read_twice(address) == wanted[address] for address in ENERGY_KEEPERS)
        words = dict(self._settings.dsp_words)
        same = same and all(link.read_twice(one) == words[one] for one in (reg.W_THR1, reg.W_THR0))
        self._digest = link.read_twice(reg.CHECKSUM)
        return 2 if same else 1

    def _epoch(self) -> int:
        return self._link.read_twice(EPOCH)

    def _set_epoch(self, epoch: int) -> None:
        self._link.write_checked(EPOCH, epoch)
        self._books.epoch = epoch
        self._digest = self._link.read_twice(reg.CHECKSUM)

    def _reset(self) -> None:
        """A soft reset; CHECKSUM then tells the part. Raises BusFault, ChecksumFault, WrongChip.

        A part that was known before is not called wrong: then it was the reset that did not arrive.
        """
        for _ in range(ATTEMPTS):
            checksum = self._reset_once()
            if scaling.part_of_checksum(checksum).startswith("ADE7878"):
                self._known = True
                self._link.port.write(reg.STATUS1, reg.RSTDONE)
                return
            self._link.faults += 1
        text = f"after {ATTEMPTS} resets CHECKSUM reads 0x{checksum:08X}: neither ADE7878 nor ADE7878A"
        raise ChecksumFault(text) if self._known else WrongChip(text)

    def _reset_once(self) -> int:
        """Reset, wait for RSTDONE for two seconds; CHECKSUM."""
        link = self._link
        link.port.write(reg.CONFIG, reg.SWRST)
        for _ in range(RESET_TRIES):
            self._clock.sleep_ms(RESET_PAUSE_MS)
            link.port.select()
            try:
                status = link.read_twice(reg.STATUS1)
            except (BusFault, ChecksumFault):
                continue
            if status != ALL_ONES and status & reg.RSTDONE:
                break
        else:
            raise ChecksumFault("STATUS1 shows no RSTDONE two seconds after a reset; check supply and wiring")
        return link.read_twice(reg.CHECKSUM)

    def _configure(self) -> None:
        link, settings = self._link, self._settings
        self._reset()
        self._lock_port()
        self._write_dsp(settings.dsp_words)
        for address, word in settings.configuration:
            link.write_checked(address, word)
        link.write_checked(reg.RUN, 1)
        self._clock.sleep_ms(1000)
        self._digest = link.read_twice(reg.CHECKSUM)

    def _lock_port(self) -> None:
        """Keep the chip on this port: without it an edge on the select line can turn it to the other one."""
        if not self._link.port.is_spi:
            self._link.write_checked(reg.CONFIG2, reg.I2C_LOCK)
        elif self._settings.options.lock_spi:
            self._link.write_checked(reg.CONFIG2, 0)

    def _write_dsp(self, words: tuple[tuple[int, int], ...]) -> None:
        """Open the DSP's memory, write it, protect it again."""
        link = self._link
        for last in range(ATTEMPTS):
            link.port.write(reg.DSPWP_SEL, reg.PROTECT_KEY)
            link.port.write(reg.DSPWP_SET, reg.PROTECT_OFF)
            try:
                link.write_dsp(words)
                break
            except ChecksumFault:
                # The opening itself may have been garbled: once more from there.
                if last == ATTEMPTS - 1:
                    raise
        link.port.write(reg.DSPWP_SEL, reg.PROTECT_KEY)
        link.port.write(reg.DSPWP_SET, reg.PROTECT_ON)

    def _repair(self) -> bool:
        link, settings = self._link, self._settings
        different = [(one, word) for one, word in settings.configuration if link.read_twice(one) != word]
        for address, word in different:
            link.write_checked(address, word)
        stale = tuple([(one, word) for one, word in settings.dsp_words if link.read_twice(one) != word])
        if stale:
            self._write_dsp(stale)
        self._lock_port()
        self._digest = link.read_twice(reg.CHECKSUM)
        return bool(different or stale)

    # Energy -----------------------------------------------------------------------------------------------------

    def _counts(self) -> tuple[list[int], list[int]]:
        first = [self._look(one) for one in reg.WATT_HR + reg.VAR_HR]
        self._require_same(reg.CHECKSUM, self._digest)
        active = [self._agreed(reg.WATT_HR[k], first[k]) for k in range(3)]
        reactive = [self._agreed(reg.VAR_HR[k], first[3 + k]) for k in range(3)]
        self._require_same(reg.RUN, 1)
        self._require_next(self._clock.ticks_ms())
        return active, reactive

    def _look(self, address: int) -> int:
        """One answer; a transfer that breaks off is asked again. Raises BusFault."""
        for _ in range(ATTEMPTS):
            try:
                return self._link.read(address)
            except BusFault:
                self._link.faults += 1
        return self._link.read(address)

    def _agreed(self, address: int, first: int) -> int:
        """A counter that moves while it is read: two equal answers, or the middle of three close ones.

        CHECKSUM is read between any two looks, so a line that sticks over both does not make a pair.
        """
        second = self._look(address)
        if second == first:
            return second
        for _ in range(ATTEMPTS):
            self._require_same(reg.CHECKSUM, self._digest)
            third = self._look(address)
            near, far = _distances(first, second, third)
            if far <= self._drift():
                break
            self._link.faults += 1
            if near <= self._drift():
                break
            first, second = second, third
        else:
            raise ChecksumFault(f"register 0x{address:04X}: answers jump about; the next interval holds the energy")
        return _middle(first, second, third)

    def _drift(self) -> int:
        """Most counts that the fuse limit turns over during three reads at the slowest bus."""
        settings = self._settings
        drift: int = settings.fuse_limit_w * READING_MS * 1000 * settings.scale[1] // (3600 * settings.scale[0])
        return drift + 1

    def _require_same(self, address: int, word: int) -> None:
        """Pass if a known register is as it was left. Raises RegistersLost, BusFault, ChecksumFault."""
        link = self._link
        try:
            if link.read(address) == word:
                return
        except BusFault:
            pass  # asked again below
        link.faults += 1
        seen = self._settled(address)
        if seen == word:
            return
        if link.port.is_spi:
            link.port.select()
            seen = self._settled(address)
        other = link.read_twice(reg.CHECKSUM if address != reg.CHECKSUM else CFMODE)
        if other in (0, ALL_ONES, 0xFFFF):
            raise BusFault(f"register 0x{address:04X} reads 0x{seen:X}: a stuck line or no supply")
        raise RegistersLost(f"register 0x{address:04X} is 0x{seen:X}, it was left at 0x{word:X}")

    def _settled(self, address: int) -> int:
        return self._link.read_twice(address)

    # Measurements -----------------------------------------------------------------------------------------------

    def _measure(self) -> tuple:  # type: ignore[type-arg]
        link, settings = self._link, self._settings
        site = settings.site
        power = [scaling.power(link.read_moving(one), site) for one in reg.WATT]
        reactive = [scaling.power(link.read_moving(one), site) for one in reg.VAR]
        volts = [scaling.voltage_v(link.read_moving(one), site) for one in reg.V_RMS]
        amperes = [scaling.current_a(link.read_moving(one), site) for one in reg.I_RMS]
        frequency = scaling.frequency_hz(self._period())
        status = link.read_twice(reg.STATUS0) << 32 | link.read_twice(reg.STATUS1)
        order = settings.phase_map
        powers = self._by_phase(power, True)
        in_order = (tuple([volts[one] for one in order]), tuple([amperes[one] for one in order]))
        return (
            powers,
            self._by_phase(reactive, True),
            in_order[0],
            in_order[1],
            _factors(powers, in_order[0], in_order[1]),
            frequency,
            status,
        )

    def _period(self) -> int:
        """PERIOD of the phase that MMODE names; two looks closer than a tenth of a hertz."""
        link = self._link
        last = -0x10000
        for _ in range(2 * ATTEMPTS):
            try:
                word = link.read(reg.PERIOD)
            except BusFault:
                link.faults += 1
                continue
            if -10 <= word - last <= 10:
                return word
            if last >= 0:
                link.faults += 1
            last = word
        raise ChecksumFault("PERIOD: the answers jump about; check wiring and bit rate")

    def read_frequencies_hz(self) -> tuple[float, float, float]:
        """Line frequency of each phase. MMODE picks the phase, and the register needs 70 ms to follow."""
        link = self._link
        mode = dict(self._settings.configuration)[reg.MMODE]
        found = []
        try:
            for phase in range(3):
                link.write_checked(reg.MMODE, mode & ~3 | phase)
                self._clock.sleep_ms(PERIOD_SETTLE_MS)
                found.append(scaling.frequency_hz(self._period()))
        finally:
            link.write_checked(reg.MMODE, mode)
            self._clock.sleep_ms(PERIOD_SETTLE_MS)
        return found[0], found[1], found[2]

    def _measure_rest(self) -> CrossCheckSet:
        link, settings = self._link, self._settings
        site = settings.site
        measured = self._measure()
        apparent = self._by_phase([scaling.power(link.read_moving(one), site) for one in reg.VA], False)
        line_hz = measured[5]
        angles = [scaling.angle_degree(link.read_twice(one), line_hz) for one in reg.ANGLE]
        return CrossCheckSet(
            measured[0],
            measured[1],
            apparent,
            measured[2],
            measured[3],
            measured[4],
            tuple([angles[one] for one in settings.phase_map]),
            None,
            findings(measured[0], measured[1], apparent, measured[2], measured[3], None),
        )

    def self_test(self, times: int = 1000) -> int:
        """Read a known register `times` times; how many answers were wrong (0 on sound wiring)."""
        wrong = 0
        for _ in range(times):
            try:
                wrong += self._link.read(CFMODE) != CFMODE_RESET
            except BusFault:
                wrong += 1
        return wrong


def _distances(first: int, second: int, third: int) -> tuple[int, int]:
    """The two distances between neighbours of three counter values, the smaller one first."""
    steps = [scaling.modular_difference(first, second, 32), scaling.modular_difference(first, third, 32), 0]
    steps.sort()
    one, two = steps[1] - steps[0], steps[2] - steps[1]
    return (one, two) if one <= two else (two, one)


def _middle(first: int, second: int, third: int) -> int:
    """The middle one of three counter values, which may lie on both sides of a wrap."""
    steps = [scaling.modular_difference(first, second, 32), scaling.modular_difference(first, third, 32), 0]
    steps.sort()
    return first + steps[1] & ALL_ONES


def _factors(power: tuple[float, ...], volts: tuple[float, ...], amperes: tuple[float, ...]) -> tuple[float, ...]:
    """True power factors P / (U x I), total and phases; 0.0 without current. This chip has no such register."""
    apparent = [volts[k] * amperes[k] for k in range(3)]
    whole = apparent[0] + apparent[1] + apparent[2]
    parts = [whole] + apparent
    return tuple([max(-1.0, min(1.0, power[k] / parts[k])) if parts[k] > 0 else 0.0 for k in range(4)])
