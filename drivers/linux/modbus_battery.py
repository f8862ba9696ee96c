"""A battery behind SunSpec models, kept by a thread of its own: a dead inverter delays nobody but itself.

`want` says what holds from now on and `seen` gives the newest look; neither ever waits. What is wanted holds as long as
it is said again within `patience_s`: a daemon that hangs or whose meter is silent loses its battery to automatic. The
thread writes by the rules of `drivers.modbus.sunspec_control`, feeds the process that lets go where the profile needs
one (before the first command), refreshes timers and heartbeats, and lets go when it ends. While the device does not
answer it is tried with a growing pause.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.bus import ModbusDevice
from drivers.errors import DriverError, RegistersLost, WrongChip
from drivers.linux.modbus_feed import LetGoFeed, NobodyLetsGo
from drivers.linux.modbus_sunspec_tables import tables
from drivers.linux.ticks import MonotonicTicks
from drivers.modbus.sunspec import scan
from drivers.modbus.sunspec_control import BatteryControl, ControlRefused, Limits, SignResult
from drivers.modbus.sunspec_inverter import SunSpecInverter
from drivers.modbus.sunspec_profile import DEVICE, ControlProfile

_LOG = logging.getLogger(__name__)
LOOK_EVERY_S = 5.0
STEP_S = 1.0
LONGEST_PAUSE_S = 60.0
_END_S = 1.5
_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class KeptOptions:
    """What a battery is kept by: `invert_look` turns the power that the device tells, `without_sun` says that its AC
    power is the battery's, `patience_s` how long a wish holds without being said again."""

    limits: Limits
    sign: SignResult
    automatic: tuple[tuple[str, int], ...]
    write_pause_ms: int
    patience_s: float
    invert_look: bool = False
    without_sun: bool = False


@dataclass(frozen=True, slots=True)
class BatterySeen:
    """The newest look: power (W, charging positive), charge (per cent), energy charged less discharged (mWh, counted
    here from `moved_milliwh` on), when (monotonic seconds)."""

    power_w: float
    soc_percent: float
    moved_milliwh: int
    at_s: float


