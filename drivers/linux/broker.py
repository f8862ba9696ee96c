"""A lasting MQTT 3.1.1 session over TLS: the one adapter to the broker that both daemons use.

It reconnects with a growing pause, subscribes anew each time, hands messages to one handler in order of arrival, and
says online and (by the last will) offline on a status topic. Nothing is queued here: what must not be lost lies in
the caller's database and is sent again from `on_connected`. TCP_NODELAY is set, since without it a round trip with
six Workers takes 92 ms instead of 5 (README MQTT).
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from drivers.errors import DriverError

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_NETWORK_TIMEOUT_S = 5.0


Handler = Callable[[str, bytes], Coroutine[Any, Any, None]]
Greeting = Callable[[], Coroutine[Any, Any, None]]


class BrokerAway(DriverError):
    """The broker cannot be reached now; what was to be sent must be sent again after the next connection."""

    transient = True


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and which certificates prove who is who; `client_id` of `[a-z0-9-]` only."""

    host: str
    port: int
    client_id: str
    ca_file: Path
    certificate_file: Path
    key_file: Path
    keepalive_s: int = 30

    def tls(self) -> ssl.SSLContext:
        """A client context that trusts the Hive's authority only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(self.ca_file)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One publication."""

    topic: str
    payload: bytes
    qos: int
    retained: bool


class BrokerSession:
    """One client's session; `run` lasts until cancelled. Without `will` the broker says nothing when it breaks."""

    def __init__(
        self,
        address: BrokerAddress,
        subscriptions: list[tuple[str, int]],
        will: Outgoing | None,
        on_message: Handler,
        on_connected: Greeting,
    ) -> None:
        self._address = address
        self._subscriptions = subscriptions
        self._will = will
        self._on_message = on_message
        self._on_connected = on_connected
        self._client: aiomqtt.Client | None = None
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Keeps the session; one log line when the broker goes away, one when it is back."""
        pause_s, away = _FIRST_PAUSE_S, False
        while True:
            try:
                async with self._new_client() as client:
                    pause_s, away = _FIRST_PAUSE_S, False
                    _LOG.info("broker_connected host=%s port=%d", self._address.host, self._address.port)
                    await self._serve(client)
            except* (aiomqtt.MqttError, OSError, BrokerAway) as errors:
                if not away:
                    _LOG.warning("broker_away reason=%r", str(errors.exceptions[0]))
                away = True
            finally:
                self.connected.clear()
                self._client = None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _new_client(self) -> aiomqtt.Client:
        will = self._will
        return aiomqtt.Client(
            self._address.host,
            self._address.port,
            identifier=self._address.client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=self._address.keepalive_s,
            tls_context=self._address.tls(),
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retained),
            timeout=_NETWORK_TIMEOUT_S,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Subscribes, tells the caller, and hands over messages until the connection breaks."""
        if self._subscriptions:
            await client.subscribe(self._subscriptions)
        self._client = client
        self.connected.set()
        async with asyncio.TaskGroup() as group:
            greeting = group.create_task(self._on_connected(), name="broker-greeting")
            async for message in client.messages:
                if isinstance(message.payload, bytes):
                    await self._on_message(str(message.topic), message.payload)
            greeting.cancel()

    async def publish(self, out: Outgoing) -> None:
        """Hands one publication to the broker; BrokerAway when there is no connection or it breaks meanwhile.

        Returning proves nothing about delivery (README Delivery).
        """
        client = self._client
        if client is None:
            raise BrokerAway(f"no connection to the broker at {self._address.host}:{self._address.port}")
        try:
            await client.publish(out.topic, out.payload, qos=out.qos, retain=out.retained)
        except (aiomqtt.MqttError, OSError) as error:
            raise BrokerAway(f"publishing on {out.topic} failed: {error}") from error
