"""JSON-RPC nodes on loopback that answer as told: honest, lying, lagging, late, oversize; and a contest address."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from honey_edge.wire.keccak import keccak
from tests.unit.worker_node.world import DAY_UNIX_S, DOMAIN, QUEEN
from worker_node.chain_eye.views import ACCOUNT, CLOSE, HIVE, MOTHER, POOL, VIEWS, View, encode_word

CODE = b"\x60\x01"
NOW_UNIX_S = DAY_UNIX_S + 7_200


def honest() -> dict[str, dict[str, Any]]:
    """What the contract says of the tests' Worker; the values not named are zero."""
    return {
        ACCOUNT.name: {"funding": 40_000_000, "net": -5, "slot": 1_975_579, "state": 1, "payout": b"\x55" * 20},
        POOL.name: {"pool": 90_000_000, "lastSlot": 1_975_583},
        CLOSE.name: {},
        HIVE.name: {"queen": QUEEN.address},
        MOTHER.name: {},
        "claimOf": {},
    }


def words_of(view: View, told: dict[str, Any]) -> bytes:
    """A view's answer."""
    empty = {"address": bytes(20), "bytes32": bytes(32)}
    return b"".join(encode_word(kind, told.get(name, empty.get(kind, 0))) for kind, name in view.outputs)


@dataclass
class FakeNode:
    """One node: change its fields to make it lie; `twist` may replace any result."""

    chain_id: int = DOMAIN.chain_id
    number: int = 100
    at_unix_s: int = NOW_UNIX_S - 12
    answers: dict[str, dict[str, Any]] = field(default_factory=honest)
    code: bytes = CODE
    twist: Callable[[str, Any], Any] = lambda method, result: result
    asked: list[str] = field(default_factory=list)

    def reply(self, body: bytes) -> bytes:
        """The JSON answer to one request."""
        question = json.loads(body)
        method, parameters = question["method"], question["params"]
        self.asked.append(method)
        result = self.twist(method, self._result(method, parameters))
        part = {"error": result} if isinstance(result, dict) and "code" in result else {"result": result}
        return json.dumps({"jsonrpc": "2.0", "id": question["id"], **part}).encode()

    def _result(self, method: str, parameters: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_getBlockByNumber":
            number = self.number if parameters[0] == "latest" else int(parameters[0], 16)
            hashed = "0x" + keccak(b"block" + number.to_bytes(8, "big")).hex()
            times = {"timestamp": hex(self.at_unix_s), "baseFeePerGas": hex(7)}
            return {"number": hex(number), "hash": hashed, "transactions": [], **times}
        if method == "eth_getCode":
            return "0x" + self.code.hex()
        if method != "eth_call":
            return None
        data = bytes.fromhex(parameters[0]["data"][2:])
        view = next((one for one in VIEWS if one.selector == data[:4]), ACCOUNT)
        return "0x" + words_of(view, self.answers[view.name]).hex()


Handler = Callable[[bytes], "tuple[int, bytes] | None"]


class Http:
    """A small HTTP server on a free port of the loopback; None as an answer means it never answers."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._held = asyncio.Event()
        self.bodies: list[bytes] = []
        self.url = ""

    async def __aenter__(self) -> "Http":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/rpc"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._held.set()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            body = await reader.readexactly(int(length.split(b":")[1]))
            self.bodies.append(body)
            answer = self._handler(body)
            if answer is None:
                await self._held.wait()
                return
            status, data = answer
            start = (
                data if status == 0 else b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(data), data)
            )
            writer.write(start)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def serving(node: FakeNode) -> Http:
    """A server in front of a node."""
    return Http(lambda body: (200, node.reply(body)))
