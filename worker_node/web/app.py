"""The homeowner's page as an ASGI application; the Worker's `app` runs it on uvicorn's plain loop in its own process.

    GET /         the page, complete without scripts     GET /table     the last 24 hours as a table
    GET /events   the event stream                       GET /healthz   "ok" while the page is served
    GET /static/NAME

It reads the newest `State` and asks nobody else. `close_streams` must be called when the daemon ends: an open event
stream keeps the server from stopping.
"""

import time
from collections.abc import Callable
from datetime import tzinfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from worker_node.state import State
from worker_node.web.catalogue import ENGLISH, Catalogue
from worker_node.web.guard import Guard
from worker_node.web.reader import Reader
from worker_node.web.static_files import StaticFiles
from worker_node.web.stream import Sections, Streams, WaitChange
from worker_node.web.today import table_rows
from worker_node.web.view import page_view

SECTIONS = ("fresh", "notices", "now", "today", "day", "trust")


class Page:
    """Renders states; equal work is done once for all open pages (same version, same second)."""

    def __init__(
        self, static: StaticFiles, catalogue: Catalogue, zone: tzinfo | None, wall_unix_s: Callable[[], float]
    ) -> None:
        self._catalogue = catalogue
        self._zone = zone
        self._wall_unix_s = wall_unix_s
        loader = PackageLoader("worker_node.web")
        self._templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals.update(t=catalogue.text, static=static.address, language=catalogue.language)
        self._newest: tuple[tuple[int, int], Sections] = ((-1, -1), {})

    def reader(self, state: State) -> Reader:
        """The reader of this instant: granted time when the clock is granted, otherwise the real time."""
        now_unix_s = state.now_unix_s if state.granted else self._wall_unix_s()
        return Reader(self._catalogue, self._zone, now_unix_s)

    def sections(self, state: State) -> Sections:
        """The markup of every section that the event stream may replace."""
        reader = self.reader(state)
        key = (state.version, int(reader.now_unix_s))
        if self._newest[0] != key:
            page = page_view(state, reader)
            values = {"page": page, "currency": state.home.currency}
            rendered = {name: self._templates.get_template(f"{name}.html").render(values) for name in SECTIONS}
            self._newest = (key, rendered)
        return self._newest[1]

    def whole(self, state: State) -> str:
        """The complete page."""
        page = page_view(state, self.reader(state))
        values = {"page": page, "title": page.title, "currency": state.home.currency}
        return self._templates.get_template("page.html").render(values)

    def table(self, state: State) -> str:
        """The last 24 hours as a table."""
        reader = self.reader(state)
        title = page_view(state, reader).title
        rows = table_rows(state, reader)
        return self._templates.get_template("table.html").render(rows=rows, title=title, currency=state.home.currency)


def build_app(
    read_state: Callable[[], State],
    wait_change: WaitChange,
    *,
    zone: tzinfo | None = None,
    host_names: tuple[str, ...] = (),
    wall_unix_s: Callable[[], float] = time.time,
) -> Starlette:
    """The page over `Board.read` and `Board.wait_change`.

    `zone` None shows times in the system's own zone; `host_names` are further names under which the page may be asked
    for. `application.state.close_streams()` ends the open event streams.
    """
    static = StaticFiles()
    page = Page(static, ENGLISH, zone, wall_unix_s)
    streams = Streams(page.sections, read_state, wait_change)

    async def whole(_: Request) -> Response:
        return HTMLResponse(page.whole(read_state()))

    async def table(_: Request) -> Response:
        return HTMLResponse(page.table(read_state()))

    async def events(_: Request) -> Response:
        return streams.response(ENGLISH.text("refused.busy"))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    application = Starlette(
        routes=[
            Route("/", whole),
            Route("/table", table),
            Route("/events", events),
            Route("/healthz", health),
            Route("/static/{name}", static.answer),
        ],
        middleware=[Middleware(Guard, host_names=host_names), Middleware(GZipMiddleware, minimum_size=1000)],
    )
    application.state.close_streams = streams.close
    application.state.streams = streams
    return application
