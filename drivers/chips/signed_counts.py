"""Books of a chip whose energy registers are signed, never cleared by reading, and wrap. Integers only.

    SignedCounts(settings, clock)
        .epoch                                number that the driver left in a spare register when it set the chip up
        .book(raw, reactive, now) -> None     three active and three reactive register values, any 2^bits congruent
        .take() -> Booked                     what was booked since the last call
        .state() / .resume(state, age_ms)     what must be kept with the counters to go on after a restart

A difference is booked by its sign, phase by phase; the part of an output step that is left over stays here and in the
state, so that the sum of the samples is exact. What is beyond fuse limit x time x 1.2 is quarantined once and, when it
stays, given up (flagged, with its bound) instead of booked. Source: reference/conversions.md, "Integer accounting".
"""

from collections import namedtuple

from drivers.bus import Clock
from drivers.chips.ade_settings import STEP_NANOWH, AdeSettings
from drivers.sample import (
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    FLAG_QUARANTINED,
    SUM_SIGNED_PER_POLL,
    counts_bound,
)

PHASES = 3
# Places in the list of output steps: total and phases forward, the same reverse, then the reactive quadrants.
FORWARD, REVERSE, QUADRANTS, PLACES = 0, 4, 8, 12
STATE_LENGTH = 3 + 2 * PHASES + PLACES
BELIEF_NUMERATOR, BELIEF_DENOMINATOR = 12, 10

Booked = namedtuple("Booked", ("forward", "reverse", "quadrants", "flags", "lost_bound"))


