"""The counters between two readings, kept outside the process (README Storage).

A checksummed record is replaced in memory-backed storage after every sample (it survives a killed daemon), and on
the card every 60 s and at SIGTERM (it survives a power cut). The newest sound one wins at the next start.
"""

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

CARD_EVERY_S = 60
_NAME = "counters"


@dataclass(frozen=True, slots=True)
class Boundary:
    """The counters that close a slot, and the battery then (mWh), kept until the reading is in the journal."""

    slot: int
    import_nanowh: int
    export_nanowh: int
    flags: int
    stored_milliwh: int | None = None
    moved_milliwh: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Counters after the sample at `at_unix_s` (nano-watt-hours) and what an absolute meter showed then.

    `flags` are those of the running slot; `clean` says that the daemon ended in order. `chip` is what a chip that is
    not cleared by reading counts from (drivers.chips.ade_meter, `state`); empty for other meters.
    """

    at_unix_s: int
    import_nanowh: int
    export_nanowh: int
    raw_import_nanowh: int | None
    raw_export_nanowh: int | None
    flags: int
    boundary: Boundary | None
    clean: bool = False
    chip: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a start found; `from_card` if only the card's record was sound or newer, so a minute may be missing."""

    record: Record
    from_card: bool


def encode_record(record: Record) -> bytes:
    """One line: CRC-32 in hex, a space, JSON."""
    body = json.dumps(asdict(record), separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode_record(data: bytes) -> Record | None:
    """The record, or None where the checksum or the form does not fit."""
    check, _, body = data.rstrip(b"\n").partition(b" ")
    if check != b"%08x" % zlib.crc32(body):
        return None
    try:
        fields = json.loads(body)
        boundary = fields.pop("boundary")
        chip = tuple(int(one) for one in fields.pop("chip", ()))
        return Record(**fields, chip=chip, boundary=Boundary(**boundary) if boundary else None)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class Checkpoint:
    """Writes and finds the records; used by the meter thread only."""

    def __init__(self, runtime_dir: Path, state_dir: Path) -> None:
        self._memory = runtime_dir / _NAME
        self._card = state_dir / _NAME
        self._card_at_unix_s: int | None = None

    def find(self) -> Found | None:
        """The newest sound record, or None on a first start."""
        memory, card = self._read(self._memory), self._read(self._card)
        if memory is not None and (card is None or memory.at_unix_s >= card.at_unix_s):
            return Found(memory, from_card=False)
        return Found(card, from_card=not card.clean) if card is not None else None

    @staticmethod
    def _read(file: Path) -> Record | None:
        try:
            return decode_record(file.read_bytes())
        except OSError:
            return None

    def write(self, record: Record) -> None:
        """Keeps the record in memory, and on the card when its turn has come."""
        self._replace(self._memory, record, durable=False)
        if self._card_at_unix_s is None or record.at_unix_s - self._card_at_unix_s >= CARD_EVERY_S:
            self.write_card(record)

    def write_card(self, record: Record) -> None:
        """Keeps the record on the card, on disk when this returns."""
        self._replace(self._card, record, durable=True)
        self._card_at_unix_s = record.at_unix_s

    @staticmethod
    def _replace(file: Path, record: Record, *, durable: bool) -> None:
        fresh = file.with_suffix(".new")
        with fresh.open("wb") as out:
            out.write(encode_record(record))
            if durable:
                out.flush()
                os.fsync(out.fileno())
        os.replace(fresh, file)
