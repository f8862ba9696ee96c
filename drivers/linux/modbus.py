"""Modbus over pymodbus' synchronous clients, as the `ModbusDevice` that drivers expect; an object is a unit.

Two ways: TCP (Modbus TCP frames, or RTU frames behind a serial converter) and a serial line (RTU). A request
is tried twice, then fails until the next cycle (reference/modbus-meters.md, timing). Whatever pymodbus raises
or answers is turned into `drivers.errors` here: no answer, a broken frame or a lost connection is a BusFault,
and an exception code that repeating cannot cure (no such function, address or value) is a WrongChip.

A connection that was lost is opened again by the next request. Not for: several threads at once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.bus import ModbusDevice
from drivers.errors import BusFault, DriverError, ValueOutOfRange, WrongChip

# pymodbus logs every failed request with a dump of the last frames; here each becomes one exception instead.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_HOLDING, _INPUT = 3, 4
_MOST_READ, _MOST_WRITTEN = 125, 123
_RETRIES = 1
_PERMANENT_EXCEPTIONS = {1: "no such function", 2: "no such address", 3: "no such value"}


@dataclass(frozen=True)
class SerialLine:
    """A serial line's settings; Eastron's sources disagree about defaults, so all of them are settings."""

    port: str
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    local_echo: bool = False

    def timeout_s(self) -> float:
        """Time-out of a request: 0.5 s from 9600 baud on, 1 s below."""
        return 0.5 if self.baud >= 9600 else 1.0


class LinuxModbus(ModbusDevice):
    """One unit on a Modbus connection; use as a context manager or call `close`."""

    def __init__(self, client: "ModbusTcpClient | ModbusSerialClient", device_id: int, place: str) -> None:
        """Take a client that is not connected yet, the unit's address (1..247) and its name in messages."""
        if not 1 <= device_id <= 247:
            raise ValueOutOfRange(f"Modbus unit {device_id} of {place}: must be 1..247; correct the settings")
        self._client = client
        self._device_id = device_id
        self._place = f"{place} unit {device_id}"

    def __enter__(self) -> "LinuxModbus":
        """Return this device; the connection opens with the first request."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; the next request would open it again."""
        self._client.close()  # type: ignore[no-untyped-call]

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Return `count` registers from `address`, function 3 (holding) or 4 (input).

        Raises BusFault (transient), WrongChip if the unit refuses, ValueOutOfRange for what cannot be asked.
        """
        if function not in (_HOLDING, _INPUT) or not 1 <= count <= _MOST_READ:
            raise ValueOutOfRange(f"{self._place}: function {function}, {count} registers; 3 or 4 and 1..125")
        call = self._client.read_input_registers
        if function == _HOLDING:
            call = self._client.read_holding_registers
        answer = self._request(lambda: call(address, count=count, device_id=self._device_id))
        if len(answer.registers) != count:
            raise BusFault(f"{self._place}: {len(answer.registers)} registers from {address}, {count} asked")
        return list(answer.registers)

    def write(self, address: int, words: list[int]) -> None:
        """Write holding registers from `address` on in one message (function 16); errors as for `read`."""
        if not 1 <= len(words) <= _MOST_WRITTEN or any(not 0 <= word <= 0xFFFF for word in words):
            raise ValueOutOfRange(f"{self._place}: write 1..123 words of 16 bits, not {words}")
        self._request(lambda: self._client.write_registers(address, words, device_id=self._device_id))

    def _request(self, call: Callable[[], ModbusPDU]) -> ModbusPDU:
        """Make one request; translate whatever goes wrong."""
        try:
            if not self._client.connected and not self._client.connect():
                raise BusFault(f"{self._place}: no connection; check cable, address and power")
            answer = call()
        except (ModbusException, OSError) as error:
            self._client.close()  # type: ignore[no-untyped-call]
            raise BusFault(f"{self._place}: {error}; tried {_RETRIES + 1} times, next try next cycle") from error
        if answer.isError():
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: ModbusPDU) -> DriverError:
        """Return the error for an exception answer."""
        code = answer.exception_code
        if code in _PERMANENT_EXCEPTIONS:
            return WrongChip(f"{self._place}: {_PERMANENT_EXCEPTIONS[code]} (exception {code}); check the model")
        return BusFault(f"{self._place}: exception {code}; next try next cycle")


def open_tcp(
    host: str, port: int = 502, *, device_id: int = 1, rtu_frames: bool = False, timeout_s: float = 1.0
) -> LinuxModbus:
    """Return a unit behind TCP; `rtu_frames` for a converter that passes serial frames through."""
    framer = FramerType.RTU if rtu_frames else FramerType.SOCKET
    client = ModbusTcpClient(host, port=port, framer=framer, timeout=timeout_s, retries=_RETRIES)
    return LinuxModbus(client, device_id, f"modbus {host}:{port}")


def open_serial(line: SerialLine, *, device_id: int = 1, timeout_s: float | None = None) -> LinuxModbus:
    """Return a unit on a serial line (RTU frames)."""
    client = ModbusSerialClient(
        line.port,
        framer=FramerType.RTU,
        baudrate=line.baud,
        parity=line.parity,
        stopbits=line.stop_bits,
        handle_local_echo=line.local_echo,
        timeout=line.timeout_s() if timeout_s is None else timeout_s,
        retries=_RETRIES,
    )
    return LinuxModbus(client, device_id, f"modbus {line.port}")
