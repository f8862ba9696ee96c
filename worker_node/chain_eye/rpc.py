"""Plain JSON-RPC to one Ethereum node (execution APIs): just what a Worker's look and its rescue need.

A node's answer is untrusted input: bounded, decoded into the one type expected, refused by name otherwise.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from honey_edge.model.errors import HiveError
from worker_node.chain_eye.http import HttpFailed, Limits, host_of, post_json

_BLOCK_LIMITS = Limits(answer_bytes=1_048_576)
_LIMITS = Limits(answer_bytes=131_072)
_MESSAGE_LIMIT = 200
_KNOWN_ALREADY = ("already known", "already imported", "known transaction")
_BYTES = re.compile(r"0x([0-9a-fA-F]{2})*")

Quantity = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{1,64}\Z")]
Hash = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{64}\Z")]


class NodeFailed(HiveError):
    """A node of the chain does not answer, or answers nothing usable."""

    code = "E-NODE"
    transient = True


class NodeRefused(HiveError):
    """A node answers with an error of its own; `data` holds what a contract reverted with, else it is empty."""

    code = "E-NODE-REFUSED"

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.data = data


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Error | None = None


class _Block(msgspec.Struct):
    number: Quantity
    hash: Hash
    timestamp: Quantity
    baseFeePerGas: Quantity = "0x0"


class _Receipt(msgspec.Struct):
    status: Quantity
    blockNumber: Quantity
    gasUsed: Quantity
    effectiveGasPrice: Quantity = "0x0"


@dataclass(frozen=True, slots=True)
class Block:
    """A block's number, hash (64 hex digits), time and base fee."""

    number: int
    hash: str
    at_unix_s: int
    base_fee_wei: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction: whether it succeeded, where, and what it cost."""

    succeeded: bool
    block: int
    gas: int
    cost_wei: int


class Node:
    """One RPC address. Every method raises NodeFailed, or NodeRefused when the node says no."""

    def __init__(self, url: str) -> None:
        self.name = host_of(url)
        self._url = url

    async def chain_id(self) -> int:
        """The chain's number."""
        return int(await self._ask(Quantity, "eth_chainId"), 16)

    async def block(self, which: int | str) -> Block:
        """The header of a block, by number or tag."""
        named = which if isinstance(which, str) else hex(which)
        found = await self._ask(_Block | None, "eth_getBlockByNumber", named, False, limits=_BLOCK_LIMITS)
        if found is None:
            raise NodeFailed(f"{self.name} does not have block {which}")
        times = (int(text, 16) for text in (found.number, found.timestamp, found.baseFeePerGas))
        number, at_unix_s, fee = times
        return Block(number, found.hash[2:].lower(), at_unix_s, fee)

    async def view(self, contract: bytes, data: bytes, block: int | str = "latest", sender: bytes = b"") -> bytes:
        """What a call to a contract returns at a block."""
        call = {"to": "0x" + contract.hex(), "data": "0x" + data.hex()}
        if sender:
            call["from"] = "0x" + sender.hex()
        return await self._bytes("eth_call", call, block if isinstance(block, str) else hex(block))

    async def code(self, contract: bytes, block: int | str) -> bytes:
        """The code at an address; empty when there is none."""
        named = block if isinstance(block, str) else hex(block)
        return await self._bytes("eth_getCode", "0x" + contract.hex(), named)

    async def number(self, method: str, *parameters: Any) -> int:
        """The answer of a method that returns one quantity, such as eth_gasPrice."""
        return int(await self._ask(Quantity, method, *parameters), 16)

    async def send(self, raw: bytes) -> None:
        """Hands a signed transaction to the node; one that it knows already is no error."""
        try:
            await self._ask(Hash, "eth_sendRawTransaction", "0x" + raw.hex())
        except NodeRefused as error:
            if not any(
                text in str(error).lower() for text in ("already known", "already imported", "known transaction")
            ):
                raise

    async def receipt(self, transaction: bytes) -> Receipt | None:
        """The receipt of a transaction; None while it is not mined."""
        found = await self._ask(_Receipt | None, "eth_getTransactionReceipt", "0x" + transaction.hex())
        if found is None:
            return None
        gas, price = int(found.gasUsed, 16), int(found.effectiveGasPrice, 16)
        return Receipt(int(found.status, 16) == 1, int(found.blockNumber, 16), gas, gas * price)

    async def _bytes(self, method: str, *parameters: Any) -> bytes:
        text = await self._ask(str, method, *parameters)
        if not _BYTES.fullmatch(text):
            raise NodeFailed(f"{self.name}: {method} answers no bytes")
        return bytes.fromhex(text[2:])

    async def _ask(self, kind: Any, method: str, *parameters: Any, limits: Limits = _LIMITS) -> Any:
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        try:
            answer = await post_json(self._url, body, limits)
        except HttpFailed as error:
            raise NodeFailed(str(error), next_step=error.next_step) from error
        try:
            told = msgspec.json.decode(answer.body, type=_Answer)
            if told.error is None and answer.status == 200:
                return msgspec.json.decode(told.result, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            status = "" if answer.status == 200 else f" (HTTP {answer.status})"
            raise NodeFailed(f"{self.name}: {method} answers nothing usable{status}") from error
        if told.error is None:
            raise NodeFailed(f"{self.name}: {method} answers HTTP {answer.status}")
        reason = "".join(letter for letter in told.error.message if letter.isprintable())[:_MESSAGE_LIMIT]
        raise NodeRefused(f"{self.name}: {method}: {reason}", _revert_data(told.error.data))


def _revert_data(data: Any) -> bytes:
    """What a contract reverted with: nodes put it into `data` as text, or one level deeper."""
    inner = data.get("data") if isinstance(data, dict) else data
    if isinstance(inner, str) and _BYTES.fullmatch(inner):
        return bytes.fromhex(inner[2:])
    return b""
