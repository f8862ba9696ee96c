"""The head as a Modbus unit: SunSpec 1 and 203 for anybody, and its sealed block for the Worker. Portable.

    HeadServer(meter, clock, HeadIdentity(...), key)     poll() every second, request(bytes) for every frame

Nothing can be written. A chip that is silent leaves the sequence where it is, so that the Worker notices; SunSpec
clients get exception 4 then.
"""

from collections import namedtuple

from drivers.bus import Clock
from drivers.errors import DriverError
from drivers.head.block import LENGTH, encode_block
from drivers.head.counts import HeadCounts
from drivers.head.tables import COMMON, METER
from drivers.modbus.slave import (
    FAILED,
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    Refusal,
    Registers,
    answer_pdu,
    rtu_content,
    rtu_frame,
    rtu_request_length,
)
from drivers.modbus.sunspec import END, HEADER
from drivers.modbus.sunspec_grid import meter_points
from drivers.modbus.sunspec_image import encode_chain
from drivers.sample import MeterSample

BASE = 40000
STALE_MS = 10000
LONGEST_REQUEST = 256
HeadIdentity = namedtuple("HeadIdentity", ("model", "version", "serial", "unit", "part", "boot", "board"))
MAKER = "Hive"


class HeadServer(Registers):
    """One head: the chip's driver behind it, registers in front."""

    def __init__(self, meter: object, clock: Clock, identity: HeadIdentity, key: bytes) -> None:
        """Take the chip's driver; nothing is read before the first `poll`."""
        self._meter, self._clock, self._identity, self._key = meter, clock, identity, key
        self._counts = HeadCounts(identity.part, identity.boot, identity.board)
        self._begun = self._polled = clock.ticks_ms()
        self._uptime_ms = 0
        self._image: dict[int, int] = {}
        self._block_at = 0
        self._started = False
        self.error = ""

    def poll(self) -> bool:
        """Look at the chip and serve what it says; False if it is silent (`error` says why), nothing is lost then."""
        self._tick()
        try:
            sample = self._meter.read() if self._started else self._meter.start()  # type: ignore[attr-defined]
        except DriverError as error:
            self.error = str(error)
            return False
        self._started, self.error = True, ""
        self._counts.add(sample)
        self._serve(sample)
        return True

    def request(self, received: bytes) -> "tuple[bytes, int]":
        """Return the answer to the first frame in what came (b"" for none), and how many bytes are used up."""
        length = rtu_request_length(received)
        if not length:
            return b"", 0 if len(received) < LONGEST_REQUEST else len(received)
        if len(received) < length:
            return b"", 0 if length <= LONGEST_REQUEST else len(received)
        content = rtu_content(received[:length])
        if content is None:
            return b"", 1
        if content[0] != self._identity.unit:
            return b"", length
        return rtu_frame(content[0], answer_pdu(self, content[1])), length

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Holding registers; models 1 and 203 only while they are fresh, the block always."""
        if function != 3:
            raise Refusal(ILLEGAL_FUNCTION)
        for place in range(address, address + count):
            if place not in self._image:
                raise Refusal(ILLEGAL_ADDRESS)
        inside_block = address >= self._block_at
        if not inside_block and count > HEADER and self._age_ms() > STALE_MS:
            raise Refusal(FAILED)
        return [self._image[place] for place in range(address, address + count)]

    def write(self, address: int, words: list[int]) -> None:
        """Refused: nothing here can be written."""
        raise Refusal(ILLEGAL_FUNCTION)

    def _tick(self) -> None:
        """Add up the time since the boot; the clock's counter may wrap."""
        now = self._clock.ticks_ms()
        self._uptime_ms += max(0, self._clock.ticks_diff(now, self._begun))
        self._begun = now

    def _age_ms(self) -> int:
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._polled)

    def _serve(self, sample: MeterSample) -> None:
        block = self._counts.block(self._uptime_ms // 1000)
        if sample.power_w is not None or not self._image:
            common = {
                "Mn": MAKER, "Md": self._identity.model, "Vr": self._identity.version, "SN": self._identity.serial,
                "DA": self._identity.unit,
            }  # fmt: skip
            step = block.step_nanowh
            imported, exported = block.import_counts * step // 1000000, block.export_counts * step // 1000000
            points = meter_points(sample, imported, exported)
            self._image = encode_chain(BASE, [(COMMON, common), (METER, points)])[0]
            self._block_at = max(self._image) - 1
        words = encode_block(block, self._key) + [END, 0]
        for offset in range(LENGTH + 2):
            self._image[self._block_at + offset] = words[offset]
        self._polled = self._clock.ticks_ms()
