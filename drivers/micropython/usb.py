"""The board's USB serial port, where the interpreter's prompt was: where a head's requests come from."""

import select
import sys

import micropython


class UsbPort:
    """The board's USB serial port; bytes are taken as they are."""

    def __init__(self) -> None:
        """Take the port from the interpreter's prompt."""
        micropython.kbd_intr(-1)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def read(self) -> bytes:
        """Return what came since; b"" if nothing."""
        received = bytearray()
        while self._poll.poll(0):
            received += sys.stdin.buffer.read(1)
        return bytes(received)

    def write(self, data: bytes) -> None:
        """Send."""
        sys.stdout.buffer.write(data)
