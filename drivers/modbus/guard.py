"""What is believed of a meter that keeps its own counters: last valid value, physical bound, stuck and frozen meters.

Rules (reference/modbus-meters.md, "Values to distrust"; conversions.md, sanity bound and cross-check):
- A total that is no number, lower than the last valid one, or risen by more than fuse limit x 1.2 x time + one step
  is quarantined: the last valid totals stand. Time does not heal a fall; a person who confirms an exchange does.
- A rise of more than twice what the power gives is read again before it is believed: a flipped bit that stays below
  the physical bound would otherwise be booked.
- A whole frame equal to the one before for longer than FROZEN_AFTER_MS and FROZEN_REPEATS looks under load is a
  gateway repeating itself: refused, and its age counts, so that the meter's true progress is believed afterwards.
- Counters that stand still although the power says that 50 steps and 50 Wh went through: cross-check. Until then
  nothing can be said; that much may be late without a flag. From the first step overdue their age counts too.
- A frame of nothing but ones is no frame.
All integers; portable.
"""

from drivers.bus import Clock
from drivers.errors import ValueOutOfRange
from drivers.sample import FLAG_CROSS_CHECK, FLAG_QUARANTINED, counts_bound

COUNTER_STEP_NANOWH = 1000000
FROZEN_AFTER_MS = 60000
FROZEN_REPEATS = 3
SECOND_LOOK_MS = 2000
LOAD_MILLIWATTS = 100000
_STUCK_MILLIWH = 50000
_STUCK_STEPS = 50
_MILLIWATT_MS_PER_MILLIWH = 3600000
_MARGIN_TENTHS = 12


class Verdict:
    """What to put into a sample: totals in mWh, flags, the most that may be missing (mWh), and whether it froze."""

    def __init__(self, totals: tuple[int, int], flags: int, bound: int, frozen: bool) -> None:
        """Keep the four."""
        self.totals, self.flags, self.bound, self.frozen = totals, flags, bound, frozen


