"""Taking the energy out of an ATM90E32AS without losing or inventing a count. Integers only.

Reading an energy register clears it, so a count exists once: in the answer, and until the next access in
LastSPIData. One cycle (reference/atm90e32as.md, section Energy arithmetic):

    0x31 is the configured PLconstH?            otherwise touch no energy register
    for each of 0x80..0x87:
        LastSPIData known and unlike a count?   otherwise read 0x31 again as a marker
        E, then 0x78; equal and not 0xFFFF      book
        otherwise only 0x78, until two agree    book; 20 tries, else lost, bounded by fuse limit x time
    0x31, then the reactive totals 0x88 and 0x8C, then MeterEn

The marker answers a question that E and 0x78 alone leave open: when an answer was garbled and LastSPIData still
holds the word from before, the chip never saw the read, the count is still in its register, and booking the
old word would invent energy.
"""

from drivers.bus import Clock
from drivers.chips import atm90e32as_registers as reg
from drivers.chips.atm90e32as_link import LAST_FRAME, READ_FRAMES, Link
from drivers.chips.atm90e32as_settings import Atm90e32asSettings
from drivers.errors import BusFault, ChecksumFault, RegistersLost
from drivers.sample import (
    FLAG_BUS_FAULTS,
    FLAG_CROSS_CHECK,
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    FLAG_QUARANTINED,
    SUM_CHIP_TOTAL,
    SUM_SIGNED_PER_POLL,
    counts_bound,
)

RECOVERY_TRIES = 20
TOLERANCE_COUNTS = 4
REGISTERS = 8
FRAMES = tuple(READ_FRAMES[address] for address in reg.ENERGY_FORWARD + reg.ENERGY_REVERSE)
MARKER_FRAME = READ_FRAMES[reg.PL_CONST_H]
ENABLE_FRAME = READ_FRAMES[reg.METER_EN]
REACTIVE_FRAMES = (READ_FRAMES[reg.REACTIVE_FORWARD[0]], READ_FRAMES[reg.REACTIVE_REVERSE[0]])
# (capacitive, exporting) -> quadrants I to IV.
QUADRANT_OF = {(0, False): 0, (0, True): 1, (1, True): 2, (1, False): 3}
LOST = -1
UNREAD = -2


