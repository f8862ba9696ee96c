"""The demo's side of granted time: daemons connect to one local socket and are granted instants together."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from honey_edge.model.errors import HiveError

HELLO_LIMIT_S = 30.0
ANSWER_LIMIT_S = 20.0

Answer = Mapping[str, Any]


class GrantFailed(HiveError):
    """A daemon did not finish the work of an instant in time, or went away."""

    code = "E-DEMO-GRANT"


class _Daemon:
    """One connected daemon."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def grant(self, order: Mapping[str, Any]) -> Answer:
        """Grants one instant and returns the daemon's answer; ConnectionError when it is gone."""
        self._writer.write(json.dumps(order).encode() + b"\n")
        await self._writer.drain()
        line = await self._reader.readline()
        if not line:
            raise ConnectionError("the daemon closed its connection")
        answer: Answer = json.loads(line)
        return answer


class Grants:
    """Grants time to named daemons over a Unix socket."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._daemons: dict[str, _Daemon] = {}
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listens for daemons."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._hello, str(self._path), limit=1 << 20)

    async def close(self) -> None:
        """Stops listening; connected daemons see the end of their stream and end."""
        if self._server:
            self._server.close()
        for daemon in self._daemons.values():
            daemon._writer.close()

    async def _hello(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = json.loads(await reader.readline())["hello"]
        async with self._arrived:
            self._daemons[name] = _Daemon(reader, writer)
            self._arrived.notify_all()

    async def wait_for(self, names: list[str]) -> None:
        """Returns when all have connected; GrantFailed names who has not."""
        try:
            async with asyncio.timeout(HELLO_LIMIT_S), self._arrived:
                await self._arrived.wait_for(lambda: all(name in self._daemons for name in names))
        except TimeoutError as error:
            missing = [name for name in names if name not in self._daemons]
            raise GrantFailed(f"not ready after {HELLO_LIMIT_S:.0f} s: {', '.join(missing)}") from error

    def forget(self, name: str) -> None:
        """A daemon was killed: its next hello is awaited anew."""
        self._daemons.pop(name, None)

    async def grant(self, names: list[str], unix_s: float, extra: Mapping[str, Any] | None = None) -> dict[str, Answer]:
        """Grants the instant to the named daemons at once; their answers. GrantFailed names who failed and why."""
        order = {"grant": unix_s, **(extra or {})}
        answers = await asyncio.gather(*(self._one(name, order) for name in names))
        return dict(zip(names, answers, strict=True))

    async def _one(self, name: str, order: Mapping[str, Any]) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                answer = await self._daemons[name].grant(order)
        except (TimeoutError, ConnectionError, ValueError) as error:
            raise GrantFailed(f"{name} did not answer the grant of {order['grant']:.0f}: {error!r}") from error
        if answer["failed"]:
            raise GrantFailed(f"{name} at {order['grant']:.0f}: {answer['failed']}")
        return answer
