"""An Eastron SDM630 (or SDM120, SDM230) on the pymodbus simulator, over TCP or a pair of pseudo-terminals.

The server runs in a thread with its own event loop inside the caller's process. Every request asks `truth()`
for the present values, so the meter is always as new as the house behind it. The SDM630 answers over the gaps
of its main block (0..81); the smaller meters answer exception 2 there. Holding registers (set-up) take one
float32 parameter a message, both registers at once; anything else is exception 2.

Faults, by the names that the demo uses: `energy-stuck` (counters stop), `stuck-high` (all words 0xFFFF),
`bit-flip` (one bit of the import counter), `brown-out` (counters fall to 0), `silent` (no answer), `busy`
(exception 6).
"""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.eastron_points import EXPORT_ADDRESS, IMPORT_ADDRESS, SDM630_POINTS
from drivers.sim.modbus_image import POINTS, MeterTruth, float32_words, register_image
from drivers.sim.modbus_ptys import PtyPair

_ENERGY_FROM, _PHASE_ENERGY_FROM, _PHASE_ENERGY_TO = 72, 342, 358
_MAIN_BLOCK = 82
_FLIPPED_BIT = 0x0080
_SETUP = ((18, 0.0), (20, 1.0), (28, 2.0))
_START_LIMIT_S = 10.0
_INPUT, _WRITE_MANY = 4, 16


class SimulatedMeterError(RuntimeError):
    """The simulated meter's server did not start or stop; the message says which."""


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
        """Prepare a meter: `over` is "tcp" (loopback, free port) or "pty" (RTU frames, linked terminals)."""
        if model not in POINTS or over not in ("tcp", "pty"):
            raise ValueError(f"model {model!r} must be one of {sorted(POINTS)} and over {over!r} tcp or pty")
        self.model, self.device_id, self.over = model, device_id, over
        self.host, self.port, self.serial_port = "127.0.0.1", 0, ""
        self.fault = ""
        self._truth = truth
        self._frozen: dict[int, int] = {}
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=f"sim-{model}", daemon=True)

    def __enter__(self) -> "SimulatedSdm":
        """Start the server; `port` or `serial_port` is known afterwards. Raises SimulatedMeterError."""
        self._thread.start()
        if not self._ready.wait(_START_LIMIT_S) or self._failure is not None:
            raise SimulatedMeterError(f"{self.model} over {self.over} did not start: {self._failure}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and wait for its thread."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_LIMIT_S)
        if self._thread.is_alive():
            raise SimulatedMeterError(f"{self.model} over {self.over} did not stop; look for a blocked truth()")

    def _run(self) -> None:
        """Thread: serve until told to stop; a failure to start is kept for the caller."""
        try:
            asyncio.run(self._serve())
        except (OSError, RuntimeError) as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self.over == "tcp":
            tcp = ModbusTcpServer(
                self._device(),
                address=(self.host, 0),
                ignore_missing_devices=True,
                trace_packet=self._on_wire,
            )
            await self._until_stopped(tcp)
            return
        async with PtyPair() as pair:
            self.serial_port = pair.driver_port
            line = ModbusSerialServer(
                self._device(),
                framer=FramerType.RTU,
                port=pair.meter_port,
                ignore_missing_devices=True,
                trace_packet=self._on_wire,
            )
            await self._until_stopped(line)

    async def _until_stopped(self, server: "ModbusTcpServer | ModbusSerialServer") -> None:
        assert self._stop is not None
        await server.serve_forever(background=True)
        if isinstance(server, ModbusTcpServer):
            listener: Any = server.transport
            self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]

    def _device(self) -> SimDevice:
        """Return the simulator's device: coils and discrete inputs are there but mean nothing."""
        if self.model == "SDM630":
            readable = set(range(_MAIN_BLOCK))
            readable |= {address + k for _, address, _, _ in SDM630_POINTS for k in (0, 1)}
        else:
            readable = {address + k for _, address, _, _ in POINTS[self.model] for k in (0, 1)}
        inputs = [SimData(address, values=0, datatype=DataType.REGISTERS) for address in sorted(readable)]
        holding = [
            SimData(address, values=float32_words(value), datatype=DataType.REGISTERS) for address, value in _SETUP
        ]
        bits = [SimData(0, values=False, datatype=DataType.BITS)]
        tables = (bits, list(bits), holding, inputs)
        return SimDevice(self.device_id, simdata=tables, action=self._answer)

    async def _answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        new_values: "list[int] | list[bool] | None",
    ) -> ExcCodes | None:
        """Per request: bring the registers up to date, or refuse."""
        if self.fault == "busy":
            return ExcCodes.DEVICE_BUSY
        if function == _WRITE_MANY and (count != 2 or address not in {place for place, _ in _SETUP}):
            return ExcCodes.ILLEGAL_ADDRESS
        if function != _INPUT:
            return None
        image = self._image()
        for place in range(address, address + count):
            registers[place - start] = image.get(place, 0)
        return None

    def _on_wire(self, sending: bool, packet: bytes) -> bytes:
        """Pass bytes on as they are; a silent meter sends none."""
        return b"" if sending and self.fault == "silent" else packet

    def _image(self) -> dict[int, int]:
        """Return the present registers with the fault applied."""
        image = register_image(self.model, self._truth())
        energies = {a for a in image if a >= _PHASE_ENERGY_FROM or _ENERGY_FROM <= a < _MAIN_BLOCK}
        if self.fault != "energy-stuck" or not self._frozen:
            self._frozen = {address: image[address] for address in energies}
        image.update(self._frozen)
        if self.fault == "stuck-high":
            image = dict.fromkeys(image, 0xFFFF)
        elif self.fault == "bit-flip":
            image[IMPORT_ADDRESS] ^= _FLIPPED_BIT
        elif self.fault == "brown-out":
            image.update(dict.fromkeys(range(IMPORT_ADDRESS, EXPORT_ADDRESS + 2), 0))
        return image
