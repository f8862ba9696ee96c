"""A simulated meter behind the settings' names: one emulated unit on one line, over TCP or a pseudo-terminal.

The line is served by a thread inside the caller's process; every request asks `truth()` for the present values, so
the meter is always as new as the house behind it. The SDM630 answers over the gaps of its main block (0..81); the
smaller meters answer exception 2 there. `fault` is one of the meter's (`drivers.sim.modbus_meter`) or of the wire's
(`drivers.sim.modbus_line`), and may be set at any time.
"""

from collections.abc import Callable
from types import TracebackType

from drivers.linux.modbus_profiles import known_profiles, load_profile
from drivers.sim.modbus_image import MeterTruth
from drivers.sim.modbus_line import WIRE_FAULTS, EmulatedLine, EmulatedUnit
from drivers.sim.modbus_meter import EmulatedMeter


class SimulatedSdm:
    """One simulated meter as a server, a context manager. `fault` may be set at any time ("" = none)."""

    def __init__(
        self,
        truth: Callable[[], MeterTruth],
        *,
        model: str = "SDM630",
        device_id: int = 1,
        over: str = "tcp",
    ) -> None:
        """Prepare a meter: `over` is "tcp" (loopback, free port) or "pty" (RTU frames)."""
        if model.lower() not in known_profiles() or over not in ("tcp", "pty"):
            raise ValueError(f"model {model!r} must be one of {known_profiles()} and over {over!r} tcp or pty")
        self.model, self.device_id, self.over = model, device_id, over
        self._meter = EmulatedMeter(load_profile(model.lower()), truth)
        self._unit = EmulatedUnit(self._meter)
        self._line = EmulatedLine({device_id: self._unit}, over=over)

    @property
    def host(self) -> str:
        """Where TCP answers."""
        return self._line.host

    @property
    def port(self) -> int:
        """Its port, known once entered."""
        return self._line.port

    @property
    def serial_port(self) -> str:
        """The terminal to open, known once entered."""
        return self._line.serial_port

    @property
    def fault(self) -> str:
        """What goes wrong now."""
        return self._meter.fault or self._unit.fault

    @fault.setter
    def fault(self, kind: str) -> None:
        self._unit.fault = kind if kind in WIRE_FAULTS else ""
        self._meter.fault = "" if kind in WIRE_FAULTS else kind

    def __enter__(self) -> "SimulatedSdm":
        """Start answering; `port` or `serial_port` is known afterwards."""
        self._line.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop answering."""
        self._line.__exit__(kind, error, trace)
