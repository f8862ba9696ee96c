"""The page in a real browser at 412 and 1100 pixels: nothing sticks out, the policy holds, the stream updates it.

The browser's load event is held by a picture that the server sends only after the page's own script has shown a
new state, so no waiting by the clock is needed. The page stands in a frame of the wanted width, because a headless
window is never narrower than 500 pixels; for that, and only here, the policy lets its own origin frame it.
"""

import asyncio
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from worker_node.state import Board, State
from worker_node.web.app import build_app
from worker_node.web.guard import HEADERS

PROBE = """
const root = parent.document.documentElement;
document.addEventListener("securitypolicyviolation", (event) => { root.dataset.violation = event.violatedDirective; });
const picture = new Image();
picture.src = "/held.svg";
document.body.appendChild(picture);
new MutationObserver(() => {
  if (!document.getElementById("now").textContent.includes("5.55")) return;
  root.dataset.updated = "yes";
  root.dataset.inner = String(document.documentElement.clientWidth);
  root.dataset.wide = String(document.documentElement.scrollWidth);
  fetch("/seen");
}).observe(document.getElementById("live"), { subtree: true, characterData: true, childList: true, attributes: true });
"""
POLICY = {"Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("ancestors 'none'", "ancestors 'self'")}
FRAME = """<!doctype html><html><body style="margin:0"><iframe src="/" width="{width}" height="1600"
 style="border:0;display:block"></iframe></body></html>"""
EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


def probed(board: Board) -> Starlette:
    """The real page with one more script of its own origin that measures it."""

    async def wait_change(seen: int, timeout_s: float) -> State:
        if board.read().version == 1:
            board.update(lambda state: replace(state, live=replace(state.live, power_w=5550.0, load_w=None)))
        return await board.wait_change(seen, timeout_s)

    page = build_app(board.read, wait_change, zone=UTC)
    released = asyncio.Event()

    async def first(_: Request) -> Response:
        text = TestClient(build_app(board.read, board.wait_change, zone=UTC)).get("/").text
        script = '<script src="/probe.js" defer></script></head>'
        return Response(text.replace("</head>", script), media_type="text/html", headers=POLICY)

    async def frame(request: Request) -> Response:
        return Response(FRAME.format(width=request.path_params["width"]), media_type="text/html")

    async def probe(_: Request) -> Response:
        return Response(PROBE, media_type="text/javascript")

    async def held(_: Request) -> Response:
        async with asyncio.timeout(20):
            await released.wait()
        return Response(EMPTY, media_type="image/svg+xml")

    async def seen(_: Request) -> Response:
        released.set()
        return Response("ok")

    routes = [
        Route("/", first),
        Route("/frame/{width:int}", frame),
        Route("/probe.js", probe),
        Route("/held.svg", held),
        Route("/seen", seen),
    ]
    application = Starlette(routes=[*routes, Mount("/", page)])
    application.state.close_streams = page.state.close_streams
    return application


@pytest.fixture
def address(states: ModuleType) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        application = probed(Board(states.usual()))
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        listener.listen()
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        application.state.close_streams()
        server.should_exit = True
        thread.join(10)


def browse(folder: Path, address: str, *arguments: str) -> str:
    """Runs the browser once with an empty profile; its standard output."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("SKIPPED LOUDLY: no chromium on the path, so nobody looks at the page in a real browser")
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
    command = [browser, "--headless", "--no-sandbox", *quiet.split(), "--disable-sync", "--hide-scrollbars"]
    done = subprocess.run(
        [*command, f"--user-data-dir={folder / 'profile'}", *arguments, address],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("width", [412, 1100])
def test_browser_shows_the_page_updates_it_and_nothing_sticks_out(tmp_path: Path, address: str, width: int) -> None:
    picture = tmp_path / f"page-{width}.png"
    framed = f"{address}frame/{width}"
    document = browse(tmp_path, framed, "--window-size=1200,1700", f"--screenshot={picture}", "--dump-dom")
    root = re.search(r"<html[^>]*>", document)
    assert root is not None
    assert 'data-updated="yes"' in root[0]
    assert "data-violation" not in root[0]
    sizes = dict(re.findall(r'data-(inner|wide)="(\d+)"', root[0]))
    assert int(sizes["inner"]) == width
    assert int(sizes["wide"]) <= width
    assert picture.stat().st_size > 20_000
