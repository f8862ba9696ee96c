"""The event stream: sections of the page that changed, one message a second at most, a limited number of streams.

    event: sections        data: {"now": "<section ...>", "fresh": "<p ...>"}
    event: beat            data: {}          nothing changed, but the box lives

Pacing is in wall time on purpose: it protects browser and box, and a granted clock must not wait for it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from worker_node.state import State

MAX_STREAMS = 20
PACE_S = 1.0
BEAT_EVERY = 4

Sections = Mapping[str, str]
WaitChange = Callable[[int, float], Awaitable[State]]


class Streams:
    """All open event streams of one page."""

    def __init__(
        self, sections: Callable[[State], Sections], read_state: Callable[[], State], wait_change: WaitChange
    ) -> None:
        self._sections = sections
        self._read_state = read_state
        self._wait_change = wait_change
        self._closing = asyncio.Event()
        self.open = 0

    def close(self) -> None:
        """Ends every stream within `PACE_S` seconds, so that the server can stop."""
        self._closing.set()

    def response(self, busy: str) -> Response:
        """A new stream, or 503 with the text `busy` when there are `MAX_STREAMS` already."""
        if self.open >= MAX_STREAMS or self._closing.is_set():
            return PlainTextResponse(busy, 503, {"Retry-After": "30"})
        return _StreamResponse(self)

    async def messages(self) -> AsyncIterator[str]:
        """The text of one stream: everything first, then what changed."""
        sent: dict[str, str] = {}
        quiet = 0
        state = self._read_state()
        while not self._closing.is_set():
            sections = self._sections(state)
            changed = {name: markup for name, markup in sections.items() if sent.get(name) != markup}
            sent.update(changed)
            quiet = 0 if changed else quiet + 1
            if changed:
                yield f"event: sections\ndata: {json.dumps(changed)}\n\n"
            elif quiet % BEAT_EVERY == 0:
                yield "event: beat\ndata: {}\n\n"
            await self._pause()
            state = await self._wait_change(state.version, PACE_S)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PACE_S):
                await self._closing.wait()
        except TimeoutError:
            return


class _StreamResponse(StreamingResponse):
    """An event stream that gives its place back however it ends."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(streams.messages(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams.open >= MAX_STREAMS:
            await PlainTextResponse("busy", 503)(scope, receive, send)
            return
        self._streams.open += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.open -= 1
