"""The homeowner's page in the daemon's own process: uvicorn on the running loop, its end bounded (architecture 8)."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from worker_node.settings import WebSection
from worker_node.state import Board
from worker_node.web.app import build_app

_LOG = logging.getLogger(__name__)
_GRACEFUL_S = 1
_END_LIMIT_S = 1.8


class _Server(uvicorn.Server):
    """A server that leaves the signals to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class PageServer:
    """Serves the page."""

    def __init__(self, section: WebSection, board: Board) -> None:
        self._application = build_app(board.read, board.wait_change)
        config = uvicorn.Config(
            self._application,
            host=section.host,
            port=section.port,
            loop="none",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACEFUL_S,
        )
        self._server = _Server(config)
        self.url = ""

    async def run(self) -> None:
        """Serves until cancelled; then gives open answers a short time to end."""
        serving = asyncio.create_task(self._server.serve(), name="uvicorn")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._application.state.close_streams()
            self._server.should_exit = True
            await asyncio.wait([serving], timeout=_END_LIMIT_S)
            raise

    async def started(self) -> None:
        """Returns once the page can be asked for."""
        while not self._server.started:
            await asyncio.sleep(0.02)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}/"
        _LOG.info("page_up url=%s", self.url)
