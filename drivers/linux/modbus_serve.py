"""The Worker as a Modbus TCP server: SunSpec models 1 and 203, read only, for inverters and other energy managers.

Power is positive while importing, TotWhImp and TotWhExp are the meter's cumulative totals; the models lie at 40000.
What is served is the latest look handed to `MeterRegisters.update`; a look older than STALE_AFTER_S is not served but
answered with exception 4, so that nobody steers by a meter that is away. Writes are refused with exception 1. A client
that speaks something else, or nothing for a minute, is cut off. Modbus has no password: keep the port in the house.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.linux.modbus_sunspec_tables import table
from drivers.modbus.slave import (
    FAILED,
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    TCP_HEADER,
    Refusal,
    Registers,
    answer_pdu,
    tcp_frame,
    tcp_request_length,
)
from drivers.modbus.sunspec_grid import meter_points
from drivers.modbus.sunspec_image import encode_chain
from drivers.sample import MeterSample

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORT = 1502
BASE = 40_000
STALE_AFTER_S = 30.0
IDLE_S = 60.0
MOST_CLIENTS = 8
_GATEWAY_NO_TARGET = 11


@dataclass(frozen=True, slots=True)
class ServedIdentity:
    """What model 1 says."""

    manufacturer: str
    model: str
    version: str
    serial: str
    unit: int = 1


class MeterRegisters(Registers):
    """Models 1 and 203 of the latest look."""

    def __init__(self, identity: ServedIdentity, now_s: Callable[[], float] = time.monotonic) -> None:
        """Nothing to serve before the first `update`."""
        self._identity = identity
        self._now_s = now_s
        self._image: dict[int, int] = {}
        self._at_s = float("-inf")

    def update(self, sample: MeterSample, import_milliwh: int, export_milliwh: int) -> None:
        """Serve this sample from now on, with the cumulative totals; one without power (energy only) is passed over."""
        if sample.power_w is None:
            return
        common: dict[str, int | str] = {
            "Mn": self._identity.manufacturer,
            "Md": self._identity.model,
            "Vr": self._identity.version,
            "SN": self._identity.serial,
            "DA": self._identity.unit,
        }
        meter = meter_points(sample, import_milliwh, export_milliwh)
        self._image = encode_chain(BASE, [(table(1), common), (table(203), meter)])[0]
        self._at_s = self._now_s()

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Holding registers; exception 4 while there is no fresh look."""
        if function != 3:
            raise Refusal(ILLEGAL_FUNCTION)
        if self._now_s() - self._at_s > STALE_AFTER_S:
            raise Refusal(FAILED)
        wanted = range(address, address + count)
        if any(place not in self._image for place in wanted):
            raise Refusal(ILLEGAL_ADDRESS)
        return [self._image[place] for place in wanted]

    def write(self, address: int, words: list[int]) -> None:
        """Refused: nothing here can be written."""
        raise Refusal(ILLEGAL_FUNCTION)


class SunSpecServer:
    """The server; `start` it in a running loop and `stop` it there."""

    def __init__(
        self,
        registers: Registers,
        *,
        host: str = "",
        port: int = DEFAULT_PORT,
        unit: int = 1,
        peers: Sequence[Network] | None = None,
    ) -> None:
        """Prepare: `host` "" listens on every address; port 0 takes a free one; `peers` None lets everybody ask."""
        self._registers, self._host, self.port, self._unit = registers, host, port, unit
        self._peers = peers
        self.refused = 0
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError for a port that is taken."""
        self._server = await asyncio.start_server(self._serve, self._host or None, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut every client off and stop listening."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes, is silent or speaks something else."""
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MOST_CLIENTS or not self._may_ask(writer):
            self.refused += 1
            writer.close()
            return
        self._clients.add(task)
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    head = await reader.readexactly(TCP_HEADER)
                    length = tcp_request_length(head)
                    if length < 0:
                        return
                    pdu = await reader.readexactly(length - TCP_HEADER)
                writer.write(tcp_frame(head, self._answer(head[TCP_HEADER - 1], pdu)))
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            return
        finally:
            self._clients.discard(task)
            writer.close()

    def _may_ask(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the client's address is one of the peers."""
        if self._peers is None:
            return True
        address = ipaddress.ip_address(writer.get_extra_info("peername")[0].partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._peers)

    def _answer(self, unit: int, pdu: bytes) -> bytes:
        if unit != self._unit:
            return bytes((pdu[0] & 0x7F | 0x80, _GATEWAY_NO_TARGET))
        if pdu[0] in (5, 6, 15, 16):
            return bytes((pdu[0] | 0x80, ILLEGAL_FUNCTION))
        return answer_pdu(self._registers, pdu)
