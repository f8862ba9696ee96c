"""One HTTP POST over asyncio streams: bounded in time and size, no redirects, no proxy, nothing kept open.

h11 reads the answer (the same parser that serves the page), so a cancelled request leaves no thread behind.
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import h11

from honey_edge.model.errors import HiveError

_CHUNK_BYTES = 16_384
_PORTS = {"http": 80, "https": 443}


class HttpFailed(HiveError):
    """An address does not answer, answers too much, too late, or not in HTTP."""

    code = "E-HTTP"
    transient = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one exchange may take in all, seconds, and how large the answer's body may be."""

    seconds: float = 10.0
    answer_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """Status number and body."""

    status: int
    body: bytes


def split_url(url: str) -> SplitResult:
    """The parts of an http or https address; HttpFailed for anything else, or one that carries a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(ord(letter) <= 32 or ord(letter) > 126 for letter in url):
        raise HttpFailed(f"{url[:80]!r} is no address such as https://host:8545", next_step="correct the address")
    return parts


def host_of(url: str) -> str:
    """Host and port of an address, for logs and pages: the path may hold a key of its provider."""
    parts = split_url(url)
    return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


async def post_json(url: str, body: bytes, limits: Limits = Limits()) -> Answer:
    """Posts a JSON body. Raises HttpFailed, whatever goes wrong on the way."""
    parts = split_url(url)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _exchange(parts, body, limits)
    except TimeoutError as error:
        raise HttpFailed(f"{host_of(url)}: no answer within {limits.seconds:g} s") from error
    except h11.ProtocolError as error:
        raise HttpFailed(f"{host_of(url)}: answers something that is not HTTP: {error}") from error
    except (OSError, ssl.SSLError, UnicodeError) as error:  # a host name that is none is a UnicodeError
        raise HttpFailed(f"{host_of(url)}: {error}") from error


async def _exchange(parts: SplitResult, body: bytes, limits: Limits) -> Answer:
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    context = await asyncio.to_thread(ssl.create_default_context) if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_CHUNK_BYTES)
        writer.write(_request(talk, parts, body))
        await writer.drain()
        return await _answer(talk, reader, limits.answer_bytes, f"{host}:{port}")
    finally:
        writer.close()


def _request(talk: h11.Connection, parts: SplitResult, body: bytes) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [
        ("Host", parts.netloc),
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("Content-Length", str(len(body))),
        ("User-Agent", "hive-worker"),
        ("Connection", "close"),
    ]
    events: list[Any] = [
        h11.Request(method="POST", target=target, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ]
    return b"".join(talk.send(event) or b"" for event in events)


async def _answer(talk: h11.Connection, reader: asyncio.StreamReader, limit_bytes: int, name: str) -> Answer:
    """Status and body; HttpFailed once the body passes its limit."""
    status, body = 0, bytearray()
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            talk.receive_data(await reader.read(_CHUNK_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > limit_bytes:
                raise HttpFailed(f"{name}: the answer is larger than {limit_bytes} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise HttpFailed(f"{name}: the answer ended too early")
