"""What an emulated ADE chip remembers, in a buffer that outlives the process: two records, one written after the other.

    AdeMemory(buffer, chip).load() -> bool      put the newest sound record into the chip; False if there is none
    AdeMemory(buffer, chip).save()              write the other one

A record is a head (magic, number, length, CRC-32) and JSON. A process that is killed while it writes leaves the
record before. What only lasts a moment (a running reset, the place in PERIOD's settling) is not kept.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from drivers.sim.ade7878 import Ade7878Emulator
from drivers.sim.ade9000 import Ade9000Emulator
from drivers.sim.house_state import HouseStateError

RECORD_BYTES = 8192
MEMORY_BYTES = 2 * RECORD_BYTES
_MAGIC = b"HADE"
_HEAD = struct.Struct("<4sQII")
_LASTING = {
    Ade7878Emulator: ("now_ms", "resets", "lost_counts", "port", "locked", "_pulses", "_key", "_period_phase"),
    Ade9000Emulator: ("now_ms", "resets", "renewed_counts", "_registers", "_inner", "_period_start", "overflows"),
}
_COUNTERS = {Ade7878Emulator: ("_active", "_reactive"), Ade9000Emulator: ("_counters",)}


class AdeMemory:
    """One chip's place in a buffer of MEMORY_BYTES."""

    def __init__(self, buffer: memoryview, chip: Ade7878Emulator | Ade9000Emulator) -> None:
        """Remember both; nothing is read or written yet."""
        self._buffer = buffer
        self._chip: Any = chip
        self._kind = type(chip)
        self._number = 0

    def load(self) -> bool:
        """Put the newest sound record into the chip. Raises HouseStateError where something else is kept."""
        found = [one for one in (self._record(0), self._record(1)) if one is not None]
        if not found:
            if any(self._buffer[:MEMORY_BYTES]):
                raise HouseStateError("the house file keeps another chip; remove it, or name another house_file")
            return False
        self._number, document = max(found, key=lambda one: one[0])
        if document.pop("kind") != self._kind.__name__:
            raise HouseStateError("the house file keeps another ADE chip; remove it, or name another house_file")
        self._restore(document)
        return True

    def save(self) -> None:
        """Write what the chip remembers over the older record."""
        chip = self._chip
        words = chip.words.items() if isinstance(chip.words, dict) else enumerate(chip.words)
        document = {
            "kind": self._kind.__name__,
            "words": [(address, word) for address, word in words if word],
            "counters": [[(one.metered, one.rest) for one in getattr(chip, name)] for name in _COUNTERS[self._kind]],
            **{name: getattr(chip, name) for name in _LASTING[self._kind]},
        }
        body = json.dumps(document, separators=(",", ":")).encode()
        if len(body) > RECORD_BYTES - _HEAD.size:
            raise HouseStateError(f"the chip's state takes {len(body)} bytes, {RECORD_BYTES - _HEAD.size} are kept")
        self._number += 1
        at = self._number % 2 * RECORD_BYTES
        head = _HEAD.pack(_MAGIC, self._number, len(body), zlib.crc32(body))
        self._buffer[at : at + _HEAD.size + len(body)] = head + body

    def _record(self, place: int) -> tuple[int, dict[str, Any]] | None:
        at = place * RECORD_BYTES
        magic, number, length, check = _HEAD.unpack_from(self._buffer, at)
        body = bytes(self._buffer[at + _HEAD.size : at + _HEAD.size + min(length, RECORD_BYTES - _HEAD.size)])
        if magic != _MAGIC or zlib.crc32(body) != check:
            return None
        return number, json.loads(body)

    def _restore(self, document: dict[str, Any]) -> None:
        chip = self._chip
        for address in chip.words if isinstance(chip.words, dict) else range(len(chip.words)):
            chip.words[address] = 0
        for address, word in document["words"]:
            chip.words[address] = word
        for name, values in zip(_COUNTERS[self._kind], document["counters"], strict=True):
            for counter, (metered, rest) in zip(getattr(chip, name), values, strict=True):
                counter.metered, counter.rest = metered, rest
        for name in _LASTING[self._kind]:
            setattr(chip, name, document[name])
        chip.reconfigured()
