"""The remembered state of a simulated house in a buffer of fixed layout (a bytearray or a mapped file).

Layout, little endian: 8 bytes magic, then two records of equal size. A record is a sequence number, the
numbers of `HouseState` in order (the charge in 16 bytes, all else in 8), and a CRC-32 of both. Records are
written in turn, so that a process killed in the middle of a write leaves the record before it intact; the
valid record with the higher sequence number is the state.

The buffer of a mapped file survives the process that wrote it, so a restarted daemon finds its house as it
was.
"""

import struct
import zlib
from dataclasses import dataclass, replace

_MAGIC = b"HVHOUSE1"
_BODY = struct.Struct("<Q2q16s12q")
_RECORD_BYTES = _BODY.size + 4
STATE_BYTES = len(_MAGIC) + 2 * _RECORD_BYTES


class HouseStateError(ValueError):
    """The buffer does not hold the state of a house; the message says what was found and what to do."""


@dataclass(frozen=True)
class HouseState:
    """Time, set-point and ever-growing truth counters. 1 microjoule = 1 milliwatt during 1 millisecond, so
    all exact.

    `import` and `export` are the total of the phases split by its sign at every instant, as a settlement
    meter counts; the phase counters split each phase by its own sign. `charge` is in the unit of
    ``house_battery``.
    """

    at_unix_ms: int
    set_point_milliwatts: int
    charge: int
    import_microjoule: int
    export_microjoule: int
    import_a_microjoule: int
    import_b_microjoule: int
    import_c_microjoule: int
    export_a_microjoule: int
    export_b_microjoule: int
    export_c_microjoule: int
    load_microjoule: int
    pv_microjoule: int
    charged_microjoule: int
    discharged_microjoule: int


def new_state(at_unix_ms: int, charge: int) -> HouseState:
    """Return the state of a house that begins at a time (unix ms) with a charge and all counters at 0."""
    zero = HouseState(*([0] * 15))
    return replace(zero, at_unix_ms=at_unix_ms, charge=charge)


class StateBuffer:
    """Reads and writes `HouseState` in a caller's buffer of at least `STATE_BYTES` bytes."""

    def __init__(self, buffer: "bytearray | memoryview") -> None:
        """Take the buffer; an all-zero one is new, any other must carry the magic (HouseStateError)."""
        self._view = memoryview(buffer)
        if len(self._view) < STATE_BYTES or self._view.readonly:
            raise HouseStateError(f"a house needs a writable buffer of {STATE_BYTES} bytes, not {len(self._view)}")
        self._sequence = 0
        found = bytes(self._view[: len(_MAGIC)])
        if found not in (_MAGIC, bytes(len(_MAGIC))):
            raise HouseStateError(f"buffer begins with {found!r}, not with a house's state; give an empty buffer")

    def close(self) -> None:
        """Release the buffer."""
        self._view.release()

    def load(self) -> HouseState | None:
        """Return the newest valid state, None if the buffer is new; HouseStateError if both are broken."""
        if bytes(self._view[: len(_MAGIC)]) != _MAGIC:
            return None
        newest: HouseState | None = None
        for place in (0, 1):
            offset = len(_MAGIC) + place * _RECORD_BYTES
            raw = bytes(self._view[offset : offset + _RECORD_BYTES])
            body, check = raw[:-4], int.from_bytes(raw[-4:], "little")
            if zlib.crc32(body) != check:
                continue
            sequence, at, set_point, charge, *counters = _BODY.unpack(body)
            if sequence > self._sequence:
                whole = int.from_bytes(charge, "little")
                self._sequence, newest = sequence, HouseState(at, set_point, whole, *counters)
        if newest is None:
            raise HouseStateError("both records of the house's state are damaged; start the house with a new buffer")
        return newest

    def store(self, numbers: list[int]) -> None:
        """Write the numbers of a `HouseState`, in its order, into the older record."""
        self._sequence += 1
        at, set_point, charge, *counters = numbers
        body = _BODY.pack(self._sequence, at, set_point, charge.to_bytes(16, "little"), *counters)
        offset = len(_MAGIC) + (self._sequence & 1) * _RECORD_BYTES
        self._view[offset : offset + _RECORD_BYTES] = body + zlib.crc32(body).to_bytes(4, "little")
        if self._sequence == 1:
            self._view[: len(_MAGIC)] = _MAGIC
