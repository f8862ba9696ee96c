"""What the drivers of ADE7878 and ADE9000 have in common: start, sample, recovery. Integers on the counter path.

    meter.start() -> MeterSample            set the chip up, or go on with a running one
    meter.read_energy(), meter.read()       the counters; counters and measurements
    meter.read_cross_check() -> CrossCheckSet   the rest, and what does not fit together
    meter.state                             what must be kept with the counters (in the same record); () at first
    meter.take_quadrants()                  reactive steps of quadrants I to IV since the last call
    meter.was_configured                    after start(): the chip was metering already

Samples are INCREMENTS in steps of 1000 nano-watt-hours. The chip's registers only wrap, so an answer that is lost costs
nothing: the next one holds it. `state` is the raw values they are counted from; a driver made with `resume=(state,
age_ms)` goes on without a reset and books what flowed meanwhile. A chip that lost its registers is set up again by the
read that notices; that sample is flagged with the bound of what may be missing.

The configuration is looked at in turn. A register that is found disturbed makes everything doubtful that was booked
since the beginning of the last whole turn, also over a restart; so does a reset after garbled transfers, because it
wipes out what else they may have written. Such a sample has FLAG_TAMPER and a bound for all of that time.
"""

from drivers.bus import Clock
from drivers.chips.ade_settings import STEP_NANOWH, AdeSettings
from drivers.chips.cross_check import CrossCheckSet
from drivers.chips.signed_counts import SignedCounts
from drivers.errors import BusFault, ChecksumFault, RegistersLost
from drivers.sample import (
    FLAG_BROWN_OUT,
    FLAG_BUS_FAULTS,
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    FLAG_TAMPER,
    INCREMENT,
    SUM_RULE_SHIFT,
    MeterSample,
)

SETTLE_MS = 1000
EPOCH_LAST, FIRST_EPOCHS = 0xFFFE, 0x3FFF
NOTHING = (None, None, None, None, None, None, 0)
# At the end of a state: how long before it the last whole turn began (ms), and whether the bus garbled since (0, 1).
KEPT_HERE = 2


