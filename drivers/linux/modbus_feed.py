"""The daemon's side of `drivers.linux.modbus_letgo`: a connection that says "I still command" as long as it is fed.

When this program is killed the connection ends, when it hangs it falls silent; either way the other process writes
automatic. Nothing is sent that means anything: any byte is a sign of life.
"""

import socket
from pathlib import Path

from drivers.errors import DriverError

_CONNECT_S = 0.5


class NobodyLetsGo(DriverError):
    """The process that would let the battery go does not run, so nothing may be commanded."""

    transient = True
    code = "DRV-LETGO"


class LetGoFeed:
    """The connection to the process behind a socket."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._connection: socket.socket | None = None

    def beat(self) -> None:
        """Give a sign of life, connecting first where needed. Raises NobodyLetsGo."""
        for attempt in (1, 2):
            try:
                if self._connection is None:
                    self._connection = self._connected()
                self._connection.send(b".")
            except OSError as error:
                self.close()
                if attempt == 2:
                    raise NobodyLetsGo(
                        f"{self._path}: the process that lets the battery go does not answer ({error}); start it"
                    ) from error
            else:
                return

    def close(self) -> None:
        """End the connection: the other process lets go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_CONNECT_S)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        return connection
