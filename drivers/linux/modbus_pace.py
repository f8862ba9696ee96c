"""Polls several devices on one line, each at its planned times; a device that is dead never delays the others.

The period is cut into one window per device. A device is asked at the start of its window, and every request in it
must end before the window does: so the line's time-out has to be shorter than the window, which `check_pace` demands
when settings are read. A device that failed twice running is dead: it is only probed in gaps, windows of dead devices
among them, that are long enough for a whole time-out, after a pause that doubles from one period to five minutes.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.errors import DriverError

GUARD_S = 0.03
"""What a window keeps free at its end: the line's silence and the operating system's lateness."""
DEAD_AFTER = 2
LONGEST_PAUSE_S = 300.0
BITS_PER_BYTE = 10
REQUEST_BYTES, ANSWER_BYTES_OVER = 8, 5
THINKING_S = 0.1


class PaceError(DriverError):
    """Devices, speed and time-out of a line that cannot be polled in time; the message says what to change."""

    code = "DRV-PACE"


class PaceClock(Protocol):
    """Time as the pacer needs it."""

    def now_s(self) -> float:
        """Seconds, never falling."""

    def wait_until(self, at_s: float, stop: threading.Event) -> None:
        """Return at the instant, or when `stop` is set."""


class MonotonicClock:
    """The machine's."""

    def now_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def wait_until(self, at_s: float, stop: threading.Event) -> None:
        """Return at the instant, or when `stop` is set."""
        while (left_s := at_s - time.monotonic()) > 0 and not stop.wait(left_s):
            pass


class Line(Protocol):
    """The line's deadline, which bounds every request on it (`drivers.linux.modbus_rtu.RtuPort`)."""

    deadline_s: float


@dataclass(frozen=True, slots=True)
class PacedDevice:
    """A device on the line: `poll` reads it, raising DriverError; `registers` are the lengths of its requests."""

    name: str
    poll: Callable[[], object]
    registers: tuple[int, ...]


@dataclass(slots=True)
class _State:
    device: PacedDevice
    offset_s: float
    failures: int = 0
    pause_s: float = 0.0
    probe_at_s: float = 0.0
    next_s: float = field(default=0.0)

    @property
    def dead(self) -> bool:
        return self.failures >= DEAD_AFTER


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll came to: when it was planned and begun (seconds), its result or error, and whether a probe."""

    name: str
    planned_s: float
    begun_s: float
    result: object
    error: DriverError | None
    probe: bool


def poll_time_s(registers: Sequence[int], baud: int) -> float:
    """How long requests of these lengths take on a line, with 100 ms of thinking each."""
    size = sum(REQUEST_BYTES + ANSWER_BYTES_OVER + 2 * count for count in registers)
    return size * BITS_PER_BYTE / baud + THINKING_S * len(registers)


def check_pace(devices: Sequence[PacedDevice], period_s: float, timeout_s: float, baud: int) -> float:
    """Return the length of a window. Raises PaceError if the line cannot keep the period."""
    if not devices or period_s <= 0 or timeout_s <= 0:
        raise PaceError("a line needs devices, a period and a time-out above 0; correct the settings")
    window_s = period_s / len(devices)
    if timeout_s + GUARD_S >= window_s:
        raise PaceError(
            f"time-out {timeout_s:g} s is not shorter than the retry window {window_s - GUARD_S:g} s "
            f"({period_s:g} s for {len(devices)} devices); shorten it, lengthen the period or take another line"
        )
    for device in devices:
        needed_s = poll_time_s(device.registers, baud)
        if needed_s + GUARD_S >= window_s:
            raise PaceError(
                f"{device.name} needs {needed_s:.2f} s at {baud} baud, its window is {window_s - GUARD_S:g} s; "
                "raise the speed, lengthen the period or read fewer registers"
            )
    return window_s


class Pacer:
    """The polls of one line; `report` gets every poll in the thread of `run`."""

    def __init__(
        self,
        line: Line,
        devices: Sequence[PacedDevice],
        report: Callable[[Poll], None],
        *,
        period_s: float,
        timeout_s: float,
        baud: int,
        clock: PaceClock | None = None,
    ) -> None:
        """Check the plan (PaceError); nothing is asked yet."""
        self._window_s = check_pace(devices, period_s, timeout_s, baud)
        self._line, self._report = line, report
        self._period_s, self._timeout_s = period_s, timeout_s
        self._clock: PaceClock = MonotonicClock() if clock is None else clock
        self._states = [_State(device, index * self._window_s) for index, device in enumerate(devices)]
        self.stop = threading.Event()

    def dead(self) -> list[str]:
        """Names of the devices that are only probed."""
        return [state.device.name for state in self._states if state.dead]

    def run(self, until_s: float = float("inf")) -> None:
        """Poll until `stop` is set or the clock passes `until_s`."""
        start_s = self._clock.now_s()
        for state in self._states:
            state.next_s = start_s + state.offset_s
        while not self.stop.is_set():
            state = min(self._states, key=lambda one: one.next_s)
            if state.next_s >= until_s:
                return
            if state.dead:
                state.next_s += self._period_s
                continue
            self._probe_before(state.next_s)
            self._clock.wait_until(state.next_s, self.stop)
            if not self.stop.is_set():
                self._poll(state)

    def _probe_before(self, next_s: float) -> None:
        """Probe dead devices that are due while the gap holds a whole time-out."""
        due = sorted((state for state in self._states if state.dead), key=lambda one: one.probe_at_s)
        for state in due:
            now_s = self._clock.now_s()
            if self.stop.is_set() or next_s - now_s < self._timeout_s + GUARD_S:
                return
            if state.probe_at_s > now_s:
                if next_s - state.probe_at_s < self._timeout_s + GUARD_S:
                    return
                self._clock.wait_until(state.probe_at_s, self.stop)
            self._ask(state, self._clock.now_s(), next_s - GUARD_S, True)

    def _poll(self, state: _State) -> None:
        """Ask a living device in its window."""
        planned_s = state.next_s
        state.next_s += self._period_s
        self._ask(state, planned_s, planned_s + self._window_s - GUARD_S, False)

    def _ask(self, state: _State, planned_s: float, deadline_s: float, probe: bool) -> None:
        begun_s = self._clock.now_s()
        self._line.deadline_s = deadline_s
        result, error = None, None
        try:
            result = state.device.poll()
        except DriverError as caught:
            error = caught
        self._judge(state, error)
        self._report(Poll(state.device.name, planned_s, begun_s, result, error, probe))

    def _judge(self, state: _State, error: DriverError | None) -> None:
        """Count failures; a device that answered is back in its window at once."""
        now_s = self._clock.now_s()
        if error is None:
            state.failures, state.pause_s = 0, 0.0
            while state.next_s < now_s:
                state.next_s += self._period_s
            return
        state.failures += 1
        if state.dead:
            state.pause_s = min(LONGEST_PAUSE_S, 2 * state.pause_s or self._period_s)
            state.probe_at_s = now_s + state.pause_s
