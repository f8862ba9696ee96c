"""Driver of the three-phase power-quality chip ADE9000 on SPI, mode 3.

    Ade9000(bus: SpiDevice, clock, settings=make_settings(), resume=None)
        .start(), .read_energy(), .read(), .read_cross_check(), .state, .take_quadrants()   see ade_meter
        .read_distortion()                  harmonic distortion of voltages and currents
        .self_test(times) -> int            wrong answers of a known register

Energy registers hold 45 bits in two words, renewed every period and announced by EGYRDY. One cycle: EGYRDY, the
words of all phases, RUN, the high words again; a renewal in between shows as another high word and is read again. The
low word's last step is 2 micro-watt-hours at most, which is all that a garbled low word can hide.
Read-with-reset (EP_CFG bit 5) drops counts in this part and is never set. Source: reference/ade9000.md.
"""

from drivers.bus import Clock, SpiDevice
from drivers.chips import ade9000_registers as reg
from drivers.chips import ade9000_scaling as scaling
from drivers.chips.ade9000_link import ATTEMPTS, Link
from drivers.chips.ade9000_settings import make_settings
from drivers.chips.ade_meter import AdeMeter
from drivers.chips.ade_settings import AdeSettings
from drivers.chips.cross_check import CrossCheckSet, findings
from drivers.errors import BusFault, ChecksumFault, RegistersLost, WrongChip

RESET_MS, RESET_TRIES = 50, 20
DEFAULT_SETTINGS = make_settings()
EPOCH = 0x497  # CF4DEN, a divider of a pulse output that nobody uses here
ENERGY_KEEPERS = (reg.EP_CFG, reg.EGY_TIME, reg.ACCMODE, reg.PGA_GAIN)
TOP, BOTTOM = (1 << 44) - 1, -(1 << 44)