class KeptBattery:
    """One battery; `start` begins, `close` lets go and ends."""

    def __init__(
        self,
        device: ModbusDevice,
        profile: ControlProfile,
        options: KeptOptions,
        feed: LetGoFeed | None,
        *,
        moved_milliwh: int = 0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet; `feed` belongs to profiles whose host lets go."""
        self._device, self._profile, self._options, self._feed = device, profile, options, feed
        self._now_s = now_s
        self._lock = threading.Lock()
        self._wish: tuple[int, float] | None = None
        self._seen: BatterySeen | None = None
        self._trouble = ""
        self._control: BatteryControl | None = None
        self._inverter: SunSpecInverter | None = None
        self._commanded = profile.lets_go != DEVICE
        self._allowed_w = 0
        self._moved_milliwh_ms = moved_milliwh * _MS
        self._looked_s = float("-inf")
        self._pause_s = 0.0
        self._refused = False
        self._first, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="battery", daemon=True)

    # -- for others

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def want(self, power_w: int | None) -> None:
        """What holds from now on (W, charging positive); None: automatic. Returns at once."""
        with self._lock:
            self._wish = None if power_w is None else (power_w, self._now_s())

    def seen(self) -> BatterySeen | None:
        """The newest look; None before the first and while the device is away."""
        with self._lock:
            return self._seen

    def trouble(self) -> str:
        """Why the battery cannot be commanded or seen now; empty: it can."""
        with self._lock:
            return self._trouble

    def refused(self, within_s: float) -> str:
        """Why this device must not be commanded at all, known after its first answer; waits so long at most.

        Empty: it may, or it did not answer yet.
        """
        self._first.wait(within_s)
        with self._lock:
            return self._trouble if self._refused else ""

    def close(self) -> None:
        """Let go and end; returns within two seconds even if the device is dead."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    # -- the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            begun_s = self._now_s()
            self._try(self._step)
            self._first.set()
            self._stop.wait(max(self._pause_s, begun_s + STEP_S - self._now_s()))
        if self._commanded and self._control is not None:
            self._try(self._let_go)
        if self._feed is not None:
            self._feed.close()

    def _try(self, work: Callable[[], None]) -> None:
        """Do something; a failure is trouble, said once, and lengthens the pause."""
        try:
            work()
        except DriverError as error:
            self._failed(error)
        else:
            self._pause_s, self._refused = 0.0, False
            self._say("")

    def _failed(self, error: DriverError) -> None:
        if isinstance(error, RegistersLost):
            self._control = None
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s or STEP_S)
        with self._lock:
            self._seen = None
        self._looked_s = float("-inf")
        self._refused = isinstance(error, (ControlRefused, WrongChip))
        self._say(f"{error.code}: {error}")

    def _say(self, trouble: str) -> None:
        with self._lock:
            before, self._trouble = self._trouble, trouble
        if trouble and not before:
            _LOG.warning("battery_trouble reason=%r", trouble)
        elif before and not trouble:
            _LOG.info("battery_back")

    def _step(self) -> None:
        control = self._control or self._open()
        power_w = self._wanted_w()
        if power_w is None:
            if self._commanded:
                self._let_go()
        else:
            self._feed_or_let_go()
            self._commanded = True
            self._allowed_w = control.command(power_w)
        if self._now_s() - self._looked_s >= LOOK_EVERY_S:
            self._look()

    def _feed_or_let_go(self) -> None:
        """A sign of life for the process that lets go; without it nothing stays commanded. Raises NobodyLetsGo."""
        if self._feed is None:
            return
        try:
            self._feed.beat()
        except NobodyLetsGo:
            if self._commanded:
                self._let_go()
            raise

    def _wanted_w(self) -> int | None:
        """What is wanted and was said again in time; a wish that grew old is dropped, once with a word."""
        with self._lock:
            wish = self._wish
            if wish is not None and self._now_s() - wish[1] > self._options.patience_s:
                self._wish = wish = None
                _LOG.warning("battery_let_go reason='nobody said again what it shall do'")
        return None if wish is None else wish[0]

    def _open(self) -> BatteryControl:
        """Find the device and make sure that it is the one of the sign test. Raises DriverError."""
        clock, own = MonotonicTicks(), self._options
        inverter = SunSpecInverter(self._device, clock, scan(self._device), tables(), invert=own.invert_look)
        control = BatteryControl(
            self._device,
            clock,
            inverter,
            self._profile,
            own.limits,
            own.sign,
            write_pause_ms=own.write_pause_ms,
            automatic=list(own.automatic),
        )
        if control.serial != own.sign.serial:
            raise ControlRefused(
                f"the device's serial is {control.serial!r}, the sign test was passed by {own.sign.serial!r}; "
                "nothing is commanded, run the sign test again"
            )
        self._inverter, self._control = inverter, control
        return control

    def _let_go(self) -> None:
        """Write automatic where the device does not hold it; the other process may rest then."""
        control = self._control
        if control is None:
            return
        if not control.is_automatic():
            control.release()
        self._commanded = False
        self._allowed_w = 0
        control.forget()
        if self._feed is not None:
            self._feed.close()

    def _look(self) -> None:
        inverter = self._inverter
        if inverter is None:
            return
        look, at_s = inverter.look(), self._now_s()
        if look.soc_percent is None:
            raise ControlRefused(f"{self._profile.name}: the device does not tell its state of charge")
        power_w = look.battery_power_w
        if power_w is None:
            own = self._options.without_sun and look.power_w is not None
            power_w = -look.power_w if own else float(self._allowed_w)
        before = self._seen
        if before is not None:
            mean_milliwatts = round((before.power_w + power_w) * 500)
            self._moved_milliwh_ms += mean_milliwatts * round((at_s - before.at_s) * 1000)
        fresh = BatterySeen(power_w, look.soc_percent, self._moved_milliwh_ms // _MS, at_s)
        with self._lock:
            self._seen = fresh
        self._looked_s = at_s
