"""One serial line as a Modbus RTU master whose every request has its own deadline, shared by the units on it.

    request   unit PDU crc-low crc-high          silence of 3.5 characters (1.75 ms above 19200 baud) before it
    answer    the same frame; only one with the unit, function, length and checksum that were asked for counts

What comes before a valid answer (an echo of the request, noise, a neighbour's frame) is skipped; what was left over of
an earlier, late answer is thrown away before a request. Not thread-safe: one line, one thread
(`drivers.linux.modbus_pace`). `drivers.linux.modbus` is the adapter for a line with a single meter.
"""

import os
import select
import termios
import time
from types import TracebackType

from drivers.bus import ModbusDevice
from drivers.errors import BusFault, ValueOutOfRange, WrongChip
from drivers.linux.modbus import SerialLine
from drivers.modbus.slave import rtu_content, rtu_frame

_BITS_PER_CHARACTER = 11
_FAST_BAUD, _FAST_SILENCE_S = 19_200, 0.00175
_PERMANENT = (1, 2, 3)


class RtuPort:
    """The line, a context manager; `deadline_s` (monotonic clock) bounds every request until it is changed."""

    def __init__(self, line: SerialLine) -> None:
        """Open the line. Raises BusFault when it is not there, ValueOutOfRange for a speed that it cannot have."""
        speed = getattr(termios, f"B{line.baud}", None)
        if speed is None:
            raise ValueOutOfRange(f"{line.port}: no serial line has {line.baud} baud; correct the settings")
        try:
            self._fd = os.open(line.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            _configure(self._fd, line, speed)
        except (OSError, termios.error) as error:
            raise BusFault(f"{line.port}: {error}; check the adapter and the group dialout") from error
        self.place = line.port
        self.timeout_s = line.timeout_s()
        self.deadline_s = float("inf")
        self._silence_s = silence_s(line.baud)
        self._quiet_from_s = 0.0

    def __enter__(self) -> "RtuPort":
        """Return this line."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the line."""
        self.close()

    def close(self) -> None:
        """Close the line."""
        os.close(self._fd)

    def exchange(self, unit: int, pdu: bytes, answer_bytes: int) -> bytes:
        """Return the answer's PDU of `answer_bytes` bytes (or a refusal of two). Raises BusFault."""
        now_s = time.monotonic()
        end_s = min(now_s + self.timeout_s, self.deadline_s)
        if end_s <= now_s:
            raise BusFault(f"{self.place} unit {unit}: no time left in its window; next try next cycle")
        time.sleep(max(0.0, self._quiet_from_s + self._silence_s - now_s))
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
            os.write(self._fd, rtu_frame(unit, pdu))
            answer = self._collect(unit, pdu[0], answer_bytes, end_s)
        except (OSError, termios.error) as error:
            raise BusFault(f"{self.place}: {error}; check the adapter") from error
        self._quiet_from_s = time.monotonic()
        return answer

    def _collect(self, unit: int, function: int, answer_bytes: int, end_s: float) -> bytes:
        """Gather bytes until a frame in them is the answer."""
        data = b""
        while (left_s := end_s - time.monotonic()) > 0:
            if not select.select([self._fd], [], [], left_s)[0]:
                break
            data += os.read(self._fd, 512)
            found = answer_in(data, unit, function, answer_bytes)
            if found is not None:
                return found
        raise BusFault(f"{self.place} unit {unit}: no answer in {len(data)} bytes; check wires, speed and address")


class RtuUnit(ModbusDevice):
    """One unit on a shared line."""

    def __init__(self, port: RtuPort, unit: int) -> None:
        """Take the line and the unit's address (1..247)."""
        if not 1 <= unit <= 247:
            raise ValueOutOfRange(f"Modbus unit {unit} of {port.place}: must be 1..247; correct the settings")
        self._port = port
        self._unit = unit

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers by function 3 or 4. Raises BusFault (transient), WrongChip if the unit refuses for good."""
        if function not in (3, 4) or not 1 <= count <= 125 or not 0 <= address <= 0x10000 - count:
            raise ValueOutOfRange(f"{self._port.place}: function {function}, {count} registers from {address}")
        pdu = bytes((function, address >> 8, address & 0xFF, 0, count))
        answer = self._asked(pdu, 2 + 2 * count)
        if answer[1] != 2 * count:
            raise BusFault(f"{self._port.place} unit {self._unit}: {answer[1]} bytes, {2 * count} asked for")
        return [answer[2 + 2 * k] << 8 | answer[3 + 2 * k] for k in range(count)]

    def write(self, address: int, words: list[int]) -> None:
        """Write holding registers (function 16); errors as for `read`."""
        if not 1 <= len(words) <= 123 or any(not 0 <= word <= 0xFFFF for word in words):
            raise ValueOutOfRange(f"{self._port.place}: write 1..123 words of 16 bits, not {words}")
        head = bytes((16, address >> 8, address & 0xFF, 0, len(words), 2 * len(words)))
        self._asked(head + b"".join(word.to_bytes(2, "big") for word in words), 5)

    def _asked(self, pdu: bytes, answer_bytes: int) -> bytes:
        answer = self._port.exchange(self._unit, pdu, answer_bytes)
        if answer[0] & 0x80:
            place = f"{self._port.place} unit {self._unit}: exception {answer[1]}"
            if answer[1] in _PERMANENT:
                raise WrongChip(f"{place}; the unit has no such register, check the profile")
            raise BusFault(f"{place}; next try next cycle")
        return answer


def silence_s(baud: int) -> float:
    """Silence between frames: 3.5 characters, fixed above 19200 baud."""
    return _FAST_SILENCE_S if baud > _FAST_BAUD else 3.5 * _BITS_PER_CHARACTER / baud


def answer_in(data: bytes, unit: int, function: int, answer_bytes: int) -> bytes | None:
    """The PDU of the first valid answer in what came; None while there is none."""
    for start in range(len(data) - 4):
        if data[start] != unit or data[start + 1] & 0x7F != function:
            continue
        length = (2 if data[start + 1] & 0x80 else answer_bytes) + 3
        content = rtu_content(data[start : start + length]) if start + length <= len(data) else None
        if content is not None:
            return content[1]
    return None


def _configure(fd: int, line: SerialLine, speed: int) -> None:
    """Raw bytes at the line's speed, parity and stop bits."""
    settings = termios.tcgetattr(fd)
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    if line.parity != "N":
        control |= termios.PARENB | (termios.PARODD if line.parity == "O" else 0)
    if line.stop_bits == 2:
        control |= termios.CSTOPB
    settings[0:6] = [0, 0, control, 0, speed, speed]
    termios.tcsetattr(fd, termios.TCSANOW, settings)