class Ade9000(AdeMeter):
    """One chip; see ade_meter for what a sample is."""

    def __init__(
        self,
        bus: SpiDevice,
        clock: Clock,
        settings: AdeSettings = DEFAULT_SETTINGS,
        resume: tuple | None = None,  # type: ignore[type-arg]
    ) -> None:
        """Remember bus, clock and settings; nothing is sent before `start`."""
        self._link = Link(bus)
        # When EGYRDY was last looked at: an energy period that began before is accounted for.
        self._looked = self._renewed = clock.ticks_ms()
        self._known = self._open = False
        self._sound_faults = self._event = 0
        self._event_word = -1
        super().__init__(clock, settings, resume)

    def resume(self, state: tuple[int, ...], age_ms: int) -> bool:
        """As AdeMeter."""
        self._known = True
        self._looked = self._clock.ticks_ms() - age_ms
        return super().resume(state, age_ms)

    def _faults(self) -> int:
        return self._link.faults

    # Start ------------------------------------------------------------------------------------------------------

    def _require_chip(self) -> None:
        link = self._link
        version = link.read_twice(reg.VERSION)
        if version in (0, 0xFFFF):
            raise BusFault(f"VERSION reads 0x{version:04X}: no answer or a stuck line; check wiring and supply")
        part = link.read_twice(reg.PART_ID)
        if version & reg.VERSION_MASK != reg.VERSION_VALUE or not part & reg.PART_ID_ADE9000:
            text = f"VERSION 0x{version:04X}, PART_ID 0x{part:08X}: not an ADE9000; check part and wiring"
            raise ChecksumFault(text) if self._known else WrongChip(text)
        self._known = True

    def _is_running(self) -> int:
        link = self._link
        if link.read_twice(reg.RUN) != 1:
            return 0
        wanted = dict(self._settings.configuration)
        return 2 if all(link.read_twice(one) == wanted[one] for one in ENERGY_KEEPERS) else 1

    def _configure(self) -> None:
        link = self._link
        link.write(reg.WR_LOCK, reg.UNLOCK_KEY)
        link.write(reg.CONFIG1, reg.SWRST)
        for _ in range(RESET_TRIES):
            self._clock.sleep_ms(RESET_MS)
            try:
                status = link.read_twice(reg.STATUS1)
            except (BusFault, ChecksumFault):
                continue
            if status != 0xFFFFFFFF and status & reg.RSTDONE:
                break
        else:
            raise ChecksumFault("STATUS1 shows no RSTDONE a second after a reset; check supply and wiring")
        self._require_chip()
        link.write(reg.STATUS1, reg.RSTDONE)
        for address, word in self._settings.configuration:
            if address != reg.EP_CFG:
                link.write_checked(address, word)
        link.write_checked(reg.RUN, 1)
        link.write_checked(reg.EP_CFG, dict(self._settings.configuration)[reg.EP_CFG])
        self._lock()
        self._clock.sleep_ms(1000)
        now = self._clock.ticks_ms()
        self._renewed = now

    def _lock(self) -> None:
        """Lock and see it locked. Raises ChecksumFault.

        A key that did not arrive may have been written elsewhere: it counts as a fault, and what energy depends on is
        looked at before anything is booked.
        """
        link = self._link
        for _ in range(ATTEMPTS if self._settings.options.lock else 0):
            try:
                link.write(reg.WR_LOCK, reg.LOCK_KEY)
                if link.read(reg.WR_LOCK) == 1:
                    return
            except BusFault:
                pass  # counted below
            link.faults += 1
        if self._settings.options.lock:
            raise ChecksumFault(f"WR_LOCK does not read 1 after {ATTEMPTS} writes of its key; check wiring and supply")

    def _require_locked(self) -> None:
        """Locked means also: not reset, and no stuck line. Without the lock RUN tells that much."""
        link = self._link
        if self._settings.options.lock:
            try:
                if link.read(reg.WR_LOCK) == 1:
                    return
            except BusFault:
                pass  # asked again below
            link.faults += 1
        self._require_same(reg.RUN, 1)
        self._lock()

    def _repair(self) -> bool:
        link = self._link
        different = [(one, word) for one, word in self._settings.configuration if link.read_twice(one) != word]
        if different:
            link.write(reg.WR_LOCK, reg.UNLOCK_KEY)
            for address, word in different:
                link.write_checked(address, word)
            self._lock()
        return bool(different)

    def _epoch(self) -> int:
        return self._link.read_twice(EPOCH)

    def _set_epoch(self, epoch: int) -> None:
        self._link.write(reg.WR_LOCK, reg.UNLOCK_KEY)
        self._link.write_checked(EPOCH, epoch)
        self._lock()
        self._books.epoch = epoch

    # Energy -----------------------------------------------------------------------------------------------------

    def _book(self, now: int) -> None:
        link, clock = self._link, self._clock
        period_ms = self._settings.energy_period_ms
        # Read twice: LAST_DATA would agree with the answer of a garbled address, and a period be missed or doubled.
        if not link.read_twice(reg.STATUS0) & reg.EGYRDY:
            self._require_same(reg.RUN, 1)
            self._require_alive(now)
            self._settle_open(now)
            self._looked = now
            if clock.ticks_diff(now, self._renewed) > 3 * period_ms + 1000:
                self._spent = True
                raise RegistersLost(f"EGYRDY stayed away for more than {3 * period_ms + 1000} ms: no energy is counted")
            return
        self._renewed = now
        self._settle_open(now)
        self._open = self._settings.options.overwrite
        self._clear_ready()
        if self._settings.options.overwrite:
            self._book_period(now)
        else:
            active, reactive = self._counts()
            self._require_alive(now)
            self._books.book(active, reactive, now)
        self._open = False
        self._looked = now

    def _settle_open(self, now: int) -> None:
        """Overwrite mode: a period that was cleared but could not be read to its end is lost, and flagged."""
        if self._open:
            gap_ms = self._clock.ticks_diff(now, self._looked)
            self._books.add_lost(gap_ms + self._settings.energy_period_ms, 0)
            self._open = False

    def _book_period(self, now: int) -> None:
        """Overwrite mode: the registers hold one period; one that was missed is lost, and flagged."""
        books = self._books
        gap_ms = self._clock.ticks_diff(now, self._looked)
        faults = self._link.faults
        active, reactive = self._words()
        self._require_alive(now)
        missed = gap_ms >= self._settings.energy_period_ms
        # Where the bus garbled, the clearing may have got lost and the one look that would tell it be garbled too.
        look = self._link.shows if self._link.faults == faults else self._link.shows_twice
        if look(reg.STATUS0, reg.EGYRDY):
            # Renewed while it was read, or not cleared: what was read may be of two periods, so it does not count.
            self._clear_ready()
            if self._link.read_twice(reg.STATUS0) & reg.EGYRDY:
                raise ChecksumFault("EGYRDY does not clear: a period could be booked twice; check wiring")
            active, reactive = self._words()
            self._require_sound()
            missed = True
        if missed:
            books.add_lost(gap_ms + self._settings.energy_period_ms, 0)
        books.book_increments(active, reactive, now)

    def _clear_ready(self) -> None:
        link, locks = self._link, self._settings.options.lock
        if locks:
            link.write(reg.WR_LOCK, reg.UNLOCK_KEY)
        link.write(reg.STATUS0, reg.EGYRDY)
        if locks:
            link.write(reg.WR_LOCK, reg.LOCK_KEY)

    def _counts(self) -> tuple[list[int], list[int]]:
        if self._settings.options.overwrite and not self._ready:
            self._clear_ready()
            self._looked = self._clock.ticks_ms()
            return [0, 0, 0], [0, 0, 0]
        active, reactive = self._words()
        if self._ready and (max(active) == TOP or min(active) == BOTTOM):
            self._spent = True
            raise RegistersLost(
                "an energy register stands at its end: this part does not wrap; set energy_mode overwrite"
            )
        return active, reactive

    def _words(self) -> tuple[list[int], list[int]]:
        """All six 45-bit counters; the lock between the two looks at the high words."""
        first = [self._glance(reg.WATT_HR_HI[k], reg.WATT_HR_LO[k], True) for k in range(3)]
        self._require_locked()
        active = [self._certain(reg.WATT_HR_HI[k], reg.WATT_HR_LO[k], first[k], True) for k in range(3)]
        reactive = []
        glances = [self._glance(reg.VAR_HR_HI[k], reg.VAR_HR_LO[k], False) for k in range(3)]
        for k in range(3):
            reactive.append(self._certain(reg.VAR_HR_HI[k], reg.VAR_HR_LO[k], glances[k], False))
        return active, reactive

    def _glance(self, high: int, low: int, repeated: bool) -> tuple[int, int]:
        """High and low word once; the low one is compared with LAST_DATA if `repeated`. (-1, -1) if in doubt."""
        link = self._link
        try:
            top, bottom = link.read(high), link.read(low)
            if not repeated or link.read(reg.LAST_DATA_32) == bottom:
                return top, bottom
        except BusFault:
            pass  # looked at again by the caller
        link.faults += 1
        return -1, -1

    def _certain(self, high: int, low: int, glance: tuple[int, int], repeated: bool) -> int:
        """The counter, once its high word reads the same before, after and repeated. Raises ChecksumFault, BusFault."""
        link = self._link
        for _ in range(2 * ATTEMPTS):
            try:
                if glance[0] >= 0 and link.read(high) == glance[0] and self._repeats(glance[0], repeated):
                    return reg.energy_counts(glance[0], glance[1])
            except BusFault:
                link.faults += 1
            glance = self._glance(high, low, repeated)
            # Between any two looks at a high word, so that a line that sticks over both is noticed.
            self._require_same(reg.RUN, 1)
        raise ChecksumFault(f"register 0x{high:03X}: its high word does not stand still; the next interval holds it")

    def _repeats(self, word: int, repeated: bool) -> bool:
        """A third look at what is settled: on a bad line two are wrong alike now and then."""
        return not repeated or self._link.read(reg.LAST_DATA_32) == word

    def _require_alive(self, now: int) -> None:
        """No reset since it was set up, and the next configured register is as it was left."""
        link = self._link
        # One look is enough: a reset opens the lock too.
        if link.shows(reg.STATUS1, reg.RSTDONE):
            raise RegistersLost("STATUS1 shows RSTDONE: the chip was reset")
        self._require_next(now)
        self._require_sound()

    def _require_sound(self) -> None:
        """After garbled transfers: what energy depends on is as it was left. Any of them may have become a write."""
        faults = self._link.faults
        if faults == self._sound_faults:
            return
        wanted = dict(self._settings.configuration)
        self._require_same(reg.RUN, 1)
        for address in ENERGY_KEEPERS:
            self._require_same(address, wanted[address])
        self._sound_faults = faults

    def _require_same(self, address: int, word: int) -> None:
        """Pass if a register is as it was left. Raises RegistersLost, BusFault, ChecksumFault."""
        link = self._link
        try:
            if link.read(address) == word:
                return
        except BusFault:
            pass  # asked again below
        link.faults += 1
        seen = link.read_twice(address)
        if seen == word:
            return
        version = link.read_twice(reg.VERSION)
        if version in (0, 0xFFFF):
            raise BusFault(f"register 0x{address:03X} reads 0x{seen:X}: a stuck line or no supply")
        raise RegistersLost(f"register 0x{address:03X} is 0x{seen:X}, it was left at 0x{word:X}")

    # Measurements -----------------------------------------------------------------------------------------------

    def _measure(self) -> tuple:  # type: ignore[type-arg]
        read, settings = self._link.read_checked, self._settings
        site, order = settings.site, settings.phase_map
        power = self._by_phase([scaling.power(read(one), site) for one in reg.WATT], True)
        reactive = self._by_phase([scaling.power(read(one), site) for one in reg.VAR], True)
        volts = [scaling.voltage_v(read(one), site) for one in reg.V_RMS]
        amperes = [scaling.current_a(read(one), site) for one in reg.I_RMS]
        frequency = scaling.frequency_hz(read(reg.PERIOD[order[0]]))
        return (
            power,
            reactive,
            tuple([volts[one] for one in order]),
            tuple([amperes[one] for one in order]),
            None,
            frequency,
            self._events(),
        )

    def _events(self) -> int:
        """EVENT_STATUS: a change counts when it is there at the next sample too."""
        before, self._event_word = self._event_word, self._link.read(reg.EVENT_STATUS)
        if before in (self._event_word, -1):
            self._event = self._event_word
        return self._event

    def _measure_rest(self) -> CrossCheckSet:
        read, settings = self._link.read_checked, self._settings
        measured = self._measure()
        apparent = self._by_phase([scaling.power(read(one), settings.site) for one in reg.VA], False)
        parts = [scaling.fraction(read(one)) for one in reg.PF]
        turned = settings.reversed_phases
        ordered = [-parts[one] if turned[one] else parts[one] for one in settings.phase_map]
        factors = (measured[0][0] / apparent[0] if apparent[0] > 0 else 0.0, ordered[0], ordered[1], ordered[2])
        angles = [scaling.angle_degree(read(one), settings.line_frequency_hz) for one in reg.ANGLE_VI]
        trim = read(reg.TEMP_TRIM)
        temperature = scaling.temperature_c(read(reg.TEMP_RSLT), trim & 0xFFFF, trim >> 16)
        return CrossCheckSet(
            measured[0],
            measured[1],
            apparent,
            measured[2],
            measured[3],
            factors,
            tuple([angles[one] for one in settings.phase_map]),
            temperature,
            findings(measured[0], measured[1], apparent, measured[2], measured[3], factors),
        )

    def read_distortion(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Total harmonic distortion of voltages and currents of the home's phases, 1.0 = 100 %."""
        read, order = self._link.read_checked, self._settings.phase_map
        volts = [scaling.fraction(read(one)) for one in reg.V_THD]
        amperes = [scaling.fraction(read(one)) for one in reg.I_THD]
        return tuple([volts[one] for one in order]), tuple([amperes[one] for one in order])

    def self_test(self, times: int = 1000) -> int:
        """Read a known register `times` times; how many answers were wrong (0 on sound wiring)."""
        wrong = 0
        for _ in range(times):
            try:
                wrong += self._link.read(reg.VERSION) & reg.VERSION_MASK != reg.VERSION_VALUE
            except BusFault:
                wrong += 1
        return wrong