class EnergyReader:
    """Books the counts of total and phases, forward and reverse, between two calls of `take`.

    Words are kept in register order: total, A, B, C forward, then the same reverse. Nothing booked is lost by an
    exception: it stays here until the next `take`.
    """

    def __init__(self, link: Link, clock: Clock, settings: Atm90e32asSettings) -> None:
        """Read through `link`; the first cycle after creation believes every count (its time span is unknown)."""
        self._link = link
        self._clock = clock
        self._settings = settings
        self._marker = settings.pl_constant >> 16
        self._step = settings.counter_step_nanowh
        self._since: list[int | None] = [None] * REGISTERS
        self._cheap_limit = -1
        self._words = [0] * REGISTERS
        self._carried_net = 0
        self._skip_checks = 0
        self._trusted_ticks: int | None = None
        self.last_cycle_ticks: int | None = None
        self.quadrants = [0, 0, 0, 0]
        self._mask = settings.mmode0 & 7
        self._clear()

    def _clear(self) -> None:
        self._booked = [0] * REGISTERS
        self._import = 0
        self._export = 0
        self.flags = 0
        self.lost_bound = 0

    def take(self) -> tuple[int, int, list[int], int, int]:
        """(import, export, eight booked words, flags, lost bound) since the last call, which forgets them."""
        taken = (self._import, self._export, self._booked, self.flags, self.lost_bound)
        self._clear()
        return taken

    def cycle(self) -> None:
        """Read and book all eight registers once.

        Raises BusFault or ChecksumFault when the chip cannot be read (no register was touched), RegistersLost
        when metering is off: the chip lost its configuration.
        """
        self.check_marker()
        now = self._clock.ticks_ms()
        faults = self._link.faults
        self._note_gap(now)
        complete = self._read_registers(now)
        complete = self._closing_check(complete)
        self._book(complete, now)
        self._read_reactive()
        if self._link.faults != faults:
            self.flags |= FLAG_BUS_FAULTS
        if self._is_enabled():
            self._trusted_ticks = now

    def check_marker(self) -> None:
        """Pass if PLconstH is as configured. Raises ChecksumFault, BusFault or RegistersLost."""
        transfer = self._link.transfer
        try:
            rx = transfer(MARKER_FRAME)
            if (rx[2] << 8 | rx[3]) == self._marker:
                return
        except BusFault:
            pass  # asked again, with checks, below
        self._link.faults += 1
        self.flags |= FLAG_BUS_FAULTS
        word = self._link.read_checked(reg.PL_CONST_H)
        if word == 0 and self._marker:
            raise BusFault("PLconstH reads 0: the answer line is stuck low or the chip has no supply")
        if word != self._marker:
            raise RegistersLost(f"PLconstH is 0x{word:04X}, configured 0x{self._marker:04X}")

    def lose_since_last_cycle(self) -> None:
        """Flag everything since each settled register was last read as possibly lost (the chip was reset)."""
        now = self._clock.ticks_ms()
        self.flags |= FLAG_ENERGY_LOST
        since = self._trusted_ticks
        self._lose(None if since is None else self._clock.ticks_diff(now, since))

    def restart(self) -> None:
        """After the chip was set up anew: its registers start at zero now."""
        now = self._clock.ticks_ms()
        self._since = [now] * REGISTERS
        self._cheap_limit = 0
        self._carried_net = 0
        self._skip_checks = 1
        self._trusted_ticks = now
        self.last_cycle_ticks = now

    def _read_reactive(self) -> None:
        """Book the reactive totals to their quadrants; they are not settled, so a garbled one is left out, flagged."""
        active = self._words[0] - self._words[4] if self._words[0] >= 0 and self._words[4] >= 0 else 0
        turned = self._settings.reversed_phases[0]
        before = self._marker
        for capacitive in range(2):
            try:
                rx = self._link.transfer(REACTIVE_FRAMES[capacitive])
                word = rx[2] << 8 | rx[3]
                if word != self._link.last() or word == reg.ALL_ONES:
                    word = self._recover(word, before)
            except BusFault:
                word = self._recover(reg.ALL_ONES, before)
            before = word
            if word > 0:
                place = (1 - capacitive if turned else capacitive, active < 0 if not turned else active > 0)
                self.quadrants[QUADRANT_OF[place]] += word

    def _note_gap(self, now: int) -> None:
        """Flag a late cycle; where the fuse would let a 16-bit register run over, its energy may be lost."""
        since, newest = self._since[0], self.last_cycle_ticks
        if since is None or newest is None:
            return
        settings = self._settings
        shortest_ms = self._clock.ticks_diff(now, newest)
        self._cheap_limit = settings.fuse_limit_w * shortest_ms * 120000 // (360 * self._step)
        gap_ms = self._clock.ticks_diff(now, since)
        if gap_ms > settings.max_gap_ms:
            self.flags |= FLAG_GAP
            bound = counts_bound(settings.fuse_limit_w, gap_ms, self._step)
            if bound >= reg.ALL_ONES:
                self.flags |= FLAG_ENERGY_LOST
                self.lost_bound += bound

    def _read_registers(self, now: int) -> bool:
        """Fill `_words`; False if the bus broke off and registers stayed unread or were lost."""
        transfer = self._link.transfer
        words = self._words
        marker = self._marker
        previous = marker
        complete = True
        index = 0
        for frame in FRAMES:
            if previous and previous != marker and not self._mark():
                break
            try:
                rx = transfer(frame)
                first = rx[2] << 8 | rx[3]
                again = transfer(LAST_FRAME)
                word = again[2] << 8 | again[3]
            except BusFault:
                first, word = reg.ALL_ONES, LOST
            if first != word or first == reg.ALL_ONES:
                word = self._recover(first, marker if previous else 0)
            if word > self._cheap_limit and self._quarantine(index, word, now):
                complete = False
                self._skip_checks = 1
                word = LOST
            words[index] = word
            index += 1
            if word < 0:
                previous = 1
                complete = False
            else:
                previous = word
        for rest in range(index, REGISTERS):
            words[rest] = UNREAD
        return complete and index == REGISTERS

    def _mark(self) -> bool:
        """Put the marker into LastSPIData; False (and a fault counted) if it cannot be read right now."""
        transfer = self._link.transfer
        for _ in range(2):
            try:
                rx = transfer(MARKER_FRAME)
                if (rx[2] << 8 | rx[3]) == self._marker:
                    return True
            except BusFault:
                pass  # counted like a wrong answer
            self._link.faults += 1
        return False

    def _recover(self, first: int, before: int) -> int:
        """The count of the register just read, from LastSPIData only; LOST if it stays in doubt.

        `before` is what LastSPIData held earlier: finding it again means that the chip did not see the read and
        the register is UNREAD: zero, or a marker (a count that happens to equal it is caught by the next
        cross-check). A zero that contradicts the first answer by more than one bit is a line that fell to zero,
        not a count.
        """
        link = self._link
        link.faults += 1
        seen = LOST
        for _ in range(RECOVERY_TRIES):
            try:
                word = link.last()
            except BusFault:
                seen = LOST
                continue
            doubtful = word == 0 and first != reg.ALL_ONES and first & (first - 1)
            if word == seen and word != reg.ALL_ONES and not doubtful:
                return UNREAD if word == before else word
            seen = word
        return LOST

    def _quarantine(self, index: int, word: int, now: int) -> bool:
        """Whether a count is more than fuse limit x time x 1.2 allows; such a count is not booked."""
        since = self._since[index]
        if since is None:
            return False
        gap_ms = self._clock.ticks_diff(now, since)
        limit = counts_bound(self._settings.fuse_limit_w, gap_ms * 12, self._step * 10)
        if word <= limit:
            return False
        self.flags |= FLAG_QUARANTINED
        return True

    def _closing_check(self, complete: bool) -> bool:
        """Read PLconstH after the registers; a line that fell to zero meanwhile makes every zero doubtful."""
        try:
            word = self._link.read(reg.PL_CONST_H)
        except BusFault:
            word = reg.ALL_ONES
        if word == self._marker:
            return complete
        self._link.faults += 1
        if word:
            return complete
        for index in range(REGISTERS):
            if self._words[index] == 0:
                self._words[index] = LOST
        return False

    def _book(self, complete: bool, now: int) -> None:
        """Add the words of this cycle, account for lost ones, compare totals with phases."""
        words = self._words
        if not complete:
            self._account_for_lost(now)
            words = [word if word > 0 else 0 for word in words]
        booked = self._booked
        for index in range(REGISTERS):
            if words[index]:
                booked[index] += words[index]
        self._settle(words)
        net_total = words[0] - words[4]
        net = net_total - self._net_of_phases(words)
        if complete:
            self._cross_check(net + self._carried_net, abs(net_total), now)
            self._since = [now] * REGISTERS
            self._carried_net = 0
        else:
            self._carried_net += net
        self.last_cycle_ticks = now

    def _net_of_phases(self, words: list[int]) -> int:
        """Net counts of the phases that the chip's total is made of (mmode0 bits 2..0 are A, B, C)."""
        mask = self._mask
        if mask == 7:
            return words[1] + words[2] + words[3] - words[5] - words[6] - words[7]
        return sum([words[1 + k] - words[5 + k] for k in range(3) if mask >> (2 - k) & 1])

    def _account_for_lost(self, now: int) -> None:
        """Bound what the lost registers held; unread ones keep their count in the chip and their time span."""
        settled = (0, 4) if self._settings.sum_rule == SUM_CHIP_TOTAL else (1, 2, 3, 5, 6, 7)
        longest = None
        for index in range(REGISTERS):
            if self._words[index] == UNREAD:
                continue
            since = self._since[index]
            if self._words[index] == LOST:
                self._skip_checks = 2
                if index in settled:
                    gap = -1 if since is None else self._clock.ticks_diff(now, since)
                    longest = gap if longest is None or gap > longest else longest
                    self.flags |= FLAG_ENERGY_LOST
                continue
            self._since[index] = now
        if longest is not None:
            self._lose(None if longest < 0 else longest)

    def _lose(self, duration_ms: int | None) -> None:
        """Add the bound for a time span; before the first cycle that is unknown: one full register then."""
        if duration_ms is None:
            self.lost_bound += reg.ALL_ONES
        else:
            self.lost_bound += counts_bound(self._settings.fuse_limit_w, duration_ms, self._step)

    def _settle(self, words: list[int]) -> None:
        """Book import and export by the sum rule, with reversed transformers turned round."""
        settings = self._settings
        turned = settings.reversed_phases
        if settings.sum_rule == SUM_CHIP_TOTAL:
            forward, reverse = (words[4], words[0]) if turned[0] else (words[0], words[4])
        else:
            forward = reverse = 0
            for phase in range(3):
                ahead, back = words[1 + phase], words[5 + phase]
                forward += back if turned[phase] else ahead
                reverse += ahead if turned[phase] else back
            if settings.sum_rule == SUM_SIGNED_PER_POLL:
                net = forward - reverse
                forward, reverse = (net, 0) if net > 0 else (0, -net)
        self._import += forward
        self._export += reverse

    def _cross_check(self, net: int, flow: int, now: int) -> None:
        """Totals against phases: within 4 counts and what flows while the registers are read one by one.

        The only sight of a flipped address bit on the way to the chip. The difference bounds the error.
        """
        if self._skip_checks:
            self._skip_checks -= 1
            return
        since = self._since[0]
        if since is None:
            return
        gap_ms = self._clock.ticks_diff(now, since)
        reading_ms = self._clock.ticks_diff(self._clock.ticks_ms(), now) + 1
        tolerance = TOLERANCE_COUNTS + (flow * reading_ms // gap_ms + 1 if gap_ms > 0 else 0)
        if abs(net) > tolerance:
            self.flags |= FLAG_CROSS_CHECK | FLAG_ENERGY_LOST
            self.lost_bound += abs(net) + TOLERANCE_COUNTS

    def _is_enabled(self) -> bool:
        """Whether MeterEn is the configured 1: at meter constant 3200 the marker equals its reset value, this not.

        False if it cannot be read now. Raises RegistersLost if the chip has stopped metering.
        """
        try:
            rx = self._link.transfer(ENABLE_FRAME)
            if rx[2] << 8 | rx[3] == 1:
                return True
        except BusFault:
            pass  # asked again, with checks, below
        self._link.faults += 1
        self.flags |= FLAG_BUS_FAULTS
        try:
            word = self._link.read_checked(reg.METER_EN)
            self.check_marker()
        except (BusFault, ChecksumFault):
            return False
        if word != 1:
            raise RegistersLost(f"MeterEn is 0x{word:04X}: metering is off, the chip lost its configuration")
        return True