class CounterGuard:
    """Judges each look at one meter.

    `last_valid` is (import mWh, export mWh, age ms) from before a restart; the age, best counted from when the totals
    last moved, goes on until they move again.
    """

    def __init__(self, clock: Clock, fuse_limit_w: int, last_valid: "tuple[int, int, int] | None") -> None:
        """Start; ValueOutOfRange for a fuse limit that is not above zero."""
        if fuse_limit_w <= 0:
            raise ValueOutOfRange(f"fuse limit {fuse_limit_w} W must be above 0; set the fuses' total power")
        self._clock = clock
        self._fuse_limit_w = fuse_limit_w
        self.valid = None if last_valid is None else last_valid[:2]
        self._remembered = self.valid
        self.exchanges = 0
        self._valid_age_ms = 0 if last_valid is None else last_valid[2]
        self._valid_ticks_ms = clock.ticks_ms()
        self._frame: list[int] = []
        self._frozen_ms = 0
        self._repeats = 0
        self._look_ticks_ms = self._valid_ticks_ms
        self._milliwatts = 0
        self._idle_milliwatt_ms = 0
        self._counters: "tuple[int, int] | None" = None

    def confirm_exchange(self) -> None:
        """Take the next totals as they are: a person has confirmed that the meter was exchanged."""
        self.valid = self._remembered = None
        self._idle_milliwatt_ms = 0
        self.exchanges += 1

    def elapsed_ms(self, at_ticks_ms: int) -> int:
        """Time since the last valid totals, ms."""
        return self._valid_age_ms + max(0, self._clock.ticks_diff(at_ticks_ms, self._valid_ticks_ms))

    def bound_milliwh(self, at_ticks_ms: int) -> int:
        """The most that can have flowed since the last valid totals."""
        return counts_bound(self._fuse_limit_w * _MARGIN_TENTHS, self.elapsed_ms(at_ticks_ms), COUNTER_STEP_NANOWH * 10)

    def surprising(
        self, at_ticks_ms: int, totals: "tuple[int, int]", steps: tuple[int, int], milliwatts: "int | None"
    ) -> bool:
        """Whether totals rose by more than twice what the power gives: worth a second look before they are believed."""
        if self.valid is None:
            return False
        power = max(abs(self._milliwatts), abs(milliwatts or 0))
        expected = 2 * power * self.elapsed_ms(at_ticks_ms) // _MILLIWATT_MS_PER_MILLIWH
        return any(totals[k] - self.valid[k] > expected + 2 * steps[k] for k in (0, 1))

    def agrees(self, first: "tuple[int, int]", second: "tuple[int, int] | None", steps: tuple[int, int]) -> bool:
        """Whether a second look, seconds later, confirms the first: the same totals or what the fuses let through."""
        if second is None:
            return False
        most = counts_bound(self._fuse_limit_w * _MARGIN_TENTHS, SECOND_LOOK_MS, COUNTER_STEP_NANOWH * 10)
        return all(0 <= second[k] - first[k] <= most + steps[k] for k in (0, 1))

    def judge(
        self,
        at_ticks_ms: int,
        totals: "tuple[int, int] | None",
        steps: tuple[int, int],
        frame: "list[int] | None" = None,
        milliwatts: "int | None" = None,
    ) -> Verdict:
        """Judge one look: totals in mWh (None: no numbers), their steps, all words of a full look and its power.

        Raises ValueOutOfRange while a meter that was never read before shows no valid totals.
        """
        bound = self.bound_milliwh(at_ticks_ms)
        repeated = self._repeated(at_ticks_ms, frame, milliwatts)
        frozen = self._frozen_ms >= FROZEN_AFTER_MS and self._repeats >= FROZEN_REPEATS
        believed = totals is not None and self._plausible(totals, steps, bound)
        stuck = self._stuck(at_ticks_ms, totals if believed else None, steps, milliwatts)
        if totals is None or not believed or frozen:
            if self.valid is None:
                raise ValueOutOfRange("the meter never showed valid totals; look at its display and its profile")
            return Verdict(self.valid, FLAG_QUARANTINED | stuck, bound, frozen)
        self.valid = totals
        if totals != self._remembered:
            self._remembered = None
        if not repeated and self._remembered is None and not self._overdue(steps):
            self._valid_age_ms = 0
            self._valid_ticks_ms = at_ticks_ms
        return Verdict(totals, stuck, bound if stuck else 0, False)

    def _overdue(self, steps: tuple[int, int]) -> bool:
        """Whether the totals should have moved by a step: then they are as old as when they last moved."""
        return self._idle_milliwatt_ms >= max(steps) * _MILLIWATT_MS_PER_MILLIWH

    def _plausible(self, totals: tuple[int, int], steps: tuple[int, int], bound: int) -> bool:
        """Whether both totals rose by something that can be."""
        if self.valid is None:
            return True
        return all(0 <= totals[k] - self.valid[k] <= bound + steps[k] for k in (0, 1))

    def _repeated(self, at_ticks_ms: int, frame: "list[int] | None", milliwatts: "int | None") -> bool:
        """Whether a full look under load equals the one before; counts for how long."""
        if frame is None or milliwatts is None:
            return False
        same = frame == self._frame and abs(milliwatts) >= LOAD_MILLIWATTS
        self._frame = frame
        passed_ms = max(0, self._clock.ticks_diff(at_ticks_ms, self._look_ticks_ms))
        self._frozen_ms = self._frozen_ms + passed_ms if same else 0
        self._repeats = self._repeats + 1 if same else 0
        return same

    def _stuck(
        self, at_ticks_ms: int, totals: "tuple[int, int] | None", steps: tuple[int, int], milliwatts: "int | None"
    ) -> int:
        """FLAG_CROSS_CHECK if the totals stand still although the power would have moved them, else 0."""
        if milliwatts is None:
            return 0
        passed_ms = max(0, self._clock.ticks_diff(at_ticks_ms, self._look_ticks_ms))
        self._look_ticks_ms = at_ticks_ms
        earlier, self._milliwatts = self._milliwatts, milliwatts
        if totals is not None and totals != self._counters:
            self._counters = totals
            self._idle_milliwatt_ms = 0
            return 0
        self._idle_milliwatt_ms += min(abs(earlier), abs(milliwatts)) * passed_ms
        step = steps[0] if milliwatts > 0 else steps[1]
        limit = max(_STUCK_MILLIWH, _STUCK_STEPS * step)
        return FLAG_CROSS_CHECK if self._idle_milliwatt_ms >= limit * _MILLIWATT_MS_PER_MILLIWH else 0
