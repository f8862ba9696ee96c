"""Ethereum JSON-RPC over HTTP (execution-apis, EIP-1474), one kept connection per address, in batches (JSON-RPC 2.0).

An address is named in logs and errors by host and port only: its path often carries a provider's key.
"""

import base64
import http.client
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from honey_edge.model.errors import HiveError

#: Requests in one HTTP body; providers refuse much longer ones.
BATCH = 250
TIMEOUT_S = 10.0
#: Longest answer that is read; an address that sends more is not used.
MOST_BYTES = 2**27
_REVERTED = 3


class RpcDown(HiveError, ConnectionError):
    """An address does not answer, answers too late, or with something that is no JSON-RPC."""

    code = "E-RPC"
    transient = True


@dataclass(frozen=True, slots=True)
class Request:
    """One method with its parameters, as JSON values."""

    method: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The address answered with an error instead of a result."""

    code: int
    message: str
    data: str = ""

    @property
    def reverted(self) -> bool:
        """Whether a contract refused, in contrast to a node that could not answer."""
        return self.code == _REVERTED or "revert" in self.message.lower()


class Endpoint(Protocol):
    """One RPC address."""

    @property
    def name(self) -> str:
        """How logs and errors call it."""

    def send(self, requests: Sequence[Request]) -> list[Any]:
        """Results in order, a Refusal for each that failed; RpcDown when the address cannot be used."""


class HttpEndpoint:
    """An address http(s)://[user:password@]host[:port][/path]."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        place = urlsplit(url)
        self._https = place.scheme == "https"
        self._host, self._port = place.hostname or "", place.port
        self._path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        self._headers = {"Content-Type": "application/json"}
        if place.username:
            pair = f"{place.username}:{place.password or ''}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Host and port."""
        return f"{self._host}:{self._port}" if self._port else self._host

    def send(self, requests: Sequence[Request]) -> list[Any]:
        """Results in order; long lists go in several bodies over the same connection."""
        with self._lock:
            return [
                answer
                for start in range(0, len(requests), BATCH)
                for answer in self._post(requests[start : start + BATCH])
            ]

    def _post(self, requests: Sequence[Request]) -> list[Any]:
        bodies = [
            {"jsonrpc": "2.0", "id": number, "method": one.method, "params": list(one.params)}
            for number, one in enumerate(requests)
        ]
        body = json.dumps(bodies if len(bodies) > 1 else bodies[0], separators=(",", ":")).encode()
        try:
            answer = json.loads(self._exchanged(body))
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            self._drop()
            raise RpcDown(f"{self.name}: {type(error).__name__}: {error}") from error
        return _in_order(self.name, answer, len(requests))

    def _exchanged(self, body: bytes) -> bytes:
        """One POST; a kept connection that the other side has closed meanwhile is opened once more."""
        kept = self._connection is not None
        try:
            return self._once(body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._drop()
            if not kept:
                raise
            return self._once(body)

    def _once(self, body: bytes) -> bytes:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._timeout_s)
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise http.client.HTTPException(f"more than {MOST_BYTES} bytes")
        if response.status >= http.client.INTERNAL_SERVER_ERROR or not content:
            raise http.client.HTTPException(f"status {response.status}")
        return content

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _in_order(name: str, answer: Any, count: int) -> list[Any]:
    """The results by id; an error object without a batch around it stands for all requests."""
    if isinstance(answer, Mapping) and count > 1 and "error" in answer:
        return [_result(name, answer)] * count
    answers = answer if isinstance(answer, list) else [answer]
    if len(answers) != count or not all(isinstance(one, Mapping) for one in answers):
        raise RpcDown(f"{name}: answered {len(answers)} times to {count} requests")
    if count == 1:
        return [_result(name, answers[0])]
    by_number = {one.get("id"): one for one in answers}
    if by_number.keys() != set(range(count)):
        raise RpcDown(f"{name}: answers do not carry the ids of the requests")
    return [_result(name, by_number[number]) for number in range(count)]


def _result(name: str, answer: Mapping[str, Any]) -> Any:
    error = answer.get("error")
    if error is None:
        if "result" not in answer:
            raise RpcDown(f"{name}: an answer has neither result nor error")
        return answer["result"]
    if not isinstance(error, Mapping):
        return Refusal(0, str(error))
    data = error.get("data")
    code = error.get("code")
    shown = data.get("data", "") if isinstance(data, Mapping) else data
    return Refusal(code if isinstance(code, int) else 0, str(error.get("message", "")), str(shown or ""))
