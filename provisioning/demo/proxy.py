"""A relay between one Worker and the broker that can stand still: how the demo makes a reading late for real."""

import asyncio
from contextlib import suppress

_CHUNK = 65_536


class Relay:
    """Forwards TCP both ways while `flowing`; what arrives meanwhile is kept in order."""

    def __init__(self, host: str, target_port: int) -> None:
        self._host, self._target = host, target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listens on a free port and returns it."""
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stops listening."""
        if self._server:
            self._server.close()

    def stand_still(self) -> None:
        """Nothing passes from now on."""
        self._flowing.clear()

    def flow(self) -> None:
        """Everything kept passes, in order."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._target)
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, far_writer))
                group.create_task(self._pipe(far_reader, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()
