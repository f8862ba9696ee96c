"""The page as it is served: complete without scripts, locked down, small, and updated by its event stream."""

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from html.parser import HTMLParser
from types import ModuleType

import pytest
from starlette.testclient import TestClient

from worker_node.state import Board
from worker_node.web import stream
from worker_node.web.app import SECTIONS, build_app
from worker_node.web.catalogue import ENGLISH
from worker_node.web.guard import HEADERS

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Outline(HTMLParser):
    """Checks that tags nest and collects what the tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes.append((tag, values))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


@pytest.fixture
def board(states: ModuleType) -> Board:
    return Board(states.usual())


@pytest.fixture
def client(board: Board) -> Iterator[TestClient]:
    with TestClient(build_app(board.read, board.wait_change, zone=UTC)) as client:
        yield client


def outline(markup: str) -> Outline:
    parser = Outline()
    parser.feed(markup)
    parser.close()
    assert parser.faults == []
    assert parser.open == []
    return parser


@pytest.mark.parametrize("path", ["/", "/table"])
def test_every_state_gives_a_well_formed_page_without_foreign_addresses(states: ModuleType, path: str) -> None:
    for name, make in states.ALL.items():
        board = Board(make())
        answer = TestClient(build_app(board.read, board.wait_change, zone=UTC)).get(path)
        assert answer.status_code == 200, name
        found = outline(answer.text)
        assert len(found.ids) == len(set(found.ids)), name
        assert not re.search(r"(https?:)?//[a-z]", answer.text), name
        for tag, values in found.attributes:
            assert "style" not in values, (name, tag)
            assert not any(key.startswith("on") for key in values), (name, tag)
            assert tag != "script" or values.get("src"), name
            labelled = "aria-label" in values or "aria-hidden" in values
            assert tag != "svg" or labelled, name


def test_page_is_complete_without_scripts(client: TestClient) -> None:
    text = client.get("/").text.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("720 W is leaving the house.", "3.10 kW", "CHF 0.83", "Bill recomputed here", "HP-000123"):
        assert words in text


def test_first_view_is_under_50_kb_compressed_with_everything_it_loads(client: TestClient) -> None:
    page = client.get("/").text
    addresses = re.findall(r'(?:src|href)="(static/[^"]+)"', page)
    assert len(addresses) == 3
    parts = [page.encode(), *(client.get(f"/{address}").content for address in addresses)]
    assert sum(len(gzip.compress(part)) for part in parts) < 50_000
    assert client.get("/", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/", "/table", "/healthz", "/static/page.css", "/nowhere"])
def test_every_answer_carries_the_strict_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    for name, value in HEADERS.items():
        assert headers[name] == value
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_page_is_for_reading_only(client: TestClient, method: str) -> None:
    assert client.request(method, "/").status_code == 405


def test_bodies_long_addresses_and_long_headers_are_refused(client: TestClient) -> None:
    assert client.request("GET", "/", content=b"x").status_code == 413
    assert client.get("/?" + "x" * 1100).status_code == 414
    assert client.get("/", headers={"X-Long": "x" * 20_000}).status_code == 431


@pytest.mark.parametrize(
    ("host", "status"),
    [("192.168.1.7:8080", 200), ("[fe80::1]:8080", 200), ("hive.local", 200), ("hive", 200), ("evil.example", 421)],
)
def test_only_names_of_the_home_are_answered(client: TestClient, host: str, status: int) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("name", ["nothing.css", "..%2fapp.py", "app.py"])
def test_nothing_but_the_static_files_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_texts_from_outside_are_escaped(states: ModuleType) -> None:
    state = states.disagreement()
    account = replace(state.account, objection='<script src="//x.example"></script>')
    board = Board(replace(state, account=account, home=replace(state.home, name="<b>Flat</b>")))
    text = TestClient(build_app(board.read, board.wait_change, zone=UTC)).get("/").text
    assert "<b>" not in text
    assert "<script src=&#34;//x.example" in text or "&lt;script" in text
    outline(text)


def sections(message: str) -> dict[str, str]:
    name, data = message.strip().split("\n")
    assert name == "event: sections"
    found: dict[str, str] = json.loads(data.removeprefix("data: "))
    return found


def test_stream_sends_everything_first_then_only_what_changed(
    board: Board, states: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PACE_S", 0.001)
    application = build_app(board.read, board.wait_change, zone=UTC)

    async def two_messages() -> tuple[str, str]:
        messages = application.state.streams.messages()
        first = await anext(messages)
        board.update(lambda state: replace(state, live=replace(states.SUNNY, power_w=-1500.0, load_w=620.0)))
        second = await anext(messages)
        application.state.close_streams()
        assert [message async for message in messages] == []
        return first, second

    first, second = asyncio.run(two_messages())
    assert set(sections(first)) == set(SECTIONS)
    assert set(sections(second)) == {"now"}
    assert "1.50\N{NO-BREAK SPACE}kW" in sections(second)["now"]
    for markup in sections(first).values():
        outline(markup)


def test_quiet_stream_sends_signs_of_life(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PACE_S", 0.001)
    application = build_app(board.read, board.wait_change, zone=UTC)

    async def second_message() -> str:
        messages = application.state.streams.messages()
        await anext(messages)
        found: str = await anext(messages)
        return found

    assert asyncio.run(second_message()) == "event: beat\ndata: {}\n\n"


def test_more_streams_than_the_limit_are_refused_and_places_come_back(client: TestClient) -> None:
    streams = client.app.state.streams  # type: ignore[attr-defined]
    streams.open = stream.MAX_STREAMS
    refused = client.get("/events")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "30"
    streams.open = 0
    assert streams.response("busy").status_code == 200


def test_stream_gives_its_place_back_when_the_reader_leaves(board: Board) -> None:
    application = build_app(board.read, board.wait_change, zone=UTC)
    streams = application.state.streams

    async def visit() -> list[int]:
        seen = []

        async def receive() -> dict[str, str]:
            await arrived.wait()
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            seen.append(streams.open)
            arrived.set()

        arrived = asyncio.Event()
        scope = {"type": "http", "method": "GET", "path": "/events", "headers": [(b"host", b"hive")]}
        await application({**scope, "query_string": b"", "raw_path": b"/events"}, receive, send)
        return seen

    assert set(asyncio.run(visit())) == {1}
    assert streams.open == 0


def test_equal_work_is_done_once_for_all_open_pages(board: Board) -> None:
    application = build_app(board.read, board.wait_change, zone=UTC)
    render = application.state.streams._sections
    assert render(board.read()) is render(board.read())


def test_every_text_of_the_catalogue_is_filled_and_not_empty() -> None:
    for key, text in ENGLISH.texts.items():
        assert text.strip() == text, key
        assert text, key
