"""Simulated time that is granted, not scaled (README "Simulated time is granted").

The demo grants the next instant over a local socket; the daemon runs everything due up to it, one sleeper after the
other in order of time, and answers when all are asleep again and nothing holds the clock. A grant that is not
answered within `WALL_LIMIT_S` is answered as failed, which makes the run fail.

Wire: one JSON object a line. Daemon: {"hello": name}. Demo: {"grant": unix_s, ...extra}. Daemon:
{"done": unix_s, "failed": "" or why, ...report()}. The extra keys of a grant go to `on_grant` (the connection
point's meter).
"""

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

WALL_LIMIT_S = 10.0

Report = Callable[[], Mapping[str, Any]]
OnGrant = Callable[[Mapping[str, Any]], None]


class GrantedClock:
    """A `Clock` that moves only when told to.

    Every task that calls `sleep_until` or `wait_for` counts as awake from then on, except while it sleeps; time
    moves to the next sleeper only when no task is awake and no hold is open.
    """

    def __init__(self, start_unix_s: float) -> None:
        self._now = start_unix_s
        self._granted = start_unix_s
        self._sleepers: list[tuple[float, int, asyncio.Event, asyncio.Task[Any]]] = []
        self._order = count()
        self._awake: set[asyncio.Task[Any]] = set()
        self._known: set[asyncio.Task[Any]] = set()
        self._holds: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def now_unix_s(self) -> float:
        """The present instant."""
        return self._now

    def trusted(self) -> bool:
        """Granted time is right by definition."""
        return True

    async def sleep_until(self, at_unix_s: float) -> None:
        """Sleeps until time has been granted up to the instant."""
        task = self._enter()
        wake = asyncio.Event()
        heapq.heappush(self._sleepers, (max(at_unix_s, self._now), next(self._order), wake, task))
        self._asleep(task)
        await wake.wait()

    async def wait_for(self, event: asyncio.Event, until_unix_s: float) -> bool:
        """Waits for the event while time stands still; past `WALL_LIMIT_S` time runs on to the deadline.

        An event that is set by another daemon's answer arrives in the same instant, as it would within
        milliseconds in reality; one that never comes costs the deadline.
        """
        self._enter()
        if until_unix_s <= self._now:
            return event.is_set()
        try:
            async with asyncio.timeout(WALL_LIMIT_S / 2):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

    @contextmanager
    def hold(self, why: str) -> Iterator[None]:
        """Time stands still inside."""
        self._holds[why] += 1
        try:
            yield
        finally:
            self._holds[why] -= 1
            if not self._holds[why]:
                del self._holds[why]
            self._changed.set()

    def _enter(self) -> asyncio.Task[Any]:
        task = asyncio.current_task()
        assert task is not None
        if task not in self._known:
            self._known.add(task)
            self._awake.add(task)
            task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._known.discard(task)
        self._asleep(task)

    def _asleep(self, task: asyncio.Task[Any]) -> None:
        self._awake.discard(task)
        self._changed.set()

    def busy_with(self) -> list[str]:
        """What keeps time from moving: awake tasks and holds."""
        return sorted([*(task.get_name() for task in self._awake), *self._holds])

    async def _quiet(self) -> None:
        """Returns when every task sleeps and nothing holds the clock."""
        while self._awake or self._holds:
            self._changed.clear()
            await self._changed.wait()

    async def grant(self, until_unix_s: float) -> None:
        """Runs everything due up to the instant; TimeoutError when it takes longer than `WALL_LIMIT_S`."""
        async with asyncio.timeout(WALL_LIMIT_S):
            await self._quiet()
            while self._sleepers and self._sleepers[0][0] <= until_unix_s:
                at_unix_s, _, wake, task = heapq.heappop(self._sleepers)
                self._now = max(self._now, at_unix_s)
                if not task.done():
                    self._awake.add(task)
                    wake.set()
                    await self._quiet()
            self._now = max(self._now, until_unix_s)

    async def serve(self, name: str, socket_path: str, report: Report, on_grant: OnGrant) -> None:
        """Answers the demo's grants until its socket closes."""
        reader, writer = await asyncio.open_unix_connection(socket_path)
        try:
            await _say(writer, {"hello": name})
            while line := await reader.readline():
                order = json.loads(line)
                on_grant(order)
                failed = await self._obey(float(order["grant"]))
                await _say(writer, {"done": self._now, "failed": failed, **report()})
        finally:
            writer.close()

    async def _obey(self, until_unix_s: float) -> str:
        try:
            await self.grant(until_unix_s)
        except TimeoutError:
            return f"not done within {WALL_LIMIT_S:.0f} s: {', '.join(self.busy_with()) or 'nothing awake'}"
        return ""


async def _say(writer: asyncio.StreamWriter, document: Mapping[str, Any]) -> None:
    writer.write(json.dumps(document).encode() + b"\n")
    await writer.drain()
