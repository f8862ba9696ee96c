"""One serial line for a meter and what else hangs on it: everybody has windows, and the meter never waits for them.

    period   | window of user 0 (the meter) | window of user 1 | ... |      counted from whole periods of the clock

The Worker samples its meter at whole periods, so user 0 begins at the start of its window, and goes at other times too
when the line is free. The others ask only inside their own window, and only while a whole time-out still fits into it:
a dead one costs nobody else anything. `drivers.linux.modbus_pace.check_pace` says whether the windows are long enough.
The line is opened when it is first needed, and again after an adapter was unplugged. Any thread may ask.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from drivers.bus import ModbusDevice
from drivers.errors import BusFault, ChecksumFault, ValueOutOfRange
from drivers.linux.modbus import SerialLine
from drivers.linux.modbus_pace import GUARD_S
from drivers.linux.modbus_rtu import RtuPort, RtuUnit

T = TypeVar("T")

_TRIES_OF_THE_FIRST = 2


class SharedLine:
    """The line; `users` share each period of `period_s` seconds."""

    def __init__(
        self, line: SerialLine, period_s: float, users: int, *, now_s: Callable[[], float] = time.time
    ) -> None:
        """Nothing is opened yet; `now_s` is the clock whose whole periods begin the windows."""
        self._line, self._period_s, self._now_s = line, period_s, now_s
        self._window_s = period_s / users
        self._timeout_s = line.timeout_s()
        self._lock = threading.Lock()
        self._port: RtuPort | None = None
        self._closed = self._free = False
        self._wake = threading.Event()

    def unit(self, user: int, number: int) -> "SharedUnit":
        """The unit of a user. Raises ValueOutOfRange for a number outside 1..247."""
        if not 1 <= number <= 247:
            raise ValueOutOfRange(f"Modbus unit {number} of {self._line.port}: must be 1..247; correct the settings")
        return SharedUnit(self, user, number)

    def free(self) -> None:
        """The meter is no longer read: from now on everybody may ask at any time."""
        self._free = True
        self._wake.set()

    def close(self) -> None:
        """End every wait and close the line."""
        self._closed = True
        self._wake.set()
        with self._lock:
            self._drop()

    def ask(self, user: int, number: int, request: Callable[[RtuUnit], T]) -> T:
        """Make one request when it is the user's turn. Raises what the unit raises, BusFault once closed."""
        if user == 0:
            return self._ask_first(number, request)
        while True:
            self._wait_for_window(user)
            with self._lock:
                left_s = self._left_s(user)
                if left_s >= self._timeout_s:
                    return self._ask_now(number, request, left_s)

    def _ask_first(self, number: int, request: Callable[[RtuUnit], T]) -> T:
        """The meter's request, tried again while a time-out still fits into its window."""
        for _ in range(_TRIES_OF_THE_FIRST - 1):
            try:
                with self._lock:
                    return self._ask_now(number, request, float("inf"))
            except (BusFault, ChecksumFault):
                if self._left_s(0) < self._timeout_s:
                    raise
        with self._lock:
            return self._ask_now(number, request, float("inf"))

    def _ask_now(self, number: int, request: Callable[[RtuUnit], T], left_s: float) -> T:
        if self._closed:
            raise BusFault(f"{self._line.port}: the line is closed")
        if self._port is None:
            self._port = RtuPort(self._line)
        self._port.deadline_s = time.monotonic() + left_s
        try:
            return request(RtuUnit(self._port, number))
        except BusFault as error:
            if isinstance(error.__cause__, OSError):
                self._drop()
            raise

    def _drop(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _left_s(self, user: int) -> float:
        """What is left of the user's window; negative outside it."""
        if self._free:
            return self._window_s
        phase_s = self._now_s() % self._period_s
        begin_s = user * self._window_s
        return begin_s + self._window_s - GUARD_S - phase_s if phase_s >= begin_s else -1.0

    def _wait_for_window(self, user: int) -> None:
        """Return inside the user's window while a whole time-out fits into the rest. Raises BusFault once closed."""
        while self._left_s(user) < self._timeout_s:
            phase_s = self._now_s() % self._period_s
            wait_s = (user * self._window_s - phase_s) % self._period_s
            self._wake.wait(max(wait_s, 0.001))
            if self._closed:
                raise BusFault(f"{self._line.port}: the line is closed")


class SharedUnit(ModbusDevice):
    """One user's unit on a shared line."""

    def __init__(self, line: SharedLine, user: int, number: int) -> None:
        """Take the line, the user's window and the unit's number."""
        self._line, self._user, self._number = line, user, number

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers by function 3 or 4, in the user's turn. Raises BusFault, WrongChip, ValueOutOfRange."""
        return self._line.ask(self._user, self._number, lambda unit: unit.read(function, address, count))

    def write(self, address: int, words: list[int]) -> None:
        """Write holding registers (function 16), in the user's turn; errors as for `read`."""
        self._line.ask(self._user, self._number, lambda unit: unit.write(address, words))
