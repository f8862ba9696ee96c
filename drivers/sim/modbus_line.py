"""Emulated Modbus units on a wire, byte by byte: RTU frames on a pseudo-terminal, or Modbus TCP on loopback.

The emulator sits at the far end of the wire and builds every byte itself, so that whatever a real unit, converter or
gateway does wrong can be done wrong here. With `baud` it keeps the times of a serial line: a request takes its
bytes, the unit thinks, the answer takes its bytes; bytes that a master sends meanwhile collide with the answer.

Faults of a unit (`EmulatedUnit.fault`, "" = none):
    silent        no answer                        busy         exception 6
    bad-crc       wrong checksum (TCP: none)       short        the answer lacks its last three bytes
    echo          the request comes back first     glued        five bytes of noise before the answer
    wrong-unit    another unit's address           wrong-count  byte count and words of one register less
    late          the answer comes after LATE_S    twice        the answer comes twice
"""

import os
import select
import socket
import threading
import time
import tty
from collections.abc import Callable, Mapping
from types import TracebackType

from drivers.modbus import slave
from drivers.modbus.registers import crc16_bytes

WIRE_FAULTS = (
    "silent", "busy", "bad-crc", "short", "echo", "glued", "wrong-unit", "wrong-count", "late", "twice",
)  # fmt: skip
LATE_S = 0.7
BITS_PER_BYTE = 10
_NOISE = b"\x00\xff\x55\xaa\x01"
_START_LIMIT_S = 10.0
_FRAME_GAP_S = 0.05
_TCP, _PTY = "tcp", "pty"


class EmulatedLineError(RuntimeError):
    """The emulated line did not start or stop; the message says which."""


class EmulatedUnit:
    """One unit: what it offers, how long it thinks, and what it does wrong. `asked` counts requests to it."""

    def __init__(self, registers: slave.Registers, *, think_s: float = 0.0) -> None:
        """Take the registers behind the unit."""
        self.registers = registers
        self.think_s = think_s
        self.fault = ""
        self.asked = 0

    def answer(self, pdu: bytes) -> bytes:
        """The PDU to send; a busy unit refuses."""
        self.asked += 1
        if self.fault == "busy":
            return bytes((pdu[0] | 0x80, slave.BUSY))
        answer = slave.answer_pdu(self.registers, pdu)
        if self.fault == "wrong-count" and answer[0] in (3, 4):
            return bytes((answer[0], answer[1] - 2)) + answer[2:-2]
        return answer