class SignedCounts:
    """The counters of one chip between two samples; see the module's docstring."""

    def __init__(self, settings: AdeSettings, clock: Clock) -> None:
        """Nothing is known of the registers before `resume`, `rebase` or the first `book`."""
        self._settings = settings
        self._clock = clock
        self._scale = settings.scale
        self._half = 1 << settings.counter_bits - 1
        self._mask = (1 << settings.counter_bits) - 1
        self._base: list[int] | None = None
        self._since: int | None = None
        self._in_doubt = False
        self._rest = [0] * PLACES
        self.flags = 0
        self.epoch = 0
        self._lost_bound = 0
        self._steps = [0] * PLACES

    @property
    def based(self) -> bool:
        """Whether register values are known to count from."""
        return self._base is not None

    @property
    def rescaled(self) -> bool:
        """Whether the state that was resumed counts in steps of other settings."""
        return bool(self._scale != self._settings.scale)

    def resume(self, state: tuple[int, ...], age_ms: int) -> bool:
        """Go on from a state that was kept `age_ms` ago; False if it is none."""
        if len(state) != STATE_LENGTH or state[0] <= 0 or state[1] <= 0 or age_ms < 0:
            return False
        self._scale = (state[0], state[1])
        self.epoch = state[2]
        self._base = list(state[3 : 3 + 2 * PHASES])
        self._rest = list(state[3 + 2 * PHASES :])
        self._since = self._clock.ticks_ms() - age_ms
        return True

    def state(self) -> tuple[int, ...]:
        """What `resume` takes; () while nothing is known. Keep it in the same record as the counters."""
        if self._base is None:
            return ()
        return tuple([self._scale[0], self._scale[1], self.epoch] + self._base + self._rest)

    def rebase(self, raw: list[int], reactive: list[int], now: int) -> None:
        """Count from these register values on, in the settings' scale; nothing is booked."""
        if self._scale != self._settings.scale:
            self._scale = self._settings.scale
            self._rest = [0] * PLACES
        self._base = raw + reactive
        self._since = now
        self._in_doubt = False

    def forget(self) -> None:
        """The registers hold nothing that can be trusted; the next `book` only sets the base."""
        self._base = None

    def lose(self, now: int, flags: int = 0) -> None:
        """Flag everything since the last booking as lost, within the fuse limit."""
        self.add_lost(self._span(now), flags)
        self._since = now

    def _span(self, now: int) -> int:
        """Milliseconds since the registers were last booked or given up; 0 before the first time."""
        return 0 if self._since is None else self._clock.ticks_diff(now, self._since)

    def add_lost(self, span_ms: int, flags: int) -> None:
        """Flag a span of time whose energy may be wrong or missing."""
        self.flags |= FLAG_ENERGY_LOST | flags
        self._lost_bound += counts_bound(self._settings.fuse_limit_w, max(0, span_ms), STEP_NANOWH)

    def book(self, raw: list[int], reactive: list[int], now: int) -> None:
        """Book what the registers moved since the last time; a first call only remembers them."""
        base = self._base
        if base is None:
            self.rebase(raw, reactive, now)
            return
        span_ms = self._span(now)
        settings = self._settings
        if span_ms > settings.max_gap_ms:
            self.flags |= FLAG_GAP
        limit = self._limit(span_ms + settings.energy_period_ms)
        if limit >= self._half:
            self.lose(now, FLAG_GAP)
            self.rebase(raw, reactive, now)
            return
        half, mask = self._half, self._mask
        deltas = [((raw[k] - base[k] + half) & mask) - half for k in range(PHASES)]
        for delta in deltas:
            if delta > limit or delta < -limit:
                self._doubt(raw, reactive, now)
                return
        self._in_doubt = False
        moved = [((reactive[k] - base[PHASES + k] + half) & mask) - half for k in range(PHASES)]
        self._add(deltas, moved)
        self._base = raw + reactive
        self._since = now

    def book_increments(self, deltas: list[int], moved: list[int], now: int) -> None:
        """Book differences that the chip itself has formed (a part that overwrites its registers)."""
        span_ms = self._span(now)
        limit = self._limit(span_ms + self._settings.energy_period_ms)
        if max(deltas) > limit or min(deltas) < -limit:
            self.lose(now, FLAG_QUARANTINED)
        else:
            self._add(deltas, moved)
        self._base = [0] * (2 * PHASES)
        self._since = now

    def _limit(self, span_ms: int) -> int:
        """Most raw counts of one phase that can be believed for a span: fuse limit x time x 1.2 and one."""
        numerator, denominator = self._scale
        steps = counts_bound(self._settings.fuse_limit_w, max(0, span_ms), STEP_NANOWH)
        limit: int = steps * denominator * BELIEF_NUMERATOR // (numerator * BELIEF_DENOMINATOR) + 1
        return limit

    def _doubt(self, raw: list[int], reactive: list[int], now: int) -> None:
        """An impossible difference: wait for the next look; when it stays, give the span up and count from here."""
        self.flags |= FLAG_QUARANTINED
        if self._in_doubt:
            self.lose(now)
            self.rebase(raw, reactive, now)
        else:
            self._in_doubt = True

    def _add(self, deltas: list[int], moved: list[int]) -> None:
        settings = self._settings
        turned = settings.reversed_phases
        raw = [0] * PLACES
        net = reactive = 0
        for home in range(PHASES):
            channel = settings.phase_map[home]
            delta = -deltas[channel] if turned[channel] else deltas[channel]
            reactive += -moved[channel] if turned[channel] else moved[channel]
            net += delta
            if delta >= 0:
                raw[FORWARD + 1 + home] = delta
            else:
                raw[REVERSE + 1 + home] = -delta
        if settings.sum_rule == SUM_SIGNED_PER_POLL:
            raw[FORWARD if net >= 0 else REVERSE] = net if net >= 0 else -net
        else:
            raw[FORWARD] = raw[FORWARD + 1] + raw[FORWARD + 2] + raw[FORWARD + 3]
            raw[REVERSE] = raw[REVERSE + 1] + raw[REVERSE + 2] + raw[REVERSE + 3]
        raw[QUADRANTS + _quadrant(net, reactive)] = reactive if reactive >= 0 else -reactive
        numerator, denominator = self._scale
        for place in range(PLACES):
            if raw[place]:
                total = self._rest[place] + raw[place] * numerator
                self._steps[place] += total // denominator
                self._rest[place] = total % denominator

    def take(self) -> Booked:
        """What was booked since the last call, which forgets it."""
        steps, flags, lost = self._steps, self.flags, self._lost_bound
        self._steps = [0] * PLACES
        self.flags = 0
        self._lost_bound = 0
        return Booked(
            tuple(steps[FORWARD:REVERSE]), tuple(steps[REVERSE:QUADRANTS]), tuple(steps[QUADRANTS:PLACES]), flags, lost
        )


def _quadrant(active: int, reactive: int) -> int:
    """0..3 for quadrants I to IV: import is active >= 0, inductive is reactive >= 0."""
    if reactive >= 0:
        return 0 if active >= 0 else 1
    return 3 if active >= 0 else 2
