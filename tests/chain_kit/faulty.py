"""An RPC address with faults: an HTTP proxy on loopback before a real node that lies, lags, times out, dies, or drops
broadcasts, as the test commands.

Every fault can be set and cleared while it serves. `requests` counts what was asked, by method.
"""

import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
#: Parameters that name a block, by method: their place.
_BLOCK_PLACE = {
    "eth_call": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getBlockByNumber": 0,
}


class FaultyRpc:
    """One proxied address; without a fault it answers as the node behind it."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.requests: Counter[str] = Counter()
        self.broadcasts: list[str] = []
        self.dead = False
        self.chain_id: int | None = None
        self.lag_blocks = 0
        self.drop_broadcasts = False
        self.refuse_broadcasts = ""
        self.missing: frozenset[str] = frozenset()
        self.lie: Callable[[str, list[Any], Any], Any] | None = None
        self._hang = threading.Event()
        self._hang.set()
        self._server = _server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def heal(self) -> None:
        """No fault any more; requests that hang are answered."""
        self.dead = self.drop_broadcasts = False
        self.chain_id, self.lag_blocks, self.refuse_broadcasts, self.lie = None, 0, "", None
        self.missing = frozenset()
        self._hang.set()

    def hang(self) -> None:
        """From now on no request is answered until `heal`: the caller's time-out is what ends it."""
        self._hang.clear()

    def lie_about(self, method: str, answer: Any) -> None:
        """Answers one method with something else."""
        self.lie = lambda asked, _params, truth: answer if asked == method else truth

    def close(self) -> None:
        """Ends the server."""
        self.heal()
        self._server.shutdown()
        self._server.server_close()

    def answered(self, body: bytes) -> bytes | None:
        """The answer to a body; None when the connection is to be cut."""
        self._hang.wait()
        if self.dead:
            return None
        asked = json.loads(body)
        many = asked if isinstance(asked, list) else [asked]
        answers = [self._one(one) for one in many]
        return json.dumps(answers if isinstance(asked, list) else answers[0]).encode()

    def _one(self, asked: Json) -> Json:
        method, params = asked["method"], list(asked.get("params") or [])
        self.requests[method] += 1
        front = {"jsonrpc": "2.0", "id": asked["id"]}
        if method in self.missing:
            return {**front, "error": {"code": -32601, "message": f"the method {method} does not exist"}}
        if method == "eth_sendRawTransaction":
            self.broadcasts.append(params[0])
            if self.refuse_broadcasts:
                return {**front, "error": {"code": -32000, "message": self.refuse_broadcasts}}
            if self.drop_broadcasts:
                return {**front, "result": "0x" + "00" * 32}
        if method == "eth_chainId" and self.chain_id is not None:
            return {**front, "result": hex(self.chain_id)}
        if self.lag_blocks:
            stale = self._stale(method, params)
            if stale is not None:
                return {**front, **stale}
        answer = self._ask(method, params)
        if self.lie is not None and "result" in answer:
            answer["result"] = self.lie(method, params, answer["result"])
        return {**front, **answer}

    def _stale(self, method: str, params: list[Any]) -> Json | None:
        """The answer of a node that is behind; None where that makes no difference."""
        head = max(int(self._ask("eth_blockNumber", [])["result"], 16) - self.lag_blocks, 0)
        if method == "eth_blockNumber":
            return {"result": hex(head)}
        if method == "eth_getTransactionReceipt":
            answer = self._ask(method, params)
            mined = answer.get("result")
            return {"result": None} if mined and int(mined["blockNumber"], 16) > head else answer
        place = _BLOCK_PLACE.get(method)
        if place is None or len(params) <= place:
            return None
        if params[place] in ("latest", "pending"):
            params[place] = hex(head)
        elif method == "eth_getBlockByNumber" and str(params[0]).startswith("0x") and int(params[0], 16) > head:
            return {"result": None}
        return self._ask(method, params)

    def _ask(self, method: str, params: list[Any]) -> Json:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: Json = json.loads(response.read())
        return {key: value for key, value in answer.items() if key in ("result", "error")}


def _server(proxy: FaultyRpc) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = proxy.answered(self.rfile.read(int(self.headers["Content-Length"])))
            if answer is None:
                self.close_connection = True
                return
            try:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@contextmanager
def faulty_rpc(upstream: str, count: int = 1) -> Iterator[list[FaultyRpc]]:
    """Several proxied addresses before one node."""
    proxies = [FaultyRpc(upstream) for _ in range(count)]
    try:
        yield proxies
    finally:
        for proxy in proxies:
            proxy.close()