class EmulatedLine:
    """Units at one end of a wire, a context manager; `serial_port` or `port` is where a driver connects."""

    def __init__(self, units: Mapping[int, EmulatedUnit], *, over: str = _TCP, port: int = 0, baud: int = 0) -> None:
        """Prepare the wire: `over` is "tcp" (loopback) or "pty"; `baud` 0 answers at once."""
        if over not in (_TCP, _PTY):
            raise ValueError(f"over {over!r} must be tcp or pty")
        self.units, self.over, self.baud = dict(units), over, baud
        self.host, self.port, self.serial_port = "127.0.0.1", port, ""
        self.collisions = 0
        self._master = self._slave = -1
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"sim-line-{over}", daemon=True)

    def __enter__(self) -> "EmulatedLine":
        """Open the wire and serve. Raises OSError for a port that is taken."""
        if self.over == _TCP:
            self._listener = socket.create_server((self.host, self.port))
            self.port = self._listener.getsockname()[1]
        else:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            self.serial_port = os.ttyname(self._slave)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving and close the wire."""
        os.write(self._wake_write, b"x")
        self._thread.join(_START_LIMIT_S)
        if self._thread.is_alive():
            raise EmulatedLineError(f"line over {self.over} did not stop; look for registers that block")
        for connection in [*self._connections, *([self._listener] if self._listener else [])]:
            connection.close()
        for end in (self._master, self._slave, self._wake_read, self._wake_write):
            if end >= 0:
                os.close(end)

    def _run(self) -> None:
        """Thread: serve until woken by the closing pipe."""
        buffers: dict[int, bytes] = {}
        while True:
            sources: list[int | socket.socket] = [self._wake_read]
            sources += [self._master] if self._listener is None else [self._listener, *self._connections]
            ready, _, _ = select.select(sources, [], [], None if not any(buffers.values()) else _FRAME_GAP_S)
            if self._wake_read in ready:
                return
            if not ready:
                buffers.clear()
            for source in ready:
                if isinstance(source, int):
                    buffers[source] = self._on_serial(buffers.get(source, b"") + os.read(source, 4096))
                elif source is self._listener:
                    self._connections.append(source.accept()[0])
                else:
                    self._on_tcp(source, buffers)

    def _on_serial(self, data: bytes) -> bytes:
        """Answer the requests in what came; returns what is still incomplete."""
        length = slave.rtu_request_length(data)
        if not length or len(data) < length:
            return data
        content = slave.rtu_content(data[:length])
        if content is not None and content[0] in self.units:
            self._answer_serial(content[0], content[1], data[:length])
        return b""

    def _answer_serial(self, unit: int, pdu: bytes, request: bytes) -> None:
        device = self.units[unit]
        self._on_wire(len(request))
        answer = self._spoilt(device, slave.rtu_frame(unit, device.answer(pdu)), request)
        time.sleep(device.think_s)
        if not answer:
            return
        self._on_wire(len(answer))
        if select.select([self._master], [], [], 0)[0]:
            self.collisions += 1
            os.read(self._master, 4096)
            return
        os.write(self._master, answer)

    def _on_wire(self, count: int) -> None:
        """Let the time of some bytes pass."""
        if self.baud:
            time.sleep(count * BITS_PER_BYTE / self.baud)

    def _spoilt(self, device: EmulatedUnit, frame: bytes, request: bytes) -> bytes:
        """The bytes that really go out."""
        fault = device.fault
        if fault == "late":
            time.sleep(LATE_S)
        changes: dict[str, Callable[[], bytes]] = {
            "silent": lambda: b"",
            "bad-crc": lambda: frame[:-1] + bytes((frame[-1] ^ 0x01,)),
            "short": lambda: frame[:-3],
            "echo": lambda: request + frame,
            "glued": lambda: _NOISE + frame,
            "twice": lambda: frame + frame,
            "wrong-unit": lambda: _with_crc(bytes((frame[0] ^ 0x40,)) + frame[1:-2]),
        }
        return changes[fault]() if fault in changes else frame

    def _on_tcp(self, source: socket.socket, buffers: dict[int, bytes]) -> None:
        """Answer the requests in what one client sent; a client that speaks something else is cut off."""
        key = source.fileno()
        try:
            received = source.recv(4096)
        except ConnectionError:
            received = b""
        data = buffers.pop(key, b"") + received
        while received:
            length = slave.tcp_request_length(data)
            if length < 0:
                received = b""
                break
            if not length or len(data) < length:
                buffers[key] = data
                return
            request, data = data[:length], data[length:]
            self._answer_tcp(source, request)
        if not received:
            self._connections.remove(source)
            source.close()

    def _answer_tcp(self, source: socket.socket, request: bytes) -> None:
        device = self.units.get(request[6])
        if device is None or device.fault == "silent":
            return
        answer = slave.tcp_frame(request, device.answer(request[slave.TCP_HEADER :]))
        if device.fault == "late":
            time.sleep(LATE_S)
        if device.fault == "short":
            answer = answer[:-3]
        elif device.fault == "wrong-unit":
            answer = answer[:6] + bytes((answer[6] ^ 0x40,)) + answer[7:]
        elif device.fault == "twice":
            answer += answer
        time.sleep(device.think_s)
        source.sendall(answer)


def _with_crc(body: bytes) -> bytes:
    return body + crc16_bytes(body)
