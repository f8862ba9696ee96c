"""A UART with the direction pin of an RS485 driver: where a head's requests come from."""

from machine import UART, Pin


class UartPort:
    """A serial line; with `direction_pin` that pin is high while the head talks."""

    def __init__(self, number: int, tx_pin: int, rx_pin: int, baud: int, direction_pin: int = -1) -> None:
        """Open the line: 8 data bits, no parity, one stop bit."""
        self._uart = UART(number, baudrate=baud, bits=8, parity=None, stop=1, tx=Pin(tx_pin), rx=Pin(rx_pin))
        self._direction = Pin(direction_pin, Pin.OUT, value=0) if direction_pin >= 0 else None

    def read(self) -> bytes:
        """Return what came since; b"" if nothing."""
        return self._uart.read() or b""

    def write(self, data: bytes) -> None:
        """Send, and listen again when the last bit is out."""
        if self._direction is not None:
            self._direction(1)
        self._uart.write(data)
        self._uart.flush()
        if self._direction is not None:
            self._direction(0)