class AdeMeter:
    """Base of both drivers. A part adds `_require_chip`, `_is_running`, `_configure`, `_repair`, `_counts`, `_measure`.

    `faults` of the link tells failed checks; all methods block for their bus transfers.
    """

    def __init__(self, clock: Clock, settings: AdeSettings, resume: tuple | None) -> None:  # type: ignore[type-arg]
        """Remember; nothing is sent before `start`. `resume` is (state, age in ms) or None."""
        self._clock = clock
        self._settings = settings
        self._books = SignedCounts(settings, clock)
        self._ready = False
        self._quadrants = [0, 0, 0, 0]
        self._spent = False
        self._at_ticks = 0
        self._swept = settings.configuration + settings.dsp_words
        self._sweep = 0
        # When the last whole turn through the configuration and the present one began, and the faults until then.
        self._sweeps = (clock.ticks_ms(), clock.ticks_ms())
        self._sweep_faults = (0, 0)
        self._booked_faults = 0
        self.was_configured = False
        self._resumed = False
        if resume is not None:
            self.resume(resume[0], resume[1])

    # What a part knows ------------------------------------------------------------------------------------------

    def _faults(self) -> int:
        """Failed checks and bus errors of the link since creation."""
        raise NotImplementedError

    def _require_chip(self) -> None:
        """See the part before anything is written. Raises WrongChip, BusFault, ChecksumFault."""
        raise NotImplementedError

    def _is_running(self) -> int:
        """2: metering as the settings say, as far as energy goes; 1: metering otherwise; 0: not metering."""
        raise NotImplementedError

    def _configure(self) -> None:
        """Reset and set up."""
        raise NotImplementedError

    def _repair(self) -> bool:
        """Bring registers in line that differ from the settings, without a reset; whether any did."""
        raise NotImplementedError

    def _epoch(self) -> int:
        """The number in the spare register: which setting-up the counters belong to."""
        raise NotImplementedError

    def _set_epoch(self, epoch: int) -> None:
        """Write it, checked."""
        raise NotImplementedError

    def _require_same(self, address: int, word: int) -> None:
        """Pass if a register is as it was left. Raises RegistersLost, BusFault, ChecksumFault."""
        raise NotImplementedError

    def _require_next(self, now: int) -> None:
        """Pass if the next configured register, one after the other in each cycle, is as it was left."""
        address, word = self._swept[self._sweep]
        self._require_same(address, word)
        self._sweep += 1
        if self._sweep == len(self._swept):
            self._sweep = 0
            self._sweeps = (self._sweeps[1], now)
            self._sweep_faults = (self._sweep_faults[1], self._faults())

    def _counts(self) -> tuple[list[int], list[int]]:
        """Three active and three reactive counters, checked. Raises BusFault, ChecksumFault, RegistersLost."""
        raise NotImplementedError

    def _book(self, now: int) -> None:
        """Read the counters and book them."""
        active, reactive = self._counts()
        self._books.book(active, reactive, now)

    def _book_checked(self, now: int) -> None:
        """Book, and remember how many faults that is sound after."""
        self._book(now)
        self._at_ticks = now
        self._booked_faults = self._faults()

    def _distrust(self, now: int, found: bool) -> None:
        """Flag what was booked since the last whole turn: a register was found disturbed, or a reset hides it."""
        if found or self._booked_faults != self._sweep_faults[0]:
            self._books.add_lost(self._clock.ticks_diff(now, self._sweeps[0]), FLAG_TAMPER)

    def _seen_right(self, now: int) -> None:
        """All registers have just been read or written."""
        faults = self._faults()
        self._sweeps, self._sweep_faults, self._booked_faults = (now, now), (faults, faults), faults

    def _measure(self) -> tuple:  # type: ignore[type-arg]
        """(power, reactive, voltage, current, power factor, frequency, status) by home phase."""
        raise NotImplementedError

    def _measure_rest(self) -> CrossCheckSet:
        """The cross-check set."""
        raise NotImplementedError

    # What a Worker calls ----------------------------------------------------------------------------------------

    @property
    def state(self) -> tuple[int, ...]:
        """What `resume` takes, as of the last sample."""
        kept = self._books.state()
        if not kept:
            return kept
        unseen_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._sweeps[0])
        return kept + (max(0, unseen_ms), int(self._faults() != self._sweep_faults[0]))

    def resume(self, state: tuple[int, ...], age_ms: int) -> bool:
        """Go on from a state that was kept so long ago; before `start`. False if it is none: then it is not used."""
        self._resumed = self._books.resume(state[:-KEPT_HERE], age_ms)
        if self._resumed:
            unseen_ms, garbled = state[-KEPT_HERE:]
            now = self._clock.ticks_ms()
            self._sweeps = (now - age_ms - unseen_ms, now)
            self._sweep_faults = (-garbled, 0)
        return self._resumed

    def start(self) -> MeterSample:
        """Bring the chip into service; the sample holds what flowed since `resume`, if the chip kept counting.

        Raises WrongChip, BusFault, ChecksumFault.
        """
        books, resumed = self._books, self._resumed
        self._require_chip()
        running = self._is_running()
        self.was_configured = running == 2
        now = self._clock.ticks_ms()
        if running:
            # Set up otherwise is what other settings did before; under the same ones it is a disturbance.
            self._take_over(now, running == 2 or books.rescaled)
        elif resumed:
            self._distrust(now, False)
            books.lose(now, FLAG_BROWN_OUT)
        self._resumed = False
        if running != 2:
            self._set_up()
        elif self._repair():
            if resumed and books.based:
                self._distrust(now, True)
            self._clock.sleep_ms(SETTLE_MS)
        self._seen_right(now)
        if not books.based:
            self._rebase(resumed)
        self._ready = True
        return self._sample(NOTHING)

    def _take_over(self, now: int, sound: bool) -> None:
        """Book what a running chip counted since the state was kept; not `sound`: it was disturbed meanwhile.

        Without a state its past is not known; with one of another epoch the chip was set up anew since.
        """
        books = self._books
        epoch = self._epoch()
        if self._resumed and epoch == books.epoch:
            try:
                if sound:
                    self._book_checked(now)
                    return
            except RegistersLost:
                pass  # a register that is looked at in turn; repaired by the caller
            self._distrust(now, True)
            books.lose(now)
        elif self._resumed:
            self._distrust(now, False)
            books.lose(now, FLAG_BROWN_OUT)
        else:
            books.flags |= FLAG_GAP | FLAG_ENERGY_LOST
        books.epoch = epoch
        books.forget()

    def _set_up(self) -> None:
        """Reset and configure, under a new epoch; what the registers held before no longer counts."""
        self._books.forget()
        self._configure()
        before = self._books.epoch or self._clock.ticks_ms() & FIRST_EPOCHS
        self._set_epoch(before + 1 if before < EPOCH_LAST else 1)

    def read_energy(self) -> MeterSample:
        """The energy since the last sample. Raises BusFault, ChecksumFault: try again later, nothing is lost."""
        self._cycle()
        return self._sample(NOTHING)

    def read(self) -> MeterSample:
        """Energy since the last sample, and measurements (None with FLAG_BUS_FAULTS if those fail their checks)."""
        self._cycle()
        faults = self._faults()
        try:
            measured = self._measure()
        except (BusFault, ChecksumFault):
            measured = NOTHING
        if self._faults() != faults or measured is NOTHING:
            self._books.flags |= FLAG_BUS_FAULTS
        return self._sample(measured)

    def read_cross_check(self) -> CrossCheckSet:
        """Apparent power, factors, angles, and what does not fit together. Raises BusFault, ChecksumFault."""
        return self._measure_rest()

    def take_quadrants(self) -> tuple[int, int, int, int]:
        """Reactive energy in steps (of 1000 nano-var-hours) in quadrants I to IV since the last call."""
        first, second, third, fourth = self._quadrants
        self._quadrants = [0, 0, 0, 0]
        return first, second, third, fourth

    # One sample -------------------------------------------------------------------------------------------------

    def _cycle(self) -> None:
        faults = self._faults()
        now = self._clock.ticks_ms()
        try:
            if not self._ready:
                self._recover(FLAG_BROWN_OUT)
            else:
                self._book_checked(now)
        except RegistersLost:
            self._recover(FLAG_BROWN_OUT)
        finally:
            if self._faults() != faults:
                self._books.flags |= FLAG_BUS_FAULTS

    def _recover(self, flags: int) -> None:
        """Set a chip up again that lost its registers; the time since the last booking counts as lost."""
        books, now = self._books, self._clock.ticks_ms()
        self._ready = False
        self._require_chip()
        running = self._is_running()
        if running == 2 and self._epoch() == books.epoch and books.based and not self._spent:
            if not self._repair():
                # Garbled answers only: the chip counts as before.
                self._ready = True
                self._book_checked(now)
                return
            self._distrust(now, True)
            books.lose(now, flags)
            books.forget()
        else:
            # Running otherwise: a register that energy depends on was disturbed since it was last looked at.
            self._distrust(now, running > 0)
            books.lose(now, flags)
            self._set_up()
        self._spent = False
        self._seen_right(now)
        self._rebase(True)
        self._ready = True

    def _rebase(self, lost: bool) -> None:
        """Count from what the registers show now; `lost`: what flowed while the chip was set up is flagged too."""
        self._books.forget()
        now = self._clock.ticks_ms()
        active, reactive = self._counts()
        if lost:
            self._books.lose(now)
        self._books.rebase(active, reactive, now)
        self._at_ticks = now

    def _by_phase(self, values: list[float], turned: bool) -> tuple[float, ...]:
        """Total and the home's phases of three signed values, reversed transformers turned round."""
        settings = self._settings
        ordered = []
        for channel in settings.phase_map:
            value = values[channel]
            ordered.append(-value if turned and settings.reversed_phases[channel] else value)
        return (ordered[0] + ordered[1] + ordered[2], ordered[0], ordered[1], ordered[2])

    def _sample(self, measured: tuple) -> MeterSample:  # type: ignore[type-arg]
        booked = self._books.take()
        for index in range(4):
            self._quadrants[index] += booked.quadrants[index]
        return MeterSample(
            self._at_ticks,
            INCREMENT,
            booked.forward[0],
            booked.reverse[0],
            booked.forward[1:],
            booked.reverse[1:],
            STEP_NANOWH,
            measured[0],
            measured[1],
            measured[2],
            measured[3],
            measured[4],
            measured[5],
            None,
            measured[6],
            booked.flags | self._settings.sum_rule << SUM_RULE_SHIFT,
            booked.lost_bound,
        )
