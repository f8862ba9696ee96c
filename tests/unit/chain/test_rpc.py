"""JSON-RPC over HTTP: batches, kept connections, and every way an address can fail to be one."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from queen_node.chain import rpc
from queen_node.chain.rpc import BATCH, HttpEndpoint, Refusal, Request, RpcDown

PING = Request("ping", ("a", 1))


class Server:
    """Answers as `answer` says; remembers what was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Any], Any] = lambda asked: [one | {"result": one["params"]} for one in asked]
        self.bodies: list[Any] = []
        self.headers: list[Any] = []
        self.connections = 0
        self.close_after_each = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.bodies.append(asked)
                outer.headers.append((self.path, self.headers.get("Authorization")))
                found = outer.answer(asked if isinstance(asked, list) else [asked])
                status, body = found if isinstance(found, tuple) else (200, found)
                if not isinstance(body, bytes):
                    body = json.dumps(body if isinstance(asked, list) or isinstance(body, dict) else body[0]).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                    return
                self.close_connection = outer.close_after_each

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.place = f"127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_long_lists_go_in_several_bodies_over_one_connection(server: Server) -> None:
    endpoint = HttpEndpoint(f"http://{server.place}/v3/secret?x=1")
    requests = [Request("m", (number,)) for number in range(2 * BATCH + 1)]
    assert endpoint.send(requests) == [[number] for number in range(2 * BATCH + 1)]
    assert [len(body) if isinstance(body, list) else 1 for body in server.bodies] == [BATCH, BATCH, 1]
    assert server.connections == 1
    assert server.headers[0] == ("/v3/secret?x=1", None)
    assert endpoint.name == server.place
    assert "secret" not in endpoint.name


def test_answers_are_put_in_order_by_their_numbers(server: Server) -> None:
    server.answer = lambda asked: [one | {"result": one["params"]} for one in reversed(asked)]
    assert HttpEndpoint(f"http://{server.place}").send([Request("m", (n,)) for n in range(3)]) == [[0], [1], [2]]


def test_user_and_password_of_the_url_are_sent_as_such(server: Server) -> None:
    HttpEndpoint(f"http://me:pass@{server.place}").send([PING])
    assert server.headers[0][1] == "Basic " + base64.b64encode(b"me:pass").decode()


def test_a_connection_that_the_other_side_has_closed_is_opened_again(server: Server) -> None:
    server.close_after_each = True
    endpoint = HttpEndpoint(f"http://{server.place}")
    assert endpoint.send([PING]) == endpoint.send([PING]) == [["a", 1]]
    assert server.connections >= 2


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x01"}, Refusal(3, "execution reverted", "0x01")),
        ({"code": -32000, "message": "VM", "data": {"data": "0x02"}}, Refusal(-32000, "VM", "0x02")),
        ({"message": "no"}, Refusal(0, "no")),
        ("words", Refusal(0, "words")),
    ],
)
def test_an_error_of_the_node_is_a_refusal(server: Server, error: Any, refusal: Refusal) -> None:
    server.answer = lambda asked: [{"id": one["id"], "error": error} for one in asked]
    assert HttpEndpoint(f"http://{server.place}").send([PING, PING]) == [refusal, refusal]
    assert refusal.reverted == (refusal.code == 3)


def test_one_error_without_a_list_stands_for_all_requests(server: Server) -> None:
    server.answer = lambda asked: {"id": None, "error": {"code": -32600, "message": "too many"}}
    assert HttpEndpoint(f"http://{server.place}").send([PING, PING]) == [Refusal(-32600, "too many")] * 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[" * 2_000,
        (503, b"busy"),
        [{"id": 0, "result": 1}],
        [{"id": 0, "result": 1}, {"id": 7, "result": 1}],
        [1, 2],
        [{"id": 0}, {"id": 1}],
    ],
)
def test_what_is_no_json_rpc_is_an_address_that_is_down(server: Server, answer: Any) -> None:
    server.answer = lambda asked: answer
    with pytest.raises(RpcDown, match=server.place) as down:
        HttpEndpoint(f"http://{server.place}").send([PING, PING])
    assert down.value.transient


def test_an_answer_without_end_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MOST_BYTES", 100)
    server.answer = lambda asked: b" " * 101
    with pytest.raises(RpcDown, match="more than 100 bytes"):
        HttpEndpoint(f"http://{server.place}").send([PING])


def test_silence_and_a_closed_port_are_an_address_that_is_down(server: Server) -> None:
    silent = threading.Event()
    server.answer = lambda asked: (silent.wait(5), b"late")[1]
    with pytest.raises(RpcDown, match="timed out"):
        HttpEndpoint(f"http://{server.place}", timeout_s=0.05).send([PING])
    silent.set()
    with pytest.raises(RpcDown, match="ConnectionRefused"):
        HttpEndpoint("http://127.0.0.1:9").send([PING])
