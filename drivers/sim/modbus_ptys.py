"""A serial line without hardware: two pseudo-terminals whose far ends are joined.

    driver -- slave A | master A  <-- pump -->  master B | slave B -- meter

Bytes pass unchanged in both directions (raw mode: no echo, no line ends, no signals). The pump runs in the
event loop of whoever opens the pair. Not for: baud rates and silences, which a pseudo-terminal does not have.
"""

import asyncio
import os
import tty
from types import TracebackType


class PtyPair:
    """Two linked terminals, an async context manager; `driver_port` and `meter_port` are paths to open."""

    def __init__(self) -> None:
        """Create both terminals; nothing is passed on before the pair is entered."""
        self._master_a, self._slave_a = os.openpty()
        self._master_b, self._slave_b = os.openpty()
        for slave in (self._slave_a, self._slave_b):
            tty.setraw(slave)
        for master in (self._master_a, self._master_b):
            os.set_blocking(master, False)
        self.driver_port = os.ttyname(self._slave_a)
        self.meter_port = os.ttyname(self._slave_b)

    async def __aenter__(self) -> "PtyPair":
        """Start passing bytes in the running loop."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._master_a, self._pass_on, self._master_a, self._master_b)
        loop.add_reader(self._master_b, self._pass_on, self._master_b, self._master_a)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop and close all four ends."""
        loop = asyncio.get_running_loop()
        for master in (self._master_a, self._master_b):
            loop.remove_reader(master)
        for end in (self._master_a, self._slave_a, self._master_b, self._slave_b):
            os.close(end)

    @staticmethod
    def _pass_on(source: int, sink: int) -> None:
        """Move what is there; a frame (at most 256 bytes) always fits a terminal's buffer of 4096."""
        os.write(sink, os.read(source, 4096))
